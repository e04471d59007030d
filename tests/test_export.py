import hashlib
import json
import os

import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo.errors import InputError


@pytest.fixture(scope="module")
def gan(build_tiny, examples, scattered):
    """Returns a model whose averaged and last weights differ much; for reading only."""
    gan = build_tiny("dcgan", seed=5)
    gan.run_eagerly = True
    gan.fit(examples(8), batch_size=4, verbose=0)
    return scattered(gan)


@pytest.fixture(scope="module")
def folder(gan, tmp_path_factory):
    return ganzoo.export(gan, tmp_path_factory.mktemp("models") / "tiny", about={"recipe": "mine"})


@pytest.fixture(scope="module")
def loaded(folder):
    return tf.saved_model.load(str(folder))


def sampled(loaded, index, seed=0, truncation=np.inf):
    index = tf.constant(index, tf.int64)
    arguments = {"seed": tf.zeros_like(index) + seed, "index": index}
    truncation = tf.fill(index.shape, tf.cast(truncation, tf.float32))
    (output,) = loaded.signatures["sample"](**arguments, truncation=truncation).values()
    return output.numpy()


def specs(signature):
    (inputs,) = [s for s in signature.structured_input_signature if s]
    both = (inputs, signature.structured_outputs)
    return [{name: (spec.dtype.name, spec.shape.as_list()) for name, spec in each.items()} for each in both]


def test_signatures(loaded):
    assert set(loaded.signatures) == {"serving_default", "sample"}
    assert specs(loaded.signatures["serving_default"]) == [
        {"latent": ("float32", [None, 6])},
        {"images": ("float32", [None, 8, 8, 1])},
    ]
    assert specs(loaded.signatures["sample"]) == [
        {"seed": ("int64", [None]), "index": ("int64", [None]), "truncation": ("float32", [None])},
        {"images": ("uint8", [None, 8, 8, 1])},
    ]


def test_samples_are_those_of_generate(gan, loaded):
    np.testing.assert_array_equal(sampled(loaded, range(64), seed=3), gan.generate(64, seed=3))
    np.testing.assert_array_equal(
        sampled(loaded, range(64), seed=3, truncation=0.5), gan.generate(64, seed=3, truncation=0.5)
    )


def test_served_latents_are_those_of_the_model(gan, loaded, examples):
    latents = examples(4, (6,))
    images = loaded.signatures["serving_default"](latent=tf.constant(latents))["images"]
    np.testing.assert_allclose(images, gan(latents), atol=1e-6)


def test_rows_do_not_depend_on_each_other(loaded):
    """Pixels may round by one level at another batch size, latents not at all."""
    whole = sampled(loaded, range(8)).astype(int)
    shuffled = sampled(loaded, [5, 0, 7, 7, 1, 2, 3, 4]).astype(int)
    np.testing.assert_array_equal(shuffled, whole[[5, 0, 7, 7, 1, 2, 3, 4]])
    alone = np.concatenate([sampled(loaded, [index]) for index in range(8)]).astype(int)
    assert abs(alone - whole).max() <= 1
    mixed = loaded.signatures["sample"](
        seed=tf.constant([0, 9, 0], tf.int64),
        index=tf.constant([1, 1, 2], tf.int64),
        truncation=tf.constant([np.inf, 1.0, 0.1], tf.float32),
    )["images"].numpy()
    assert abs(mixed[0].astype(int) - whole[1]).max() <= 1
    assert abs(mixed[1].astype(int) - sampled(loaded, [1], 9, 1.0)[0]).max() <= 1
    assert abs(mixed[2].astype(int) - sampled(loaded, [2], 0, 0.1)[0]).max() <= 1


def test_needs_neither_keras_nor_this_package(gan, folder, in_process):
    own = hashlib.sha256(gan.generate(64).tobytes()).hexdigest()
    assert in_process("conftest", "served", {"tiny": str(folder)}) == {"tiny": own}


def test_variables_are_stored_once(gan, build_tiny, tmp_path):
    wide = build_tiny("dcgan", width=16)
    folder = ganzoo.export(wide, tmp_path)
    stored = sum(path.stat().st_size for path in (folder / "variables").iterdir())
    weights = sum(4 * int(np.prod(weight.shape)) for weight in wide.generator.weights)
    assert weights <= stored < 1.2 * weights
    # No weights among the constants of the graph either.
    assert (folder / "saved_model.pb").stat().st_size < weights


def test_averaged_or_last_weights(gan, tmp_path):
    ours = [tf.saved_model.load(str(ganzoo.export(gan, tmp_path, averaged=a))) for a in (True, False)]
    for averaged, loaded in zip((True, False), ours, strict=True):
        np.testing.assert_array_equal(sampled(loaded, range(64)), gan.generate(64, averaged=averaged))
    assert (gan.generate(64) != gan.generate(64, averaged=False)).any()
    said = [json.loads((tmp_path / v / "assets.extra" / "ganzoo.json").read_text()) for v in "12"]
    assert [each["averaged"] for each in said] == [True, False]


def test_says_what_it_is(gan, folder):
    said = json.loads((folder / "assets.extra" / "ganzoo.json").read_text())
    versions = said.pop("versions")
    assert said == {
        "variant": "dcgan", "image_shape": [8, 8, 1], "latent_dim": 6, "prior": "uniform", "step": 2,
        "seed": 5, "averaged": True, "recipe": "mine",
    }  # fmt: skip
    assert versions["tensorflow"] == tf.__version__
    assert set(versions) == {"ganzoo", "tensorflow", "keras", "numpy"}


@pytest.fixture
def write_nothing(monkeypatch):
    """Has TensorFlow write one file in place of a model."""

    def save(module, path, signatures):
        os.makedirs(path)
        with open(os.path.join(path, "saved_model.pb"), "w") as file:
            file.write("model")

    monkeypatch.setattr(tf.saved_model, "save", save)


def test_version_is_the_next_number(gan, tmp_path, write_nothing):
    for name in ("2", "10", "11.partial", "newest"):
        (tmp_path / name).mkdir()
    assert ganzoo.export(gan, tmp_path) == tmp_path / "11"
    assert ganzoo.export(gan, tmp_path / "other") == tmp_path / "other" / "1"
    assert sorted(os.listdir(tmp_path)) == ["10", "11", "11.partial", "2", "newest", "other"]


@pytest.mark.parametrize("error", [RuntimeError("out of luck"), KeyboardInterrupt()])
def test_nothing_is_left_of_an_export_that_fails(gan, tmp_path, monkeypatch, error):
    save = tf.saved_model.save

    def fail(module, path, signatures):
        os.makedirs(path)
        assert not os.path.basename(path).isdigit()  # servers must not see it yet
        raise error

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(type(error)):
        ganzoo.export(gan, tmp_path)
    assert os.listdir(tmp_path) == []
    assert save is not tf.saved_model.save


def test_points(build_tiny, examples, tmp_path):
    gan = build_tiny("dcgan", image_shape=(2,))
    loaded = tf.saved_model.load(str(ganzoo.export(gan, tmp_path)))
    assert specs(loaded.signatures["sample"])[1] == {"points": ("float32", [None, 2])}
    assert specs(loaded.signatures["serving_default"])[1] == {"points": ("float32", [None, 2])}
    np.testing.assert_array_equal(sampled(loaded, range(64)), gan.generate(64))


def test_directory_that_cannot_be_written(gan, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file", tmp_path / "file" / "models"):
        with pytest.raises(InputError, match=f"{place} cannot be written"):
            ganzoo.export(gan, place)


def test_model_without_networks(tmp_path):
    with pytest.raises(InputError, match="no networks yet: build it with image_shape=, or fit it"):
        ganzoo.export(ganzoo.build("dcgan"), tmp_path)
    assert os.listdir(tmp_path) == []


def test_folder_without_a_run(tmp_path):
    with pytest.raises(InputError, match="give the model_dir"):
        ganzoo.export_run(tmp_path, tmp_path / "models")
