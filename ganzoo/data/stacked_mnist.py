"""Stacked MNIST: colour images whose channels are three digits of MNIST, and so 1,000 modes to count.

Metz et al., Unrolled generative adversarial networks (2017), made it, drawing anew in each epoch; Srivastava et al.,
VEEGAN (2017), and Lin et al., PacGAN (2018), draw once.
"""

import numpy as np

from ganzoo.data.examples import Examples, empty_images
from ganzoo.data.splits import parts_of
from ganzoo.data.tfds_source import load_tfds
from ganzoo.errors import InputError

NAME = "stacked_mnist"
_SPLITS = {"train": (128_000, 60_000), "test": (26_000, 10_000)}  # images of it, and of MNIST's split of that name
_NATIVE = (28, 28)
_SEED = 0  # of which digits meet


def load_stacked_mnist(
    split: str, data_dir: str | None, size: tuple[int, int] | None, channels: int | None
) -> Examples:
    """Returns images [N, H, W, 3], natively 28 x 28, with labels 0..999: the digits of red, green and blue.

    `train` (128,000 images, as in PacGAN) stacks digits of MNIST's `train`, `test` (26,000) digits of its
    `test`; each channel is drawn by itself, with replacement. Which digits meet is the same in every run.

    Args:
        split: `train`, `test`, or parts of them in TFDS' syntax.
        data_dir: Where TFDS has MNIST; None for TFDS' own choice.
        size: Height and width to resize to; None leaves 28 x 28.
        channels: 3 or None.

    Raises:
        InputError: channels is 1, no such split, MNIST is not there, or the images do not fit into memory.
    """
    if channels == 1:
        raise InputError(f"channels=1: each channel of {NAME} is a digit of its own: leave channels out, or load mnist")
    parts = parts_of(split, {name: count for name, (count, _) in _SPLITS.items()})
    chosen = [(name, _rows(name)[rows]) for name, rows in parts]
    shape = (*(size or _NATIVE), 3)
    images = empty_images(NAME, sum(len(rows) for _, rows in chosen), shape)
    labels = np.empty(len(images), np.int64)
    digits = {name: load_tfds("mnist", name, data_dir, size, None, ()) for name in dict(chosen)}
    start = 0
    for name, rows in chosen:
        stop = start + len(rows)
        for channel in range(3):
            images[start:stop, :, :, channel] = digits[name].images[rows[:, channel], :, :, 0]
        labels[start:stop] = digits[name].labels[rows] @ (100, 10, 1)
        start = stop
    return Examples(NAME, split, images, labels)


def _rows(name: str) -> np.ndarray:
    """Returns which three digits of MNIST's split of that name each image stacks, [N, 3]."""
    count, digits = _SPLITS[name]
    random = np.random.Generator(np.random.Philox(key=(_SEED, digits)))
    return (random.random((count, 3)) * digits).astype(np.int64)
