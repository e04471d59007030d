"""WGAN-GP: the critic's slope drawn to 1 where it matters, in place of clipped weights.

Clipping drives a critic's weights to the bounds and its functions to simple ones. An optimal critic has slope 1 on the
lines between the points that it couples; the penalty asks for that at a random point between each real and a fake,
example by example. Hence no batch norm in the critic. With two points at distance d the best slope is
1 + d / (2 lambda): the loss overestimates the distance, by d^2 / (4 lambda).
"""

from typing import ClassVar

from ganzoo.gan import GAN
from ganzoo.registry import register


@register("wgan_gp")
class WGANGP(GAN):
    """A critic whose slope between data and fakes is drawn to 1, for the Wasserstein distance.

    Args:
        penalty_weight: the paper's lambda.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, discriminator/penalty, generator/adversarial.

    Equations:
        D: E_z a(G) - E_x a(x) + lambda E (||grad a(y)|| - 1)^2
        G: -E_z a(G)
        y = x + u (G - x), u ~ U(0, 1) an example

    Source: Gulrajani et al. 2017, "Improved training of Wasserstein GANs", https://arxiv.org/abs/1704.00028, eq. 3,
        algorithm 1.

    Paper: lambda 10, 5 critic steps, Adam 1e-4 (0, 0.9), batch 64, z ~ N(0, I)^128. The residual networks on CIFAR-10,
        in the authors' code: Adam 2e-4 (0, 0.9), falling to 0 linearly over 100,000 rounds.

    Deviation: of the authors' CIFAR-10 code, the generator's batch is not twice the critic's, and the pixels get no
        noise within their grey level. All kernels start He uniform, theirs of 1x1 and at the outputs Glorot uniform,
        and the critic's last one N(0, 0.02^2).

    Elsewhere: some libraries take one norm over the whole batch in place of one an example, which is another penalty.
    """

    objective = "wasserstein"
    discriminator_steps = 5
    penalty = "interpolates"
    default_networks: ClassVar = {
        "generator": {"architecture": "resnet"},
        "discriminator": {"architecture": "resnet", "pooled": True},
    }
