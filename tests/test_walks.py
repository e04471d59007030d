"""Walks through latents: the great circle between two of them, and the closed walk through several."""

import numpy as np
import pytest

from ganzoo.noise import slerp
from ganzoo.pictures import latent_walk

FRACTIONS = np.linspace(0, 1, 9)


def vectors(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def between(start: np.ndarray, end: np.ndarray, fractions: np.ndarray) -> np.ndarray:
    """Returns the latents at `fractions` of the way between two."""
    start, end = (np.tile(vector, (len(fractions), 1)) for vector in (start, end))
    return slerp(start, end, fractions).numpy()


def test_slerp_is_the_circle_between_orthogonal_vectors():
    walk = between(np.float32([1, 0]), np.float32([0, 1]), FRACTIONS)
    angles = FRACTIONS * np.pi / 2
    np.testing.assert_allclose(walk, np.stack([np.cos(angles), np.sin(angles)], 1), atol=1e-6)


def test_slerp_goes_from_start_to_end():
    start, end = vectors(2, 128)
    walk = between(start, end, FRACTIONS)
    assert walk.shape == (9, 128)
    np.testing.assert_allclose(walk[[0, -1]], [start, end], atol=1e-5)


def test_slerp_keeps_the_length_of_vectors_of_one_length():
    start, end = (3 * v / np.linalg.norm(v) for v in vectors(2, 128))
    np.testing.assert_allclose(np.linalg.norm(between(start, end, FRACTIONS), axis=1), 3, rtol=1e-5)


def test_slerp_blends_lengths_linearly_and_angles_evenly():
    start, end = np.float32([2, 0, 0]), np.float32([3, 4, 0])
    walk = between(start, end, FRACTIONS)
    lengths = np.linalg.norm(walk, axis=1)
    np.testing.assert_allclose(lengths, 2 + 3 * FRACTIONS, rtol=1e-5)
    np.testing.assert_allclose(np.arccos(walk[1:, 0] / lengths[1:]), FRACTIONS[1:] * np.arccos(0.6), rtol=1e-4)


@pytest.mark.parametrize("factor", [1.0, 2.0, 1 + 1e-6])
def test_slerp_between_vectors_of_one_direction_is_straight(factor):
    start = vectors(16)
    walk = between(start, np.float32(factor) * start, FRACTIONS)
    expected = (1 + (factor - 1) * FRACTIONS)[:, None] * start
    np.testing.assert_allclose(walk, expected, rtol=1e-5)
    assert walk.dtype == np.float32


@pytest.mark.parametrize("dimension", [1, 2, 128])
def test_slerp_between_opposite_vectors_is_finite_and_does_not_jump(dimension):
    start = vectors(dimension)
    walk = between(start, -start, FRACTIONS)
    assert np.isfinite(walk).all()
    np.testing.assert_allclose(walk[[0, -1]], [start, -start], atol=1e-5)
    # Half the circle in 8 equal steps is longer than the straight way.
    assert np.linalg.norm(np.diff(walk, axis=0), axis=1).max() <= 1.01 * np.pi / 8 * np.linalg.norm(start)


def test_a_walk_passes_its_stations_and_is_closed():
    stations = vectors(3, 16)
    walk = latent_walk(stations, 10)
    assert walk.shape == (30, 16)
    assert walk.dtype == np.float32
    np.testing.assert_allclose(walk[::10], stations, atol=1e-5)
    np.testing.assert_allclose(walk[20:], between(stations[2], stations[0], np.arange(10) / 10), atol=1e-6)
    steps = np.linalg.norm(np.diff(walk, axis=0, append=walk[:1]), axis=1).reshape(3, 10)
    np.testing.assert_allclose(steps[:, -1], steps[:, -2], rtol=0.2)  # the last step arrives, it does not jump


def test_a_walk_may_begin_at_any_station():
    stations = vectors(4, 8)
    rolled = latent_walk(np.roll(stations, -1, axis=0), 5)
    np.testing.assert_array_equal(rolled, np.roll(latent_walk(stations, 5), -5, axis=0))


def test_a_walk_from_a_single_station_stays_there():
    station = vectors(1, 8)
    np.testing.assert_allclose(latent_walk(station, 4), np.tile(station, (4, 1)), rtol=1e-6)


def test_each_row_of_a_slerp_has_its_own_ends_and_fraction():
    start, end = vectors(5, 16), vectors(5, 16, seed=1)
    whole = slerp(start, end, FRACTIONS[:5]).numpy()
    for row in range(5):
        np.testing.assert_array_equal(whole[row], between(start[row], end[row], FRACTIONS[row : row + 1])[0])


def test_slerp_ends_exactly_where_it_says():
    start, end = vectors(7, 100), vectors(7, 100, seed=1)
    np.testing.assert_array_equal(slerp(start, end, np.zeros(7)), start)
    np.testing.assert_array_equal(slerp(start, end, np.ones(7)), end)


def test_slerp_between_zeros_stays_there():
    np.testing.assert_array_equal(slerp(np.zeros((1, 4)), np.zeros((1, 4)), [0.5]), np.zeros((1, 4)))
