"""An exported generator: a SavedModel with a signature `sample` and a manifest, ganzoo.json."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pydantic
import tensorflow as tf

from ganzoo.data.progress import shown
from ganzoo.errors import InputError
from ganzoo.settings import explained

_INPUTS = {"seed", "index", "truncation"}


class Manifest(pydantic.BaseModel):
    """What `assets.extra/ganzoo.json` says of a model; keys that an evaluation does not need are let be.

    A model that no recipe trained was exported without recipe, data set and checkpoint.
    """

    model_config = pydantic.ConfigDict(extra="ignore", frozen=True)

    variant: str
    recipe: str | None = None
    dataset: str | None = None
    data_split: str | None = None
    image_shape: tuple[int, ...]
    step: int
    seed: int
    checkpoint: Literal["last", "best"] = "last"
    averaged: bool


@dataclass(frozen=True)
class ExportedGenerator:
    """A SavedModel that samples.

    Args:
        path: Its folder, `<name>/<version>`.
        manifest: What its maker wrote about it.
        model: The loaded object, which keeps the signature's variables alive.
    """

    path: Path
    manifest: Manifest
    model: object = field(repr=False)

    def sample(self, count: int, seed: int, batch_size: int) -> np.ndarray:
        """Returns the examples 0 to `count` - 1 of `seed`: uint8 [count, H, W, C], or float32 [count, D].

        All batches are full and the last is cut, since pixels may differ in rounding with the batch size.
        """
        signature = self.model.signatures["sample"]
        (output,) = signature.structured_outputs
        seeds, untruncated = tf.fill([batch_size], np.int64(seed)), tf.fill([batch_size], np.float32(np.inf))
        starts = range(0, count, batch_size)
        batches = []
        for start in shown(starts, f"sampling {self.path}", len(starts)):
            index = tf.range(start, start + batch_size, dtype=tf.int64)
            batches.append(signature(seed=seeds, index=index, truncation=untruncated)[output].numpy())
        return np.concatenate(batches)[:count]


def open_generator(path: str | os.PathLike) -> ExportedGenerator:
    """Returns the generator in a SavedModel folder, or in the newest version of a folder of versions.

    Raises:
        InputError: If there is none, or none that ganzoo exported.
    """
    folder = _version_folder(Path(path))
    manifest = _manifest(folder)
    model = tf.saved_model.load(os.fspath(folder))
    signature = model.signatures.get("sample")
    if signature is None:
        raise InputError(
            f"{str(folder)!r} has no signature 'sample', only {sorted(model.signatures)}; "
            "export it with ganzoo"
        )
    inputs, outputs = set(signature.structured_input_signature[1]), set(signature.structured_outputs)
    if inputs != _INPUTS or outputs not in ({"images"}, {"points"}):
        raise InputError(
            f"{str(folder)!r}: 'sample' takes {sorted(inputs)} and gives {sorted(outputs)}, where an "
            f"evaluation needs {sorted(_INPUTS)} and images or points; export it with this version of ganzoo"
        )
    return ExportedGenerator(folder, manifest, model)


def _version_folder(path: Path) -> Path:
    if tf.saved_model.contains_saved_model(os.fspath(path)):
        return path
    entries = path.iterdir() if path.is_dir() else ()
    versions = sorted((entry for entry in entries if entry.name.isdigit()), key=lambda entry: int(entry.name))
    for version in reversed(versions):
        if tf.saved_model.contains_saved_model(os.fspath(version)):
            return version
    raise InputError(
        f"{str(path)!r} is no SavedModel and has no versions 1, 2, ... that are; export a model and give its "
        "folder, <name> or <name>/<version>"
    )


def _manifest(folder: Path) -> Manifest:
    path = folder / "assets.extra" / "ganzoo.json"
    try:
        return Manifest.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except OSError:
        raise InputError(
            f"{str(folder)!r} has no assets.extra/ganzoo.json, so what it was trained on is not known; "
            "export it with ganzoo"
        ) from None
    except pydantic.ValidationError as error:
        raise InputError(
            f"{explained(error, str(path), Manifest.model_fields)}; export the model again"
        ) from None
    except ValueError as error:
        raise InputError(f"{str(path)!r} is not JSON ({error}); export the model again") from None
