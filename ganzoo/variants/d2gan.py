"""D2GAN: two discriminators, so that the generator minimises KL divergences of both directions.

KL(p || q), with p the data density and q the generator's, punishes what the generator leaves out, KL(q || p) what it
should not have made. One discriminator rewards data and the other fakes; both give positive numbers without bound
instead of probabilities. At their optimum, alpha p / q and beta q / p, the generator's loss is a weighted sum of the
two divergences.
"""

from typing import Annotated, ClassVar

import pydantic
import tensorflow as tf

from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.registry import register
from ganzoo.settings import Fixed

Weight = Annotated[float, pydantic.Field(gt=0, le=1)]


def log_softplus(scores: tf.Tensor) -> tf.Tensor:
    """Returns log softplus(a), a itself where softplus would lose its digits; the gradient is finite everywhere."""
    low = scores < -20.0
    return tf.where(low, scores, tf.math.log(tf.nn.softplus(tf.where(low, 0.0, scores))))


@register("d2gan")
class D2GAN(GAN):
    """A generator between a discriminator that rewards data and one that rewards fakes, both without bound.

    Args:
        alpha: weight of log d1 on data, in (0, 1]: of KL(p || q) at the optimum.
        beta: weight of log d2 on fakes, in (0, 1]: of KL(q || p) at the optimum.
        objective: fixed; the game has its own.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, second_discriminator/adversarial, generator/first, generator/second.

    Equations:
        d1 = sp(a), d2 = sp(b)
        D1: -alpha E_x log d1(x) + E_z d1(G)
        D2: E_x d2(x) - beta E_z log d2(G)
        G: -E_z d1(G) + beta E_z log d2(G)

    Source: Nguyen et al. 2017, "Dual discriminator generative adversarial nets",
        https://arxiv.org/abs/1709.03831.

    Paper: Adam 2e-4, batch 64, alpha and beta tuned per data set among small numbers, 0.01 to 0.2; both 1 in the
        authors' code for toy data (z ~ N(0, I)^256, batch 512).

    Deviation: the networks are chainer-gan-lib's, with batch norm in both discriminators; the paper has its own.
    """

    alpha: Weight = 1.0
    beta: Weight = 1.0
    objective: Fixed = None

    prior = "uniform"
    latent_dim = 100
    opponents: ClassVar = ("discriminator", "second_discriminator")
    default_networks: ClassVar = {
        "generator": {"architecture": "dcgan"},
        "discriminator": {"architecture": "dcgan"},
        "second_discriminator": {"architecture": "dcgan"},
    }
    terms: ClassVar = {
        "discriminator": ("adversarial",),
        "second_discriminator": ("adversarial",),
        "generator": ("first", "second"),
    }

    def discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns what the discriminator minimises that rewards data."""
        on_real = self.alpha * tf.reduce_mean(log_softplus(self.scores(real)))
        return {"adversarial": tf.reduce_mean(tf.nn.softplus(self.scores(fake))) - on_real}

    def second_discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns what the discriminator minimises that rewards fakes."""
        on_real = tf.reduce_mean(tf.nn.softplus(self.scores(real, "second_discriminator")))
        return {"adversarial": on_real - self._log_second(fake)}

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the two discriminators' parts of the generator's loss."""
        return {
            "first": -tf.reduce_mean(tf.nn.softplus(self.scores(fake))),
            "second": self._log_second(fake),
        }

    def _log_second(self, fake: tf.Tensor) -> tf.Tensor:
        return self.beta * tf.reduce_mean(log_softplus(self.scores(fake, "second_discriminator")))
