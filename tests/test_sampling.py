import math

import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.noise import latents
from ganzoo.sampling import BATCH, samples


def image(seed: tf.Tensor, index: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
    """Images [B, 2, 2, 1] that say who they are: seed, index, ten times the truncation, 7."""
    values = [seed, index, tf.cast(10 * truncation, tf.int64), tf.zeros_like(seed) + 7]
    return tf.reshape(tf.cast(tf.stack(values, 1), tf.uint8), [-1, 2, 2, 1])


def points(seed: tf.Tensor, index: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
    return latents(seed, index, 5, truncation=truncation)


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
