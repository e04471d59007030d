"""Samples by row: image `index` of `seed` is the same whoever draws it, and however many are drawn at once."""

import math
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.progress import shown

# One batch size for all: other sizes take other convolution kernels, which round differently.
BATCH = 64


Sampler = Callable[[tf.Tensor, tf.Tensor, tf.Tensor], tf.Tensor]


def batch_rows(n: int, seed: int = 0, *, truncation: float = math.inf) -> Iterator[tuple[tf.Tensor, ...]]:
    """Yields seed, index and truncation of the images 0 to n - 1, in whole batches; arguments as of `samples`."""
    if n < 1:
        raise InputError(f"n={n}: nothing to sample; give 1 or more")
    if not truncation > 0:
        raise InputError(f"truncation={truncation}: give standard deviations above 0, or inf for all")
    for start in range(0, n, BATCH):
        index = tf.range(start, start + BATCH, dtype=tf.int64)
        yield tf.zeros_like(index) + seed, index, tf.fill([BATCH], float(truncation))


def sample_batches(sample: Sampler, n: int, seed: int = 0, *, truncation: float = math.inf) -> Iterator[np.ndarray]:
    """Yields the images 0 to n - 1 of a seed in batches of `BATCH`, the last cut; arguments as of `samples`."""
    for number, rows in enumerate(batch_rows(n, seed, truncation=truncation)):
        yield sample(*rows)[: n - number * BATCH].numpy()


def samples(
    sample: Sampler, n: int, seed: int = 0, *, truncation: float = math.inf, progress: bool = False
) -> np.ndarray:
    """Returns the images 0 to n - 1 of a seed, uint8 [n, H, W, C] (points float32 [n, D]).

    Args:
        sample: (seed int64 [B], index int64 [B], truncation float32 [B]) -> images [B, ...].
        n: how many, >= 1.
        seed: any int64.
        truncation: standard deviations at which the latents' normal is cut, > 0.
        progress: show a bar.

    Raises:
        InputError: if `n` or `truncation` is impossible.
    """
    batches = sample_batches(sample, n, seed, truncation=truncation)
    return np.concatenate(list(shown(batches, "sampling", -(-n // BATCH)) if progress else batches))
