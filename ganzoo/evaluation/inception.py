"""The Inception network of TF-GAN's evaluator, in whose logits and features images are scored."""

import hashlib
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import numpy as np
import tensorflow as tf

from ganzoo.data import unit_range
from ganzoo.errors import InputError, did_you_mean

INCEPTION = "https://tfhub.dev/tensorflow/tfgan/eval/inception/1"
INCEPTION_NAME = "inception-2015"
INCEPTION_WIDTHS = {"logits": 1008, "pool_3": 2048}
SIZE = 299
RESIZINGS = ("graph", "bilinear", "bicubic")


@dataclass(frozen=True)
class Inception:
    """A SavedModel from images to `logits` and `pool_3`, as TF-GAN's evaluator asks for.

    Args:
        name: `inception-2015`, for any network of the 2015-12-05 graph's widths, whose hash tells it from others; else
            folder and hash.
        call: float32 images [B, H, W, 3] in [-1, 1] -> `{"logits": [B, K], "pool_3": [B, F]}`.
        weights_hash: SHA-256 of its files.
        resizing: `"graph"`: images go in as they are, and the graph resizes; `"bilinear"` or `"bicubic"`: to 299 x 299
            before, antialiased.
    """

    name: str
    call: Callable[[tf.Tensor], dict[str, tf.Tensor]] = field(repr=False)
    weights_hash: str
    resizing: str = "graph"

    accuracy: ClassVar[None] = None

    @property
    def is_inception(self) -> bool:
        """Whether its scores may be called Inception scores."""
        return self.name == INCEPTION_NAME

    @property
    def preparation(self) -> str:
        """How images are made ready for it."""
        how = "by the graph" if self.resizing == "graph" else f"to {SIZE} x {SIZE}, {self.resizing}, antialiased"
        return f"grey repeated to 3 channels, resized {how}"

    def predict(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns the logits [B, K] and the features [B, F], both float32, of uint8 images [B, H, W, C]."""
        outputs = self.call(self.prepared(images))
        return outputs["logits"].numpy(), outputs["pool_3"].numpy()

    def prepared(self, images: np.ndarray) -> tf.Tensor:
        """Returns float32 images [B, H, W, 3] in [-1, 1], or [B, 299, 299, 3] where the package resizes."""
        values = unit_range(images)
        if images.shape[-1] == 1:
            values = tf.repeat(values, 3, axis=-1)
        if self.resizing == "graph":
            return values
        return tf.image.resize(values, (SIZE, SIZE), method=self.resizing, antialias=True)


def load_inception(path: str | os.PathLike | None = None, resizing: str = "graph") -> Inception:
    """Returns the evaluator's Inception network.

    Args:
        path: A SavedModel folder with outputs `logits` and `pool_3`; by default the graph of TF-GAN's evaluator, from
            TF-Hub or, where `TFHUB_CACHE_DIR` has it, from there.
        resizing: Who resizes images: `"graph"`, or the package, by `"bilinear"` or `"bicubic"` with antialiasing.

    Raises:
        InputError: If it cannot be had, is no such SavedModel, or the resizing is unknown.
    """
    if resizing not in RESIZINGS:
        raise InputError(f"resizing {resizing!r} is unknown; {did_you_mean(resizing, RESIZINGS)}")
    handle = INCEPTION if path is None else os.path.expanduser(os.fspath(path))
    folder = _downloaded(handle) if "://" in handle else handle
    if not tf.saved_model.contains_saved_model(folder):
        raise InputError(
            f"{folder!r} is not a SavedModel folder: no saved_model.pb is in it; give the folder that has it"
        )
    side = 32 if resizing == "graph" else SIZE
    try:
        model = tf.saved_model.load(folder)
    except (OSError, ValueError, tf.errors.OpError) as error:
        first = str(error).strip().splitlines()[0]
        raise InputError(f"{folder!r} cannot be loaded ({first}); copy or download it again") from None
    call, widths = _network(model, handle, side)
    weights_hash = _files_hash(Path(folder))
    name = INCEPTION_NAME if widths == INCEPTION_WIDTHS else f"{Path(folder).name}-{weights_hash[:8]}"
    return Inception(name, call, weights_hash, resizing)


def _downloaded(handle: str) -> str:
    """Returns the folder of a handle, downloaded unless TF-Hub's cache has it."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tensorflow-hub imports pkg_resources, which is deprecated
        import tensorflow_hub
    try:
        return tensorflow_hub.resolve(handle)
    except (OSError, ValueError, RuntimeError) as error:
        raise InputError(
            f"the Inception graph {handle} cannot be had ({error}); download it once on a machine with internet and "
            "give its folder as inception_path, or set TFHUB_CACHE_DIR to a cache that has it"
        ) from None


def _network(
    model: object, handle: str, side: int
) -> tuple[Callable[[tf.Tensor], dict[str, tf.Tensor]], dict[str, int]]:
    """Returns the network as one traced function, and the widths of its outputs for images of `side` pixels."""
    signature = next(iter(model.signatures.values()), None) if hasattr(model, "signatures") else None

    def plain(images: tf.Tensor) -> dict[str, tf.Tensor]:
        if callable(model):
            return model(images)
        ((key, _),) = signature.structured_input_signature[1].items()
        return signature(**{key: images})

    @tf.function(autograph=False, input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    def call(images: tf.Tensor) -> dict[str, tf.Tensor]:
        outputs = plain(images)
        missing = set(INCEPTION_WIDTHS) - set(outputs)
        if missing:
            raise InputError(f"{handle} gives {sorted(outputs)}; an evaluator gives {sorted(INCEPTION_WIDTHS)}")
        return {key: _flat(outputs[key]) for key in INCEPTION_WIDTHS}

    try:
        with tf.device("CPU:0"):
            widths = {key: int(values.shape[-1]) for key, values in call(tf.zeros([2, side, side, 3])).items()}
        return call, widths
    except InputError:
        raise
    except Exception as error:  # whatever a foreign graph makes of images
        first = str(error).strip().splitlines()[0]
        raise InputError(
            f"{handle} does not take float32 images [B, H, W, 3] in [-1, 1] ({first}); give an evaluator's SavedModel"
        ) from None


def _flat(values: tf.Tensor) -> tf.Tensor:
    """Returns [B, K], or [B, 1, 1, K] without its axes of one place."""
    return tf.reshape(values, [tf.shape(values)[0], values.shape[-1]])


def _files_hash(folder: Path) -> str:
    """Returns the SHA-256 of the graph and its variables."""
    digest = hashlib.sha256()
    files = [folder / "saved_model.pb", *sorted((folder / "variables").glob("*"))]
    for path in files:
        with open(path, "rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()
