import numpy as np
import pytest

from ganzoo.data import resized
from ganzoo.data.resizing import fitted, with_channels
from ganzoo.errors import InputError

RNG = np.random.default_rng(0)


def test_the_same_size_is_not_copied():
    images = RNG.integers(0, 256, (3, 8, 8, 1), np.uint8)
    assert np.shares_memory(resized(images, (8, 8)), images)


@pytest.mark.parametrize("size", [(5, 5), (16, 16), (16, 8), (3, 20)])
def test_sizes_and_dtype(size):
    images = RNG.integers(0, 256, (300, 10, 12, 3), np.uint8)
    result = resized(images, size)
    assert result.shape == (300, *size, 3)
    assert result.dtype == np.uint8
    np.testing.assert_array_equal(result[280:], resized(images[280:], size))


def test_shrinking_averages_instead_of_picking_pixels():
    stripes = np.zeros((1, 64, 64, 1), np.uint8)
    stripes[:, :, ::2] = 255
    result = resized(stripes, (8, 8)).astype(int)
    assert abs(result - 127).max() <= 6


def test_enlarging_an_edge_stays_within_pixel_range():
    edge = np.zeros((1, 4, 4, 1), np.uint8)
    edge[:, :, 2:] = 255
    result = resized(edge, (16, 16))
    assert result.min() == 0
    assert result.max() == 255
    assert (np.diff(result[0, 8, 2:14, 0].astype(int)) >= 0).all()  # no wrap-around where it overshoots


def test_another_aspect_is_cropped_around_the_centre():
    images = np.zeros((1, 10, 30, 1), np.uint8)
    images[:, :, 10:20] = 200
    np.testing.assert_array_equal(resized(images, (10, 10)), np.full((1, 10, 10, 1), 200))
    np.testing.assert_array_equal(resized(images.transpose(0, 2, 1, 3), (5, 5)), np.full((1, 5, 5, 1), 200))


def test_colour_to_grey_is_luminance_and_grey_to_colour_repeats():
    colour = np.zeros((1, 1, 3, 3), np.uint8)
    colour[0, 0, range(3), range(3)] = 255
    np.testing.assert_array_equal(with_channels(colour, 1)[0, 0, :, 0], [76, 150, 29])
    grey = np.array([[[[5]]]], np.uint8)
    np.testing.assert_array_equal(with_channels(grey, 3), [[[[5, 5, 5]]]])
    assert with_channels(colour, None) is colour


def test_alpha_is_dropped():
    images = RNG.integers(0, 256, (2, 3, 3, 4), np.uint8)
    np.testing.assert_array_equal(fitted(images, None, 3), images[..., :3])


def test_channels_without_a_rule_are_refused():
    with pytest.raises(InputError, match=r"channels=3: the images have 2 channels"):
        with_channels(np.zeros((1, 2, 2, 2), np.uint8), 3)
