import dataclasses
import hashlib
import json
import random
from importlib.metadata import version

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import logging

from ganzoo import data
from ganzoo.errors import InputError
from ganzoo.evaluation import classifier, classifier_cache, train_classifier
from ganzoo.evaluation.classifier_cache import cached_classifier, make_classifier
from ganzoo.evaluation.classifier_files import read_classifier, read_record
from ganzoo.evaluation.classifier_plans import PLANS


@pytest.fixture(scope="module")
def coloured_classifier(coloured):
    return train_classifier(*coloured, epochs=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Returns the record and the path of a classifier of the digits."""
    return make_classifier("digits", image_size=8, epochs=1, seed=3, output=tmp_path_factory.mktemp("made"))


@pytest.fixture
def trainings(monkeypatch, coloured_classifier):
    """Has the cache train by looking up a trained classifier; returns the list of the data sets asked for."""
    names = []

    def train(train, test, **_):
        names.append(train.name)
        return coloured_classifier

    monkeypatch.setattr(classifier_cache, "train_classifier", train)
    return names


class TestTraining:
    @pytest.mark.long
    def test_digits_are_told_apart(self, digits):
        trained = train_classifier(*digits)
        assert trained.name == "digits_16x16x1"
        logits, features = trained.predict(digits[1].images)
        assert logits.shape == (360, 10)
        assert features.shape == (360, 64)
        accuracy = np.mean(logits.argmax(axis=1) == digits[1].labels)
        assert accuracy >= 0.97
        assert trained.accuracy == accuracy

    def test_weights_depend_on_the_seed(self, coloured, coloured_classifier):
        other = train_classifier(*coloured, epochs=1, seed=1)
        assert other.weights_hash != coloured_classifier.weights_hash

    def test_global_generators_and_policies_have_no_part_and_are_left_alone(self, coloured, coloured_classifier):
        keras.utils.set_random_seed(5)
        expected = [np.random.random(), random.random(), *tf.random.uniform([4]).numpy()]
        keras.utils.set_random_seed(5)
        keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
        try:
            again = train_classifier(*coloured, epochs=1)
        finally:
            keras.mixed_precision.set_dtype_policy("float32")
        assert again.weights_hash == coloured_classifier.weights_hash
        assert [np.random.random(), random.random(), *tf.random.uniform([4]).numpy()] == expected

    def test_a_run_that_was_cut_goes_on_to_the_same_weights(self, coloured, tmp_path, monkeypatch):
        expected = train_classifier(*coloured, epochs=4).weights_hash
        backup = tmp_path / "backup.keras"
        shown = []

        def cut(batches, what, total):
            for step, batch in enumerate(batches):
                if len(shown) == 0 and step == 2:
                    raise KeyboardInterrupt
                yield batch
            shown.append(total)

        monkeypatch.setattr(classifier, "shown", cut)
        with pytest.raises(KeyboardInterrupt):
            train_classifier(*coloured, epochs=4, backup=backup)
        assert backup.exists()
        shown.append("again")
        assert train_classifier(*coloured, epochs=4, backup=backup).weights_hash == expected
        assert shown == ["again", 2]  # two of four steps were left: one batch of 32 is an epoch of 60
        assert not backup.exists()

    def test_plans_are_known_by_name(self, coloured):
        with pytest.raises(InputError, match="no plan 'residul' to train a classifier by; did you mean 'residual'"):
            train_classifier(*coloured, plan="residul")

    @pytest.mark.long
    def test_photographs_are_learned_too(self, coloured):
        assert train_classifier(*coloured, plan="residual", epochs=8).accuracy == 1.0

    @pytest.mark.parametrize("labels", [None, np.zeros(60, "int64")])
    def test_data_without_classes_are_refused(self, coloured, labels):
        with pytest.raises(InputError, match="a classifier needs two"):
            train_classifier(dataclasses.replace(coloured[0], labels=labels), coloured[1])


class TestPredict:
    def test_rows_do_not_depend_on_batches(self, coloured, coloured_classifier):
        images = coloured[0].images
        whole, cut = (coloured_classifier.predict(images, batch_size=size) for size in (64, 7))
        for one, other in zip(whole, cut, strict=True):
            assert one.dtype == "float32"
            assert len(one) == len(images)
            np.testing.assert_allclose(one, other, atol=1e-5)

    @pytest.mark.parametrize("shape", [(3, 8, 8, 1), (0, 8, 8, 3)])
    def test_images_of_another_shape_are_refused(self, coloured_classifier, shape):
        with pytest.raises(InputError, match="do not fit the classifier folder-some-where_8x8x3"):
            coloured_classifier.predict(np.zeros(shape, "uint8"))


class TestMaking:
    def test_the_record_says_how(self, made):
        record, path = made
        train, test = (data.load("digits", split) for split in ("train", "test"))
        assert (record.name, record.dataset, record.image_shape, record.classes) == (
            "digits_8x8x1", "digits", (8, 8, 1), 10,
        )  # fmt: skip
        assert (record.plan, record.epochs, record.seed) == ("quick", 1, 3)
        for said, examples in ((record.train, train), (record.test, test)):
            assert (said.split, said.images) == (examples.split, len(examples))
            assert said.content_hash == hashlib.sha256(examples.images.tobytes()).hexdigest()
            assert said.labels_hash == hashlib.sha256(examples.labels.tobytes()).hexdigest()
        assert record.trained_with.startswith(f"keras {keras.__version__}, tensorflow backend, ")
        assert record.versions == {name: version(name) for name in ("ganzoo", "keras", "tensorflow", "numpy")}
        assert read_record(path) == record

    def test_the_files_hold_the_classifier(self, made):
        record, path = made
        again = read_classifier(path)
        test = data.load("digits", "test")
        assert again.weights_hash == record.weights_hash
        assert again.accuracy == record.accuracy == np.mean(again.predict(test.images)[0].argmax(1) == test.labels)
        names = {entry.name for entry in path.parent.iterdir()}
        assert names == {path.name, f"{path.name}.json", f"{path.name}.weights.h5"}

    def test_the_saved_model_is_called_like_an_inception_network(self, made):
        record, path = made
        loaded = tf.saved_model.load(str(path / "1"))
        images = data.load("digits", "test").images[:5]
        expected = dict(zip(("logits", "pool_3"), read_classifier(path).predict(images), strict=True))
        scaled = tf.constant(images / 127.5 - 1, tf.float32)
        for outputs in (loaded(scaled), loaded.signatures["serving_default"](images=scaled)):
            assert {name: tuple(output.shape) for name, output in outputs.items()} == {
                "logits": (5, 10), "pool_3": (5, 64),
            }  # fmt: skip
            for name, output in outputs.items():
                assert output.dtype == tf.float32
                np.testing.assert_allclose(output, expected[name], atol=1e-4)
        about = json.loads((path / "1" / "assets.extra" / "ganzoo.json").read_text())
        assert about["weights_hash"] == record.weights_hash

    def test_a_second_making_is_a_second_version(self, made, monkeypatch):
        _, path = made
        monkeypatch.setattr(classifier_cache, "train_classifier", lambda *_, **__: read_classifier(path))
        make_classifier("digits", image_size=8, epochs=1, seed=3, output=path.parent)
        assert sorted(entry.name for entry in path.iterdir()) == ["1", "2"]

    def test_what_is_made_into_the_cache_is_found_there(self, coloured, trainings, monkeypatch):
        monkeypatch.setattr(data, "load", lambda _, split, **__: coloured[0 if split == "train" else 1])
        record, _ = make_classifier("coloured", epochs=1)
        assert cached_classifier(*coloured).weights_hash == record.weights_hash
        assert len(trainings) == 1

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"plan": "strkes"}, "did you mean 'strokes'"),
            ({"dataset": "digit"}, "did you mean 'digits'"),
            ({"dataset": "ring8"}, "'ring8' holds points"),
            ({"output": "file/x"}, "'.*file/x' cannot be written: .*; choose another folder"),
        ],
    )
    def test_mistakes_are_said_before_training(self, trainings, tmp_path, monkeypatch, changes, said):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "file").touch()
        with pytest.raises(InputError, match=said):
            make_classifier(**{"dataset": "digits", "output": "made"} | changes)
        assert not trainings
        assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]


class TestCache:
    def test_a_hit_does_not_train(self, coloured, trainings, tmp_path):
        first, second = (cached_classifier(*coloured, tmp_path) for _ in range(2))
        assert len(trainings) == 1
        assert second.weights_hash == first.weights_hash
        assert (second.name, second.accuracy) == (first.name, first.accuracy) == ("folder-some-where_8x8x3", 1.0)
        for one, other in zip(*(each.predict(coloured[1].images) for each in (first, second)), strict=True):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("field", ["images", "labels"])
    def test_other_data_train_another(self, coloured, trainings, tmp_path, field):
        train, test = coloured
        cached_classifier(train, test, tmp_path)
        cached_classifier(dataclasses.replace(train, **{field: getattr(train, field)[::-1]}), test, tmp_path)
        assert len(trainings) == 2

    @pytest.mark.parametrize("damage", ["cut", "weights", "json"])
    def test_a_damaged_entry_is_trained_again_with_a_message(self, coloured, trainings, tmp_path, monkeypatch, damage):
        expected = cached_classifier(*coloured, tmp_path).weights_hash
        (path,), (about,) = tmp_path.glob("*.h5"), tmp_path.glob("*.json")
        if damage == "cut":
            path.write_bytes(path.read_bytes()[:1000])
        elif damage == "weights":
            model = PLANS["quick"].network((8, 8, 3), 2, seed=1)
            model.save_weights(path)
        else:
            about.write_text(json.dumps({"name": "x"}))
        messages = []
        monkeypatch.setattr(logging, "warning", lambda text, *rest: messages.append(text % rest))
        assert cached_classifier(*coloured, tmp_path).weights_hash == expected
        assert len(trainings) == 2
        assert "damaged" in messages[0]
        cached_classifier(*coloured, tmp_path)
        assert len(trainings) == 2
        assert len(messages) == 1

    def test_half_an_entry_is_no_entry(self, coloured, trainings, tmp_path):
        cached_classifier(*coloured, tmp_path)
        next(tmp_path.glob("*.json")).unlink()
        cached_classifier(*coloured, tmp_path)
        assert len(trainings) == 2

    def test_nothing_else_is_left_in_the_folder(self, coloured, trainings, tmp_path):
        cached_classifier(*coloured, tmp_path)
        assert sorted(path.suffix for path in tmp_path.iterdir()) == [".h5", ".json"]

    def test_the_folder_follows_the_environment(self, coloured, trainings, tmp_path, monkeypatch):
        monkeypatch.setenv("GANZOO_CACHE", str(tmp_path / "a"))
        cached_classifier(*coloured)
        assert len(list((tmp_path / "a" / "classifiers").glob("*.weights.h5"))) == 1
        monkeypatch.delenv("GANZOO_CACHE")
        monkeypatch.setenv("HOME", str(tmp_path / "b"))
        cached_classifier(*coloured)
        assert len(list((tmp_path / "b" / ".cache" / "ganzoo" / "classifiers").glob("*.weights.h5"))) == 1
