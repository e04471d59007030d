"""Whether two orders of methods agree: Kendall's tau, with its interval."""

from collections.abc import Mapping, Sequence

import numpy as np

RESAMPLES = 10_000


def agreement(published: Mapping[str, float], found: Mapping[str, Sequence[float]]) -> tuple[float, float, float]:
    """Returns Kendall's tau-b of published values with the means of what was found, and its 95 % interval.

    The interval is by a bootstrap over methods, and over the numbers, one a seed, that each method has.

    Args:
        published: by method.
        found: by method; those without a number are left out.
    """
    from scipy.stats import kendalltau

    numbers = {name: np.array(values)[np.isfinite(values)] for name, values in found.items()}
    names = [name for name in published if len(numbers.get(name, ()))]
    theirs = np.array([published[name] for name in names])
    rng = np.random.default_rng(0)
    draws = np.array([rng.choice(numbers[name], (RESAMPLES, len(numbers[name]))).mean(1) for name in names])
    taus = []
    for draw in draws.T if len(names) > 1 else ():
        rows = rng.integers(len(names), size=len(names))
        signs = [np.sign(np.subtract.outer(values[rows], values[rows])) for values in (theirs, draw)]
        norm = np.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum())
        if norm:  # else all resampled ones are one
            taus.append((signs[0] * signs[1]).sum() / norm)
    low, high = np.percentile(taus, [2.5, 97.5]) if taus else (np.nan, np.nan)
    means = [numbers[name].mean() for name in names]
    return float(kendalltau(theirs, means).statistic), float(low), float(high)
