"""A discriminator of points that trains while the generator is held."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import tensorflow as tf

from ganzoo.networks import network
from ganzoo.noise import Stream
from ganzoo.objectives import cross_entropy
from ganzoo.penalties import FORMS, POINTS, squared_gradient_norms


def discriminator(spec: Mapping[str, Any], dim: int, seed: int) -> keras.Model:
    """Returns a dense network from points [B, dim] to scores [B, 1]."""
    return network("discriminator", {"architecture": "mlp", **spec}, (dim,), 1, seed)


def training(
    model: keras.Model,
    real: tf.Tensor,
    fake: tf.Tensor,
    marks: tuple[int, ...],
    *,
    learning_rate: float = 1e-3,
    form: str = "plain",
    weight: float = 0.0,
    noise: str = "author_noise",
    noise_scale: float = 0.5,
    on: Callable[[tf.Tensor], tf.Tensor] = tf.identity,
    seed: int = 0,
) -> Iterator[int]:
    """Yields the steps in `marks` as training on all points at once comes to them.

    Args:
        model: from points to scores; trains in place, by Adam on the cross entropy.
        real, fake: float32 [N, D].
        marks: increasing numbers of steps.
        learning_rate: of Adam.
        form: of the gradient penalty around real points, a name in `ganzoo.penalties.FORMS`.
        weight: of the penalty; 0: none.
        noise: around them, a name in `ganzoo.penalties.POINTS`.
        noise_scale: its scale.
        on: what is made of the score before the penalty takes its slope: nothing, or `tf.sigmoid`.
        seed: of that noise.
    """
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(number: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            loss = cross_entropy(model(real, training=True), model(fake, training=True))
            if weight:
                points = POINTS[noise](real, fake, Stream(seed, number, "penalty"), noise_scale)
                norms = squared_gradient_norms(lambda x: on(model(x, training=True)), points)
                loss += weight * FORMS[form](norms, 1.0)
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    done = 0
    for mark in marks:
        for number in tf.range(done, mark, dtype=tf.int64):
            step(number)
        done = mark
        yield mark
