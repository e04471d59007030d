"""What people have, as the batches that `GAN.fit` takes."""

from typing import Any

import numpy as np
import tensorflow as tf

from ganzoo.data.arguments import whole_number
from ganzoo.data.batches import ahead, rows_of
from ganzoo.data.grouping import finish
from ganzoo.data.layout import LOOKED_AT, array_layout, require_usable_dtype, require_usable_values
from ganzoo.data.user_dataset import DEFAULT_BATCH_SIZE, from_dataset, require_divisible, too_few
from ganzoo.errors import InputError

_PASS = "pass a tf.data.Dataset, a NumPy array or a tf.Tensor of images (uint8, or float in [-1, 1]) or points"


def adapt(
    x: Any,
    y: Any = None,
    *,
    batch_size: int | None = None,
    batches_per_round: int = 1,
    shares: int = 1,
    seed: int = 0,
    shuffle: bool = True,
) -> tf.data.Dataset:
    """Returns batches float32: images [B, H, W, C] in [-1, 1], or points [B, D]; grouped [B, n, ...].

    x is one of:

    * a NumPy array or tf.Tensor: images [N, H, W, C], grey images [N, H, W] or points [N, D]. It is
      shuffled anew in each epoch and not copied.
    * a tf.data.Dataset of them, of (them, labels), or of dicts with the key "image" or just one entry that
      can be images; labels are not used. Elements of rank 4 are batches of images, of rank 2 batches of
      points, of rank 1 single points. Rank 3 is a single image [H, W, C] where the last axis is 1, 3 or 4,
      else a batch of grey images [B, H, W]. Single ones are batched, in their order.

    Images are uint8, 0..255, or float in [-1, 1]; points are float. The first four batches are read to
    check that; of a tf.data.Dataset they are read once more in training.

    With n = batches_per_round > 1 an element is n successive batches, x[:, k] is batch k. Rows that do not
    fill an element are dropped; only where shares = 1 and n = 1 a last, smaller batch is kept. Where a
    dataset was batched without drop_remainder=True, so that its last batch is of unknown length, and that
    batch belongs to an element, rows of the dataset's beginning fill it. The number of elements is known
    where that of the dataset is.

    Args:
        x: The data.
        y: Labels that come with an array; not used.
        batch_size: Rows of a batch, 64 where None; not for a dataset that is batched.
        batches_per_round: n, the batches that one training round takes.
        shares: How many equal shares a batch is cut into: one for each replica, or member of a pack.
        seed: Of the order of an array.
        shuffle: Whether an array is shuffled anew in each epoch.

    Raises:
        InputError: the data is of a type, rank, dtype or range that is not used, is too little, or an
            argument is out of range.
    """
    group = whole_number("batches_per_round", batches_per_round, least=1)
    shares = whole_number("shares", shares, least=1)
    seed = whole_number("seed", seed, least=0)
    if batch_size is not None:
        batch_size = whole_number("batch_size", batch_size, least=1)
    if isinstance(x, tf.data.Dataset):
        if y is not None:
            raise InputError("y is given with a tf.data.Dataset: leave y out, a dataset brings its labels along")
        return from_dataset(x, batch_size, group, shares)
    return _from_array(_array(x), batch_size or DEFAULT_BATCH_SIZE, group, shares, seed if shuffle else None)


def image_shape_of(dataset: tf.data.Dataset, batches_per_round: int = 1) -> tuple[int, ...]:
    """Returns (H, W, C), or (D,) of points, of a dataset that `adapt` returned for that many batches."""
    return tuple(dataset.element_spec.shape[1 if batches_per_round == 1 else 2 :])


def _array(x: Any) -> np.ndarray:
    """Returns an array or tensor as a NumPy array, without copying what is in the host's memory."""
    if isinstance(x, np.ndarray):
        return x
    if isinstance(x, tf.Tensor) and hasattr(x, "numpy"):
        return x.numpy()
    if x is None:
        raise InputError(f"x is None: {_PASS}")
    cure = {
        "str": "load the images with ganzoo.data.load and pass its .images",
        "PosixPath": "load the images with ganzoo.data.load and pass its .images",
        "Examples": "pass its .images",
        "Density": "pass points that its .sample returned",
        "generator": "wrap it with tf.data.Dataset.from_generator",
        "list": "np.stack it to an array",
        "tuple": "np.stack it to an array, and give labels as y",
        "DataFrame": "pass its .to_numpy()",
        "RaggedTensor": "resize the images to one size and stack them",
        "SparseTensor": "pass tf.sparse.to_dense(x)",
    }.get(type(x).__name__, _PASS)
    raise InputError(f"x is a {type(x).__name__}, which is not used here: {cure}")


def _from_array(x: np.ndarray, batch: int, group: int, shares: int, seed: int | None) -> tf.data.Dataset:
    """Returns the training batches of an array."""
    dtype = _dtype(x)
    require_usable_dtype("x", dtype)
    if len(x.shape) and not len(x):
        raise InputError(f"x of shape {x.shape} is empty: it must have at least one batch of rows")
    layout = array_layout(x.shape, dtype)
    if 0 in x.shape:
        raise InputError(f"x of shape {x.shape} is empty: no axis may have length 0")
    require_divisible(batch, shares)
    if len(x) < batch * group:
        raise InputError(too_few("x", len(x), batch, group))
    looked = [x[start : start + batch] for start in range(0, min(len(x), LOOKED_AT * batch), batch)]
    require_usable_values("x", looked, images=len(layout.row_shape) == 3)
    drop = group > 1 or shares > 1
    rows = tf.data.Dataset.range(len(x))
    if seed is not None:
        rows = rows.shuffle(len(x), seed=seed, reshuffle_each_iteration=True)
    rows = rows.batch(batch * group, drop_remainder=drop)
    finished = finish(layout, batch if drop else None, group)
    return ahead(rows.map(lambda chosen: finished(rows_of(x, chosen)), tf.data.AUTOTUNE))


def _dtype(x: np.ndarray) -> tf.DType:
    """Returns TensorFlow's name for the array's type."""
    try:
        return tf.as_dtype(x.dtype)
    except TypeError as error:
        raise InputError(f"x has elements of type {x.dtype}: {_PASS}") from error
