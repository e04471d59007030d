"""From batches as users have them to the batches of training rounds."""

from collections.abc import Callable

import tensorflow as tf

from ganzoo.data.batches import together
from ganzoo.data.layout import Layout
from ganzoo.data.pixels import unit_range

_ENDLESS = tf.data.INFINITE_CARDINALITY


def finish(layout: Layout, batch: int | None, group: int) -> Callable[[tf.Tensor], tf.Tensor]:
    """Returns the function from `group` user batches, one after another in axis 0, to a training batch.

    Its result is float32 [B, ...] or, for group > 1, [B, group, ...], whose [:, k] is user batch k. The
    batch axis stays the first since replicas split it.

    Args:
        layout: Of the rows.
        batch: B; None where it may vary (group is 1 then).
        group: The number of user batches.
    """
    without_channel = layout.row_shape[:-1] if layout.add_channel else layout.row_shape

    def finished(rows: tf.Tensor) -> tf.Tensor:
        rows = tf.ensure_shape(rows, [None if batch is None else batch * group, *without_channel])
        if layout.add_channel:
            rows = rows[..., None]
        if group > 1:
            rows = together(rows, group, batch)
        return unit_range(rows) if rows.dtype == tf.uint8 else tf.cast(rows, tf.float32)

    return finished


def grouped(batches: tf.data.Dataset, batch: int, static: bool, group: int) -> tf.data.Dataset:
    """Returns batches of group * batch rows, one user batch after another; batches too many are dropped.

    How many there are stays known where it is of the user's dataset: Keras shows it, and without it warns
    in each `fit` that the data ran out.

    Args:
        batches: The user's batches.
        batch: Their rows, the last may have fewer.
        static: Whether every batch is known to have that many.
        group: How many become one.
    """
    if static:
        together = batches.batch(group, drop_remainder=True)  # unlike rebatch, it keeps their number
        return together.map(lambda rows: tf.reshape(rows, [group * batch, *rows.shape[2:]]))
    count = int(batches.cardinality())
    if count < 0:  # endless, or not known
        together = batches.rebatch(batch * group, drop_remainder=True)
        return together.apply(tf.data.experimental.assert_cardinality(count)) if count == _ENDLESS else together
    # The last batch may be short. Its rows are not known, but with a second pass after the first there are
    # enough for the number that is asserted.
    together = batches.repeat().rebatch(batch * group, drop_remainder=True).take(count // group)
    return together.apply(tf.data.experimental.assert_cardinality(count // group))
