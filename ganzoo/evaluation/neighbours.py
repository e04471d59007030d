"""Fidelity and diversity apart: who lies in whose balls, of radii to the k-th nearest neighbour."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ganzoo.errors import InputError
from ganzoo.evaluation import arrays
from ganzoo.evaluation.arrays import blocks, checked, squared_distances
from ganzoo.progress import shown


@dataclass(frozen=True)
class NeighbourScores:
    """Four scores of generated images, each 0 to 1 but for `density`, which may be larger.

    Args:
        precision: share of the generated images within a ball of a real one.
        recall: share of the real images within a ball of a generated one.
        density: real balls that a generated image is in, over the k that are expected of a real one.
        coverage: share of the real balls with a generated image in them.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def neighbour_scores(generated: ArrayLike, real: ArrayLike, *, k: int = 3, density_k: int = 5) -> NeighbourScores:
    """Returns precision, recall, density and coverage of features, from one set of distances.

    A ball around a row reaches to its k-th nearest neighbour within its own set, itself left out, and is closed: what
    lies on its edge is in it, and a copy is in a ball of radius 0. Distances are float64 and ties are kept in
    spite of rounding. Time grows with (N + M)^2, memory with N + M alone. All four depend on N and M: compare at
    equal ones.

    Args:
        generated: [N, D], finite, N > k.
        real: [M, D], finite, M > k and M > `density_k`.
        k: of precision and recall.
        density_k: of density and coverage.

    Raises:
        InputError: if there are not more rows than neighbours asked for.

    Source: Kynkäänniemi et al. 2019, arXiv:1904.06991, equations 1 and 2 (k = 3); Naeem et al. 2020, arXiv:2002.09797,
        section 3 (k = 5), whose authors' code takes open balls: without exact ties the same.
    """
    generated = _more_rows_than(k, generated, "generated features")
    real = _more_rows_than(max(k, density_k), real, "real features")
    if generated.shape[1] != real.shape[1]:
        raise InputError(f"features of {generated.shape[1]} and {real.shape[1]} dimensions; take both from one network")
    # Distances are those of the rows less their centre: large norms would cost the distances digits.
    centre = real.mean(axis=0, dtype="float64")
    near, wide = _squared_radii(real, centre, (k, density_k))
    (own,) = _squared_radii(generated, centre, (k,))
    precise, recalled, covered = np.zeros(len(generated), bool), np.zeros(len(real), bool), np.zeros(len(real), bool)
    in_balls = 0
    for rows, columns, squares in _tiles(generated, real, centre, "neighbours", bound=-1):
        precise[rows] |= (squares <= near[columns]).any(axis=1)
        recalled[columns] |= (squares <= own[rows, None]).any(axis=0)
        inside = squares <= wide[columns]
        covered[columns] |= inside.any(axis=0)
        in_balls += np.count_nonzero(inside)
    density = in_balls / (density_k * len(generated))
    return NeighbourScores(*map(float, (precise.mean(), recalled.mean(), density, covered.mean())))


def _more_rows_than(k: int, features: ArrayLike, name: str) -> np.ndarray:
    features = checked(features, name)
    if not 1 <= k < len(features):
        raise InputError(f"{len(features)} {name} do not have k={k} neighbours each; give more, or k from 1 on")
    return features


def _squared_radii(points: np.ndarray, centre: np.ndarray, ks: tuple[int, ...]) -> np.ndarray:
    """Returns the squared distances to the k-th nearest other point, [len(ks), N], rounded up."""
    most = max(ks)
    nearest = np.full((len(points), most), np.inf)
    for rows, columns, squares in _tiles(points, points, centre, "radii", bound=1):
        if rows == columns:
            np.fill_diagonal(squares, np.inf)
        candidates = np.concatenate([nearest[rows], squares], axis=1)
        nearest[rows] = np.partition(candidates, most - 1, axis=1)[:, :most]
    return np.sort(nearest, axis=1)[:, np.subtract(ks, 1)].T


def _tiles(
    a: np.ndarray, b: np.ndarray, centre: np.ndarray, what: str, bound: int
) -> Iterator[tuple[slice, slice, np.ndarray]]:
    """Yields rows of `a`, rows of `b` and a bound on their squared distances: the upper for 1, the lower for -1.

    |x|^2 + |y|^2 - 2 x.y is off by less than the bounds are apart. So no distance that equals a radius is taken for
    larger; what is taken for equal is beyond it by a rounding error at most.
    """
    dim = len(centre)
    widened = 1 + bound * 2 * (dim + 4) * np.finfo("float64").eps
    side = max(dim, math.isqrt(arrays.BLOCK_VALUES))  # rows [side, dim] and distances [side, side] are blocks
    tiles = [(rows, columns) for rows in blocks(len(a), side) for columns in blocks(len(b), side)]
    for rows, columns in shown(tiles, what, len(tiles)):
        yield rows, columns, squared_distances(a[rows] - centre, b[columns] - centre, widened)
