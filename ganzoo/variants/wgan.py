"""WGAN: a critic of bounded slope, whose loss estimates how far fakes are from data.

The Wasserstein-1 distance is the largest E_x f(x) - E_z f(G) over all f of slope at most 1. Unlike the
Jensen-Shannon divergence it tells apart distributions that do not overlap, so the critic may be trained well, and
its loss says how training goes. Clipping every weight to [-c, c] bounds the slope, by some unknown constant: the
loss estimates a multiple of the distance. The authors call the clipping terrible themselves; `wgan_gp` replaces it.
"""

from collections.abc import Mapping

import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.gan import GAN
from ganzoo.registry import register
from ganzoo.settings import PositiveFloat


@register("wgan")
class WGAN(GAN):
    """A critic with clipped weights, which estimates the Wasserstein distance.

    Args:
        clip_value: the largest magnitude of the critic's trainable weights, the paper's c.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible; if there is a penalty, too.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_z a(G) - E_x a(x), then w <- min(max(w, -c), c)
        G: -E_z a(G)

    Source: Arjovsky et al. 2017, "Wasserstein GAN", https://arxiv.org/abs/1701.07875, algorithm 1.

    Paper: c 0.01, 5 critic steps, RMSprop 5e-5, batch 64; z ~ N(0, I)^100, DCGAN's networks with batch norm. Momentum
        made it unstable.

    Deviation: the authors' code takes 100 critic steps in the first 25 rounds and in every 500th; here always 5.
        The critic's batch norm has no scale, which theirs clips, too.
    """

    objective = "wasserstein"
    discriminator_steps = 5
    latent_dim = 100
    clip_value: PositiveFloat = 0.01

    def check(self) -> None:
        """Refuses a penalty beside the clipping."""
        super().check()
        if self.penalty:
            raise InputError(
                f"penalty={self.penalty!r} beside clip_value={self.clip_value}: clipping bounds the critic's slope "
                "already, far below what a penalty asks for; leave the penalty out, or take wgan_gp"
            )

    def apply(self, gradients: Mapping[str, list]) -> None:
        """Applies player -> gradients, then clips the weights of the opponents among them."""
        super().apply(gradients)
        for opponent in set(gradients) & set(self.opponents):
            for weight in getattr(self, opponent).trainable_variables:
                weight.assign(tf.clip_by_value(weight, -self.clip_value, self.clip_value))
