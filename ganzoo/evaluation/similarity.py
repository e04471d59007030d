"""Structural similarity of pairs of images: the more alike a generator's images are to each other, the less diverse."""

import numpy as np
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.evaluation.arrays import blocks

WINDOW = 11  # pixels, the side of the Gaussian window of standard deviation 1.5
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the scales, from the finest on


def ms_ssim(pairs: np.ndarray) -> tuple[float, int]:
    """Returns the mean multi-scale structural similarity of pairs of images, from 0 to 1, and the number of scales.

    Each scale halves the image's side. As many of the five are taken as the window fits in, their weights brought to
    a sum of 1: five from 161 pixels on, two at 32. Values of unlike numbers of scales do not compare.

    Channels are scored one by one and averaged. Where contrasts are opposed, so that a scale's mean is negative, the
    pair scores 0.

    Args:
        pairs: uint8 [N, 2, H, W, C]; see `image_pairs`.

    Raises:
        InputError: if there is no pair, or the window does not fit into the images.

    Source: Wang et al. 2003, "Multi-scale structural similarity for image quality assessment", equation 7; as a mean
        over pairs of one class: Odena et al. 2017, arXiv:1610.09585, section 4.2, with 100 pairs, of 128 x 128 pixels.
    """
    pairs = np.asarray(pairs)
    if pairs.ndim != 5 or pairs.shape[1] != 2 or not len(pairs) or pairs.dtype != np.uint8:
        raise InputError(f"pairs of {pairs.dtype} {pairs.shape}; give uint8 [N, 2, H, W, C], one pair at the least")
    scales = scales_of(*pairs.shape[2:4])
    weights = np.divide(WEIGHTS[:scales], sum(WEIGHTS[:scales]))
    values = [
        tf.image.ssim_multiscale(
            *(tf.constant(pairs[rows, side]) for side in (0, 1)), 255, power_factors=weights, filter_size=WINDOW
        )
        for rows in blocks(len(pairs), pairs[0].size)
    ]
    return float(np.mean(np.concatenate(values), dtype="float64")), scales


def scales_of(height: int, width: int) -> int:
    """Returns in how many of the five scales the window fits into an image.

    Raises:
        InputError: if there is none.
    """
    side, scales = min(height, width), 0
    while side >= WINDOW and scales < len(WEIGHTS):
        side, scales = -(-side // 2), scales + 1
    if not scales:
        raise InputError(f"images of {height} x {width} pixels: structural similarity needs {WINDOW} pixels a side")
    return scales


def image_pairs(images: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Returns `count` random pairs of two different rows each, [count, 2, H, W, C].

    Args:
        images: [N, H, W, C], N >= 2; of one class, where classes are unlike anyway.
        count: pairs.
        seed: of the choice.
    """
    if len(images) < 2:
        raise InputError(f"{len(images)} images make no pair; give two at the least")
    random = np.random.default_rng(seed)
    first = random.integers(len(images), size=count)
    second = (first + random.integers(1, len(images), size=count)) % len(images)
    return images[np.stack([first, second], axis=1)]
