"""A user's tf.data.Dataset as training batches."""

import itertools
from typing import Any

import numpy as np
import tensorflow as tf

from ganzoo.data.grouping import finish, grouped
from ganzoo.data.layout import (
    LOOKED_AT,
    Layout,
    element_layout,
    require_usable_dtype,
    require_usable_values,
)
from ganzoo.errors import InputError

DEFAULT_BATCH_SIZE = 64
_WHAT = "x (a tf.data.Dataset)"


def from_dataset(dataset: tf.data.Dataset, batch_size: int | None, group: int, shares: int) -> tf.data.Dataset:
    """Returns the training batches of a user's dataset; see `ganzoo.data.adapt`."""
    rows = _images_of(dataset)
    require_usable_dtype(_WHAT, rows.element_spec.dtype)
    looked = _looked_at(rows, batch_size)
    layout = _layout(rows.element_spec, looked)
    if layout.batched and batch_size is not None:
        raise InputError(
            f"batch_size={batch_size}: {_WHAT} is batched already, its elements have shape "
            f"{tuple(rows.element_spec.shape)}: leave batch_size out, or pass the dataset before .batch()"
        )
    batch, static = _batch_rows(rows.element_spec, layout, looked, batch_size)
    require_divisible(batch, shares)
    _require_enough(looked, layout, batch, group)
    require_usable_values(_WHAT, _in_batches(looked, layout, batch), images=len(layout.row_shape) == 3)
    drop = group > 1 or shares > 1
    too_short = layout.batched and 0 <= rows.cardinality() < group  # rebatch forgets the cardinality
    rows = rows.map(lambda row: tf.ensure_shape(row, layout.element_shape))
    if not layout.batched:
        rows = rows.batch(batch * group, drop_remainder=drop)
    elif drop:
        rows = grouped(rows, batch, static, group)
    known = batch if drop or (static and layout.batched) else None
    result = rows.map(finish(layout, known, group), tf.data.AUTOTUNE, deterministic=True)
    if too_short or result.cardinality() == 0:
        raise InputError(f"{_WHAT} has too few batches of {batch}: one training round takes {group}")
    return result.prefetch(tf.data.AUTOTUNE)


def require_divisible(batch: int, shares: int) -> None:
    """Refuses batches that cannot be cut into equal shares.

    Raises:
        InputError: batch is no multiple of shares.
    """
    if batch % shares:
        raise InputError(
            f"batches of {batch} rows cannot be cut into {shares} equal shares (for replicas, or packs of examples): "
            f"use a batch size that is a multiple of {shares}, such as {-(-batch // shares) * shares}"
        )


def _images_of(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Returns the dataset with nothing but the images (or points) of its elements."""
    spec = dataset.element_spec
    path = _image_path(spec)
    if not path:
        return dataset

    def image(*element: Any) -> tf.Tensor:
        value = element if isinstance(spec, tuple) else element[0]
        for key in path:
            value = value[key]
        return value

    return dataset.map(image)


def _image_path(spec: Any) -> tuple:
    """Returns the keys from an element to its image: () where the element is the image."""
    if isinstance(spec, tuple):
        if len(spec) not in (1, 2):
            raise InputError(
                f"{_WHAT} has elements of {len(spec)} parts: pass images, or (image, label) whose label is "
                "not used; a third part would be sample weights, and the losses of a GAN use none"
            )
        return (0, *_image_path(spec[0]))
    if isinstance(spec, dict):
        key = _image_key(spec)
        return (key, *_image_path(spec[key]))
    if not isinstance(spec, tf.TensorSpec):
        kind = type(spec).__name__.removesuffix("Spec")
        cure = "make it dense with images of one size, tf.image.resize, before batching"
        raise InputError(f"{_WHAT} has elements of type {kind}: {cure}")
    return ()


def _image_key(spec: dict) -> Any:
    """Returns the key of the image in a dict element."""
    like_images = [key for key, part in spec.items() if isinstance(part, tf.TensorSpec) and _may_be_image(part)]
    if "image" in spec:
        return "image"
    if len(spec) == 1:
        return next(iter(spec))
    if len(like_images) == 1:
        return like_images[0]
    raise InputError(
        f"{_WHAT} has dict elements with the keys {', '.join(map(repr, spec))}: name the images 'image', "
        "or pass them alone with .map(lambda row: row[KEY])"
    )


def _may_be_image(spec: tf.TensorSpec) -> bool:
    """Returns whether the entry has the rank and the type of images."""
    return spec.shape.rank in (3, 4) and (spec.dtype == tf.uint8 or spec.dtype.is_floating)


def _looked_at(rows: tf.data.Dataset, batch_size: int | None) -> list[np.ndarray]:
    """Returns the first elements: four batches, or as many single rows as four batches have."""
    elements = rows.as_numpy_iterator()
    first = next(elements, None)
    if first is None:
        raise InputError(f"{_WHAT} is empty: it must have at least one batch")
    batched = element_layout(np.shape(first), rows.element_spec.dtype).batched
    wanted = LOOKED_AT if batched else LOOKED_AT * (batch_size or DEFAULT_BATCH_SIZE)
    return [first, *itertools.islice(elements, wanted - 1)]


def _layout(spec: tf.TensorSpec, looked: list[np.ndarray]) -> Layout:
    """Returns the layout of all elements, the axes that the spec leaves open as those looked at have."""
    layout = element_layout(looked[0].shape, spec.dtype)
    expected = layout.element_shape[1:] if layout.batched else layout.element_shape
    shapes = {element.shape[1:] if layout.batched else element.shape for element in looked}
    if shapes != {expected}:
        some = ", ".join(map(str, sorted(shapes)[:3]))
        raise InputError(
            f"{_WHAT} has elements of different shapes ({some}): bring them to one, for images with "
            ".map(lambda x: tf.image.resize(x, (64, 64))), then tf.ensure_shape"
        )
    return layout


def _batch_rows(
    spec: tf.TensorSpec, layout: Layout, looked: list[np.ndarray], batch_size: int | None
) -> tuple[int, bool]:
    """Returns the rows of a batch, and whether it is known that every batch has so many."""
    if not layout.batched:
        return batch_size or DEFAULT_BATCH_SIZE, False
    static = spec.shape[0] if spec.shape.rank else None
    return (len(looked[0]), False) if static is None else (static, True)


def _in_batches(looked: list[np.ndarray], layout: Layout, batch: int) -> list[np.ndarray]:
    """Returns what was looked at as batches."""
    if layout.batched:
        return looked
    return [np.stack(looked[start : start + batch]) for start in range(0, len(looked), batch)]


def _require_enough(looked: list[np.ndarray], layout: Layout, batch: int, group: int) -> None:
    """Refuses a dataset that has come to its end, while looking, before one round was full."""
    everything = len(looked) < (LOOKED_AT if layout.batched else LOOKED_AT * batch)
    count = sum(map(len, looked)) if layout.batched else len(looked)
    if everything and count < batch * group:
        raise InputError(too_few(_WHAT, count, batch, group))


def too_few(what: str, count: int, batch: int, group: int) -> str:
    """Returns the message about fewer rows than one training round takes."""
    takes = f"{group} batches of {batch}" if group > 1 else f"one batch of {batch}"
    return (
        f"{what} has {count} rows and a training round takes {takes}: "
        f"pass more data or a batch size of at most {max(count // group, 1)}"
    )
