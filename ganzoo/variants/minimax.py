"""The game as first stated: one value that the discriminator raises and the generator lowers.

At the optimal discriminator the value is -log 4 + 2 JS(p, q), so the generator descends the Jensen-Shannon
divergence of data and fakes. The catch is in the same formula: where D tells the two apart the divergence is flat
at log 2, and the gradient -s(a) in the score of a fake vanishes. The paper itself advises against training with it,
and for what is `non_saturating` here.
"""

from ganzoo.gan import GAN
from ganzoo.registry import register


@register("minimax")
class Minimax(GAN):
    """The zero-sum game on the cross entropy, whose value is the Jensen-Shannon divergence.

    Args:
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G))
        G: -E_z sp(a(G))

    Source: Goodfellow et al. 2014, "Generative adversarial networks", https://arxiv.org/abs/1406.2661, eq. 1,
        theorem 1.

    Paper: k = 1 discriminator step; in the authors' MNIST code SGD 0.1 with momentum 0.5 rising to 0.7, batch 100,
        100 latents, dense networks: ReLU in G, maxout with dropout in D.

    Deviation: optimizer, batch, latents and networks are DCGAN's, for 32x32 images.
    """

    prior = "uniform"
    latent_dim = 100
    objective = "minimax"
