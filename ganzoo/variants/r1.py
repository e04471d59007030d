"""R1: the least regularisation with which a GAN converges near its solution.

The counter-example is the Dirac-GAN: data at 0, one fake at theta, a discriminator psi x. The minimax game circles
the solution, as does WGAN with any fixed number of critic steps, and the non-saturating one nears it ever more slowly,
for at the solution nothing stops D from having a slope. The cure is to charge D for its slope on the data alone: there,
once fakes match, it has to be flat. The linearised game then has eigenvalues with negative real parts, and converges.
"""

from typing import ClassVar

from ganzoo.gan import GAN
from ganzoo.registry import register


@register("r1")
class R1(GAN):
    """The non-saturating game with D's squared gradient on the data as a penalty, for local convergence.

    Args:
        penalty: `"real"`, R1; `"fake"` is the paper's R2.
        penalty_weight: the paper's gamma / 2.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, discriminator/penalty, generator/adversarial.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G)) + gamma / 2 E_x ||grad a(x)||^2
        G: E_z sp(-a(G))

    Source: Mescheder et al. 2018, "Which training methods for GANs do actually converge?",
        https://arxiv.org/abs/1801.04406, section 4.

    Paper: gamma 10, RMSprop 1e-4 (0.99), batch 64, one discriminator step, z ~ N(0, I)^256, residual networks without
        batch norm, averaged generator (0.999).

    Deviation: the networks are DCGAN's for 32x32, without batch norm in D; 128 latents.

    Elsewhere: the authors' code multiplies the squared norm by gamma, without the half: it runs `penalty_weight=10`.
    """

    penalty = "real"
    penalty_form = "plain"
    penalty_weight = 5.0
    default_networks: ClassVar = {
        "generator": {"architecture": "dcgan"},
        "discriminator": {"architecture": "dcgan", "normalized": False},
    }
