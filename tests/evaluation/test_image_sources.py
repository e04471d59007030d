"""Exports, Keras models, folders, arrays and real data of the same images are one and the same to a score."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

import ganzoo
from ganzoo import data
from ganzoo.errors import InputError
from ganzoo.evaluation import open_source
from ganzoo.evaluation.sources import GENERATED


def drawn(source, n, seed=0):
    return np.concatenate(list(source.batches(n, seed)))


@pytest.fixture(scope="module")
def gan():
    """Returns a tiny game on 8 x 8 grey images."""
    networks = {"generator": {"width": 4}, "discriminator": {"width": 4}}
    return ganzoo.build("dcgan", image_shape=(8, 8, 1), latent_dim=4, networks=networks)


@pytest.fixture(scope="module")
def exported(gan, tmp_path_factory):
    return ganzoo.export(gan, tmp_path_factory.mktemp("models") / "tiny")


def test_a_gan_and_its_export_are_the_same_images(gan, exported):
    source, export = open_source(gan), open_source(exported)
    images = gan.generate(130, seed=3)
    np.testing.assert_array_equal(drawn(source, 130, 3), images)
    np.testing.assert_array_equal(drawn(export, 130, 3), images)
    assert (source.kind, export.kind) == ("keras_model", "saved_model")
    assert export.name == "tiny/1"
    assert source.count is None
    assert source.number(None) == GENERATED
    assert (source.origin.variant, source.origin.step, source.origin.averaged) == ("dcgan", 0, True)
    assert export.origin.variant == "dcgan"


def test_a_folder_of_versions_is_its_newest(exported):
    assert open_source(exported.parent).name == "tiny/1"


def test_files_of_the_same_images(gan, tmp_path):
    images = gan.generate(70, seed=1)
    for number, image in enumerate(images):
        path = tmp_path / "pictures" / f"{number:03}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)
    np.savez(tmp_path / "named.npz", labels=np.arange(70), images=images)
    np.savez(tmp_path / "plain.npz", images)
    for model in (
        tmp_path / "pictures",
        f"folder:{tmp_path}/pictures",
        tmp_path / "named.npz",
        tmp_path / "plain.npz",
        images,
    ):
        source = open_source(model)
        assert source.number(None) == source.count == 70
        np.testing.assert_array_equal(drawn(source, 70, seed=5), images)
    part = drawn(source, 30, 5)
    known = {bytes(image) for image in images}
    assert {bytes(image) for image in part} <= known
    assert not np.array_equal(part, images[:30])
    np.testing.assert_array_equal(drawn(source, 30, 5), part)
    assert not np.array_equal(drawn(source, 30, 6), part)


def test_what_lies_by_class_is_shuffled(tmp_path):
    for number in range(40):
        path = tmp_path / ("dark" if number < 20 else "light") / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(np.full((8, 8), 6 * number, np.uint8)).save(path)
    levels = drawn(open_source(tmp_path), 40, seed=1)[:, 0, 0, 0]
    assert sorted(levels) == [6 * number for number in range(40)]
    assert 5 <= np.count_nonzero(levels[:20] < 120) <= 15


def test_real_data_by_name_and_split():
    source = open_source("digits@test[:50%]")
    assert (source.kind, source.name, source.count) == ("data", "digits@test[:50%]", 180)
    assert source.origin.dataset == "digits"
    assert open_source(data.load("digits", "test")).count == 360
    with pytest.raises(InputError, match="/nowhere"):
        open_source("mnist@test", data_dir="/nowhere")
    points = open_source(data.load("ring8"))
    assert points.count is None
    np.testing.assert_array_equal(drawn(points, 100, 1), drawn(points, 150, 1)[:100])


def networks():
    latent = keras.Input((3,))
    flat = keras.layers.Dense(4 * 4 * 3, activation="tanh")(latent)
    yield keras.Model(latent, keras.layers.Reshape((4, 4, 3))(flat), name="plain")


def test_any_keras_generator(tmp_path):
    (model,) = networks()
    source = open_source(model)
    images = drawn(source, 100, seed=2)
    assert images.shape == (100, 4, 4, 3)
    from ganzoo.noise import latents

    index = tf.range(100, dtype=tf.int64)
    expected = np.rint((model(latents(tf.zeros_like(index) + 2, index, 3)).numpy() + 1) * 127.5)
    assert np.abs(images - expected).max() <= 1  # other batch sizes round differently
    model.export(tmp_path / "foreign", verbose=False)  # a SavedModel that ganzoo did not write
    foreign = open_source(tmp_path / "foreign")
    assert foreign.kind == "saved_model"
    assert foreign.origin.variant is None
    assert np.abs(drawn(foreign, 100, 2).astype(int) - images).max() <= 1


class TestRefusals:
    def test_nothing_there(self, tmp_path):
        with pytest.raises(InputError, match=r"no SavedModel.*no folder of images"):
            open_source(tmp_path / "absent")
        with pytest.raises(InputError, match=r"no SavedModel.*holds no images"):
            open_source(tmp_path)
        with pytest.raises(InputError, match="type int gives no examples"):
            open_source(5)

    def test_a_damaged_archive(self, tmp_path):
        (tmp_path / "x.npz").write_bytes(b"PK\x03\x04no")
        np.savez(tmp_path / "pickled.npz", images=np.array([{}], dtype=object))
        (tmp_path / "empty.npz").touch()
        with open(tmp_path / "renamed.npz", "wb") as file:
            np.save(file, np.zeros(3))
        for name in ("x.npz", "pickled.npz", "absent.npz", "empty.npz", "renamed.npz"):
            with pytest.raises(InputError, match="holds no array that can be read"):
                open_source(tmp_path / name)

    @pytest.mark.parametrize(
        ("array", "message"),
        [
            (np.zeros((4, 8, 8, 3), np.int64), "int64 of shape"),
            (np.full((4, 8, 8, 3), 7.0), r"images in \[7, 7\]; end it with tanh"),
            (np.full((4, 8, 8, 3), np.nan), "4 of 4 examples .* are not finite"),
            (np.zeros((4, 8, 8, 3, 1), np.uint8), "uint8 of shape"),
            (np.zeros((0, 8, 8, 3), np.uint8), "the array is empty"),
        ],
    )
    def test_arrays(self, array, message):
        with pytest.raises(InputError, match=message):
            open_source(array)

    def test_more_than_there_are(self):
        source = open_source(np.zeros((5, 8, 8, 1), np.uint8))
        with pytest.raises(InputError, match="samples=6: the array has 5 examples"):
            source.number(6)
        with pytest.raises(InputError, match="has 1 examples: a score needs at least 2"):
            open_source(np.zeros((1, 8, 8, 1), np.uint8)).number(None)

    def test_a_network_that_is_no_generator(self):
        (model,) = networks()
        images = keras.Input((8, 8, 1))
        with pytest.raises(InputError, match="give a functional or sequential one"):
            open_source(keras.Model(images, images))
        flat = keras.Model(model.input, keras.layers.Reshape((4, 12))(model.output))
        with pytest.raises(InputError, match="gives values of shape"):
            open_source(flat)
        with pytest.raises(InputError, match="no networks yet"):
            open_source(ganzoo.build("dcgan"))

    def test_networks_that_leave_the_range_or_are_lost(self, gan):
        latent = keras.Input((3,))
        wide = keras.layers.Dense(16, kernel_initializer=keras.initializers.Constant(9.0))(latent)
        with pytest.raises(InputError, match="end it with tanh"):
            open_source(keras.Model(latent, keras.layers.Reshape((4, 4, 1))(wide), name="wide"))

    def test_a_generator_of_nan(self, tmp_path):
        networks = {"generator": {"width": 4}, "discriminator": {"width": 4}}
        lost = ganzoo.build("dcgan", image_shape=(8, 8, 1), latent_dim=4, networks=networks)
        for weight in lost.averaged_generator.weights:
            weight.assign(np.full(weight.shape, np.nan))
        with pytest.raises(InputError, match=r"64 of 64 examples of .* are not finite"):
            open_source(lost)
        with pytest.raises(InputError, match=r"64 of 64 examples of .* are not finite"):
            open_source(ganzoo.export(lost, tmp_path / "lost"))
