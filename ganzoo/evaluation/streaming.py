"""Scores of batches that come one after the other, in memory that does not grow with their number.

Everything is summed in float64. Features are gathered into blocks before they are multiplied: that is faster, and the
result is the same to the last bit however they were divided into batches.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ganzoo.errors import InputError
from ganzoo.evaluation.arrays import blocks, checked, log_softmax

_ROWS = 1024  # in a block of `Moments`; a product of 64 rows takes four times as long a row
MAX_KERNEL_BLOCK = 1024  # TF-GAN's own, which published kernel distances were measured with


@dataclass(frozen=True, eq=False)
class Gaussian:
    """Two moments of features: all that the Fréchet distance asks of a set.

    Args:
        count: of the rows they were taken from.
        mean: float64 [D].
        covariance: float64 [D, D], unbiased: the sum of products over `count` - 1.
    """

    count: int
    mean: np.ndarray
    covariance: np.ndarray


class Moments:
    """Sums of features and of their products, from which `gaussian` comes.

    The features are shifted by the mean of the first block, so that a large mean costs the covariance no digits.

    Args:
        dim: D, values in a row.
    """

    def __init__(self, dim: int):
        self.count = 0
        self._block = _Block(_ROWS, dim)
        self._shift = None
        self._sum = np.zeros(dim)
        self._products = np.zeros((dim, dim), order="F")  # its lower triangle

    def update(self, features: ArrayLike) -> None:
        """Adds rows [B, D]."""
        features = checked(features, "features", least=0, width=len(self._sum))
        self.count += len(features)
        while len(features):
            features = self._block.filled(features, _ROWS)
            if self._block.count == _ROWS:
                self._add()

    def gaussian(self) -> Gaussian:
        """Returns the moments of all rows so far.

        Raises:
            InputError: of fewer than two rows, which have no covariance.
        """
        if self.count < 2:
            raise InputError(f"{self.count} rows have no covariance; give two at the least")
        if self._block.count:
            self._add()
        products = self._products + np.tril(self._products, -1).T
        covariance = (products - np.outer(self._sum, self._sum) / self.count) / (self.count - 1)
        return Gaussian(self.count, self._shift + self._sum / self.count, covariance)

    def _add(self) -> None:
        from scipy.linalg.blas import dsyrk  # adds one triangle in place, in half of the time of `+= rows.T @ rows`

        rows = self._block.emptied()
        if self._shift is None:
            self._shift = rows.mean(axis=0)
        rows -= self._shift
        self._sum += rows.sum(axis=0)
        self._products = dsyrk(1.0, rows.T, beta=1.0, c=self._products, overwrite_c=True, lower=True)


class SplitScores:
    """Classifier scores, exp(E_x KL(p(y|x) || p(y))), of contiguous splits of the images.

    Args:
        total: N, images there will be; the i-th split is images i N // splits to (i + 1) N // splits.
        splits: each with a p(y) of its own; the more of them, the lower the scores.

    Source: Salimans et al. 2016, arXiv:1606.03498, section 4, with ten splits of 50,000 images.
    """

    def __init__(self, total: int, splits: int = 1):
        if not 1 <= splits <= total:
            raise InputError(f"{total} images do not make {splits} splits; give at least one image to each")
        self.total = total
        self.count = 0
        self._bounds = np.arange(splits + 1) * total // splits
        self._negative_entropy = np.zeros(splits)  # sum over the images of sum_y p log p
        self._conditional = None  # [splits, K], sum over the images of p(y|x)

    def update(self, logits: ArrayLike) -> None:
        """Adds logits [B, K] of the next images."""
        width = None if self._conditional is None else self._conditional.shape[1]
        logits = checked(logits, "logits", least=0, width=width)
        if self.count + len(logits) > self.total:
            raise InputError(f"more than the {self.total} images that were announced; announce as many as there are")
        if self._conditional is None:
            self._conditional = np.zeros((len(self._negative_entropy), logits.shape[1]))
        for rows in blocks(*logits.shape):
            self._add(logits[rows].astype("float64"))

    def scores(self) -> np.ndarray:
        """Returns the score of every split, float64 [splits], each from 1 to K.

        Raises:
            InputError: if images are missing.
        """
        self._require_all()
        return _scores(self._negative_entropy, self._conditional, np.diff(self._bounds))

    def score(self) -> float:
        """Returns the score of all images in one split, from 1 to K.

        Raises:
            InputError: if images are missing.
        """
        self._require_all()
        sums = (sums.sum(axis=0, keepdims=True) for sums in (self._negative_entropy, self._conditional))
        return float(_scores(*sums, np.array([self.total]))[0])

    def marginal(self) -> np.ndarray:
        """Returns the mean of p(y|x) over all images, float64 [K]."""
        self._require_all()
        return self._conditional.sum(axis=0) / self.total

    def _require_all(self) -> None:
        if self.count != self.total:
            raise InputError(f"logits of {self.count} images, and {self.total} were announced; give them all")

    def _add(self, logits: np.ndarray) -> None:
        log_conditional = log_softmax(logits)
        conditional = np.exp(log_conditional)
        negative_entropy = np.einsum("bk,bk->b", conditional, log_conditional)
        cuts = np.clip(self._bounds - self.count, 0, len(logits))
        for split, (start, stop) in enumerate(itertools.pairwise(cuts)):
            self._negative_entropy[split] += negative_entropy[start:stop].sum()
            self._conditional[split] += conditional[start:stop].sum(axis=0)
        self.count += len(logits)


def _scores(negative_entropy: np.ndarray, conditional: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Returns the scores [splits] of sums [splits] and [splits, K] over so many images [splits]."""
    marginal = conditional / images[:, None]
    # p log p -> 0 as p -> 0: a class whose probabilities all underflow adds nothing.
    log_marginal = np.log(marginal, where=marginal > 0, out=np.zeros_like(marginal))
    divergence = negative_entropy / images - (marginal * log_marginal).sum(axis=1)
    return np.exp(np.maximum(divergence, 0.0))


class KernelBlocks:
    """The kernel distance: unbiased squared MMD with k(x, y) = (x.y / D + 1)^3, by blocks of either set.

    As TF-GAN takes it, both sets are divided, in the order given, into as many blocks as keep the larger set's at
    1024 rows or fewer, and the estimates of the pairs of blocks are averaged. So both must be in random order. Other
    packages average a hundred random subsets instead: the same expectation, another number.

    Args:
        generated_count: N, rows there will be.
        reference: [M, D] of real images, finite; read a block at a time, so that a memory map stays on disk.
        max_block: rows in a block, at most.

    Raises:
        InputError: if a block of either set would have fewer than two rows.

    Source: Bińkowski et al. 2018, arXiv:1801.01401 (KID); blocks: Zaremba et al. 2013, arXiv:1307.1954.
    """

    def __init__(self, generated_count: int, reference: np.ndarray, max_block: int = MAX_KERNEL_BLOCK):
        if np.ndim(reference) != 2 or min(generated_count, len(reference)) < 2:
            raise InputError(
                f"{generated_count} generated rows and a reference of shape {np.shape(reference)}: "
                "a kernel distance needs [M, D] and two rows of each at the least"
            )
        number = -(-max(generated_count, len(reference)) // max_block)
        if min(generated_count, len(reference)) < 2 * number:
            raise InputError(
                f"{generated_count} generated and {len(reference)} real rows make {number} blocks, some with less "
                "than two rows of a set; give as many of the one as of the other"
            )
        self.total = generated_count
        self.count = 0
        self._reference = reference
        self._sizes, reference_sizes = (_sizes(rows, number) for rows in (generated_count, len(reference)))
        self._reference_bounds = np.cumsum([0, *reference_sizes])
        self._block = _Block(max(self._sizes), reference.shape[1])
        self._estimates = []

    def update(self, features: ArrayLike) -> None:
        """Adds rows [B, D] of the next generated images."""
        features = checked(features, "features", least=0, width=self._reference.shape[1])
        if self.count + len(features) > self.total:
            raise InputError(f"more than the {self.total} rows that were announced; announce as many as there are")
        self.count += len(features)
        while len(features):
            size = self._sizes[len(self._estimates)]
            features = self._block.filled(features, size)
            if self._block.count == size:
                self._estimates.append(self._estimate(self._block.emptied()))

    def distance(self) -> tuple[float, float | None]:
        """Returns the distance and its standard error, None with one block.

        The distance is unbiased, so that it is negative about half of the time where there is none. The standard
        error is that of a mean of blocks, not the spread of overlapping subsets that other packages print.

        Raises:
            InputError: if rows are missing.
        """
        if self.count != self.total:
            raise InputError(f"features of {self.count} rows, and {self.total} were announced; give them all")
        number = len(self._estimates)
        error = float(np.std(self._estimates, ddof=1) / np.sqrt(number)) if number > 1 else None
        return float(np.mean(self._estimates)), error

    def _estimate(self, generated: np.ndarray) -> float:
        start, stop = self._reference_bounds[len(self._estimates) :][:2]
        real = checked(self._reference[start:stop], "the reference").astype("float64")
        own = sum(_mean_kernel(rows, rows, but_self=True) for rows in (generated, real))
        return own - 2 * _mean_kernel(generated, real)


def _sizes(count: int, number: int) -> list[int]:
    """Returns the sizes of `number` nearly equal blocks, the larger ones last."""
    least, larger = divmod(count, number)
    return [least] * (number - larger) + [least + 1] * larger


def _mean_kernel(a: np.ndarray, b: np.ndarray, but_self: bool = False) -> float:
    """Returns the mean of (x.y / D + 1)^3 over the pairs of rows; `but_self`: without those of one row and itself."""
    kernel = a @ b.T
    kernel /= a.shape[1]
    kernel += 1
    if but_self:
        np.fill_diagonal(kernel, 0.0)
    return float(np.vdot(kernel * kernel, kernel)) / (len(a) * (len(b) - but_self))


class _Block:
    """A block of rows that batches of any size fill.

    Args:
        size: rows, at most.
        dim: values in a row.
    """

    def __init__(self, size: int, dim: int):
        self._rows = np.empty((size, dim))
        self.count = 0

    def filled(self, batch: np.ndarray, size: int) -> np.ndarray:
        """Returns the rows of a batch that are left when the block holds `size`, or none is."""
        taken = batch[: size - self.count]
        self._rows[self.count : self.count + len(taken)] = taken
        self.count += len(taken)
        return batch[len(taken) :]

    def emptied(self) -> np.ndarray:
        """Returns the rows, which the next batch overwrites."""
        rows, self.count = self._rows[: self.count], 0
        return rows
