"""Arrays of logits, features and points, [N, D]: checked, and taken in blocks."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import ArrayLike

from ganzoo.errors import InputError

BLOCK_VALUES = 1 << 22  # at most so many float64 values (32 MiB) in one block of rows or of distances


def checked(values: ArrayLike, name: str, least: int = 1, width: int | None = None) -> np.ndarray:
    """Returns `values` as an array [N, D] of its own dtype, a memory map as it is.

    Args:
        values: two axes, finite.
        name: what errors call them.
        least: the smallest N that will do.
        width: the D that is expected; any D >= 1 if None.
    """
    array = np.asarray(values)
    if array.ndim != 2 or len(array) < least or not array.shape[1]:
        raise InputError(f"{name} of shape {array.shape}: a score needs [N, D] with N >= {least} and D >= 1")
    if width not in (None, array.shape[1]):
        raise InputError(f"{name} of {array.shape[1]} and {width} dimensions; take all from one network")
    bad = sum(np.count_nonzero(~np.isfinite(array[rows]).all(axis=1)) for rows in blocks(*array.shape))
    if bad:
        raise InputError(
            f"{name}: {bad} of {len(array)} rows are not finite, so no score is defined; "
            "if training diverged, score an earlier checkpoint"
        )
    return array


def matrix(values: ArrayLike, name: str, least: int = 1) -> np.ndarray:
    """Returns `values` as float64 [N, D], `checked`."""
    return checked(values, name, least).astype("float64", copy=False)


def blocks(count: int, width: int) -> Iterator[slice]:
    """Yields slices of rows [width], each of at most `BLOCK_VALUES` values."""
    size = max(1, BLOCK_VALUES // max(1, width))
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def squared_distances(a: np.ndarray, b: np.ndarray, widened: float = 1.0) -> np.ndarray:
    """Returns |x|^2 + |y|^2 - 2 x.y of all pairs of rows, [N, M]; rounding may make it negative.

    Args:
        a: float64 [N, D].
        b: float64 [M, D].
        widened: factor of the norms, a little off 1 for bounds on the distances.
    """
    squares = a @ (-2 * b.T)
    squares += widened * np.einsum("nd,nd->n", a, a)[:, None]
    squares += widened * np.einsum("md,md->m", b, b)
    return squares


def filled(batch: np.ndarray, size: int) -> tuple[np.ndarray, int]:
    """Returns the batch filled up to `size` rows with its last one, so that one graph does, and how many count."""
    missing = size - len(batch)
    return (np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)]) if missing else batch), len(batch)


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Returns log p(y|x), float64 [N, K], no less than about -1e4: there p is 0, and p log p with it."""
    with np.errstate(over="ignore"):  # a difference beyond 1e308 is -inf, and exp(-1e4) is 0 as well
        shifted = np.maximum(logits - logits.max(axis=1, keepdims=True), -1e4)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def rounding_noise(eigenvalues: np.ndarray) -> float:
    """Returns what an eigenvalue of 0 may come out as; a square root would blow 1e-16 of it up to 1e-8."""
    return len(eigenvalues) * np.finfo("float64").eps * max(0.0, eigenvalues.max(initial=0.0))
