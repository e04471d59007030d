import os

import numpy as np
import pytest

from ganzoo.data import load
from ganzoo.data.stacked_mnist import _rows
from ganzoo.errors import InputError

needs_tfds = pytest.mark.skipif("TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is not set: no MNIST here")


@pytest.fixture(scope="module")
def stacked():
    return load("stacked_mnist", "test")


@needs_tfds
def test_channels_are_digits_and_the_label_reads_them(stacked):
    assert stacked.images.shape == (26_000, 28, 28, 3)
    assert stacked.images.dtype == np.uint8
    assert stacked.labels.dtype == np.int64
    mnist = load("mnist", "test")
    label_of = {image.tobytes(): label for image, label in zip(mnist.images, mnist.labels, strict=True)}
    for image, label in zip(stacked.images[:200], stacked.labels[:200], strict=True):
        red, green, blue = (label_of[np.ascontiguousarray(image[..., c]).tobytes()] for c in range(3))
        assert 100 * red + 10 * green + blue == label


@needs_tfds
def test_every_class_is_there_and_none_is_preferred(stacked):
    digits = np.bincount(load("mnist", "test").labels) / 10_000
    expected = 26_000 * (digits[:, None, None] * digits[:, None] * digits).ravel()
    counts = np.bincount(stacked.labels, minlength=1000)
    assert (counts > 0).all()
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_squared - 999) < 4 * np.sqrt(2 * 999)  # mean and four standard deviations of chi squared


@needs_tfds
def test_parts_and_sizes(stacked):
    part = load("stacked_mnist", "test[100:110]+test[:5]", image_size=32)
    assert part.images.shape == (15, 32, 32, 3)
    np.testing.assert_array_equal(part.labels[:10], stacked.labels[100:110])
    again = load("stacked_mnist", "test[100:110]")
    np.testing.assert_array_equal(again.images, stacked.images[100:110])


def test_the_choice_never_changes_and_uses_the_whole_split():
    rows = _rows("train")
    assert rows.shape == (128_000, 3)
    assert rows[0].tolist() == [9534, 23241, 54330]
    assert (rows.min(), rows.max()) == (0, 59_999)
    assert len(np.unique(rows)) > 59_800  # e^-6.4 of 60,000, some 100, are drawn never
    assert abs(np.corrcoef(rows.T)[np.triu_indices(3, 1)]).max() < 0.02
    assert (_rows("test")[:100] != rows[:100]).all()


def test_what_it_cannot_be():
    with pytest.raises(InputError, match="each channel of stacked_mnist is a digit of its own"):
        load("stacked_mnist", channels=1)
    with pytest.raises(InputError, match=r"split 'valid': .*train \(128,000 images\), test \(26,000 images\)"):
        load("stacked_mnist", "valid")
