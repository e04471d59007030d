import hashlib

import numpy as np
import pytest

from ganzoo.data import Examples, examples, load
from ganzoo.errors import InputError


def test_shape_length_and_hash():
    images = np.arange(2 * 3 * 4, dtype=np.uint8).reshape(2, 3, 4, 1)
    data = Examples("some", "train", images)
    assert len(data) == 2
    assert data.image_shape == (3, 4, 1)
    assert data.content_hash() == hashlib.sha256(images.tobytes()).hexdigest()
    assert Examples("some", "train", images[:, ::-1]).content_hash() != data.content_hash()


def test_what_does_not_fit_into_memory_is_refused(monkeypatch):
    monkeypatch.setattr(examples, "available_memory", lambda: 1000)
    with pytest.raises(InputError, match=r"5 images of 20x20x1 need .* GB .*available: give a smaller image_s"):
        examples.empty_images("some", 5, (20, 20, 1))
    assert examples.empty_images("some", 2, (20, 20, 1)).dtype == np.uint8


def test_available_memory_is_plausible():
    assert 2**20 < examples.available_memory() < 2**50


def test_the_memory_check_comes_before_a_folder_is_decoded(monkeypatch, tmp_path):
    from PIL import Image

    Image.new("RGB", (40, 40)).save(tmp_path / "a.png")
    monkeypatch.setattr(examples, "available_memory", lambda: 1000)
    with pytest.raises(InputError, match="smaller image_size"):
        load(f"folder:{tmp_path}")
    assert len(load(f"folder:{tmp_path}", image_size=8)) == 1
