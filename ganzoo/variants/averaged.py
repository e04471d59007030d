"""Averaged iterates: the generator that samples is the uniform mean of all that were.

As two players that each minimise their regret, simultaneous gradient descent need not converge: on min max xy it turns
outwards. But in convex-concave games the uniform mean of the iterates goes to an equilibrium, at the rate of the mean
regret, 1/sqrt(T) for gradient descent. The training is the plain game; only what is sampled differs. Networks make the
game neither convex nor concave, so for them it is a heuristic.
"""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from ganzoo.gan import GAN
from ganzoo.registry import register
from ganzoo.settings import Fixed


@register("averaged")
class Averaged(GAN):
    """The non-saturating game, sampled from the uniform mean of all of the generator's iterates.

    Args:
        ema_momentum: has no meaning here; the mean is uniform.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G))
        G: E_z sp(-a(G))
        sampled after T rounds: (w_1 + ... + w_T) / T, w_t the generator's weights after round t

    Source: Kodali et al. 2018, "On convergence and stability of GANs", https://arxiv.org/abs/1705.07215, section 2.2.

    Paper: a theorem, without an experiment: in convex-concave games the means of no-regret players (follow the
        regularised leader; with a squared norm it is online gradient descent) have duality gap (R1 + R2) / T.

    Deviation: the discriminator's mean, part of the theorem's equilibrium, has no use in sampling and is not kept. The
        generator has no batch norm: the mean of its statistics would not be the statistics of the mean weights.
    """

    ema_momentum: Fixed = None
    simultaneous = True

    default_networks: ClassVar[Mapping[str, Mapping]] = {
        "generator": {"architecture": "dcgan", "normalized": False},
        "discriminator": {"architecture": "dcgan"},
    }

    def average_generator(self) -> None:
        """Takes the generator's new weights into the mean; after the first round they are the mean."""
        step = tf.cast(self.step.value, tf.float32)
        kept = step / (step + 1.0)
        for average, weight in zip(self.averaged_generator.weights, self.generator.weights, strict=True):
            average.assign(weight + kept * (average - weight))
