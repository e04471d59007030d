"""Locally stable GANs: a generator that keeps the discriminator's gradient small.

Near an equilibrium gradient descent on a GAN converges where D's curvature is full; where it is not (a linear critic,
or a Wasserstein game) the players may turn around it for ever. A generator that also minimises ||grad_D V||^2, the
squared norm of the gradient that D follows, goes only where D has little to gain: one step of foresight, with which the
equilibrium is locally exponentially stable in these games, too.
"""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from ganzoo.distribution import replica_count, squared_norm
from ganzoo.gan import GAN, Terms
from ganzoo.networks import DCGAN_WITHOUT_NORM
from ganzoo.noise import Stream
from ganzoo.registry import register
from ganzoo.settings import NonNegativeFloat


@register("locally_stable")
class LocallyStable(GAN):
    """The minimax game with a generator that also minimises the squared norm of D's gradient.

    Args:
        objective: the value V and who minimises what of it; the paper's are `"minimax"` and `"wasserstein"`.
        stability_weight: the paper's eta.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial, generator/stability.

    Equations:
        D: -V, V = -E_x sp(-a(x)) - E_z sp(a(G))
        G: -E_z sp(a(G)) + eta ||d V / d D||^2, the norm over all weights of D

    Source: Nagarajan & Kolter 2017, "Gradient descent GAN optimization is locally stable",
        https://arxiv.org/abs/1706.04156, the gradient-based regulariser.

    Paper: eta 0.5 on eight Gaussians, in a dense generator 256-128-128-2 and discriminator 2-128-1, Adam 1e-4
        (0.5, 0.999), batch 512, up to 100,000 steps (the authors' code). The analysis has both players step at once.

    Deviation: the authors' code alternates the players, D first (`simultaneous = false` here). V is without a
        penalty of D, if there is one. The networks on images are those of the other recipes, without batch norm.
    """

    objective = "minimax"
    stability_weight: NonNegativeFloat = 0.5
    latent_dim = 256
    simultaneous = True

    second_order: ClassVar = ("discriminator",)
    default_networks: ClassVar[Mapping[str, Mapping]] = DCGAN_WITHOUT_NORM
    terms: ClassVar = {"discriminator": ("adversarial",), "generator": ("adversarial", "stability")}

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the generator's part of the value, and the squared norm of the discriminator's gradient."""
        with tf.GradientTape() as tape:
            value = tf.add_n(list(self.discriminator_terms(real, fake, noise).values())) / replica_count()
        gradients = tape.gradient(value, self.discriminator.trainable_variables)
        norm = squared_norm([g for g in gradients if g is not None])
        return super().generator_terms(real, fake, noise) | {"stability": self.stability_weight * norm}
