"""Scores as records: a number together with all that must be alike before it compares with another."""

import dataclasses
import itertools
import json
import os
import re
from dataclasses import fields
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, FiniteFloat, NonNegativeInt, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from ganzoo.errors import InputError, did_you_mean
from ganzoo.exported import version_folder
from ganzoo.files import write_text
from ganzoo.settings import explained

_FROZEN = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_FROZEN)
class Score:
    """One number and the counts it rests on.

    Args:
        metric: `<metric>/<evaluator>` where a network was asked, else `<metric>`. A leading `real_` marks
            what real examples get.
        value: In the unit that the metric's function documents; finite.
        generated: Number of generated examples in it; 0 for what real ones get.
        real: Number of real examples in it, of all splits together.
        spread: What `spread_of` says, in the value's unit; None where the value was taken once.
        spread_of: `"splits"`: standard deviation of the scores of equal parts of the examples, which is not the
            error of their mean; `"mean"`: standard error of the mean.
    """

    metric: str
    value: FiniteFloat
    generated: NonNegativeInt
    real: NonNegativeInt
    spread: FiniteFloat | None = None
    spread_of: Literal["splits", "mean"] | None = None


@dataclass(frozen=True, config=_FROZEN)
class ScoreRecord:
    """All scores of one evaluation and the conditions they share.

    Args:
        scores: One per metric.
        source: What gave the examples: `saved_model`, `server`, `keras_model`, `folder`, `npz`, `array` or `data`.
        name: Of the model, file or data, for people.
        recipe: Recipe that the model was trained by; None, here and below, where it is not known.
        variant: Registry name of its GAN.
        step: Rounds of training behind it.
        checkpoint: Whether it is the last one or the best one by some score: a best one is a chosen one.
        averaged: Whether the generator's weights are averaged over training.
        training_seed: Seed of the training run.
        trained_on: Split that the model was trained on, if of this data set.
        seed: Seed of the generated examples, and of the choice of real ones.
        dataset: Name of the data set, with its version if it has one.
        dataset_hash: Hash of the data that were used, all splits.
        split: Real examples that the generated ones are compared with.
        train_split: Split that floors, memorisation checks and the evaluator were made from; None without them.
        preparation: How the examples were made alike: `resizing`, `rounding`, `truncation`, `evaluator`.
        engine: What did the arithmetic of Inception score, FID and KID.
        evaluator: Name of the network that was asked; None for points.
        evaluator_hash: SHA-256 of its weights.
        evaluator_accuracy: On the held-out split, 0 to 1; None of Inception.
        versions: Package name to version, of the process that evaluated.
        created: When, UTC.
    """

    scores: tuple[Score, ...]
    source: str
    name: str
    recipe: str | None
    variant: str | None
    step: NonNegativeInt | None
    checkpoint: Literal["last", "best"] | None
    averaged: bool | None
    training_seed: int | None
    trained_on: str | None
    seed: int
    dataset: str
    dataset_hash: str
    split: str
    train_split: str | None
    preparation: dict[str, str]
    versions: dict[str, str]
    created: datetime
    engine: Literal["ganzoo", "tfgan"] = "ganzoo"
    evaluator: str | None = None
    evaluator_hash: str | None = None
    evaluator_accuracy: FiniteFloat | None = None

    def score(self, metric: str) -> Score:
        """Returns the score of that name."""
        named = {score.metric: score for score in self.scores}
        if metric not in named:
            raise InputError(f"the record has no score {metric!r}; {did_you_mean(metric, named)}")
        return named[metric]


def protocol_name(score: Score, record: ScoreRecord) -> str:
    """Returns a score's name with the protocol that it was taken by: `fid_10k_test/inception-2015`.

    How many images are behind what real ones get depends on the metric, and is left to the counts.
    """
    metric, slash, evaluator = score.metric.partition("/")
    count = f"_{short(score.generated)}" if score.generated else ""
    return f"{metric}{count}_{record.split}{slash}{evaluator}"


def short(count: int) -> str:
    """Returns a count as it is spoken of: 10000 as `10k`, 1437 as it is."""
    return f"{count // 1000}k" if count and count % 1000 == 0 else str(count)


_SCHEMA = TypeAdapter(ScoreRecord)


def record_json(record: ScoreRecord) -> str:
    """Returns the record as `load_record` reads it from a file."""
    return _SCHEMA.dump_json(record, indent=2).decode() + "\n"


def save_record(record: ScoreRecord, path: str | os.PathLike) -> Path:
    """Writes the record as JSON and returns the path; a reader sees the whole file or none.

    Raises:
        InputError: If it cannot be written.
    """
    try:
        write_text(path, record_json(record))
    except OSError as error:
        raise InputError(
            f"score record {os.fspath(path)!r} cannot be written: {error.strerror or error}; give another path"
        ) from None
    return Path(path)


def load_record(path: str | os.PathLike) -> ScoreRecord:
    """Returns the record that `save_record` wrote.

    Raises:
        InputError: If the file is missing or is no such record.
    """
    where = f"score record {os.fspath(path)!r}"
    try:
        return _SCHEMA.validate_python(json.loads(Path(path).read_text(encoding="utf-8")))
    except OSError as error:
        raise InputError(f"{where}: {error.strerror}; give the path of a written record") from None
    except ValidationError as error:
        names = [each.name for each in fields(ScoreRecord)]
        raise InputError(f"{explained(error, where, names)}; evaluate the model again") from None
    except ValueError as error:
        raise InputError(f"{where}: not JSON ({error}); evaluate the model again") from None


def record_path(model: str | os.PathLike, record: ScoreRecord) -> Path | None:
    """Returns where the record of a SavedModel's version goes: beside it, `<name>/<version>.<protocol>.json`.

    That of a model on a server goes to the working directory, as `<name>-<version>.<protocol>.json`. With `-2` and so
    on in its name where a record of other conditions or metrics lies there; None for what is neither.
    """
    folder = version_folder(Path(model).expanduser()) if record.source == "saved_model" else None
    if record.source == "server":
        folder = Path(_file_name(record.name))
    if folder is None:
        return None
    count = short(max(score.generated for score in record.scores))
    stem = f"{folder.name}.{count}_{_file_name(record.split)}.{record.evaluator or 'points'}"
    endings = itertools.chain([""], (f"-{number}" for number in itertools.count(2)))
    numbered = (folder.with_name(f"{stem}{ending}.json") for ending in endings)
    return next(path for path in numbered if not path.exists() or _asks_the_same(path, record))


def _asks_the_same(path: Path, record: ScoreRecord) -> bool:
    """Returns whether the record in a file is of the same model, conditions and metrics, seeds included."""
    try:
        there = load_record(path)
    except InputError:
        return False
    asked = [
        dataclasses.replace(
            each,
            versions={},
            created=record.created,
            scores=tuple(dataclasses.replace(score, value=0.0, spread=None) for score in each.scores),
        )
        for each in (there, record)
    ]
    return asked[0] == asked[1]


def _file_name(split: str) -> str:
    return re.sub(r"[^\w.+-]+", "-", split).strip("-")
