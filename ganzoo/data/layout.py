"""What a user's rows are: images or points, batched or not, of which type and range."""

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from ganzoo.errors import InputError

LOOKED_AT = 4  # batches read before training to find mistakes; the rest is trusted
TOLERANCE = 1e-3  # how far float images may leave [-1, 1]
_FLOATS = (tf.float16, tf.bfloat16, tf.float32, tf.float64)
_USUAL_CHANNELS = (1, 3, 4)


@dataclasses.dataclass(frozen=True)
class Layout:
    """How the rows of a user's data are laid out.

    Attributes:
        row_shape: (H, W, C) of an image or (D,) of a point, as `GAN.fit` gets it.
        batched: Whether an element is a batch, not one image or point.
        add_channel: Whether grey images come without their channel axis.
    """

    row_shape: tuple[int, ...]
    batched: bool
    add_channel: bool = False

    @property
    def element_shape(self) -> tuple[int | None, ...]:
        """The shape of an element as the user has it; a batch has None rows."""
        row = self.row_shape[:-1] if self.add_channel else self.row_shape
        return (None, *row) if self.batched else row


def require_usable_dtype(what: str, dtype: tf.DType) -> None:
    """Refuses every type but uint8 and floats.

    Raises:
        InputError: the type cannot be used.
    """
    if dtype == tf.uint8 or dtype in _FLOATS:
        return
    if dtype == tf.bool:
        cure = "cast masks with x.astype('float32') * 2 - 1 (tf.cast in tf.data)"
    elif dtype.is_integer:
        cure = "if its values are 0..255 cast it to uint8, else scale it to float in [-1, 1]"
    else:
        cure = "pass pixels or coordinates as numbers"
    raise InputError(f"{what} is {dtype.name}; images are uint8 (0..255) or float in [-1, 1]: {cure}")


def array_layout(shape: tuple[int, ...], dtype: tf.DType) -> Layout:
    """Returns the layout of an array: images [N, H, W, C] or grey [N, H, W], or points [N, D].

    Raises:
        InputError: it is of another rank, or looks like one image or like channels first.
    """
    if len(shape) == 3 and shape[-1] in _USUAL_CHANNELS:
        raise InputError(
            f"x of shape {shape} looks like one image, not like grey images {shape[2]} pixel wide: "
            "give it a batch axis, x[None], or grey images their channel axis, x[..., None]"
        )
    if not 2 <= len(shape) <= 4:
        raise InputError(
            f"x of shape {shape}: pass images [N, H, W, C] or grey [N, H, W], or points [N, D]"
            + ("; for points in one dimension x[:, None]" if len(shape) == 1 else "")
        )
    return _batched_layout("x", shape, dtype)


def element_layout(shape: tuple[int, ...], dtype: tf.DType) -> Layout:
    """Returns the layout of one element of a tf.data.Dataset.

    Rank 4 is a batch of images, rank 2 a batch of points, rank 1 one point. Rank 3 is one image
    [H, W, C] where its last axis is 1, 3 or 4, else a batch of grey images [B, H, W].

    Raises:
        InputError: it is of another rank, or looks like channels first.
    """
    what = "x (a tf.data.Dataset)"
    if len(shape) == 3 and shape[-1] in _USUAL_CHANNELS:
        return Layout(shape, batched=False)
    if len(shape) == 1:
        _require_float_points(what, shape, dtype)
        return Layout(shape, batched=False)
    if not 2 <= len(shape) <= 4:
        raise InputError(
            f"{what} has elements of shape {shape}: pass batches of images [B, H, W, C], grey [B, H, W] "
            "or points [B, D], or single images [H, W, C] or points [D]"
        )
    return _batched_layout(what, shape, dtype)


def _batched_layout(what: str, shape: tuple[int, ...], dtype: tf.DType) -> Layout:
    """Returns the layout of rank 2, 3 or 4 with the batch axis first."""
    if len(shape) == 2:
        _require_float_points(what, shape, dtype)
        return Layout(shape[1:], batched=True)
    if len(shape) == 3:
        return Layout((*shape[1:], 1), batched=True, add_channel=True)
    if shape[-1] > max(_USUAL_CHANNELS) and shape[1] in _USUAL_CHANNELS:
        raise InputError(
            f"{what} of shape {shape} looks like channels first: pass [B, H, W, C], with "
            "np.moveaxis(x, 1, -1), or tf.transpose(x, [0, 2, 3, 1]) in tf.data"
        )
    return Layout(shape[1:], batched=True)


def _require_float_points(what: str, shape: tuple[int, ...], dtype: tf.DType) -> None:
    """Refuses points of whole numbers: those are flattened images, or images without batch axis."""
    if dtype not in _FLOATS:
        raise InputError(
            f"{what} of shape {shape} and type {dtype.name}: points must be float; images need the axes "
            "[B, H, W, C]: reshape flat rows, or give single grey images [H, W] a channel, x[..., None]"
        )


def require_usable_values(what: str, batches: Sequence[np.ndarray], images: bool) -> None:
    """Refuses values that are not finite, and images that are not uint8 0..255 or float in [-1, 1].

    Args:
        what: How messages call the data.
        batches: What was looked at.
        images: Whether these are images; points may have any finite value.

    Raises:
        InputError: the values cannot be used.
    """
    batches = [batch for batch in batches if batch.size]
    if not batches:
        return
    where = f"in the first {len(batches)} batches" if len(batches) > 1 else "in the first batch"
    whole_numbers = batches[0].dtype == np.uint8
    if not whole_numbers:
        with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite: refused below
            batches = [np.asarray(batch, np.float32) for batch in batches]
        if not all(np.isfinite(batch).all() for batch in batches):
            raise InputError(f"{what} has NaN or infinite values {where}: remove or replace them")
    least, most = min(batch.min() for batch in batches), max(batch.max() for batch in batches)
    measured = f"{what} has {batches[0].dtype.name} images in [{least:.4g}, {most:.4g}] {where}"
    if not images:
        return
    if whole_numbers:
        if most == 1:
            raise InputError(f"{measured}; uint8 pixels are 0..255: scale masks by x * 255")
        return
    cure = _range_cure(float(least), float(most))
    if cure:
        raise InputError(f"{measured}; float images must be in [-1, 1]: {cure}")


def _range_cure(least: float, most: float) -> str | None:
    """Returns how to bring float images to [-1, 1], None if they are there."""
    if least >= 0 and 0 < most <= 1 + TOLERANCE:
        return "they look like [0, 1]: pass x * 2 - 1"
    if least >= -1 - TOLERANCE and most <= 1 + TOLERANCE:
        return None
    if least >= 0 and most <= 255 + TOLERANCE:
        return "they look like [0, 255]: pass x / 127.5 - 1, or pass uint8"
    return "pass uint8 pixels, or scale by the known limits: (x - lowest) / (highest - lowest) * 2 - 1"
