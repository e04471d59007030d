"""Scores of generated images and points: pure functions of NumPy arrays, computed in float64.

An image score takes what a network makes of the images, logits [N, K] or features [N, D], so that the
network can be the data set's own classifier as well as Inception. A density score takes points [N, D].
"""

import numpy as np
from numpy.typing import ArrayLike

from ganzoo.errors import InputError
from ganzoo.evaluation.arrays import blocks, checked, matrix, rounding_noise
from ganzoo.evaluation.streaming import Gaussian, Moments, SplitScores


def classifier_score(logits: ArrayLike) -> float:
    """Returns exp(E_x KL(p(y|x) || p(y))), from 1 (all images alike to the classifier) to K.

    p(y) is the mean of p(y|x) over all N images, taken as one split; more splits give lower scores.

    Args:
        logits: [N, K], finite.

    Source:
        Salimans et al. 2016, arXiv:1606.03498, section 4, there with Inception as the classifier.
    """
    logits = checked(logits, "logits")
    scores = SplitScores(len(logits))
    scores.update(logits)
    return float(scores.scores()[0])


def class_shares(logits: ArrayLike) -> np.ndarray:
    """Returns the share of images that each class wins, [K] with sum 1, of logits [N, K]."""
    logits = matrix(logits, "logits")
    return np.bincount(logits.argmax(axis=1), minlength=logits.shape[1]) / len(logits)


def frechet_distance(features_a: ArrayLike | Gaussian, features_b: ArrayLike | Gaussian) -> float:
    """Returns the squared Fréchet (2-Wasserstein) distance of the Gaussians fitted to two sets of features.

    |mu_a - mu_b|^2 + tr(S_a) + tr(S_b) - 2 tr((S_a^1/2 S_b S_a^1/2)^1/2), with unbiased covariances S.
    It falls as N and M grow, for one and the same generator: compare at equal N and M only.

    Args:
        features_a: [N, D], N >= 2, or their moments.
        features_b: [M, D], M >= 2, or their moments; fewer rows than D are allowed.

    Source:
        Heusel et al. 2017, arXiv:1706.08500, equation 6; Dowson and Landau 1982.
    """
    a, b = _gaussian(features_a, "features_a"), _gaussian(features_b, "features_b")
    if a.mean.shape != b.mean.shape:
        raise InputError(f"features of {len(a.mean)} and {len(b.mean)} dimensions; take both from one network")
    offset = a.mean - b.mean
    traces = np.trace(a.covariance) + np.trace(b.covariance)
    distance = offset @ offset + traces - 2 * _trace_of_root(a.covariance, b.covariance)
    return max(0.0, float(distance))  # identical sets come out at about -1e-12


def nearest_distances(points: ArrayLike, references: ArrayLike) -> np.ndarray:
    """Returns the distance from every point to the nearest reference, [N], in the inputs' own units.

    The distance is the root mean square of the differences: Euclidean over the square root of the number of
    values, so that it compares across image sizes. Memory is bounded whatever N and M are.

    Args:
        points: [N, ...].
        references: [M, ...], values shaped as in `points`.
    """
    points, references = np.asarray(points), np.asarray(references)
    if points.shape[1:] != references.shape[1:] or not len(references):
        raise InputError(
            f"points of shape {points.shape} have no nearest among references of shape {references.shape}; "
            "give at least one reference of the points' shape"
        )
    points, references = (x.reshape(len(x), -1) for x in (points, references))
    nearest = np.zeros(len(points), dtype="int64")
    least = np.full(len(points), np.inf)
    for columns in blocks(len(references), references.shape[1]):
        block = references[columns].astype("float64")
        squares = np.einsum("md,md->m", block, block)
        for rows in blocks(len(points), max(block.shape)):
            # |x - r|^2 less |x|^2, which does not move the minimum over r.
            partial = points[rows].astype("float64") @ (-2 * block.T)
            partial += squares
            candidates = partial.argmin(axis=1)
            lowest = np.take_along_axis(partial, candidates[:, None], axis=1)[:, 0]
            nearer = lowest < least[rows]
            nearest[rows] = np.where(nearer, columns.start + candidates, nearest[rows])
            least[rows] = np.where(nearer, lowest, least[rows])
    return _row_distances(points, references, nearest) / np.sqrt(points.shape[1])


def modes_covered(points: ArrayLike, modes: ArrayLike, standard_deviation: float, reach: float = 3.0) -> int:
    """Returns how many modes have at least one point within `reach` standard deviations.

    Args:
        points: [N, D].
        modes: Centres of the mixture's members, [K, D].
        standard_deviation: Of every member, in the points' units.
        reach: In standard deviations.

    Source:
        Srivastava et al. 2017 (VEEGAN), arXiv:1705.07761, for its synthetic mixtures.
    """
    mode, distance = _nearest_modes(points, modes)
    return len(np.unique(mode[distance <= reach * standard_deviation]))


def high_quality_share(points: ArrayLike, modes: ArrayLike, standard_deviation: float, reach: float = 3.0) -> float:
    """Returns the share of points within `reach` standard deviations of the nearest mode.

    In D = 2 dimensions and with reach 3 the density itself has 1 - exp(-9/2) = 0.989, not 1. For `Args` and
    `Source` see `modes_covered`.
    """
    _, distance = _nearest_modes(points, modes)
    return float(np.mean(distance <= reach * standard_deviation))


def reverse_kl(points: ArrayLike, modes: ArrayLike) -> float:
    """Returns KL(q || p) in nats: q the histogram of the points' nearest modes, p uniform over the K modes.

    From 0 (all modes equally often) to log K (one mode only).

    Args:
        points: [N, D].
        modes: [K, D].

    Source:
        Metz et al. 2017 (unrolled GAN), arXiv:1611.02163, there on stacked MNIST.
    """
    mode, _ = _nearest_modes(points, modes)
    shares = np.bincount(mode, minlength=len(modes)) / len(mode)
    present = shares[shares > 0]
    return max(0.0, float(np.sum(present * np.log(present * len(modes)))))


def _gaussian(features: ArrayLike | Gaussian, name: str) -> Gaussian:
    if isinstance(features, Gaussian):
        return features
    features = checked(features, name, least=2)
    moments = Moments(features.shape[1])
    moments.update(features)
    return moments.gaussian()


def _trace_of_root(a: np.ndarray, b: np.ndarray) -> float:
    """Returns tr((a^1/2 b a^1/2)^1/2) of two covariances [D, D], of full rank or not.

    Wherever a = root root', root' b root has the spectrum of a^1/2 b a^1/2 without the zeros of a.
    """
    root = _cholesky(a)
    if root is not None and _cholesky(b) is not None:
        inner = np.linalg.eigvalsh(root.T @ b @ root)
        return float(np.sqrt(np.maximum(inner, 0.0)).sum())
    values, vectors = np.linalg.eigh(a)
    kept = values > rounding_noise(values)
    root = vectors[:, kept] * np.sqrt(values[kept])
    inner = np.linalg.eigvalsh(root.T @ b @ root)
    return float(np.sqrt(inner[inner > rounding_noise(inner)]).sum())


def _cholesky(covariance: np.ndarray) -> np.ndarray | None:
    """Returns the lower factor, which costs less than `eigh`; None if the rank may be less than D."""
    try:
        root = np.linalg.cholesky(covariance)
    except np.linalg.LinAlgError:
        return None
    pivots = np.diagonal(root) ** 2
    return root if pivots.min() > rounding_noise(pivots) else None


def _row_distances(points: np.ndarray, references: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """Returns |points[i] - references[nearest[i]]|, [N]; from the differences, so a copy is at exactly 0."""
    distances = [
        np.linalg.norm(points[rows].astype("float64") - references[nearest[rows]], axis=1)
        for rows in blocks(len(points), points.shape[1])
    ]
    return np.concatenate([np.zeros(0), *distances])


def _nearest_modes(points: ArrayLike, modes: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Returns the index [N] of the nearest mode of every point and the Euclidean distance [N] to it."""
    points, modes = matrix(points, "points"), matrix(modes, "modes")
    distances = np.stack([np.linalg.norm(points - mode, axis=1) for mode in modes], axis=1)
    return distances.argmin(axis=1), distances.min(axis=1)
