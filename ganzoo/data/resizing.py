"""Images brought to the size and the channels that were asked for."""

import numpy as np
import tensorflow as tf

from ganzoo.errors import InputError

_AT_ONCE = 256  # images that are float32 at one time while resizing


def resized(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns images [N, h, w, C] as [N, H, W, C], both uint8, 0..255.

    What is not of the target's aspect is first cropped around its centre to the largest area that is.
    Then one of two methods of `tf.image.resize`: bicubic where neither side shrinks, clipped to 0..255
    (it overshoots at edges); else bilinear with antialiasing, without which small images of large ones
    are grainy and scores such as FID wrong.

    Args:
        images: uint8 [N, h, w, C].
        size: Height and width of the result.
    """
    images = _centre_crop(images, size)
    height, width = images.shape[1:3]
    if (height, width) == tuple(size):
        return images
    enlarge = size[0] >= height and size[1] >= width
    method = "bicubic" if enlarge else "bilinear"
    result = np.empty((len(images), *size, images.shape[3]), np.uint8)
    with tf.device("CPU:0"):  # the same pixels on every machine, and no accelerator memory for them
        for start in range(0, len(images), _AT_ONCE):
            part = images[start : start + _AT_ONCE]
            values = tf.image.resize(part, size, method=method, antialias=not enlarge)
            result[start : start + _AT_ONCE] = np.clip(np.rint(values.numpy()), 0, 255)
    return result


def _centre_crop(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns the largest centred part that has the aspect of `size`."""
    height, width = images.shape[1:3]
    scale = min(height / size[0], width / size[1])
    rows = min(height, max(1, round(size[0] * scale)))
    columns = min(width, max(1, round(size[1] * scale)))
    top, left = (height - rows) // 2, (width - columns) // 2
    return images[:, top : top + rows, left : left + columns]


def with_channels(images: np.ndarray, channels: int | None) -> np.ndarray:
    """Returns uint8 images [N, H, W, c] as [N, H, W, channels]; None leaves them as they are.

    Colour to 1 channel is luminance, grey to 3 is repeated; a fourth channel (alpha) is dropped.

    Raises:
        InputError: there is no rule from the channels at hand to those asked for.
    """
    have = images.shape[-1]
    if channels is None or have == channels:
        return images
    if have not in (1, 3, 4):
        raise InputError(f"channels={channels}: the images have {have} channels: leave channels out")
    colour = images[..., :3]
    if channels == 3:
        return np.repeat(colour, 3, axis=-1) if have == 1 else colour
    with tf.device("CPU:0"):
        grey = np.empty((*images.shape[:3], 1), np.uint8)
        for start in range(0, len(images), _AT_ONCE):
            part = tf.cast(colour[start : start + _AT_ONCE], tf.float32)  # of uint8, it would round down
            grey[start : start + _AT_ONCE] = np.rint(tf.image.rgb_to_grayscale(part).numpy())
    return grey


def fitted(images: np.ndarray, size: tuple[int, int] | None, channels: int | None) -> np.ndarray:
    """Returns uint8 images [N, h, w, c] with the channels, then the size, asked for; None leaves either."""
    images = with_channels(images, channels)
    return images if size is None else resized(images, size)
