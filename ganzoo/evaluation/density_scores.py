"""Which scores a generator of points gets, each beside the same score of real points (`real_<metric>`)."""

import numpy as np

from ganzoo.data import Density
from ganzoo.evaluation.records import Score
from ganzoo.evaluation.scores import frechet_distance, high_quality_share, modes_covered, reverse_kl


def density_scores(points: np.ndarray, density: Density, seed: int) -> list[Score]:
    """Returns the Fréchet distance of the points themselves and, of a mixture, the scores on its modes.

    Args:
        points: Generated, [N, D].
        density: What they should follow.
        seed: Of the real points, two sets of N.
    """
    count = len(points)
    real, other = density.sample(count, seed), density.sample(count, seed + 1)
    distance, floor = frechet_distance(points, real), frechet_distance(other, real)
    scores = [
        Score("frechet_distance/points", distance, generated=count, real=count),
        Score("real_frechet_distance/points", floor, generated=0, real=2 * count),
    ]
    if density.modes is not None:
        scores += _mode_scores("", points, density, {"generated": count, "real": 0})
        scores += _mode_scores("real_", real, density, {"generated": 0, "real": count})
    return scores


def _mode_scores(prefix: str, points: np.ndarray, density: Density, counts: dict[str, int]) -> list[Score]:
    modes, deviation = density.modes, density.standard_deviation
    return [
        Score(f"{prefix}modes_covered", modes_covered(points, modes, deviation), **counts),
        Score(f"{prefix}high_quality_share", high_quality_share(points, modes, deviation), **counts),
        Score(f"{prefix}reverse_kl", reverse_kl(points, modes), **counts),
    ]
