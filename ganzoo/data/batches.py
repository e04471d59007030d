"""Endless training batches, each a function of the seed and its number alone."""

import numpy as np
import tensorflow as tf

from ganzoo.data.arguments import whole_number
from ganzoo.data.examples import Examples
from ganzoo.data.pixels import unit_range
from ganzoo.data.toy import Density
from ganzoo.errors import InputError


def training_batches(
    source: Examples | Density,
    batch_size: int,
    seed: int,
    start_step: int = 0,
    batches_per_round: int = 1,
    order: int = 0,
) -> tf.data.Dataset:
    """Returns endless rounds: images float32 [batch_size, H, W, C] in [-1, 1], or points [batch_size, D].

    Round number s is a pure function of (seed, s): with `start_step=k` comes exactly what would come after
    k rounds, without reading those. Each epoch goes through the images in a permutation of its own and
    drops what fills no round.

    Args:
        source: What `load` returned.
        batch_size: The rows of one batch.
        seed: Of the order of the images, or of the points.
        start_step: The number of the first round.
        batches_per_round: Above 1 a round is [batch_size, batches_per_round, ...].
        order: Which of the seed's orders: 0, or a number above all rounds that there will be.

    Raises:
        InputError: fewer images than `batch_size`, or an argument that is no whole number in its range.
    """
    batch_size = whole_number("batch_size", batch_size, least=1)
    seed = whole_number("seed", seed, least=0)
    start_step = whole_number("start_step", start_step, least=0)
    group = whole_number("batches_per_round", batches_per_round, least=1)
    if isinstance(source, Density):
        batches = _point_batches(source, batch_size * group, seed, start_step, order)
    elif isinstance(source, Examples):
        batches = _image_batches(source, batch_size * group, seed, start_step, order)
    else:
        raise InputError(
            f"training_batches of a {type(source).__name__}: give what ganzoo.data.load returns; "
            "for arrays and tf.data there is ganzoo.data.adapt"
        )
    if group > 1:
        batches = batches.map(lambda rows: together(rows, group, batch_size))
    return ahead(batches)


def ahead(batches: tf.data.Dataset) -> tf.data.Dataset:
    """Returns batches in their order, made before they are asked for.

    Not autotuned: TensorFlow's tuning thread sleeps longer and longer, up to a minute, and in 2.21 does not always wake
    when its iterator ends; then `fit` waits for it. Parallel maps take a thread a core without it.
    """
    options = tf.data.Options()
    options.deterministic = True
    options.autotune.enabled = False
    return batches.prefetch(tf.data.AUTOTUNE).with_options(options)


def together(rows: tf.Tensor, group: int, batch: int) -> tf.Tensor:
    """Returns [group * batch, ...] rows, batch after batch, as [batch, group, ...]: replicas split axis 0."""
    rows = tf.reshape(rows, [group, batch, *rows.shape[1:]])
    return tf.transpose(rows, [1, 0, *range(2, rows.shape.rank)])


def _point_batches(density: Density, batch_size: int, seed: int, start_step: int, order: int) -> tf.data.Dataset:
    """Returns batch s drawn with the seed (seed, order + s)."""
    steps = tf.data.Dataset.counter(order + start_step)
    return steps.map(lambda step: density.draw(batch_size, tf.stack([tf.constant(seed, tf.int64), step])))


def _image_batches(examples: Examples, batch_size: int, seed: int, start_step: int, order: int) -> tf.data.Dataset:
    """Returns batches gathered by shuffled indices; what is skipped is indices only."""
    steps_per_epoch = len(examples) // batch_size
    if steps_per_epoch == 0:
        raise InputError(
            f"batch_size={batch_size}: {examples.name} [{examples.split}] has only {len(examples)} images: "
            "give a smaller batch_size or a larger split"
        )

    def batches_of(epoch: tf.Tensor) -> tf.data.Dataset:
        rows = tf.range(len(examples), dtype=tf.int64)
        shuffled = tf.random.experimental.stateless_shuffle(
            rows, tf.stack([tf.constant(seed, tf.int64), epoch + order])
        )
        used = shuffled[: steps_per_epoch * batch_size]
        return tf.data.Dataset.from_tensor_slices(tf.reshape(used, [steps_per_epoch, batch_size]))

    epoch, skipped = divmod(start_step, steps_per_epoch)
    indices = tf.data.Dataset.counter(epoch).flat_map(batches_of).skip(skipped)
    indices = indices.apply(tf.data.experimental.assert_cardinality(tf.data.INFINITE_CARDINALITY))
    return indices.map(lambda rows: unit_range(rows_of(examples.images, rows)), tf.data.AUTOTUNE)


def rows_of(array: np.ndarray, rows: tf.Tensor) -> tf.Tensor:
    """Returns array[rows] inside a tf.data graph, with the static shape that is known.

    NumPy gathers, since `tf.constant(array)` would cost two further copies of all the data.
    """

    def gather(rows: np.ndarray) -> np.ndarray:
        chosen = array[rows]
        return chosen if chosen.dtype.isnative else chosen.astype(chosen.dtype.newbyteorder("="))

    gathered = tf.numpy_function(gather, [rows], tf.as_dtype(array.dtype), stateful=False)
    return tf.ensure_shape(gathered, [*rows.shape, *array.shape[1:]])
