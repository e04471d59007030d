"""What Keras answered when a model was exported, to compare with on any machine."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

REFERENCE_FILE = "assets.extra/keras_reference.npz"


def write_reference(
    folder: Path, functions: Mapping[str, Callable], questions: Iterable[tuple[str, Mapping[str, np.ndarray]]]
) -> None:
    """Writes inputs and outputs of signatures to the folder of a SavedModel, as arrays `<signature>.<name>`.

    Args:
        folder: of the SavedModel.
        functions: the signatures, by name.
        questions: signature, and its inputs by name.
    """
    arrays = {}
    for signature, inputs in questions:
        outputs = functions[signature](*map(tf.constant, inputs.values()))
        named = {**inputs, **{name: value.numpy() for name, value in outputs.items()}}
        arrays |= {f"{signature}.{name}": value for name, value in named.items()}
    path = folder / REFERENCE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        np.savez(file, **arrays)
