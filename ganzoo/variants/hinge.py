"""Geometric GAN: the discriminator as a support vector machine, the loss of SNGAN, SAGAN and BigGAN.

An example counts only until its score is past the margin on its own side, so D learns from those near the boundary
and leaves the rest alone; the generator moves fakes along the normal of the separating hyperplane. The optimal
discriminator is sign(p - q), with the loss 2 sum min(p, q) = 2 (1 - TV(p, q)): the game is on total variation.
"""

from ganzoo.gan import GAN
from ganzoo.registry import register


@register("hinge")
class Hinge(GAN):
    """The margin of a support vector machine as the discriminator's loss; total variation as the game's value.

    Args:
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x max(0, 1 - a(x)) + E_z max(0, 1 + a(G))
        G: -E_z a(G)

    Source: Lim & Ye 2017, "Geometric GAN", https://arxiv.org/abs/1705.02894.

    Paper: in the authors' code RMSprop 2e-4 (0.99), batch 64, z ~ N(0, I)^100, DCGAN's networks at 64x64.

    Deviation: the authors' code takes ten generator steps after each of D's, and decays the weights of D's last layer
        by 1 / batch, the machine's own norm; here both players step once and nothing decays, as in all that took
        the loss over.
    """

    latent_dim = 100
    objective = "hinge"
