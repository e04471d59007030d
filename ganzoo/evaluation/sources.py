"""Whatever can produce examples, as batches of one kind: what is scored never knows where they come from."""

import functools
import os
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ganzoo import data
from ganzoo.data import Density, Examples, pixels
from ganzoo.errors import InputError, NotFinite
from ganzoo.exported import SAMPLE_INPUTS, ExportedGenerator, load_generator, version_folder
from ganzoo.noise import latents
from ganzoo.sampling import BATCH, sample_batches
from ganzoo.serving.addresses import is_address

GENERATED = 5000  # examples of a generator, where nobody says how many
_TOLERANCE = 1e-3  # how far a network's pixels may leave [-1, 1] by rounding
ACCEPTED = (
    "a SavedModel folder, a served model as grpc://host:port/MODEL, a folder of images, an .npz file, real data as "
    "NAME@SPLIT (cifar10@test), a Keras model, an array uint8 [N, H, W, C] or what ganzoo.data.load returns"
)


@dataclass(frozen=True)
class Origin:
    """How the examples came about, as far as it is known.

    Args:
        recipe: That the model was trained by.
        variant: Registry name of its GAN.
        step: Rounds of training behind it.
        checkpoint: `"last"`, or `"best"`, which was chosen by some score.
        averaged: Whether the generator's weights are averaged over training.
        training_seed: Of the training run.
        dataset: That it was trained on.
        data_split: Of that data set.
    """

    recipe: str | None = None
    variant: str | None = None
    step: int | None = None
    checkpoint: str | None = None
    averaged: bool | None = None
    training_seed: int | None = None
    dataset: str | None = None
    data_split: str | None = None


@dataclass(frozen=True)
class Source:
    """Examples to score.

    Args:
        kind: `"saved_model"`, `"server"`, `"keras_model"`, `"folder"`, `"npz"`, `"array"` or `"data"`.
        name: Short, for people.
        example_shape: (H, W, C) of images, (D,) of points.
        draw: (n, seed) -> batches of at most `BATCH` rows, n in all.
        count: How many examples there are; None of a generator, which has as many as one likes.
        origin: How they came about.
    """

    kind: str
    name: str
    example_shape: tuple[int, ...]
    draw: Callable[[int, int], Iterator[np.ndarray]]
    count: int | None = None
    origin: Origin = Origin()

    def number(self, samples: int | None) -> int:
        """Returns how many examples are scored: `samples`, by default all, or `GENERATED` of a generator.

        Raises:
            InputError: If there are not so many, or a score needs more.
        """
        wanted = samples or self.count or GENERATED
        if wanted < 2:
            raise InputError(f"{self.name} has {wanted} examples: a score needs at least 2")
        if self.count is not None and wanted > self.count:
            raise InputError(
                f"samples={wanted}: {self.name} has {self.count} examples; ask for no more, or leave it out"
            )
        return wanted

    def batches(self, n: int, seed: int) -> Iterator[np.ndarray]:
        """Yields n examples, uint8 [b, H, W, C] or float32 [b, D], checked; of a fixed set no one twice."""
        dtype = "uint8" if len(self.example_shape) == 3 else "float32"
        for batch in self.draw(n, seed):
            if batch.shape[1:] != self.example_shape or batch.dtype != dtype:
                raise InputError(
                    f"{self.name} gives {batch.dtype} of shape {batch.shape[1:]} and says {dtype} of "
                    f"{self.example_shape}; export it again"
                )
            if dtype == "float32":
                _require_finite(batch, self.name)
            yield batch


def open_source(model: Any, data_dir: str | os.PathLike | None = None) -> Source:
    """Returns the source of what a user gives.

    Args:
        model: A path, `NAME@SPLIT` or the address of a model on a server, `grpc://host:port/MODEL[/VERSION]` or
            `http://host:port/v1/models/MODEL[/versions/VERSION]`; a GAN, or a functional or sequential Keras model from
            latents [B, latent_dim] to images in [-1, 1]; images uint8 [N, H, W, C] or points [N, D]; `Examples`; a
            `Density`.
        data_dir: Where real data lie; the data set's own default if None.

    Raises:
        InputError: If it is nothing that gives examples.
        ServingError: If a server refuses, or does not answer.
    """
    if isinstance(model, str | os.PathLike):
        return _opened(os.fspath(model), data_dir)
    if isinstance(model, keras.Model):
        return _gan(model) if hasattr(model, "players") else _network(model)
    if isinstance(model, Examples | Density):
        return _real(model)
    if isinstance(model, np.ndarray):
        return _fixed("array", "the array", _usable(model, "the array"))
    raise InputError(f"model of type {type(model).__name__} gives no examples; give {ACCEPTED}")


def _opened(path: str, data_dir: str | os.PathLike | None) -> Source:
    if is_address(path):
        return _served(path)
    name, at, split = path.partition("@")
    if at and not os.path.exists(path):
        return _real(data.load(name, split, data_dir=data_dir))
    if path.endswith(".npz"):
        return _fixed("npz", Path(path).name, _usable(_array(path), repr(path)))
    folder = version_folder(Path(path).expanduser())
    if folder is not None:
        return _saved_model(load_generator(folder))
    plain = path.removeprefix("folder:")
    if os.path.isdir(os.path.expanduser(plain)):
        return _folder(plain)
    raise InputError(
        f"{path!r} is no SavedModel and has no versions 1, 2, ... that are, and there is no folder of images; "
        f"give {ACCEPTED}"
    )


def _folder(path: str) -> Source:
    try:
        examples = data.load(f"folder:{path}")
    except InputError as error:
        if "holds no image" not in str(error):
            raise
        raise InputError(
            f"{path!r} is no SavedModel and has no versions 1, 2, ... that are, and it holds no images; export a model "
            "and give its folder, <name> or <name>/<version>"
        ) from None
    return _fixed("folder", Path(path).name, examples.images, by_class=examples.labels is not None)


def _array(path: str) -> np.ndarray:
    """Returns the array of an .npz file: that called `images`, or the first of several, as other packages write it."""
    try:
        # Opened here: NumPy leaves a damaged file open.
        with open(os.path.expanduser(path), "rb") as opened, np.load(opened, allow_pickle=False) as file:
            names = file.files
            return file["images" if "images" in names else names[0]]
    # An empty file is an EOFError; a renamed .npy opens as an array, which is no archive.
    except (OSError, EOFError, ValueError, TypeError, AttributeError, LookupError, zipfile.BadZipFile) as error:
        raise InputError(f"{path!r} holds no array that can be read ({error}); give np.savez(path, images=x)") from None


def _usable(values: np.ndarray, what: str) -> np.ndarray:
    """Returns images uint8 [N, H, W, C], or points float32 [N, D]."""
    if not values.size:
        raise InputError(f"{what} is empty: of shape {values.shape}; give at least 2 examples")
    if values.dtype == np.uint8 and values.ndim == 3:
        return values[..., None]
    if values.dtype == np.uint8 and values.ndim == 4:
        return values
    if values.ndim == 2 and np.issubdtype(values.dtype, np.floating):
        return values.astype(np.float32)
    if values.ndim == 4 and np.issubdtype(values.dtype, np.floating):
        return rounded(values, what)
    raise InputError(
        f"{what} is {values.dtype} of shape {values.shape}; give images uint8 [N, H, W, C], float images in [-1, 1], "
        "or float points [N, D]"
    )


def _fixed(kind: str, name: str, examples: np.ndarray, by_class: bool = False, origin: Origin = Origin()) -> Source:
    """Returns the source of a set: all in their order, unless they lie `by_class`; of fewer, a random choice."""

    def draw(n: int, seed: int) -> Iterator[np.ndarray]:
        chosen = np.arange(n)
        if by_class or n < len(examples):  # splits and blocks of what is sorted would be of one class each
            chosen = np.random.default_rng(seed).permutation(len(examples))[:n]
        return (examples[chosen[start : start + BATCH]] for start in range(0, n, BATCH))

    return Source(kind, name, examples.shape[1:], draw, len(examples), origin)


def _real(real: Examples | Density) -> Source:
    if isinstance(real, Density):

        def draw(n: int, seed: int) -> Iterator[np.ndarray]:
            points = real.sample(n, seed + 2)  # the scores' own real points have the seeds 0 and 1 more
            return (points[start : start + BATCH] for start in range(0, n, BATCH))

        return Source("data", real.name, (real.dim,), draw, origin=Origin(dataset=real.name))
    by_class = real.labels is not None
    return _fixed("data", f"{real.name}@{real.split}", real.images, by_class, Origin(dataset=real.name))


def _saved_model(generator: ExportedGenerator) -> Source:
    manifest = generator.manifest
    path = Path(generator.path)
    name = f"{path.parent.name}/{path.name}" if path.name.isdigit() else path.name
    if manifest is None:
        signature, latent_dim = generator.plain_signature()
        return _latent_source("saved_model", name, signature, latent_dim)
    keys = ("recipe", "variant", "step", "checkpoint", "averaged", "dataset", "data_split")
    origin = Origin(**{key: getattr(manifest, key) for key in keys}, training_seed=manifest.seed)
    if "serving_default" in generator.model.signatures:
        # `sample` rounds to pixels, of which NaN makes 0.
        rounded(generator.float_images(generator.latents(BATCH)), repr(name), points=len(manifest.image_shape) == 1)
    return Source("saved_model", name, manifest.image_shape, generator.batches, origin=origin)


def _served(address: str) -> Source:
    """Returns the source of a model on a server: of one version, whatever the server loads meanwhile.

    A server does not tell who trained the model, on what.
    """
    from ganzoo.serving.client import Client

    with Client(address) as newest:
        metadata = newest.metadata()
        client = Client(str(replace(newest.address, version=metadata.version, label=None)))
    name, signatures = f"{metadata.name}/{metadata.version}", metadata.signatures
    shape, plain = _sampled_shape(signatures.get("sample")), _plain_input(signatures.get("serving_default"))
    if shape is None and plain is None:
        raise InputError(
            f"{name!r} on {address} has signatures {sorted(signatures)}, none of which is ganzoo's 'sample', or a "
            "'serving_default' from latents float32 [B, latent_dim] alone to images; export the model with ganzoo"
        )
    if plain is not None:
        key, latent_dim = plain

        def call(latent: tf.Tensor) -> tf.Tensor:
            (values,) = client.predict("serving_default", **{key: latent.numpy()}).values()
            return tf.constant(values)

        if shape is None:
            return _latent_source("server", name, call, latent_dim)
        # `sample` rounds to pixels, of which NaN makes 0.
        rounded(call(_first_latents(latent_dim)).numpy(), repr(name), points=len(shape) == 1)
    return Source("server", name, shape, client.batches)


def _sampled_shape(signature: Any) -> tuple[int, ...] | None:
    """Returns (H, W, C) or (D,) of what a served signature samples by seed and index; None if it is of another kind."""
    if signature is None or set(signature.inputs) != SAMPLE_INPUTS or len(signature.outputs) != 1:
        return None
    (output,) = signature.outputs.values()
    return output.shape[1:] if output.shape is not None and None not in output.shape[1:] else None


def _plain_input(signature: Any) -> tuple[str, int] | None:
    """Returns input and latent_dim of a served signature from one float matrix to one value; None if it is no such."""
    if signature is None or len(signature.inputs) != 1 or len(signature.outputs) != 1:
        return None
    ((key, spec),) = signature.inputs.items()
    matrix = spec.dtype == np.float32 and spec.shape is not None and len(spec.shape) == 2
    return (key, spec.shape[1]) if matrix and spec.shape[1] is not None else None


def _gan(gan: Any) -> Source:
    if gan.image_shape is None:
        raise InputError("the model has no networks yet: fit it, or build it with image_shape=, then evaluate")
    first = gan(_first_latents(gan.latent_dim, gan.prior)).numpy()
    rounded(first, gan.variant, points=len(gan.image_shape) == 1)
    averaged = gan.ema_momentum != 0  # None: another mean than the moving one
    origin = Origin(variant=gan.variant, step=int(gan.step.numpy()), averaged=averaged, training_seed=gan.seed)
    draw = functools.partial(sample_batches, gan.signatures().sample)
    return Source("keras_model", gan.variant, tuple(gan.image_shape), draw, origin=origin)


def _network(model: keras.Model) -> Source:
    shape = getattr(model, "input_shape", None) if model.built else None
    if not isinstance(shape, tuple) or len(shape) != 2 or shape[1] is None:
        raise InputError(
            f"the Keras model {model.name!r} takes {shape}; give a functional or sequential one "
            "from latents [B, latent_dim]"
        )
    call = tf.function(lambda latent: model(latent, training=False))
    return _latent_source("keras_model", model.name, call, shape[1])


def _latent_source(kind: str, name: str, call: Callable[[tf.Tensor], tf.Tensor], latent_dim: int) -> Source:
    """Returns the source of a function from latents N(0, I), float32 [B, latent_dim], to images or points."""
    first = call(_first_latents(latent_dim)).numpy()
    if first.ndim not in (2, 4):
        raise InputError(
            f"{name} gives values of shape {first.shape}; images are [B, H, W, C] in [-1, 1], points [B, D]"
        )
    points = first.ndim == 2
    rounded(first, repr(name), points=points)

    def sample(seed: tf.Tensor, index: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
        values = call(latents(seed, index, latent_dim, truncation=truncation)).numpy()
        return tf.constant(rounded(values, repr(name), points=points))

    return Source(kind, name, first.shape[1:], functools.partial(sample_batches, sample))


def _first_latents(latent_dim: int, prior: str = "normal") -> tf.Tensor:
    """Returns the latents of the first batch of seed 0."""
    index = tf.range(BATCH, dtype=tf.int64)
    return latents(tf.zeros_like(index), index, latent_dim, prior=prior)


def _require_finite(values: np.ndarray, what: str) -> None:
    if not np.isfinite(values).all():
        bad = np.count_nonzero(~np.isfinite(values.reshape(len(values), -1)).all(axis=1))
        raise NotFinite(
            f"{bad} of {len(values)} examples of {what} are not finite, so no score is defined; score an earlier "
            "checkpoint, from before training diverged"
        )


def rounded(values: np.ndarray, what: str, *, points: bool = False) -> np.ndarray:
    """Returns float images in [-1, 1] as uint8, rounded as real ones are; points as they are.

    Raises:
        InputError: If they are not finite, or images leave [-1, 1].
    """
    _require_finite(values, what)
    if points:
        return values
    least, most = float(values.min()), float(values.max())
    if least < -1 - _TOLERANCE or most > 1 + _TOLERANCE:
        raise InputError(f"{what} gives images in [{least:.4g}, {most:.4g}]; end it with tanh, or scale it to [-1, 1]")
    return pixels(values).numpy()
