import numpy as np
import pytest
from sklearn.datasets import load_digits

from ganzoo.data import load
from ganzoo.errors import InputError


def test_native_size_range_and_labels():
    train, test = load("digits"), load("digits", "test")
    assert train.images.shape == (1437, 8, 8, 1)
    assert test.images.shape == (360, 8, 8, 1)
    assert train.image_shape == (8, 8, 1)
    assert train.images.dtype == np.uint8
    assert (train.images.min(), train.images.max()) == (0, 255)
    assert train.labels.dtype == np.int64


def test_both_splits_together_are_the_file_and_each_has_every_class_alike():
    train, test = load("digits"), load("digits", "test")
    file = np.rint(load_digits().data * 255 / 16).astype(np.uint8)
    both = np.concatenate([train.images, test.images]).reshape(-1, 64)
    np.testing.assert_array_equal(np.unique(both, axis=0), np.unique(file, axis=0))
    assert len(both) == len(file) == 1797
    shares = np.bincount(test.labels) / np.bincount(np.concatenate([train.labels, test.labels]))
    assert abs(shares - 0.2).max() < 0.01


def test_the_shuffle_never_changes():
    assert load("digits").content_hash() == load("digits").content_hash()
    assert load("digits").content_hash().startswith("c55533fa")
    assert load("digits").labels[:8].tolist() == [3, 9, 1, 3, 1, 9, 4, 4]


def test_tfds_split_syntax():
    train, test = load("digits"), load("digits", "test")
    assert len(load("digits", "train[:90%]")) == 1293
    assert len(load("digits", "train[90%:]")) == 1437 - 1293
    np.testing.assert_array_equal(load("digits", "test[10:20]").images, test.images[10:20])
    np.testing.assert_array_equal(load("digits", "test[-5:]").labels, test.labels[-5:])
    both = load("digits", "train+test")
    np.testing.assert_array_equal(both.labels, np.concatenate([train.labels, test.labels]))


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        ("valid", "Unknown split 'valid'"),
        ("train[", "Unrecognized split format"),
        ("train[:9999]", "incompatible with 1437 examples"),
        ("train[20:10]", "it selects no image"),
        ("train[:0]", "it selects no image"),
        ("", "Unrecognized split format"),
    ],
)
def test_splits_that_cannot_be_read(split, reason):
    with pytest.raises(InputError) as refused:
        load("digits", split)
    assert f"split {split!r}" in str(refused.value)
    assert reason in str(refused.value)
    assert "train (1,437 images), test (360 images); parts are written as train[:90%]" in str(refused.value)


def test_resized_and_in_colour():
    digits = load("digits", "test", image_size=(16, 12), channels=3)
    assert digits.images.shape == (360, 16, 12, 3)
    np.testing.assert_array_equal(digits.images[..., 0], digits.images[..., 2])


@pytest.mark.parametrize("size", [0, -1, 2.5, "8", (8,), (8, 8, 1), True])
def test_image_sizes_that_are_none(size):
    with pytest.raises(InputError, match="image_size"):
        load("digits", image_size=size)
