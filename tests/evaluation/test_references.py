import json

import numpy as np
import pytest

from ganzoo.errors import InputError
from ganzoo.evaluation.references import read_reference, reference_for


class Halves:
    """An evaluator that gives an image's mean of each half, and counts how often it is asked."""

    name = "halves"
    accuracy = None
    weights_hash = "w"
    is_inception = False
    preparation = "none"

    def __init__(self):
        self.asked = 0

    def predict(self, images):
        self.asked += 1
        left, right = (part.mean(axis=(1, 2, 3)) for part in np.split(images, 2, axis=2))
        return np.stack([left, right], 1).astype("float32"), np.stack([left, right, right], 1).astype("float32")


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (150, 4, 4, 1), np.uint8)


def test_values_and_gaussian(images, tmp_path):
    reference = reference_for(images, "some", Halves(), tmp_path)
    order = np.random.default_rng(0).permutation(150)  # KID takes blocks, and files lie by class
    _, features = Halves().predict(images[order])
    np.testing.assert_array_equal(reference.features, features)
    assert len(reference) == 150
    np.testing.assert_allclose(reference.gaussian.mean, features.mean(axis=0, dtype="float64"))
    np.testing.assert_allclose(reference.gaussian.covariance, np.cov(features.astype("float64"), rowvar=False))


def test_asked_once_for_like_content_and_again_for_any_other(images, tmp_path):
    network = Halves()
    reference_for(images, "some", network, tmp_path)
    once = network.asked
    assert once == 3  # 64, 64, and 22 filled up
    reference_for(images.copy(), "some", network, tmp_path)
    assert network.asked == once
    changed = images.copy()
    changed[0, 0, 0] ^= 1
    reference_for(changed, "some", network, tmp_path)
    assert network.asked == 2 * once
    for name, value in (("weights_hash", "v"), ("preparation", "resized")):
        setattr(network, name, value)
        reference_for(images, "some", network, tmp_path)
    assert network.asked == 4 * once
    assert not list(tmp_path.glob(".partial*"))


def test_one_of_something_else_is_refused(images, tmp_path):
    reference_for(images, "some", Halves(), tmp_path)
    (folder,) = tmp_path.iterdir()
    identity = json.loads((folder / "about.json").read_text())
    assert len(read_reference(folder, identity)) == 150
    for key in identity:
        with pytest.raises(InputError, match=f"is of something else .{key}: "):
            read_reference(folder, identity | {key: "other"})


@pytest.mark.parametrize("file", ["features.npy", "logits.npy", "about.json"])
def test_a_damaged_one_is_computed_again(images, tmp_path, file):
    network = Halves()
    first = np.array(reference_for(images, "some", network, tmp_path).features)
    (folder,) = tmp_path.iterdir()
    identity = json.loads((folder / "about.json").read_text())
    (folder / file).write_bytes(b"half")
    with pytest.raises(InputError, match="damaged"):
        read_reference(folder, identity)
    again = reference_for(images, "some", network, tmp_path)
    np.testing.assert_array_equal(again.features, first)


def test_nothing_is_left_of_one_that_broke_off(images, tmp_path):
    class Broken(Halves):
        def predict(self, images):
            if self.asked:
                raise KeyboardInterrupt
            return super().predict(images)

    with pytest.raises(KeyboardInterrupt):
        reference_for(images, "some", Broken(), tmp_path)
    assert list(tmp_path.iterdir()) == []
