import dataclasses
import os
import shutil

import numpy as np
import pytest

from ganzoo import data
from ganzoo.errors import InputError
from ganzoo.evaluation import classifier_cache, classifier_for
from ganzoo.evaluation.classifier_cache import SHIPPED, cached_classifier
from ganzoo.evaluation.classifier_files import read_classifier, read_record

GOALS = {
    "digits_8x8x1": 0.97,
    "digits_16x16x1": 0.97,
    "mnist_28x28x1": 0.993,
    "mnist_32x32x1": 0.993,
    "cifar10_32x32x3": 0.90,
}
LARGEST = 3_000_000  # bytes of a file in the wheel
needs_tfds = pytest.mark.skipif(
    "TFDS_DATA_DIR" not in os.environ, reason="TFDS_DATA_DIR is not set: no MNIST and CIFAR-10 here"
)


@pytest.fixture
def untrained(monkeypatch):
    """Fails the test if a classifier is trained."""

    def train(*_, **__):
        raise AssertionError("a classifier was trained")

    monkeypatch.setattr(classifier_cache, "train_classifier", train)


def split_of(record, split):
    height, width, channels = record.image_shape
    return data.load(record.dataset, split, image_size=(height, width), channels=channels)


def test_each_has_its_goal_and_two_files():
    for ending in (".json", ".weights.h5"):
        assert {path.name.removesuffix(ending) for path in SHIPPED.glob(f"*{ending}")} == set(GOALS)
    assert all(path.stat().st_size < LARGEST for path in SHIPPED.iterdir())


@pytest.mark.parametrize("name", GOALS)
def test_records_are_of_the_weights_beside_them(name):
    record = read_record(SHIPPED / name)
    assert record.accuracy >= GOALS[name]
    assert (record.train.split, record.test.split, record.classes) == ("train", "test", 10)
    assert "x".join(map(str, record.image_shape)) == name.partition("_")[2] == record.name.partition("_")[2]
    assert read_classifier(SHIPPED / name).weights_hash == record.weights_hash
    assert "keras 3.15" in record.trained_with


@pytest.mark.parametrize("size", [8, 16])
def test_digits_are_told_apart(size, untrained):
    test = data.load("digits", "test", image_size=size)
    classifier = classifier_for("digits", (size, size, 1))
    accuracy = np.mean(classifier.predict(test.images)[0].argmax(axis=1) == test.labels)
    assert accuracy >= 0.97
    assert classifier.accuracy == accuracy
    assert read_record(SHIPPED / f"digits_{size}x{size}x1").test.content_hash == test.content_hash()


@needs_tfds
@pytest.mark.parametrize(("name", "count", "least"), [("mnist_28x28x1", 2000, 0.985), ("cifar10_32x32x3", 1000, 0.88)])
def test_some_of_mnist_and_cifar10_are_told_apart(name, count, least):
    test = split_of(read_record(SHIPPED / name), f"test[:{count}]")
    assert read_classifier(SHIPPED / name).accuracy_on(test) >= least


@needs_tfds
@pytest.mark.long
@pytest.mark.parametrize("name", ["mnist_28x28x1", "mnist_32x32x1", "cifar10_32x32x3"])
def test_all_of_mnist_and_cifar10_give_the_accuracy_said(name, untrained):
    record = read_record(SHIPPED / name)
    train, test = (split_of(record, split) for split in ("train", "test"))
    classifier = cached_classifier(train, test)
    assert classifier.weights_hash == record.weights_hash
    assert classifier.accuracy_on(test) == pytest.approx(record.accuracy, abs=2 / len(test))
    assert classifier.predict(test.images[:3])[1].shape == (3, {"mnist": 64, "cifar10": 128}[name.partition("_")[0]])


def test_the_same_images_in_another_encoding_are_measured_anew(digits, untrained):
    random = np.random.default_rng(0)

    def noisy(examples):
        noise = random.integers(-2, 2, examples.images.shape, endpoint=True)
        return dataclasses.replace(examples, images=np.clip(examples.images + noise, 0, 255).astype("uint8"))

    train, test = map(noisy, digits)
    classifier = cached_classifier(train, test)
    assert classifier.weights_hash == read_record(SHIPPED / "digits_16x16x1").weights_hash
    logits, _ = classifier.predict(test.images)
    assert classifier.accuracy == np.mean(logits.argmax(axis=1) == test.labels)


@pytest.mark.parametrize("change", ["images", "labels"])
def test_other_images_are_not_scored_by_it(digits, untrained, tmp_path, change):
    train, test = digits
    if change == "images":
        test = dataclasses.replace(test, images=255 - test.images)
    else:
        train = dataclasses.replace(train, labels=train.labels[::-1])
    with pytest.raises(AssertionError, match="a classifier was trained"):
        cached_classifier(train, test, tmp_path)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("cut", r"digits_16x16x1.weights.h5' cannot be read \(.*; install ganzoo again"),
        ("other", r"weights hash to \w{8}, not 44d47703 as its record says; install ganzoo again"),
        ("gone", r"digits_16x16x1.weights.h5' cannot be read"),
        ("json", r"digits_16x16x1.json' is not JSON .*; install ganzoo again"),
        ("field", r"digits_16x16x1.json': plan='quickly': unknown; did you mean 'quick'\?; install ganzoo again"),
    ],
)
def test_a_damaged_package_is_said(digits, tmp_path, monkeypatch, untrained, damage, said):
    for path in SHIPPED.glob("digits_16x16x1.*"):
        shutil.copy(path, tmp_path)
    monkeypatch.setattr(classifier_cache, "SHIPPED", tmp_path)
    weights, record = tmp_path / "digits_16x16x1.weights.h5", tmp_path / "digits_16x16x1.json"
    if damage == "cut":
        weights.write_bytes(weights.read_bytes()[:5000])
    elif damage == "gone":
        weights.unlink()
    elif damage == "other":
        model = read_classifier(SHIPPED / "digits_16x16x1").model
        model.set_weights([weight + 1 for weight in model.get_weights()])
        model.save_weights(weights)
    else:
        text = record.read_text()
        record.write_text(text[:-20] if damage == "json" else text.replace('"quick"', '"quickly"'))
    with pytest.raises(InputError, match=said):
        cached_classifier(*digits)
