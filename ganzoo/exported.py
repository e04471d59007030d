"""An exported generator: a SavedModel with a signature `sample` and a manifest, ganzoo.json."""

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pydantic
import tensorflow as tf

from ganzoo.data import pixels
from ganzoo.errors import InputError
from ganzoo.files import versions
from ganzoo.noise import latents
from ganzoo.sampling import sample_batches, samples
from ganzoo.settings import explained

INFO_FILE = "assets.extra/ganzoo.json"
SAMPLE_INPUTS = {"seed", "index", "truncation"}


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
    latent_dim: int
    prior: str = "normal"
    step: int
    seed: int
    checkpoint: Literal["last", "best"] = "last"
    averaged: bool


@dataclass(frozen=True)
class ExportedGenerator:
    """A SavedModel that samples.

    Args:
        path: Its folder, `<name>/<version>`.
        manifest: What its maker wrote about it; None where another package made it.
        model: The loaded object, which keeps the signature's variables alive.
    """

    path: Path
    manifest: Manifest | None
    model: object = field(repr=False)

    def batches(self, n: int, seed: int = 0, truncation: float = math.inf) -> Iterator[np.ndarray]:
        """Yields what `sample` returns, batch by batch."""
        return sample_batches(self._rows, n, seed, truncation=truncation)

    def sample(self, n: int, seed: int = 0, truncation: float = math.inf) -> np.ndarray:
        """Returns the examples 0 to n - 1 of `seed`: uint8 [n, H, W, C], or points float32 [n, D].

        Raises:
            InputError: If `n` or `truncation` is impossible.
        """
        return samples(self._rows, n, seed, truncation=truncation, progress=True)

    def _rows(self, seed: tf.Tensor, index: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
        signature = self.model.signatures["sample"]
        (values,) = signature(seed=seed, index=index, truncation=truncation).values()
        return values

    def float_images(self, latent: np.ndarray) -> np.ndarray:
        """Returns float32 images [B, H, W, C] in [-1, 1] (points [B, D]) for latents float32 [B, latent_dim]."""
        (values,) = self.model.signatures["serving_default"](latent=tf.constant(latent)).values()
        return values.numpy()

    def plain_signature(self) -> tuple[Callable[[tf.Tensor], tf.Tensor], int]:
        """Returns `serving_default` as a function of latents [B, latent_dim], and latent_dim.

        Raises:
            InputError: If it is no function of one float matrix to one value.
        """
        signature = self.model.signatures.get("serving_default")
        inputs = {} if signature is None else signature.structured_input_signature[1]
        if len(inputs) == 1 and len(signature.structured_outputs) == 1:
            ((key, spec),) = inputs.items()
            if spec.dtype == tf.float32 and spec.shape.rank == 2 and spec.shape[1] is not None:
                (output,) = signature.structured_outputs
                return lambda latent: signature(**{key: latent})[output], spec.shape[1]
        raise InputError(
            f"{str(self.path)!r} was not exported by ganzoo, and of its signatures {sorted(self.model.signatures)} none"
            " is a 'serving_default' from latents float32 [B, latent_dim] alone to images; export it with ganzoo"
        )

    def images(self, latent: np.ndarray) -> np.ndarray:
        """Returns uint8 images [B, H, W, C] (points float32 [B, D]) for latents float32 [B, latent_dim]."""
        values = self.float_images(latent)
        return pixels(values).numpy() if values.ndim == 4 else values

    def latents(self, n: int, seed: int = 0, truncation: float = math.inf) -> np.ndarray:
        """Returns the latents of the examples 0 to n - 1 of `seed`, float32 [n, latent_dim]."""
        index = tf.range(n, dtype=tf.int64)
        dim, prior = self.manifest.latent_dim, self.manifest.prior
        return latents(tf.zeros_like(index) + seed, index, dim, prior=prior, truncation=truncation).numpy()


def open_generator(path: str | os.PathLike) -> ExportedGenerator:
    """Returns the generator in a SavedModel folder, or in the newest version of a folder of versions.

    Raises:
        InputError: If there is none, or none that ganzoo exported.
    """
    folder = version_folder(Path(path))
    if folder is None:
        raise InputError(
            f"{str(path)!r} is no SavedModel and has no versions 1, 2, ... that are; export a model and give its "
            "folder, <name> or <name>/<version>"
        )
    generator = load_generator(folder)
    if generator.manifest is None:
        raise InputError(
            f"{str(folder)!r} has no {INFO_FILE}, so what it was trained on is not known; export it with ganzoo"
        )
    return generator


def load_generator(folder: Path) -> ExportedGenerator:
    """Returns the generator of a SavedModel; one without ganzoo's manifest may be of another package.

    Raises:
        InputError: If it has a manifest and is not as ganzoo exports.
    """
    manifest = _manifest(folder)
    try:
        model = tf.saved_model.load(os.fspath(folder))
    except (OSError, ValueError, tf.errors.OpError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(f"{str(folder)!r} cannot be loaded ({first}); export the model again") from None
    if manifest is None:
        return ExportedGenerator(folder, None, model)
    signature = model.signatures.get("sample")
    if signature is None:
        raise InputError(
            f"{str(folder)!r} has no signature 'sample', only {sorted(model.signatures)}; export it with ganzoo"
        )
    inputs, outputs = set(signature.structured_input_signature[1]), set(signature.structured_outputs)
    if inputs != SAMPLE_INPUTS or outputs not in ({"images"}, {"points"}):
        raise InputError(
            f"{str(folder)!r}: 'sample' takes {sorted(inputs)} and gives {sorted(outputs)}, where an "
            f"evaluation needs {sorted(SAMPLE_INPUTS)} and images or points; export it with this version of ganzoo"
        )
    return ExportedGenerator(folder, manifest, model)


def version_folder(path: Path) -> Path | None:
    """Returns the SavedModel that `path` is, or the newest of its versions 1, 2, ...; None if there is none."""
    if tf.saved_model.contains_saved_model(os.fspath(path)):
        return path
    found = reversed(versions(path).values()) if path.is_dir() else ()
    return next((version for version in found if tf.saved_model.contains_saved_model(os.fspath(version))), None)


def _manifest(folder: Path) -> Manifest | None:
    path = folder / INFO_FILE
    try:
        return Manifest.model_validate(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read ({error.strerror}); export the model again") from None
    except pydantic.ValidationError as error:
        raise InputError(f"{explained(error, str(path), Manifest.model_fields)}; export the model again") from None
    except ValueError as error:
        raise InputError(f"{str(path)!r} is not JSON ({error}); export the model again") from None
