"""Gradient penalties in three separate steps: where the gradient is taken, its norm, what is asked of it.

A penalty is named by its points (`POINTS`) and its form (`FORMS`); any pair goes with any objective.
Six public libraries ship four different penalties as "DRAGAN": all four rules for its points are here.
"""

from collections.abc import Callable

import tensorflow as tf

from ganzoo import distribution
from ganzoo.noise import Stream

# Under the root, or the gradient of the norm is NaN where the norm is 0.
TINY = 1e-12


def _fraction(images: tf.Tensor, noise: Stream) -> tf.Tensor:
    """Returns one U(0, 1) number an example, [B, 1, ...]."""
    return noise.uniform("penalty/fraction", (tf.shape(images)[0], *([1] * (images.shape.rank - 1))))


def _per_value(images: tf.Tensor) -> tuple:
    return (tf.shape(images)[0], *images.shape[1:])


def interpolates(real: tf.Tensor, fake: tf.Tensor, noise: Stream, scale: float | None = None) -> tf.Tensor:
    """Returns points on the segment between each real and its fake (Gulrajani et al. 2017, algorithm 1)."""
    return real + _fraction(real, noise) * (fake - real)


def at_real(real: tf.Tensor, fake: tf.Tensor, noise: Stream, scale: float | None = None) -> tf.Tensor:
    """Returns the real batch itself (R1 of Mescheder et al. 2018, arXiv:1801.04406)."""
    return real


def at_fake(real: tf.Tensor, fake: tf.Tensor, noise: Stream, scale: float | None = None) -> tf.Tensor:
    """Returns the fake batch itself (R2 of Mescheder et al. 2018)."""
    return fake


def at_real_and_fake(real: tf.Tensor, fake: tf.Tensor, noise: Stream, scale: float | None = None) -> tf.Tensor:
    """Returns both batches, [2B, ...]: the form `"plain"` is then (R1 + R2) / 2."""
    return tf.concat([real, fake], 0)


def author_noise(real: tf.Tensor, fake: tf.Tensor, noise: Stream, scale: float | None = None) -> tf.Tensor:
    """Returns real + u * scale * std * U, as DRAGAN's authors published it (notebook of arXiv:1705.07215).

    u ~ U(0, 1) an example, U ~ U(0, 1) a value, std of the whole global batch, one number; `scale` 0.5.
    """
    reach = (0.5 if scale is None else scale) * distribution.deviation(real)
    return real + _fraction(real, noise) * reach * noise.uniform("penalty/noise", _per_value(real))


def gaussian_noise(real: tf.Tensor, fake: tf.Tensor, noise: Stream, scale: float | None = None) -> tf.Tensor:
    """Returns real + N(0, c I), as DRAGAN's paper prints it (Kodali et al. 2018, section 2.4).

    `scale` is the variance c in squared grey levels of 0..255, about 10 in the paper.
    """
    deviation = (10.0 if scale is None else scale) ** 0.5 / 127.5
    return real + deviation * noise.normal("penalty/noise", _per_value(real))


def chainer_noise(real: tf.Tensor, fake: tf.Tensor, noise: Stream, scale: float | None = None) -> tf.Tensor:
    """Returns real + scale * std * U with a std per pixel over the global batch (chainer-gan-lib); `scale` 0.5."""
    reach = (0.5 if scale is None else scale) * distribution.deviation(real, axis=0)
    return real + reach * noise.uniform("penalty/noise", _per_value(real))


def compare_gan_noise(real: tf.Tensor, fake: tf.Tensor, noise: Stream, scale: float | None = None) -> tf.Tensor:
    """Returns real + scale * std * (U - 1/2), clipped to the range of pixels [-1, 1] (compare_gan); `scale` 1."""
    reach = (1.0 if scale is None else scale) * distribution.deviation(real)
    moved = real + reach * (noise.uniform("penalty/noise", _per_value(real)) - 0.5)
    return tf.clip_by_value(moved, -1.0, 1.0) if real.shape.rank == 4 else moved


def squared_gradient_norms(scores: Callable[[tf.Tensor], tf.Tensor], points: tf.Tensor) -> tf.Tensor:
    """Returns ||d a(x_i) / d x_i||^2 of each example's score, float32 [B].

    With a discriminator that looks at its whole batch (minibatch discrimination, batch norm) the gradient
    is that of the sum of all scores: it has cross terms, and the penalty is not the textbook one.
    """
    with tf.GradientTape() as tape:
        tape.watch(points)
        values = scores(points)
    gradients = tf.cast(tape.gradient(values, points), tf.float32)
    return tf.reduce_sum(tf.square(tf.reshape(gradients, [tf.shape(gradients)[0], -1])), axis=1)


def plain(squared_norms: tf.Tensor, target: float) -> tf.Tensor:
    """Returns E[||g||^2]; no target."""
    return tf.reduce_mean(squared_norms)


def one_sided(squared_norms: tf.Tensor, target: float) -> tf.Tensor:
    """Returns E[max(0, ||g||^2 - target)]."""
    return tf.reduce_mean(tf.nn.relu(squared_norms - target))


def two_sided(squared_norms: tf.Tensor, target: float) -> tf.Tensor:
    """Returns E[(||g|| - target)^2]."""
    return tf.reduce_mean(tf.square(tf.sqrt(squared_norms + TINY) - target))


POINTS = {
    "author_noise": author_noise,
    "chainer_noise": chainer_noise,
    "compare_gan_noise": compare_gan_noise,
    "fake": at_fake,
    "gaussian_noise": gaussian_noise,
    "interpolates": interpolates,
    "real": at_real,
    "real_and_fake": at_real_and_fake,
}
FORMS = {"one_sided": one_sided, "plain": plain, "two_sided": two_sided}
