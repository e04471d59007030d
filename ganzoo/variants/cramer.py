"""Cramer GAN: the Wasserstein distance estimated from a batch has a biased gradient, the energy distance has not.

Minimising the Wasserstein distance to a batch of data is, in expectation, not minimising the one to the data: on
small batches it can end elsewhere. The energy distance, of which the Cramer distance is the case of one dimension,
is as sensitive to how far apart two distributions are, and its gradient from two independent fakes a data point
is unbiased. It is taken not between images but between their features h, which the critic learns so that it is
large, under WGAN-GP's penalty.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import tensorflow as tf

from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.penalties import FORMS, POINTS, TINY, squared_gradient_norms
from ganzoo.registry import register
from ganzoo.settings import Fixed, PositiveInt, one_of


def length(vectors: tf.Tensor) -> tf.Tensor:
    """Returns the norm of each row, [B]; its gradient is finite at 0, too."""
    return tf.sqrt(tf.reduce_sum(tf.square(vectors), axis=1) + TINY)


def witness(features: tf.Tensor, others: tf.Tensor) -> tf.Tensor:
    """Returns f = ||h - h'|| - ||h|| of each pair of rows, [B]: how far features are from those of a fake."""
    return length(features - others) - length(features)


@register("cramer")
class CramerGAN(GAN):
    """The energy distance between learned features of data and of fakes.

    Args:
        penalty: where the gradient of f is penalised; `"interpolates"`, as WGAN-GP's.
        discriminator_steps: the critic's updates a round.
        objective: fixed; the game has its own.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, discriminator/penalty, generator/adversarial.

    Equations:
        f(x) = ||h(x) - h(G')|| - ||h(x)||, h in R^256, G' = G(z') a second, independent fake
        D: E_z f(G) - E_x f(x) + lambda E (||grad f(x + u (G - x))|| - 1)^2, u ~ U(0, 1)
        G: E ||h(x) - h(G)|| + E ||h(x) - h(G')|| - E ||h(G) - h(G')||

    Source: Bellemare et al. 2017, "The Cramer distance as a solution to biased Wasserstein gradients",
        https://arxiv.org/abs/1705.10743.

    Paper: lambda 10, five critic updates a round, features of 256, Adam 1e-4 (0.5, 0.9), z ~ N(0, I).

    Deviation: the networks are chainer-gan-lib's at 32x32, the critic without batch norm. Under the roots is 1e-12, or
        a norm of 0 would have no gradient.

    Elsewhere: chainer-gan-lib updates the generator before the critic, and holds both directions, h - h(G') and h, in
        the gradient of the penalty.
    """

    penalty: Annotated[str, one_of(POINTS)] | None = "interpolates"
    objective: Fixed = None

    discriminator_steps: PositiveInt = 5
    default_networks: ClassVar[Mapping[str, Mapping]] = {
        "generator": {"architecture": "dcgan"},
        "discriminator": {"architecture": "dcgan", "normalized": False, "outputs": 256},
    }

    def scores(self, images: tf.Tensor, opponent: str = "discriminator") -> tf.Tensor:
        """Returns the features h, float32 [B, 256]: a score, f, takes a second fake too."""
        return super().scores(images, opponent)

    def second_fake(self, fake: tf.Tensor, noise: Stream) -> tf.Tensor:
        """Returns as many fakes as `fake`, independent of it, as the critic sees them."""
        second = Stream(noise.seed, noise.step, f"{noise.update}/second")
        return self.seen(self.make_fake(tf.shape(fake)[0], second), second, "fake")

    def discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns how much farther from a fake the other fakes are than the data, and the penalty of f, if any."""
        others = self.scores(self.second_fake(fake, noise))
        gap = witness(self.scores(fake), others) - witness(self.scores(real), others)
        terms = {"adversarial": tf.reduce_mean(gap)}
        if self.penalty:
            points = POINTS[self.penalty](real, fake, noise, self.penalty_noise_scale)
            # h(G') is not held fixed: then longer features seem to lower the slope, and the critic grows without end.
            norms = squared_gradient_norms(lambda x: witness(self.scores(x), others), points)
            terms["penalty"] = self.penalty_weight * FORMS[self.penalty_form](norms, self.penalty_target)
        return terms

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the energy distance, but for its part that does not depend on the generator."""
        data, first, second = (self.scores(images) for images in (real, fake, self.second_fake(fake, noise)))
        distance = length(data - first) + length(data - second) - length(first - second)
        return {"adversarial": tf.reduce_mean(distance)}

    def penalty_terms(self, opponent: str, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns nothing: the penalty is one of f, and `discriminator_terms` has made its second fake."""
        return {}
