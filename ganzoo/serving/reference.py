"""What Keras answered when a model was exported, to compare with on any machine."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

REFERENCE_FILE = "assets.extra/keras_reference.npz"


def answered(
    functions: Mapping[str, Callable], questions: Iterable[tuple[str, Mapping[str, np.ndarray]]]
) -> dict[str, np.ndarray]:
    """Returns inputs and outputs of signatures, as arrays `<signature>.<name>`.

    Args:
        functions: the signatures, by name.
        questions: signature, and its inputs by name.
    """
    arrays = {}
    for signature, inputs in questions:
        outputs = functions[signature](*map(tf.constant, inputs.values()))
        named = {**inputs, **{name: value.numpy() for name, value in outputs.items()}}
        arrays |= {f"{signature}.{name}": value for name, value in named.items()}
    return arrays


def write_reference(folder: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Writes what `answered` gave to the folder of a SavedModel."""
    path = folder / REFERENCE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        np.savez(file, **arrays)
