"""From a SavedModel to a record of its scores: what is measured is what is served."""

import hashlib
import os
from datetime import UTC, datetime
from importlib.metadata import version

import numpy as np

from ganzoo import data
from ganzoo.data import Density, Examples
from ganzoo.errors import InputError
from ganzoo.evaluation.classifier_cache import cached_classifier
from ganzoo.evaluation.density_scores import density_scores
from ganzoo.evaluation.image_scores import Evaluator, memorisation_scores, network_scores
from ganzoo.evaluation.records import ScoreRecord, save_record
from ganzoo.exported import ExportedGenerator, open_generator


def evaluate(
    model: str | os.PathLike,
    dataset: str | None = None,
    *,
    split: str = "test",
    train_split: str = "train",
    data_dir: str | os.PathLike | None = None,
    samples: int = 5000,
    seed: int = 0,
    records_path: str | os.PathLike | None = None,
) -> ScoreRecord:
    """Returns the scores of an exported generator, with the conditions they were measured under.

    Images are scored by a classifier of their own data set, trained and cached at first use (if there are
    labels), and searched for copies of training images. Points are scored by the modes of their density.

    Args:
        model: SavedModel folder `<name>/<version>`, or `<name>` for its newest version.
        dataset: Registry name; by default the one that the model was trained on.
        split: Real examples that were held out from training.
        train_split: Real examples that the model was trained on.
        data_dir: Where the data lie; the data set's own default if None.
        samples: Number of generated examples, untruncated.
        seed: Of the generated examples, and of choices among the real ones.
        records_path: JSON file that the record is also written to.

    Raises:
        InputError: If the model was not exported by ganzoo, or does not fit the data.
    """
    if samples < 2:
        raise InputError(f"samples={samples}: a score needs at least 2")
    generator = open_generator(model)
    dataset = _dataset_name(generator, dataset, split)
    train, test = (_real(generator, dataset, each, data_dir) for each in (train_split, split))
    generated = _generated(generator, samples, seed)
    if isinstance(test, Density):
        conditions = _density_conditions(test)
        scores = density_scores(generated, test, seed)
    else:
        conditions = _image_conditions(train, test)
        scores = memorisation_scores(generated, train.images, test.images)
        if train.labels is not None:
            evaluator = cached_classifier(train, test)
            conditions |= _evaluator_conditions(evaluator)
            scores = network_scores(generated, train.images, test.images, evaluator, seed) + scores
    manifest = generator.manifest
    record = ScoreRecord(
        scores=tuple(scores),
        **{key: getattr(manifest, key) for key in ("recipe", "variant", "step", "checkpoint", "averaged")},
        training_seed=manifest.seed,
        seed=seed,
        dataset=test.name,
        split=split,
        train_split=train_split,
        versions={name: version(name) for name in ("ganzoo", "tensorflow", "keras", "numpy")},
        created=datetime.now(UTC),
        **conditions,
    )
    if records_path is not None:
        save_record(record, records_path)
    return record


def _dataset_name(generator: ExportedGenerator, dataset: str | None, split: str) -> str:
    """Returns the data set asked for, or the model's own; refuses a split that the model was trained on."""
    manifest = generator.manifest
    dataset = dataset or manifest.dataset
    if dataset is None:
        raise InputError(f"{str(generator.path)!r} names no data set that it was trained on; give dataset=")
    if dataset == manifest.dataset and split in (manifest.data_split or "").split("+"):
        raise InputError(
            f"split={split!r} of {dataset!r} is what the model was trained on, so it is not held out; "
            "give another split"
        )
    return dataset


def _real(
    generator: ExportedGenerator, dataset: str, split: str, data_dir: str | os.PathLike | None
) -> Examples | Density:
    """Returns real examples of the generator's shape."""
    shape = generator.manifest.image_shape
    size = {"image_size": tuple(shape[:2]), "channels": shape[2]} if len(shape) == 3 else {}
    real = data.load(dataset, split, data_dir=data_dir, **size)
    real_shape = (real.dim,) if isinstance(real, Density) else tuple(real.image_shape)
    if real_shape != shape:
        raise InputError(
            f"the model makes examples of shape {shape} and {dataset!r} holds {real_shape}; "
            "evaluate it on the data set that it was trained on"
        )
    return real


def _generated(generator: ExportedGenerator, samples: int, seed: int) -> np.ndarray:
    """Returns the generated examples, checked."""
    generated = generator.sample(samples, seed)
    shape = generator.manifest.image_shape
    dtype = "uint8" if len(shape) == 3 else "float32"
    if generated.shape[1:] != shape or generated.dtype != dtype:
        raise InputError(
            f"{str(generator.path)!r} gives {generated.dtype} of shape {generated.shape[1:]} and says "
            f"{dtype} of {shape}; export it again"
        )
    return generated


def _image_conditions(train: Examples, test: Examples) -> dict[str, object]:
    hashes = f"{train.content_hash()} {test.content_hash()}"
    resizing = f"real images by ganzoo.data to {'x'.join(map(str, test.image_shape))}, generated ones not"
    return {
        "dataset_hash": hashlib.sha256(hashes.encode()).hexdigest(),
        "preparation": {"resizing": resizing, "rounding": "uint8", "truncation": "none"},
    }


def _evaluator_conditions(evaluator: Evaluator) -> dict[str, object]:
    return {
        "evaluator": evaluator.name,
        "evaluator_hash": evaluator.weights_hash,
        "evaluator_accuracy": evaluator.accuracy,
    }


def _density_conditions(density: Density) -> dict[str, object]:
    modes = None if density.modes is None else density.modes.tolist()
    definition = repr((density.name, modes, density.standard_deviation, density.dim))
    return {
        "dataset_hash": hashlib.sha256(definition.encode()).hexdigest(),
        "preparation": {"resizing": "none", "rounding": "none", "truncation": "none"},
    }
