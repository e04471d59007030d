"""The game that nearly every GAN is measured against: the generator raises log D of its fakes.

It has the fixed points of `minimax`, and a gradient -s(-a) in the score of a fake that is largest where D is sure of
the fake, so that the generator learns from the start. It is no zero-sum game: at the optimal discriminator, held
fixed, the generator descends KL(q || p) - 2 JS(p, q), which forgives fakes that leave modes of the data out.
"""

from ganzoo.gan import GAN
from ganzoo.registry import register


@register("non_saturating")
class NonSaturating(GAN):
    """The cross-entropy game whose generator raises log D, against vanishing gradients.

    Args:
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G))
        G: E_z sp(-a(G))

    Source: Goodfellow et al. 2014, "Generative adversarial networks", https://arxiv.org/abs/1406.2661, section 3;
        the divergence: Arjovsky & Bottou 2017, https://arxiv.org/abs/1701.04862, theorem 2.5.

    Paper: k = 1 discriminator step; in the authors' MNIST code SGD 0.1 with momentum 0.5 rising to 0.7, batch 100,
        100 latents, dense networks: ReLU in G, maxout with dropout in D.

    Deviation: optimizer, batch, latents and networks are DCGAN's, for 32x32 images: the same game as `dcgan`.
    """

    prior = "uniform"
    latent_dim = 100
    objective = "non_saturating"
