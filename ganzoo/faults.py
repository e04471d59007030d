"""Numbers that are none: found inside a round, on any replica, and named outside of it."""

import math
from collections.abc import Mapping, Sequence

import keras
import tensorflow as tf

from ganzoo.distribution import summed

GRADIENT = "gradient"  # `<player>/gradient`, beside the names of its terms


class Faults(keras.metrics.Metric):
    """Remembers what was not finite in the first update in which anything was not.

    A metric, so that it is in no weights; nothing resets it but `reset_state`.

    Args:
        sources: the names of all that may fail, a player's terms before its gradient.
    """

    def __init__(self, sources: Sequence[str]):
        super().__init__(name="faults")
        self.sources = tuple(sources)
        self.seen = self.add_variable(
            (len(self.sources),), initializer="zeros", aggregation="only_first_replica", name="seen"
        )

    def update_state(self, values: Mapping[str, tf.Tensor]) -> None:
        """Takes the scalars of one update by name; of those that are left out nothing is known."""
        zero = tf.zeros([])
        # What one replica adds to a gradient breaks the weights of all.
        (scalars,) = summed([tf.stack([tf.cast(values.get(name, zero), tf.float32) for name in self.sources])])
        # Sums of what was finite are of no interest: they stay finite, and the first that is not stays so.
        self.seen.assign_add(tf.where(self.well(), scalars, 0.0))

    def well(self) -> tf.Tensor:
        return tf.math.is_finite(tf.reduce_sum(self.seen.value))

    def result(self) -> tf.Tensor:
        """Returns 0.0 while all is well, then NaN."""
        return tf.where(self.well(), 0.0, float("nan"))

    def names(self) -> list[str]:
        """Returns the sources that failed, the first one first; none while all is well."""
        return [name for name, seen in zip(self.sources, self.seen.numpy(), strict=True) if not math.isfinite(seen)]


def total(gradients: Sequence[tf.Tensor | None], optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
    """Returns the sum of all gradients of a player: not finite if one of their values is not.

    Under loss scaling, which skips such an update and halves the scale, only when there is nothing left to halve.
    """
    found = tf.add_n([tf.cast(tf.reduce_sum(g), tf.float32) for g in gradients if g is not None] or [tf.zeros([])])
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return tf.where(optimizer.dynamic_scale.value > 1.0, 0.0, found)
    return found
