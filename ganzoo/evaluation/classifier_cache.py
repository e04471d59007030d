"""Classifiers trained once and kept, so that all scores on a data set come from the same weights."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
from absl import logging

from ganzoo import data
from ganzoo.data import Examples
from ganzoo.errors import InputError
from ganzoo.evaluation.classifier import ARCHITECTURE_VERSION, Classifier, classifier_name, train_classifier
from ganzoo.files import write_text, written


def classifier_for(
    dataset: str,
    image_shape: Sequence[int],
    data_dir: str | os.PathLike | None = None,
    cache_dir: str | os.PathLike | None = None,
) -> Classifier:
    """Returns the classifier of a data set's `train` and `test` splits, trained at the first call only.

    Args:
        dataset: Registry name.
        image_shape: (H, W, C) that the images are brought to.
        data_dir: Where the data lie; the data set's own default if None.
        cache_dir: Where classifiers are kept; by default `$GANZOO_CACHE/classifiers`, or
            `~/.cache/ganzoo/classifiers` where the variable is not set.
    """
    height, width, channels = image_shape
    train, test = (
        data.load(dataset, split, data_dir=data_dir, image_size=(height, width), channels=channels)
        for split in ("train", "test")
    )
    return cached_classifier(train, test, cache_dir)


def cached_classifier(train: Examples, test: Examples, cache_dir: str | os.PathLike | None = None) -> Classifier:
    """Returns the classifier of these two splits: from the cache, or trained now and put there."""
    key = hashlib.sha256(f"{train.image_shape} {ARCHITECTURE_VERSION}".encode())
    for examples in (train, test):
        key.update(examples.content_hash().encode())
        key.update(np.asarray(examples.labels).tobytes())
    stem = f"{classifier_name(train)}-{key.hexdigest()[:16]}"
    path = _folder(cache_dir) / f"{stem}.keras"
    if path.with_suffix(".json").exists():
        try:
            return _read(path)
        except Exception as error:  # whatever a damaged archive makes of the reader, the cure is the same
            logging.warning("%s is damaged (%s): training the classifier again", path, error)
    classifier = train_classifier(train, test)
    _write(classifier, path)
    return classifier


def _folder(cache_dir: str | os.PathLike | None) -> Path:
    if cache_dir is not None:
        return Path(cache_dir)
    root = os.environ.get("GANZOO_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "ganzoo") / "classifiers"


def _read(path: Path) -> Classifier:
    """Returns the classifier in `path` and the JSON file beside it, checked against the hash in there."""
    about = json.loads(path.with_suffix(".json").read_text(encoding="utf-8"))
    classifier = Classifier(about["name"], keras.models.load_model(path, compile=False), about["accuracy"])
    if classifier.weights_hash != about["weights_hash"]:
        raise InputError(f"its weights hash to {classifier.weights_hash[:8]}, not {about['weights_hash'][:8]}")
    return classifier


def _write(classifier: Classifier, path: Path) -> None:
    """Writes the model, then the JSON file, without which the model is not looked at."""
    about = {
        "name": classifier.name,
        "accuracy": classifier.accuracy,
        "weights_hash": classifier.weights_hash,
    }
    with written(path) as temporary:
        classifier.model.save(temporary)
    write_text(path.with_suffix(".json"), json.dumps(about, indent=2) + "\n")
