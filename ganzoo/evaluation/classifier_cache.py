"""Classifiers that come with ganzoo, or are trained once and kept: all scores on a data set by the same weights."""

import dataclasses
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path

from absl import logging

from ganzoo import data
from ganzoo.data import Examples
from ganzoo.errors import InputError
from ganzoo.evaluation.classifier import (
    ARCHITECTURE_VERSION,
    Classifier,
    classifier_name,
    plan_named,
    train_classifier,
)
from ganzoo.evaluation.classifier_files import (
    RECORD,
    ClassifierRecord,
    export_classifier,
    hardware,
    labels_hash,
    read_classifier,
    read_record,
    record_of,
    write_classifier,
)
from ganzoo.files import cache_folder

SHIPPED = Path(__file__).parent / "weights"
PLAN_OF = {"digits": "quick", "mnist": "strokes", "fashion_mnist": "strokes", "cifar10": "residual"}
_AS_ACCURATE = 0.01  # below its record: by so much may a shipped classifier fall on the same images encoded otherwise


def classifier_for(
    dataset: str,
    image_shape: Sequence[int],
    data_dir: str | os.PathLike | None = None,
    cache_dir: str | os.PathLike | None = None,
) -> Classifier:
    """Returns the classifier of a data set's `train` and `test` splits: shipped, or trained at the first call only.

    Args:
        dataset: Registry name.
        image_shape: (H, W, C) that the images are brought to.
        data_dir: Where the data lie; the data set's own default if None.
        cache_dir: Where classifiers are kept; by default `$GANZOO_CACHE/classifiers`, or
            `~/.cache/ganzoo/classifiers` where the variable is not set.
    """
    height, width, channels = image_shape
    return cached_classifier(*_splits(dataset, data_dir, (height, width), channels), cache_dir)


def cached_classifier(train: Examples, test: Examples, cache_dir: str | os.PathLike | None = None) -> Classifier:
    """Returns the classifier of these two splits: one that ganzoo ships, else of the cache, else trained now, quickly.

    Raises:
        InputError: If a shipped file is damaged, or the data have no classes.
    """
    shipped = _shipped(train, test)
    if shipped is not None:
        return shipped
    path = _path(train, test, cache_dir)
    if Path(f"{path}{RECORD}").exists():
        try:
            return read_classifier(path)
        except InputError as error:
            logging.warning("a classifier in the cache is damaged, and trained again: %s", error)
    return _kept(train, test, path)[0]


def make_classifier(
    dataset: str,
    *,
    data_dir: str | os.PathLike | None = None,
    image_size: int | None = None,
    plan: str | None = None,
    seed: int = 0,
    epochs: int | None = None,
    output: str | os.PathLike | None = None,
) -> tuple[ClassifierRecord, Path]:
    """Trains the classifier of a data set's `train` and `test`, and writes weights, record and a SavedModel.

    The same call goes on where one was cut, at the last whole epoch. In the default folder, the cache, scores are
    found to be by this classifier from then on, where ganzoo ships none.

    Args:
        dataset: Registry name.
        data_dir: Where the data lie; the data set's own default if None.
        image_size: Height and width; the native ones if None.
        plan: Key of `classifier_plans.PLANS`; by default the data set's of `PLAN_OF`, else "quick".
        seed: Of the initial weights and of the order.
        epochs: Passes over the training images; the plan's if None.
        output: Folder; the cache's if None.

    Returns:
        The record, and the path of the files without their endings, which is the SavedModel's folder.

    Raises:
        InputError: If an argument is unknown, the data have no classes, or the folder cannot be written.
    """
    plan = plan or PLAN_OF.get(dataset.partition(":")[0], "quick")
    plan_named(plan)
    train, test = _splits(dataset, data_dir, image_size, None)
    if not isinstance(train, Examples):
        raise InputError(f"{dataset!r} holds points, which have no classes; give a data set of labelled images")
    path = _path(train, test, output)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{str(path.parent)!r} cannot be written: {error.strerror}; choose another folder") from None
    backup = path.with_name(f"{path.name}-{plan}-seed{seed}-epochs{epochs}.backup.keras")
    classifier, record = _kept(train, test, path, plan, seed, epochs, backup)
    export_classifier(classifier, record, path)
    return record, path


def _splits(
    dataset: str, data_dir: str | os.PathLike | None, image_size: int | tuple[int, int] | None, channels: int | None
) -> list[Examples]:
    return [
        data.load(dataset, split, data_dir=data_dir, image_size=image_size, channels=channels)
        for split in ("train", "test")
    ]


def _path(train: Examples, test: Examples, folder: str | os.PathLike | None) -> Path:
    """Returns the path of the files of these splits' classifier, without their endings."""
    key = hashlib.sha256(f"{train.image_shape} {ARCHITECTURE_VERSION}".encode())
    for examples in (train, test):
        key.update(f"{examples.content_hash()} {labels_hash(examples)}".encode())
    return cache_folder("classifiers", folder) / f"{classifier_name(train)}-{key.hexdigest()[:16]}"


def shipped_classifier(examples: Examples) -> Classifier | None:
    """Returns the classifier that ganzoo ships for a data set at this size, if any: for a look, not a score."""
    for path in sorted(SHIPPED.glob(f"*{RECORD}")):
        path = path.with_suffix("")
        record = read_record(path)
        if (record.dataset, record.image_shape) == (examples.name, examples.image_shape):
            return read_classifier(path)
    return None


def _shipped(train: Examples, test: Examples) -> Classifier | None:
    """Returns the classifier that ganzoo ships for these images, if it ships one.

    The same labels in the same order are the same images. Where their pixels differ a little all the same, the
    classifier is measured on them first: that of CIFAR-10 was trained on a JPEG-compressed copy, which has other
    content hashes than the official images.
    """
    for path in sorted(SHIPPED.glob(f"*{RECORD}")):
        path = path.with_suffix("")
        record = read_record(path)
        both = ((record.train, train), (record.test, test))
        same = all(said.labels_hash == labels_hash(examples) for said, examples in both)
        if not same or record.image_shape != train.image_shape:
            continue
        classifier = read_classifier(path)
        if all(said.content_hash == examples.content_hash() for said, examples in both):
            return classifier
        accuracy = classifier.accuracy_on(test)
        if accuracy >= record.accuracy - _AS_ACCURATE:
            return dataclasses.replace(classifier, accuracy=accuracy)
    return None


def _kept(
    train: Examples,
    test: Examples,
    path: Path,
    plan: str = "quick",
    seed: int = 0,
    epochs: int | None = None,
    backup: Path | None = None,
) -> tuple[Classifier, ClassifierRecord]:
    """Returns a classifier that was trained now and written to `path`, and its record."""
    epochs = epochs or plan_named(plan).epochs_of(len(train))
    classifier = train_classifier(train, test, plan=plan, seed=seed, epochs=epochs, backup=backup)
    record = record_of(classifier, train, test, plan=plan, epochs=epochs, seed=seed, trained_with=hardware())
    write_classifier(classifier, record, path)
    return classifier, record
