import dataclasses
import json
import random

import keras
import numpy as np
import pytest
import tensorflow as tf
from absl import logging

from ganzoo.errors import InputError
from ganzoo.evaluation import classifier_cache, classifier_for, train_classifier
from ganzoo.evaluation.classifier_cache import cached_classifier
from ganzoo.evaluation.classifier_plans import PLANS


@pytest.fixture(scope="module")
def coloured_classifier(coloured):
    return train_classifier(*coloured, epochs=1)


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
    def test_digits_are_told_apart(self, digits):
        classifier = classifier_for("digits", (16, 16, 1))
        assert classifier.name == "digits_16x16x1"
        logits, features = classifier.predict(digits[1].images)
        assert logits.shape == (360, 10)
        assert features.shape == (360, 64)
        accuracy = np.mean(logits.argmax(axis=1) == digits[1].labels)
        assert accuracy >= 0.97
        assert classifier.accuracy == accuracy

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
