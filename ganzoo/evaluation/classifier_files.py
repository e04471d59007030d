"""A classifier on disk: its weights, the record of what they are, and a SavedModel for those who have no ganzoo."""

import hashlib
import json
import os
from dataclasses import fields
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import keras
import numpy as np
import tensorflow as tf
from pydantic import ConfigDict, FiniteFloat, NonNegativeInt, PositiveInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ganzoo.data import Examples
from ganzoo.errors import InputError
from ganzoo.evaluation.classifier import Classifier
from ganzoo.evaluation.classifier_plans import PLANS
from ganzoo.files import write_text, written, written_version
from ganzoo.settings import explained, one_of

_FROZEN = ConfigDict(extra="forbid")
_WEIGHTS, RECORD = ".weights.h5", ".json"  # what follows a classifier's path in the names of its files
_CURE = "install ganzoo again if it came with it, else train it again"
_PACKAGES = ("ganzoo", "keras", "tensorflow", "numpy")


@dataclass(frozen=True, config=_FROZEN)
class SplitRecord:
    """The images that a classifier was trained or measured on.

    Args:
        split: As it was asked for.
        images: Their number.
        content_hash: SHA-256 of their pixels.
        labels_hash: SHA-256 of their labels, in their order.
    """

    split: str
    images: PositiveInt
    content_hash: str
    labels_hash: str


@dataclass(frozen=True, config=_FROZEN)
class ClassifierRecord:
    """What a classifier was trained on, how, and how often it is right.

    Args:
        name: The classifier's, which is a part of its metrics' names.
        dataset: Name of the data set, with its version if it has one.
        image_shape: (H, W, C).
        classes: K.
        train: What it was trained on.
        test: What it was measured on, held out from training.
        accuracy: On `test`, 0 to 1, of the weights beside the record.
        plan: Key of `classifier_plans.PLANS`.
        epochs: Passes over `train`.
        seed: Of the initial weights and of the order.
        weights_hash: `Classifier.weights_hash`.
        trained_with: Keras, its backend and the hardware.
        versions: Package name to version, of the process that wrote the record.
        created: When, UTC.
    """

    name: str
    dataset: str
    image_shape: tuple[int, int, int]
    classes: PositiveInt
    train: SplitRecord
    test: SplitRecord
    accuracy: FiniteFloat
    plan: Annotated[str, one_of(PLANS)]
    epochs: PositiveInt
    seed: NonNegativeInt
    weights_hash: str
    trained_with: str
    versions: dict[str, str]
    created: datetime


_SCHEMA = TypeAdapter(ClassifierRecord)


def record_of(
    classifier: Classifier, train: Examples, test: Examples, *, plan: str, epochs: int, seed: int, trained_with: str
) -> ClassifierRecord:
    """Returns the record of a classifier that was trained now."""
    return ClassifierRecord(
        name=classifier.name,
        dataset=train.name,
        image_shape=train.image_shape,
        classes=classifier.model.output["logits"].shape[-1],
        train=_split_record(train),
        test=_split_record(test),
        accuracy=classifier.accuracy,
        plan=plan,
        epochs=epochs,
        seed=seed,
        weights_hash=classifier.weights_hash,
        trained_with=trained_with,
        versions={name: version(name) for name in _PACKAGES},
        created=datetime.now(UTC),
    )


def _split_record(examples: Examples) -> SplitRecord:
    return SplitRecord(examples.split, len(examples), examples.content_hash(), labels_hash(examples))


def labels_hash(examples: Examples) -> str:
    """Returns the sha256 of the labels as little-endian int64, in hexadecimal digits."""
    labels = [] if examples.labels is None else examples.labels
    return hashlib.sha256(np.asarray(labels, "<i8").tobytes()).hexdigest()


def hardware() -> str:
    """Returns Keras, its backend and what TensorFlow computes on, `keras 3.15.1, tensorflow backend, CPU`."""
    gpus = tf.config.list_physical_devices("GPU")
    names = [tf.config.experimental.get_device_details(gpu).get("device_name", "GPU") for gpu in gpus]
    return f"keras {keras.__version__}, {keras.backend.backend()} backend, {', '.join(names) or 'CPU'}"


def write_classifier(classifier: Classifier, record: ClassifierRecord, path: str | os.PathLike) -> None:
    """Writes `<path>.weights.h5`, then `<path>.json`, without which the weights are not looked at."""
    bare = keras.Model(classifier.model.input, classifier.model.output)  # without an optimizer, thrice the weights
    with written(f"{os.fspath(path)}{_WEIGHTS}") as temporary:
        bare.save_weights(temporary)
    write_text(f"{os.fspath(path)}{RECORD}", _SCHEMA.dump_json(record, indent=2).decode() + "\n")


def read_classifier(path: str | os.PathLike) -> Classifier:
    """Returns the classifier that `write_classifier` wrote, its weights checked against the hash in its record.

    Raises:
        InputError: If a file is missing or damaged.
    """
    record = read_record(path)
    weights = Path(f"{os.fspath(path)}{_WEIGHTS}")
    model = PLANS[record.plan].network(record.image_shape, record.classes, record.seed)
    try:
        model.load_weights(weights)
    except Exception as error:  # whatever a damaged file makes of HDF5 and Keras, the cure is the same
        raise InputError(f"{str(weights)!r} cannot be read ({_short(error)}); {_CURE}") from error
    classifier = Classifier(record.name, model, record.accuracy)
    if classifier.weights_hash != record.weights_hash:
        raise InputError(
            f"{str(weights)!r}: its weights hash to {classifier.weights_hash[:8]}, "
            f"not {record.weights_hash[:8]} as its record says; {_CURE}"
        )
    return classifier


def read_record(path: str | os.PathLike) -> ClassifierRecord:
    """Returns the record `<path>.json`.

    Raises:
        InputError: If it is missing or damaged.
    """
    where = f"{os.fspath(path)}{RECORD}"
    try:
        return _SCHEMA.validate_python(json.loads(Path(where).read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{where!r}: {error.strerror}; {_CURE}") from None
    except ValidationError as error:
        reason = explained(error, "the record of a classifier", [each.name for each in fields(ClassifierRecord)])
        raise InputError(f"{where!r}: {reason}; {_CURE}") from None
    except ValueError as error:
        raise InputError(f"{where!r} is not JSON ({error}); {_CURE}") from None


def export_classifier(classifier: Classifier, record: ClassifierRecord, directory: str | os.PathLike) -> Path:
    """Writes the SavedModel `directory/<version>`, the next integer, and returns that path.

    It is called like TF-GAN's Inception network, as is its signature `serving_default`: images float32
    [N, H, W, C] in [-1, 1] to `logits` [N, K] and `pool_3` [N, F], the features. Only they must be of the size
    that it was trained on. `assets.extra/ganzoo.json` holds the record.
    """

    def write(folder: Path) -> None:
        module = _Served(classifier.model)
        tf.saved_model.save(module, str(folder), signatures=module.__call__)
        write_text(folder / "assets.extra" / "ganzoo.json", _SCHEMA.dump_json(record, indent=2).decode() + "\n")

    return written_version(directory, write)


class _Served(tf.Module):
    """What is exported: the variables, once, and the function."""

    def __init__(self, model: keras.Model):
        super().__init__()
        self.weights = [weight.value for weight in model.weights]

        @tf.function(input_signature=[tf.TensorSpec(model.input_shape, tf.float32, "images")])
        def classify(images):
            outputs = model((images + 1) * 127.5, training=False)
            return {"logits": outputs["logits"], "pool_3": outputs["features"]}

        self.__call__ = classify


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
