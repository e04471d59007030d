"""From a trained generator to a SavedModel that loads with plain TensorFlow, without Keras and without ganzoo."""

import importlib.metadata
import json
import os
import re
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.exported import INFO_FILE
from ganzoo.files import write_text, written_version
from ganzoo.gan import GAN
from ganzoo.serving.reference import REFERENCE_FILE, answered, write_reference
from ganzoo.serving.warm_up import WARM_UP_FILE, write_warm_up
from ganzoo.signatures import example_inputs

COMPARED = ("serving_default", "sample", "interpolate")  # of which the others are made
PACKAGES = ("ganzoo", "tensorflow", "keras", "numpy")


def export(
    gan: GAN,
    directory: str | os.PathLike,
    *,
    averaged: bool = True,
    warm_up: bool = True,
    about: dict[str, Any] | None = None,
    files: Mapping[str, str | os.PathLike] | None = None,
) -> Path:
    """Writes the generator as the SavedModel `directory/<version>` and returns that path.

    Its signatures are those of `ganzoo.signatures.Signatures`. In `assets.extra`: `ganzoo.json`, which says what it is;
    warm-up requests; `keras_reference.npz`, what Keras answered, which `ganzoo.serving.check` compares with; `files`.

    Args:
        gan: a built GAN.
        directory: of the model; the version is the next integer. Written under another name, then renamed.
        averaged: export the averaged generator, else the last weights.
        warm_up: write the requests that a server plays when it loads the model: one row of each signature of rows.
        about: what else `ganzoo.json` shall say, e.g. the recipe; it cannot contradict what is exported.
        files: path in `assets.extra` -> a file to copy there, e.g. the recipe and score records.

    Raises:
        InputError: if the model has no networks yet, the directory cannot be written or is itself a SavedModel, `about`
            is no JSON, or `files` names a file that is not there, or a path that is not below `assets.extra` or taken.
    """
    signatures = gan.signatures(averaged)
    directory = Path(directory)
    if tf.saved_model.contains_saved_model(os.fspath(directory)):
        raise InputError(
            f"{str(directory)!r} is a version of a model, which is not replaced; give the folder of its versions, "
            f"{str(directory.parent)!r}"
        )
    files = _copies(files or {})
    info = {
        **(about or {}),
        "variant": gan.variant,
        "image_shape": list(gan.image_shape),
        "latent_dim": gan.latent_dim,
        "prior": gan.prior,
        "step": int(gan.step.numpy()),
        "seed": gan.seed,
        "averaged": averaged,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
    }
    try:
        manifest = json.dumps(info, indent=2) + "\n"
    except (TypeError, ValueError) as error:
        raise InputError(f"about={about!r} is no JSON ({error}); give texts, numbers, lists, dictionaries") from None

    def inputs(names: Iterable[str], rows: int) -> list[tuple[str, dict[str, np.ndarray]]]:
        return [(name, example_inputs(name, rows, gan.latent_dim, gan.prior)) for name in names]

    reference = answered(signatures.functions, inputs(COMPARED, 3))

    def write(folder: Path) -> None:
        tf.saved_model.save(signatures, str(folder), signatures=signatures.functions)
        write_text(folder / INFO_FILE, manifest)
        write_reference(folder, reference)
        if warm_up:
            # One row: a server that batches plays them through its batching, and refuses to load the model if one has
            # scalar inputs or more rows than its largest batch.
            write_warm_up(folder, inputs(signatures.row_wise, 1), directory.name)
        for name, file in files.items():
            copy = folder / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, copy)

    try:
        return written_version(directory, write)
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"{directory} cannot be written: {_reason(error)}; choose another") from None


def _copies(files: Mapping[str, str | os.PathLike]) -> dict[PurePosixPath, Path]:
    """Returns path in the version -> file to copy there."""
    copies = {}
    for name, file in files.items():
        place = PurePosixPath("assets.extra") / name
        if place.parts[0] != "assets.extra" or len(place.parts) < 2 or ".." in place.parts:
            raise InputError(f"files: {name!r} is no path below assets.extra; give one such as 'recipe.json'")
        if str(place) in (INFO_FILE, REFERENCE_FILE, WARM_UP_FILE):
            raise InputError(f"files: {name!r} is what the export itself writes; give another name")
        if not Path(file).is_file():
            raise InputError(f"files: {str(file)!r}, for {name!r}, is no file; give the path of one")
        copies[place] = Path(file)
    return copies


def _reason(error: OSError | tf.errors.OpError) -> str:
    """Returns what the system said, without where in TensorFlow it said so."""
    if isinstance(error, OSError):
        return error.strerror or str(error)
    return re.sub(r"\{\{.*?\}\} | \[Op:\w+\]", "", error.message).rpartition("; ")[2]


def model_folder(model_dir: str | os.PathLike, directory: str | os.PathLike | None = None) -> Path:
    """Returns where `export_run` puts the versions of a run's model: `directory`, or saved_models/<recipe>.

    Raises:
        InputError: if the folder holds no run.
    """
    from ganzoo.folders import held_recipe

    return Path(directory) if directory else Path("saved_models") / held_recipe(model_dir)[0].name


def export_run(
    model_dir: str | os.PathLike,
    directory: str | os.PathLike | None = None,
    *,
    averaged: bool = True,
    checkpoint: str = "last",
    warm_up: bool = True,
) -> Path:
    """Exports a checkpoint of a run's folder, with its recipe, and its score record if there is one of these weights.

    Args:
        model_dir: the run's folder.
        directory: of the model; saved_models/<recipe> if not given.
        averaged: export the averaged generator, else the last weights.
        checkpoint: `"last"`, the newest; `"best"`, the one with the best score, which is a chosen one.
        warm_up: write warm-up requests.

    Raises:
        InputError: if the folder holds no run, or no such checkpoint, or the directory cannot be written.
    """
    from ganzoo.folders import RECIPE_FILE, restored

    gan, recipe = restored(model_dir, checkpoint)
    about = {
        "recipe": recipe.name,
        "dataset": recipe.data.dataset,
        "data_split": recipe.data.split,
        "checkpoint": checkpoint,
        "settings": recipe.as_dict(),
    }
    files = {RECIPE_FILE: Path(model_dir) / RECIPE_FILE}
    record = f"scores/{checkpoint}.json"
    if _is_of(Path(model_dir) / record, int(gan.step.numpy()), averaged):
        files[record] = Path(model_dir) / record
    return export(
        gan,
        model_folder(model_dir, directory),
        averaged=averaged,
        warm_up=warm_up,
        about=about,
        files=files,
    )


def _is_of(record: Path, step: int, averaged: bool) -> bool:
    """Returns whether a score record is there, and of these weights: a run is scored now and then only."""
    try:
        said = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(said, dict) and (said.get("step"), said.get("averaged")) == (step, averaged)
