import os
import socket

import numpy as np
import pytest
import tensorflow_datasets as tfds

from ganzoo.data import load
from ganzoo.errors import InputError

needs_tfds = pytest.mark.skipif(
    "TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is not set: no MNIST and CIFAR-10 here"
)


@needs_tfds
def test_mnist():
    data = load("mnist", "train[:500]", data_dir=os.environ["TFDS_DATA_DIR"])
    assert data.images.shape == (500, 28, 28, 1)
    assert data.images.dtype == np.uint8
    assert (data.images.min(), data.images.max()) == (0, 255)
    assert data.labels.dtype == np.int64
    assert set(data.labels.tolist()) == set(range(10))
    assert data.name.startswith("mnist:")
    again = load(data.name, "train[:500]")
    assert again.content_hash() == data.content_hash()


@needs_tfds
def test_cifar10_with_a_version():
    data = load("cifar10:3.*.*", split="train[:500]")
    assert data.images.shape == (500, 32, 32, 3)
    assert set(data.labels.tolist()) == set(range(10))
    part = load("cifar10", split="train[300:310]+test[:1]")
    np.testing.assert_array_equal(part.images[:10], data.images[300:310])
    assert len(part) == 11


@needs_tfds
def test_mnist_resized_and_cifar10_grey():
    assert load("mnist", "train[:300]", image_size=32).images.shape == (300, 32, 32, 1)
    grey = load("cifar10", "test[:20]", image_size=(16, 24), channels=1)
    assert grey.images.shape == (20, 16, 24, 1)


@needs_tfds
def test_splits_that_are_not_there():
    with pytest.raises(InputError, match=r"split 'valid': .*train \(60,000 images\), test \(10,000 images\)"):
        load("mnist", "valid")
    with pytest.raises(InputError, match="it selects no image"):
        load("mnist", "train[20:10]")


def test_versions_and_configs_that_do_not_exist():
    with pytest.raises(InputError, match=r"'cifar10:9\.9\.9' cannot be used .*only: .*NAME:VERSION"):
        load("cifar10:9.9.9")
    with pytest.raises(InputError, match=r"'mnist/big' cannot be used .*BuilderConfig big not found"):
        load("mnist/big")


def test_data_sets_without_images_are_refused_before_any_download(tmp_path):
    with pytest.raises(InputError, match=r"'imdb_reviews' has no images .*it has: text, label\)"):
        load("imdb_reviews", data_dir=tmp_path)


def test_missing_data_without_network_is_said_at_once(tmp_path, monkeypatch):
    def no_such_name(*_, **__):
        raise socket.gaierror("no network in this test")

    monkeypatch.setattr(socket, "getaddrinfo", no_such_name)
    monkeypatch.setattr("urllib.request.getproxies", dict)
    with pytest.raises(InputError) as refused:
        load("mnist", data_dir=tmp_path)
    message = str(refused.value)
    assert f"data set 'mnist' is not in '{tmp_path}" in message
    assert "storage.googleapis.com is not found" in message
    assert "`tfds build mnist --data_dir FOLDER`" in message
    assert "TFDS_DATA_DIR" in message


def test_a_download_that_fails_is_one_message(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full\nsecond line")

    monkeypatch.setattr("ganzoo.data.tfds_source._unreachable_host", lambda builder: None)
    monkeypatch.setattr(tfds.core.DatasetBuilder, "download_and_prepare", fail)
    with pytest.raises(InputError, match=r"cannot be prepared \(OSError: disk full second line\): on a machine"):
        load("mnist", data_dir=tmp_path)


class Varied(tfds.core.GeneratorBasedBuilder):
    """Images of many sizes, without labels."""

    VERSION = tfds.core.Version("1.2.3")
    pkg_dir_path = None

    def _info(self):
        features = {"image": tfds.features.Image(shape=(None, None, 3)), "name": tfds.features.Text()}
        return tfds.core.DatasetInfo(builder=self, features=tfds.features.FeaturesDict(features))

    def _split_generators(self, dl_manager):
        return {"train": self._generate_examples()}

    def _generate_examples(self):
        for number in range(6):
            image = np.full((10 + number, 20, 3), number * 40, np.uint8)
            yield number, {"image": image, "name": str(number)}


def test_images_of_many_sizes_from_a_data_set_of_ones_own(tmp_path):
    with pytest.raises(InputError, match="'varied': its images differ in size: give image_size"):
        load("varied", data_dir=tmp_path)
    data = load("varied", data_dir=tmp_path, image_size=8)
    assert data.images.shape == (6, 8, 8, 3)
    assert sorted(data.images[:, 0, 0, 0].tolist()) == [0, 40, 80, 120, 160, 200]
    assert data.labels is None
    assert data.name == "varied:1.2.3"
