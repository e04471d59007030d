"""Numbers that are none: found inside a round, on any replica, and named outside of it."""

import math
from collections.abc import Iterator, Mapping, Sequence

import keras
import numpy as np
import tensorflow as tf

from ganzoo.distribution import summed
from ganzoo.errors import Diverged

GRADIENT = "gradient"  # `<player>/gradient`, beside the names of its terms


class Faults(keras.metrics.Metric):
    """Remembers what was not finite in the first update in which anything was not.

    A metric, so that it is in no weights; not one that epochs reset: `fit` does, when it begins.

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


def require_finite(gan: keras.Model) -> None:
    """Refuses a game in which a variable is not finite: an update may break one of which no term tells yet.

    To be called by all workers: where replicas differ, reading a variable is a collective.

    Args:
        gan: built; compiled or not.

    Raises:
        Diverged: naming the player and its variable.
    """
    for owner, variable in owned_variables(gan):
        if not np.isfinite(variable.numpy()).all():
            raise diverged(gan, f"{owner}: {variable.path}" if owner else variable.path)


def owned_variables(gan: keras.Model) -> Iterator[tuple[str, keras.Variable]]:
    """Yields every weight and all that optimizers remember, with the name of the player whose it is, or none."""
    seen = set()
    for owner in (*gan.players, "averaged_generator"):
        optimizer = gan.optimizers.get(owner)
        for variable in (*getattr(gan, owner).weights, *(optimizer.variables if optimizer else ())):
            seen.add(id(variable))
            yield owner, variable
    for variable in gan.weights:
        if id(variable) not in seen:
            yield "", variable


def diverged(gan: keras.Model, name: str) -> Diverged:
    """Returns the error that says what is not finite."""
    step = int(gan.step.numpy())
    return Diverged(
        f"training diverged at step {step}: {name} is not finite; lower the learning rates or add a penalty"
    )
