"""Numbers that are none: found inside a round, on any replica, and named outside of it."""

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
        scalars = tf.stack([tf.cast(values.get(name, zero), tf.float32) for name in self.sources])
        # One replica's addend of a gradient breaks the weights of all.
        (broken,) = summed([1.0 - tf.cast(tf.math.is_finite(scalars), tf.float32)])
        earlier = tf.reduce_max(self.seen.value)
        self.seen.assign(tf.where(earlier > 0, self.seen.value, broken))

    def result(self) -> tf.Tensor:
        """Returns 0.0 while all is well, then NaN."""
        return tf.where(tf.reduce_max(self.seen.value) > 0, float("nan"), 0.0)

    def names(self) -> list[str]:
        """Returns the sources that failed, the first one first; none while all is well."""
        return [name for name, seen in zip(self.sources, self.seen.numpy(), strict=True) if seen]


def total(gradients: Sequence[tf.Tensor | None], optimizer: keras.optimizers.Optimizer) -> tf.Tensor:
    """Returns the sum of all gradients of a player: not finite if one of their values is not.

    Under loss scaling, which skips such an update and halves the scale, only when there is nothing left to halve.
    """
    found = tf.add_n([tf.zeros([]), *(tf.cast(tf.reduce_sum(g), tf.float32) for g in gradients if g is not None)])
    if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
        return tf.where(optimizer.dynamic_scale.value > 1.0, 0.0, found)
    return found
