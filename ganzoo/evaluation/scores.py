"""Scores of generated images and points: pure functions of NumPy arrays, computed in float64.

An image score takes what a network makes of the images, logits [N, K] or features [N, D], so that the
network can be the data set's own classifier as well as Inception. A density score takes points [N, D].
"""

import numpy as np
from numpy.typing import ArrayLike

from ganzoo.errors import InputError
from ganzoo.evaluation.arrays import blocks, checked, matrix, rounding_noise, squared_distances
from ganzoo.evaluation.streaming import Gaussian, Moments, SplitScores


def classifier_score(logits: ArrayLike) -> float:
    """Returns exp(E_x KL(p(y|x) || p(y))), from 1 (all images alike to the classifier) to K.

    p(y) is the mean of p(y|x) over all N images, taken as one split; more splits give lower scores.

    Args:
        logits: [N, K], finite.

    Source:
        Salimans et al. 2016, arXiv:1606.03498, section 4, there with Inception as the classifier.
    """
    return _sums(logits, "logits").score()


def mode_score(logits: ArrayLike | SplitScores, real_logits: ArrayLike | SplitScores) -> float:
    """Returns exp(E_x KL(p(y|x) || q(y)) - KL(q || p)), the classifier score if classes are as frequent as in the data.

    Otherwise it is less. q is the mean of p(y|x) over the generated images, p that over the real ones. With p in q's
    place in the first term, too, p would cancel and the classifier score remain.

    Args:
        logits: [N, K] of generated images, finite; or their sums.
        real_logits: [M, K] of real ones, finite; or their sums.

    Source: Che et al. 2016, arXiv:1612.02136 (MODE score), in the form of Xu et al. 2018, arXiv:1806.07755, section 2.
    """
    ours, real = _sums(logits, "logits"), _sums(real_logits, "real logits")
    share, real_share = ours.marginal(), real.marginal()
    if len(share) != len(real_share):
        raise InputError(f"logits of {len(share)} and {len(real_share)} classes; take both from one network")
    with np.errstate(divide="ignore"):  # a class that no real image is in: the score is 0
        ratio = np.log(share, where=share > 0, out=np.zeros_like(share)) - np.log(real_share)
    divergence = np.sum(np.where(share > 0, share * ratio, 0.0))
    return ours.score() * float(np.exp(-divergence))


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
    return class_histogram_kl(np.bincount(mode, minlength=len(modes)))


def class_histogram_kl(shares: ArrayLike) -> float:
    """Returns KL(q || uniform) in nats, q the histogram of K classes: from 0 to log K, for one class only.

    Args:
        shares: [K], shares or counts.
    """
    shares = _histogram(shares)
    present = shares[shares > 0] / shares.sum()
    return max(0.0, float(np.sum(present * np.log(present * len(shares)))))


def classes_reached(shares: ArrayLike, least: float) -> int:
    """Returns how many classes have a share, or a count, of at least `least`, which is above 0."""
    if least <= 0:
        raise InputError(f"least={least}: every class has as much; give a share or a count above 0")
    return int(np.count_nonzero(_histogram(shares) >= least))


def parzen_log_likelihood(samples: ArrayLike, held_out: ArrayLike, width: float) -> tuple[float, float]:
    """Returns the mean log-likelihood, in nats, of held-out data under Gaussians around samples; its standard error.

    Of early papers, and for comparison with them alone: in high dimensions the estimate is far from the model's own
    likelihood whatever the number of samples, and does not rank models by it. Centres of clusters score higher than
    the data themselves (Theis et al. 2016, arXiv:1511.01844, section 3.5).

    Args:
        samples: generated, [N, ...], finite; 10,000 by convention.
        held_out: real, [M, ...], finite, M >= 2; as `samples`, on MNIST from 0 to 1.
        width: standard deviation of the Gaussians, in the data's units; see `parzen_width`.

    Source: Goodfellow et al. 2014, arXiv:1406.2661, section 5.
    """
    (logs,) = _parzen_logs(samples, held_out, [width])
    return float(logs.mean()), float(logs.std(ddof=1) / np.sqrt(len(logs)))


def parzen_width(samples: ArrayLike, validation: ArrayLike, widths: ArrayLike) -> float:
    """Returns that of the widths under which the validation data are likeliest; not the data that are then scored.

    For `Args` and `Source` see `parzen_log_likelihood`.
    """
    widths = np.ravel(widths)
    return float(widths[_parzen_logs(samples, validation, widths).mean(axis=1).argmax()])


def _parzen_logs(samples: ArrayLike, held_out: ArrayLike, widths: ArrayLike) -> np.ndarray:
    """Returns the log-likelihood of every held-out row under every width, [S, M]."""
    samples, held_out = (np.asarray(rows).reshape(len(rows), -1) for rows in (samples, held_out))
    samples = checked(samples, "samples")
    held_out = checked(held_out, "held-out rows", least=2, width=samples.shape[1])
    widths = np.asarray(widths, dtype="float64")
    if not widths.size or not np.all((widths > 0) & np.isfinite(widths)):
        raise InputError(f"widths {widths.tolist()}; give standard deviations above 0")
    centre = samples.mean(axis=0, dtype="float64")
    logs = np.full((len(widths), len(held_out)), -np.inf)
    for columns in blocks(len(samples), samples.shape[1]):
        block = samples[columns] - centre
        for rows in blocks(len(held_out), max(block.shape)):
            squares = squared_distances(held_out[rows] - centre, block)
            for log, width in zip(logs, widths, strict=True):
                log[rows] = np.logaddexp(log[rows], _log_sum_exp(squares / (-2 * width**2)))
    return logs - np.log(len(samples)) - samples.shape[1] * np.log(widths * np.sqrt(2 * np.pi))[:, None]


def _log_sum_exp(values: np.ndarray) -> np.ndarray:
    """Returns log sum_m exp(values), [N] of [N, M]."""
    largest = values.max(axis=1)
    return largest + np.log(np.exp(values - largest[:, None]).sum(axis=1))


def _sums(logits: ArrayLike | SplitScores, name: str) -> SplitScores:
    """Returns the sums of logits in one split."""
    if isinstance(logits, SplitScores):
        return logits
    logits = checked(logits, name)
    sums = SplitScores(len(logits))
    sums.update(logits)
    return sums


def _histogram(shares: ArrayLike) -> np.ndarray:
    shares = np.asarray(shares, dtype="float64")
    if shares.ndim != 1 or not np.all((shares >= 0) & np.isfinite(shares)) or not shares.sum():
        raise InputError(f"a histogram of {shares.tolist()}; give the shares or counts of all classes, some above 0")
    return shares


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
