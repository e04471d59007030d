"""Whether two orders of methods agree: Kendall's tau, with its interval."""

from collections.abc import Mapping

import numpy as np

RESAMPLES = 10_000


def agreement(published: Mapping[str, float], found: Mapping[str, float]) -> tuple[float, float, float]:
    """Returns Kendall's tau-b of the methods that both have, and its 95 % interval by a bootstrap over methods."""
    from scipy.stats import kendalltau

    names = [name for name in published if np.isfinite(found.get(name, np.nan))]
    theirs, ours = (np.array([values[name] for name in names]) for values in (published, found))
    rng = np.random.default_rng(0)
    taus = []
    for _ in range(RESAMPLES if len(names) > 1 else 0):
        rows = rng.integers(len(names), size=len(names))
        signs = [np.sign(np.subtract.outer(values[rows], values[rows])) for values in (theirs, ours)]
        norm = np.sqrt((signs[0] ** 2).sum() * (signs[1] ** 2).sum())
        if norm:  # else all resampled ones are one
            taus.append((signs[0] * signs[1]).sum() / norm)
    low, high = np.percentile(taus, [2.5, 97.5]) if taus else (np.nan, np.nan)
    return float(kendalltau(theirs, ours).statistic), float(low), float(high)
