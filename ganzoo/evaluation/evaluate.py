"""From whatever gives examples to a record of its scores; of a SavedModel, what is measured is what is served."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from ganzoo import data
from ganzoo.data import Density, Examples
from ganzoo.errors import InputError, did_you_mean
from ganzoo.evaluation.arrays import filled
from ganzoo.evaluation.density_scores import density_scores
from ganzoo.evaluation.evaluators import Evaluator, in_domain
from ganzoo.evaluation.inception import RESIZINGS, load_inception
from ganzoo.evaluation.metrics import METRICS, METRICS_BY_TFGAN, Batch, Setting, named, of_names
from ganzoo.evaluation.records import Score, ScoreRecord, save_record
from ganzoo.evaluation.references import reference_for
from ganzoo.evaluation.sources import Source, open_source
from ganzoo.progress import shown
from ganzoo.sampling import BATCH

EVALUATORS = ("classifier", "inception")
ENGINES = ("ganzoo", "tfgan")
_MOST_SHARED = 0.1  # of one split's images that another may hold: data sets have some images twice
DEFAULT_METRICS = ("classifier_score", "fid", "modes", "memorisation")


def evaluate(
    model: Any,
    dataset: str | None = None,
    *,
    split: str = "test",
    train_split: str | None = "train",
    data_dir: str | os.PathLike | None = None,
    metrics: Sequence[str] | None = None,
    samples: int | None = None,
    seed: int = 0,
    evaluator: str | None = None,
    inception_path: str | os.PathLike | None = None,
    resizing: str = "graph",
    engine: str = "ganzoo",
    records_path: str | os.PathLike | None = None,
) -> ScoreRecord:
    """Returns the scores of a generator or a set of images, with the conditions they were measured under.

    Images are scored in the view of a classifier of their own data set, or of TF-GAN's Inception network; points by the
    modes of their density. Memory does not grow with the number of images.

    Args:
        model: A SavedModel folder (`<name>/<version>`, or `<name>` for its newest version), the address of a model on a
            server (`grpc://host:port/MODEL[/VERSION]`, `http://host:port/v1/models/MODEL`), a folder of images, an .npz
            file, real data as `NAME@SPLIT`; a GAN, or a functional or sequential Keras model from latents N(0, I)
            [B, latent_dim] to images in [-1, 1]; images uint8 [N, H, W, C] or points float [N, D]; what
            `ganzoo.data.load` returns.
        dataset: Registry name; by default the one that the model was trained on.
        split: Real examples to compare with.
        train_split: Another split, for floors (the same score of real images), memorisation checks and, of a folder,
            the classifier; None, or the same as `split`, for none of these.
        data_dir: Where the data lie; the data set's own default if None.
        metrics: Names in `METRICS`; by default the classifier score, FID, classes and memorisation. A density has its
            own.
        samples: Number of examples, untruncated; by default 5,000 of a generator, all of a fixed set.
        seed: Of the generated examples, and of choices among real ones.
        evaluator: `"classifier"`, of the data set itself, or `"inception"`; by default Inception where
            `"inception_score"` or `inception_path` is given.
        inception_path: SavedModel folder of the Inception network; by default TF-GAN's, from TF-Hub or its cache.
        resizing: Who resizes images for Inception, see `load_inception`.
        engine: `"ganzoo"`, or `"tfgan"`: TF-GAN's own functions compute scores, FID and KID, in memory.
        records_path: JSON file that the record is also written to.

    Raises:
        InputError: If the model gives no examples, or they do not fit the data, or a name is unknown.
        ServingError: If a server refuses, or does not answer.
    """
    _check_names(metrics, evaluator, engine, resizing)
    if evaluator == "classifier" and inception_path is not None:
        raise InputError("inception_path: evaluator='classifier' asks no Inception network; leave one of them out")
    if samples is not None and samples < 2:
        raise InputError(f"samples={samples}: a score needs at least 2")
    if seed < 0:
        raise InputError(f"seed={seed}: give 0 or more")
    source = open_source(model, data_dir)
    count = source.number(samples)
    dataset = dataset or source.origin.dataset
    if dataset is None:
        raise InputError(f"{source.name!r} names no data set that it was trained on; give dataset=")
    test = _real(dataset, split, source, data_dir)
    if isinstance(test, Density):
        conditions = _density_conditions(test)
        if metrics or evaluator or inception_path or engine != "ganzoo":
            raise InputError("points have scores of their own: leave out metrics, evaluator, inception_path and engine")
        scores = density_scores(np.concatenate(list(source.batches(count, seed))), test, seed)
    else:
        train = None if train_split in (None, split) else _real(dataset, train_split, source, data_dir)
        _require_apart(test, train)
        plan = _plan(metrics, evaluator, inception_path, resizing, test, train, data_dir)
        scores = _image_scores(source, count, plan, seed, engine)
        conditions = _image_conditions(plan, source, engine)
    record = ScoreRecord(
        scores=tuple(scores),
        source=source.kind,
        name=source.name,
        **{key: getattr(source.origin, key) for key in ("recipe", "variant", "step", "checkpoint", "averaged")},
        training_seed=source.origin.training_seed,
        trained_on=source.origin.data_split if dataset == source.origin.dataset else None,
        seed=seed,
        dataset=test.name,
        split=split,
        versions={name: version(name) for name in ("ganzoo", "tensorflow", "keras", "numpy")},
        created=datetime.now(UTC),
        **conditions,
    )
    if records_path is not None:
        save_record(record, records_path)
    return record


@dataclass(frozen=True)
class _Plan:
    """What is measured, in whose view, against what."""

    metrics: tuple[str, ...]
    evaluator: Evaluator | None
    test: Examples
    train: Examples | None


def _check_names(metrics: Sequence[str] | None, evaluator: str | None, engine: str, resizing: str) -> None:
    """Refuses what is misspelt before anything is loaded."""
    if metrics is not None and not metrics:
        raise InputError(f"metrics: none is named; leave it out, or give some of {', '.join(METRICS)}")
    if isinstance(metrics, str):
        raise InputError(f"metrics={metrics!r}: give a list of names, [{metrics!r}]")
    for name in metrics or ():
        if name not in METRICS:
            raise InputError(f"metric {name!r} is unknown; {did_you_mean(name, METRICS)}")
    if evaluator is not None and evaluator not in EVALUATORS:
        raise InputError(f"evaluator {evaluator!r} is unknown; {did_you_mean(evaluator, EVALUATORS)}")
    if engine not in ENGINES:
        raise InputError(f"engine {engine!r} is unknown; {did_you_mean(engine, ENGINES)}")
    if resizing not in RESIZINGS:
        raise InputError(f"resizing {resizing!r} is unknown; {did_you_mean(resizing, RESIZINGS)}")


def _require_apart(test: Examples, train: Examples | None) -> None:
    """Refuses splits that overlap: floors, and the search for copies, would find the test images themselves."""
    if train is None:
        return
    known = {image.tobytes() for image in train.images}
    shared = np.mean([image.tobytes() in known for image in test.images])
    if shared > _MOST_SHARED:
        raise InputError(
            f"train_split {train.split!r} holds {shared:.0%} of the images of split {test.split!r}; give splits apart, "
            "or no train_split (None; --train_split= on the command line)"
        )


def _real(dataset: str, split: str, source: Source, data_dir: str | os.PathLike | None) -> Examples | Density:
    """Returns real examples in the shape of those that are scored."""
    shape = tuple(source.example_shape)
    size = {"image_size": shape[:2], "channels": shape[2]} if len(shape) == 3 else {}
    real = data.load(dataset, split, data_dir=data_dir, **size)
    real_shape = tuple(real.image_shape)
    if real_shape != shape:
        raise InputError(
            f"the model makes examples of shape {shape} and {dataset!r} holds {real_shape}; "
            "evaluate it on the data set that it was trained on"
        )
    return real


def _plan(
    metrics: Sequence[str] | None,
    evaluator: str | None,
    inception_path: str | os.PathLike | None,
    resizing: str,
    test: Examples,
    train: Examples | None,
    data_dir: str | os.PathLike | None,
) -> _Plan:
    """Returns what is measured: metrics by default those that the data allow; the network if one of them asks it."""
    if metrics is None:
        labelled = test.labels is not None or inception_path or evaluator == "inception"
        metrics = [name for name in DEFAULT_METRICS if labelled or not METRICS[name].by_network]
        if train is None:
            metrics.remove("memorisation")
        if not metrics:
            raise InputError(
                f"{test.name!r} has no labels to score by and no train_split to look for copies in; give "
                "evaluator='inception', or metrics that ask no network"
            )
    by_inception = evaluator == "inception" or (
        evaluator is None and (inception_path is not None or "inception_score" in metrics)
    )
    network = None
    if any(METRICS[name].by_network for name in metrics):
        network = load_inception(inception_path, resizing) if by_inception else in_domain(train, test, data_dir)
    if network is not None:
        metrics = [_score_name(name, network) for name in metrics]
    return _Plan(tuple(dict.fromkeys(metrics)), network, test, train)


def _score_name(name: str, network: Evaluator) -> str:
    """Returns the metric's name: only Inception gives an Inception score."""
    if name == "inception_score" and not network.is_inception:
        raise InputError(
            f"inception_score: {network.name} is not the Inception network; ask for classifier_score, or give the "
            "folder of TF-GAN's graph as inception_path"
        )
    return "inception_score" if name == "classifier_score" and network.is_inception else name


def _image_scores(source: Source, count: int, plan: _Plan, seed: int, engine: str) -> list[Score]:
    """Returns the scores of images, seen once, batch by batch."""
    setting = _setting(source, count, plan, seed)
    metrics = of_names(plan.metrics, setting, METRICS_BY_TFGAN if engine == "tfgan" else METRICS)
    asks = any(metric.by_network for metric in metrics)
    for images in shown(source.batches(count, seed), f"scoring {source.name}", -(-count // BATCH)):
        outputs = (None, None)
        if asks:
            batch, rows = filled(images, BATCH)
            outputs = (values[:rows] for values in plan.evaluator.predict(batch))
        seen = Batch(images, *outputs)
        for metric in metrics:
            metric.update(seen)
    return [score for metric in metrics for score in named(metric.scores(), metric)]


def _setting(source: Source, count: int, plan: _Plan, seed: int) -> Setting:
    test, train, network = plan.test, plan.train, plan.evaluator
    reference = floor = None
    if network is not None:
        reference = reference_for(test.images, f"{test.name} {test.split}", network)
        if train is not None:
            chosen = np.random.default_rng(seed).choice(len(train), min(count, len(train)), replace=False)
            images = train.images[np.sort(chosen)]
            floor = reference_for(images, f"{len(images)} of {train.name} {train.split}", network)
    return Setting(count, seed, test, train, network, reference, floor)


def _image_conditions(plan: _Plan, source: Source, engine: str) -> dict[str, object]:
    test, train, network = plan.test, plan.train, plan.evaluator
    hashes = " ".join(each.content_hash() for each in (train, test) if each is not None)
    resizing = f"real images by ganzoo.data to {'x'.join(map(str, test.image_shape))}, generated ones not"
    conditions = {
        "train_split": None if train is None else train.split,
        "dataset_hash": hashlib.sha256(hashes.encode()).hexdigest(),
        "preparation": {"resizing": resizing, "rounding": "uint8", "truncation": "none"},
        "engine": engine,
    }
    if network is not None:
        conditions["preparation"]["evaluator"] = network.preparation
        conditions |= {
            "evaluator": network.name,
            "evaluator_hash": network.weights_hash,
            "evaluator_accuracy": network.accuracy,
        }
    return conditions


def _density_conditions(density: Density) -> dict[str, object]:
    modes = None if density.modes is None else density.modes.tolist()
    definition = repr((density.name, modes, density.standard_deviation, density.dim))
    return {
        "train_split": None,
        "dataset_hash": hashlib.sha256(definition.encode()).hexdigest(),
        "preparation": {"resizing": "none", "rounding": "none", "truncation": "none"},
    }
