"""Random operations on all that opponents see, of data and of fakes alike (Zhao et al. 2020, arXiv:2006.10738).

Each is differentiable, so the generator learns through it, and draws its numbers from the round's `Stream`.
A gradient penalty is taken at what the discriminator sees, behind the operation, so any operation goes with any
penalty. A game that differentiates the generator's own gradient goes through the operation twice: there only those
that are `twice` differentiable will do.
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

from ganzoo.noise import Stream

Images = tf.Tensor


class Augmentation(NamedTuple):
    """An operation.

    Args:
        function: (images [B, H, W, C] in [-1, 1], stream, purpose) -> images of that shape.
        twice: whether TensorFlow differentiates it twice.
    """

    function: Callable[[Images, Stream, str], Images]
    twice: bool


def color(images: Images, noise: Stream, purpose: str) -> Images:
    """Returns images of another brightness (+-0.5), saturation (0 to 2 times) and contrast (0.5 to 1.5 times)."""
    brightness, saturation, contrast = tf.split(noise.uniform(purpose, (tf.shape(images)[0], 1, 1, 3)), 3, axis=-1)
    images += brightness - 0.5
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + 2.0 * saturation * (images - grey)
    mean = tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (0.5 + contrast) * (images - mean)


def _whole(uniform: tf.Tensor, least: int, most: int) -> tf.Tensor:
    """Returns U(0, 1) numbers as whole numbers, `least` to `most` alike."""
    return least + tf.cast(tf.floor(uniform * (most - least + 1)), tf.int32)


def translation(images: Images, noise: Stream, purpose: str) -> Images:
    """Returns images moved by up to an eighth of their sides, with 0 (grey) where nothing was."""
    uniform = noise.uniform(purpose, (tf.shape(images)[0], 2))
    for axis, name in ((1, "bij,bjwc->biwc"), (2, "bij,bhjc->bhic")):
        size = images.shape[axis]
        reach = int(size / 8 + 0.5)
        places = tf.range(size)[None] + _whole(uniform[:, axis - 1 : axis], -reach, reach)
        images = tf.einsum(name, tf.one_hot(places, size), images)  # a row of zeros for a place outside
    return images


def cutout(images: Images, noise: Stream, purpose: str) -> Images:
    """Returns images with a rectangle of half their sides set to 0 (grey); it may reach over the edge."""
    uniform = noise.uniform(purpose, (tf.shape(images)[0], 2))
    inside = []
    for axis in (1, 2):
        size = images.shape[axis]
        side = int(size / 2 + 0.5)
        start = _whole(uniform[:, axis - 1 : axis], 0, size - side % 2) - side // 2
        places = tf.range(size)[None]
        inside.append((places >= start) & (places < start + side))
    hole = inside[0][:, :, None] & inside[1][:, None, :]
    return images * tf.cast(~hole, images.dtype)[..., None]


def zoom(images: Images, noise: Stream, purpose: str) -> Images:
    """Returns a random part, 0.8 to 1 times the sides, resampled to the whole (not among the paper's)."""
    count, height, width = tf.shape(images)[0], images.shape[1], images.shape[2]
    uniform = noise.uniform(purpose, (count, 3))
    side = 0.8 + 0.2 * uniform[:, :1]
    start = uniform[:, 1:] * (1.0 - side)
    boxes = tf.concat([start, start + side], axis=1)
    return tf.image.crop_and_resize(images, boxes, tf.range(count), (height, width))


AUGMENTATIONS = {
    "color": Augmentation(color, twice=True),
    "cutout": Augmentation(cutout, twice=True),
    "translation": Augmentation(translation, twice=True),
    "zoom": Augmentation(zoom, twice=False),
}
