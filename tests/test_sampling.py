import math

import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.noise import latents
from ganzoo.sampling import BATCH, latent_walk, samples, slerp

FRACTIONS = np.linspace(0, 1, 9)


def image(seed: tf.Tensor, index: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
    """Images [B, 2, 2, 1] that say who they are: seed, index, ten times the truncation, 7."""
    values = [seed, index, tf.cast(10 * truncation, tf.int64), tf.zeros_like(seed) + 7]
    return tf.reshape(tf.cast(tf.stack(values, 1), tf.uint8), [-1, 2, 2, 1])


def points(seed: tf.Tensor, index: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
    return latents(seed, index, 5, truncation=truncation)


def vectors(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


# Samples.


def test_images_are_those_of_their_index_seed_and_truncation():
    drawn = samples(image, 3, 9, truncation=1.5)
    assert drawn.dtype == np.uint8
    np.testing.assert_array_equal(drawn.reshape(3, 4), [[9, index, 15, 7] for index in range(3)])


@pytest.mark.parametrize("n", [1, BATCH - 1, BATCH, BATCH + 1, 2 * BATCH + 3])
def test_an_image_is_the_same_however_many_are_drawn(n):
    many = samples(points, 3 * BATCH, 4)
    np.testing.assert_array_equal(samples(points, n, 4), many[:n])


def test_every_batch_has_the_same_size():
    sizes = []

    def recorded(seed, index, truncation):
        sizes.append((len(seed), len(index), len(truncation)))
        return index

    np.testing.assert_array_equal(samples(recorded, BATCH + 1), np.arange(BATCH + 1))
    assert sizes == [(BATCH,) * 3] * 2


@pytest.mark.parametrize("seed", [-(2**63), -1, 0, 2**32, 2**63 - 1])
def test_any_int64_is_a_seed(seed):
    expected = points(tf.constant([seed], tf.int64), tf.constant([0], tf.int64), math.inf)
    np.testing.assert_array_equal(samples(points, 1, seed), expected)


def test_a_bar_changes_nothing():
    np.testing.assert_array_equal(samples(points, 70, progress=True), samples(points, 70))


@pytest.mark.parametrize("n", [0, -3])
def test_there_is_something_to_sample(n):
    with pytest.raises(InputError, match=rf"n={n}: .*give 1 or more"):
        samples(points, n)


@pytest.mark.parametrize("truncation", [0.0, -1.0, math.nan])
def test_truncation_is_above_0(truncation):
    with pytest.raises(InputError, match=rf"truncation={truncation}: give standard deviations above 0"):
        samples(points, 1, truncation=truncation)


# Walks.


def test_slerp_is_the_circle_between_orthogonal_vectors():
    walk = slerp(np.float32([1, 0]), np.float32([0, 1]), FRACTIONS)
    angles = FRACTIONS * np.pi / 2
    np.testing.assert_allclose(walk, np.stack([np.cos(angles), np.sin(angles)], 1), atol=1e-6)


def test_slerp_goes_from_start_to_end():
    start, end = vectors(2, 128)
    walk = slerp(start, end, FRACTIONS)
    assert walk.shape == (9, 128)
    np.testing.assert_allclose(walk[[0, -1]], [start, end], atol=1e-5)


def test_slerp_keeps_the_length_of_vectors_of_one_length():
    start, end = (3 * v / np.linalg.norm(v) for v in vectors(2, 128))
    np.testing.assert_allclose(np.linalg.norm(slerp(start, end, FRACTIONS), axis=1), 3, rtol=1e-5)


def test_slerp_blends_lengths_linearly_and_angles_evenly():
    start, end = np.float32([2, 0, 0]), np.float32([3, 4, 0])
    walk = slerp(start, end, FRACTIONS)
    lengths = np.linalg.norm(walk, axis=1)
    np.testing.assert_allclose(lengths, 2 + 3 * FRACTIONS, rtol=1e-5)
    np.testing.assert_allclose(np.arccos(walk[1:, 0] / lengths[1:]), FRACTIONS[1:] * np.arccos(0.6), rtol=1e-4)


@pytest.mark.parametrize("factor", [1.0, 2.0, 1 + 1e-6])
def test_slerp_between_vectors_of_one_direction_is_straight(factor):
    start = vectors(16)
    walk = slerp(start, np.float32(factor) * start, FRACTIONS)
    expected = (1 + (factor - 1) * FRACTIONS)[:, None] * start
    np.testing.assert_allclose(walk, expected, rtol=1e-5)
    assert walk.dtype == np.float32


@pytest.mark.parametrize("dimension", [1, 2, 128])
def test_slerp_between_opposite_vectors_is_finite_and_does_not_jump(dimension):
    start = vectors(dimension)
    walk = slerp(start, -start, FRACTIONS)
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
    np.testing.assert_allclose(walk[20:], slerp(stations[2], stations[0], np.arange(10) / 10), atol=1e-6)
    steps = np.linalg.norm(np.diff(walk, axis=0, append=walk[:1]), axis=1).reshape(3, 10)
    np.testing.assert_allclose(steps[:, -1], steps[:, -2], rtol=0.2)  # the last step arrives, it does not jump


def test_a_walk_may_begin_at_any_station():
    stations = vectors(4, 8)
    rolled = latent_walk(np.roll(stations, -1, axis=0), 5)
    np.testing.assert_array_equal(rolled, np.roll(latent_walk(stations, 5), -5, axis=0))


def test_a_walk_from_a_single_station_stays_there():
    station = vectors(1, 8)
    np.testing.assert_allclose(latent_walk(station, 4), np.tile(station, (4, 1)), rtol=1e-6)
