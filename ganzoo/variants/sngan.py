"""SNGAN: a discriminator whose every layer stretches nothing.

A layer x -> W x changes distances by at most the largest singular value of W. With every W divided by it, and
activations that stretch nothing either, the discriminator as a whole is nearly 1-Lipschitz, everywhere and not only at
the points of a penalty. One step of power iteration an update follows the singular value as W changes; its cost is
small beside that of a gradient penalty.
"""

from ganzoo.gan import GAN
from ganzoo.registry import register


@register("sngan")
class SNGAN(GAN):
    """The hinge game against a discriminator with spectral normalisation.

    Args:
        networks: the discriminator's option `spectral` is what makes the game; it goes with any variant.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x max(0, 1 - a(x)) + E_z max(0, 1 + a(G))
        G: -E_z a(G)
        every layer of D: W / sigma(W), sigma(W) = v^T W u; v <- W u / ||W u||, u <- W^T v / ||W^T v||

    Source: Miyato et al. 2018, "Spectral normalization for generative adversarial networks",
        https://arxiv.org/abs/1802.05957, eqs. 8, 16 and 17, algorithm 1.

    Paper: on CIFAR-10 with these networks Adam 2e-4 (0.5, 0.999), batch 64, one discriminator step (setting C of
        its table 1); z ~ N(0, I) of 128 numbers.

    Deviation: the discriminator is chainer-gan-lib's, with the paper's kernels and strides but more filters early, and
        leaky ReLU of slope 0.2 where the paper has 0.1. Power iteration takes one step each time that the
        discriminator scores a batch in training, so three a round.
    """

    objective = "hinge"
    default_networks = {
        "generator": {"architecture": "dcgan"},
        "discriminator": {"architecture": "dcgan", "normalized": False, "spectral": True},
    }
