"""What a network makes of real images, computed once and kept by the content of all that it depends on."""

import hashlib
import json
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from absl import logging

from ganzoo.errors import InputError
from ganzoo.evaluation.arrays import blocks, filled
from ganzoo.evaluation.evaluators import Evaluator
from ganzoo.evaluation.streaming import Gaussian, Moments
from ganzoo.files import cache_folder, write_text, written_folder
from ganzoo.progress import shown
from ganzoo.sampling import BATCH

_ARRAYS = ("logits", "features")


@dataclass(frozen=True)
class Reference:
    """Logits and features of real images, on disk, in random order: files lie by class, and KID takes blocks.

    Args:
        logits: float32 [M, K], read-only.
        features: float32 [M, F], read-only.
    """

    logits: np.ndarray = field(repr=False)
    features: np.ndarray = field(repr=False)

    def __len__(self) -> int:
        return len(self.features)

    @cached_property
    def gaussian(self) -> Gaussian:
        """Mean and covariance of the features."""
        moments = Moments(self.features.shape[1])
        for rows in blocks(*self.features.shape):
            moments.update(self.features[rows])
        return moments.gaussian()


def reference_for(
    images: np.ndarray, name: str, evaluator: Evaluator, cache_dir: str | os.PathLike | None = None
) -> Reference:
    """Returns what the evaluator makes of these images: from the cache, or computed now and put there.

    Args:
        images: uint8 [M, H, W, C], of real examples as they are compared.
        name: Of data set and split, for people.
        evaluator: Asked for logits and features.
        cache_dir: By default `$GANZOO_CACHE/references`, or `~/.cache/ganzoo/references` without the variable.
    """
    identity = {
        "name": name,
        "images": hashlib.sha256(np.ascontiguousarray(images)).hexdigest(),
        "shape": list(images.shape),
        "evaluator": evaluator.name,
        "evaluator_hash": evaluator.weights_hash,
        "preparation": evaluator.preparation,
    }
    key = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    folder = cache_folder("references", cache_dir) / f"{evaluator.name}-{key}"
    if (folder / "about.json").exists():
        try:
            return read_reference(folder, identity)
        except InputError as error:
            logging.warning("%s: computing the reference again", error)
    try:
        _write(images, identity, evaluator, folder)
    except OSError as error:
        reason = error.strerror or error
        raise InputError(f"{str(folder.parent)!r} cannot be written: {reason}; set GANZOO_CACHE") from None
    return read_reference(folder, identity)


def read_reference(folder: str | os.PathLike, identity: dict) -> Reference:
    """Returns the reference in a folder.

    Raises:
        InputError: If it is of other images, another evaluator or another preparation, or is damaged.
    """
    folder = Path(folder)
    try:
        about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
        unlike = [key for key in identity if about.get(key) != identity[key]]
        if unlike:
            said = "; ".join(f"{key}: {about.get(key)!r} there, {identity[key]!r} wanted" for key in unlike)
            raise InputError(f"reference {str(folder)!r} is of something else ({said}); remove it")
        logits, features = (np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False) for name in _ARRAYS)
    except (OSError, ValueError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"reference {str(folder)!r} is damaged ({error}); remove it") from None
    if not len(logits) == len(features) == identity["shape"][0]:
        raise InputError(f"reference {str(folder)!r} is damaged (it has {len(features)} rows); remove it")
    return Reference(logits, features)


def _write(images: np.ndarray, identity: dict, evaluator: Evaluator, folder: Path) -> None:
    """Writes the logits, the features, and what they are of."""
    order = np.random.default_rng(0).permutation(len(images))
    batches = (filled(images[order[start : start + BATCH]], BATCH) for start in range(0, len(images), BATCH))
    arrays, row = None, 0
    with written_folder(folder) as partial:
        partial.mkdir()
        for batch, count in shown(batches, f"{identity['name']} by {evaluator.name}", -(-len(images) // BATCH)):
            outputs = evaluator.predict(batch)
            if arrays is None:
                arrays = [
                    np.lib.format.open_memmap(partial / f"{name}.npy", "w+", np.float32, (len(images), values.shape[1]))
                    for name, values in zip(_ARRAYS, outputs, strict=True)
                ]
            for array, values in zip(arrays, outputs, strict=True):
                array[row : row + count] = values[:count]
            row += count
        for array in arrays:
            array.flush()
        write_text(partial / "about.json", json.dumps(identity, indent=2) + "\n")
