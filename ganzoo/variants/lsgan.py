"""LSGAN: a discriminator that regresses on codes, so that a fake far from the data is told how far.

Cross entropy leaves a fake on the right side of the boundary almost alone, however far from the data it lies; a
square pulls it back in proportion to its distance. With fake code a0, real code b and target c the optimal
discriminator is (b p + a0 q) / (p + q). Where b - c = 1 and b - a0 = 2 the generator's loss there, with the same term
on data added (through which it has no gradient), is half of sum (p - q)^2 / (p + q), a Pearson chi-square divergence.
A target equal to the real code is the plainer regression, without that theorem.
"""

from ganzoo.gan import GAN
from ganzoo.registry import register


@register("lsgan")
class LSGAN(GAN):
    """Least squares to codes in place of cross entropy, against vanishing gradients.

    Args:
        objective: `"least_squares"`, codes -1 (fake), 1 (real) and target 0, those of the theorem; or
            `"least_squares_binary"`, codes 0 and 1 and target 1.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x (a(x) - b)^2 / 2 + E_z (a(G) - a0)^2 / 2
        G: E_z (a(G) - c)^2 / 2

    Source: Mao et al. 2016, "Least squares generative adversarial networks", https://arxiv.org/abs/1611.04076.

    Paper: codes (0, 1, 1) in the authors' code, for LSUN at 112x112: Adam 1e-3 (0.5, 0.999), batch 64,
        z ~ U(-1, 1)^1024, batch norm in both networks; 2e-4 for their characters. No sigmoid.

    Deviation: the default has the codes of the theorem; the recipe `lsgan_binary` has the authors'. The networks are
        DCGAN's for 32x32, with 128 latents and rate 2e-4; the authors' code sums over the batch, which Adam cancels.
    """

    prior = "uniform"
    objective = "least_squares"
