"""Instance noise: data and fakes are blurred until they overlap.

Data and fakes lie on thin sets that hardly meet. A discriminator can then be perfect and flat, and its gradient tells
the generator nothing. Noise on both gives them densities that are positive everywhere: the optimal logit is finite
and slopes from fakes to data at any distance. The noise falls to nothing as training goes on.
"""

from ganzoo.gan import GAN
from ganzoo.registry import register
from ganzoo.settings import NonNegativeFloat, NonNegativeInt


@register("instance_noise")
class InstanceNoise(GAN):
    """The non-saturating game with Gaussian noise, which fades, on all that the discriminator sees.

    Args:
        instance_noise: standard deviation of the noise at the start, in pixels of [-1, 1].
        instance_noise_steps: rounds in which it falls to 0 linearly; 0: it stays.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x sp(-a(x + e)) + E_z sp(a(G + e')), e, e' ~ N(0, sigma^2 I)
        G: E_z sp(-a(G + e'))

    Source: Arjovsky & Bottou 2017, "Towards principled methods for training generative adversarial networks",
        https://arxiv.org/abs/1701.04862, section 3.

    Paper: theory; no setting is given.

    Deviation: sigma 0.1 and its fall over the recipe's 100,000 rounds are our choice, the rest is DCGAN's (Adam 2e-4
        (0.5, 0.999), batch 128, z ~ U(-1, 1)^100).

    Elsewhere: Sønderby et al. 2017, https://arxiv.org/abs/1610.04490, have the same idea from super-resolution.
    """

    instance_noise: NonNegativeFloat = 0.1
    instance_noise_steps: NonNegativeInt = 0
    prior = "uniform"
    latent_dim = 100
