"""TF-GAN's evaluator under a TensorFlow that TF-GAN itself does not import on; nothing else imports it.

TF-GAN 2.1's root imports its estimators, and TensorFlow has had none since 2.16. Its evaluation functions do not need
them. They hold all rows at once; `streaming` gives the same numbers from batches.
"""

import importlib
import importlib.util
import sys
import warnings
from dataclasses import dataclass
from types import ModuleType

import numpy as np
import tensorflow as tf
from numpy.typing import ArrayLike

from ganzoo.errors import InputError
from ganzoo.evaluation.arrays import checked

_PARENTS = ("tensorflow_gan", "tensorflow_gan.python")


@dataclass(frozen=True)
class TfganScores:
    """Scores that TF-GAN computed in float64.

    Args:
        classifier_score: of all images in one split; with Inception's logits the Inception score.
        split_scores: the same of every contiguous split.
        frechet_distance: to the real features.
        kernel_distance: to the real features; both sets are taken in blocks, in the order given.
        kernel_standard_error: None with one block.
    """

    classifier_score: float
    split_scores: tuple[float, ...]
    frechet_distance: float
    kernel_distance: float
    kernel_standard_error: float | None


def tfgan_evaluation() -> ModuleType:
    """Returns TF-GAN's package `tensorflow_gan.python.eval`.

    Its parents are in their places while it loads, but are not run. Then they are taken away again, so that to others
    TF-GAN is what it would be without this function. A TF-GAN that is imported already is left as it is.

    Its functions want a `classifier_fn`: the default one calls a layer that Keras 3 lacks. Those named `streaming`
    need graphs of TensorFlow 1. The kernel distance must not be compiled by XLA: with more than one block
    the value is silently wrong.

    Raises:
        InputError: if TF-GAN, or something that it imports, is not installed.
    """
    placed = []
    try:
        for name in _PARENTS:
            spec = importlib.util.find_spec(name)
            if spec is None:
                raise InputError("TF-GAN's scores need the package tensorflow-gan; pip install tensorflow-gan")
            if name not in sys.modules:
                sys.modules[name] = importlib.util.module_from_spec(spec)
                placed.append(name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of packages that TF-GAN imports, about others that those import
            return importlib.import_module("tensorflow_gan.python.eval")
    except ModuleNotFoundError as error:
        raise InputError(
            f"TF-GAN's evaluator needs {error.name}, which is not installed; "
            "pip install tensorflow-gan 'setuptools<82' (later ones lack pkg_resources)"
        ) from error
    finally:
        for name in placed:
            del sys.modules[name]


def tfgan_scores(logits: ArrayLike, features: ArrayLike, real_features: ArrayLike, splits: int = 10) -> TfganScores:
    """Returns what TF-GAN's functions make of generated images' logits and features, as a check on this package's.

    Args:
        logits: [N, K].
        features: [N, D], N >= 2.
        real_features: [M, D], M >= 2.
        splits: of `split_scores`; at most N.

    Raises:
        InputError: as `tfgan_evaluation`; or if the arrays do not fit.

    Source: TF-GAN 2.1.0, `eval/classifier_metrics.py`.
    """
    evaluation = tfgan_evaluation()
    logits = checked(logits, "logits", least=splits)
    features = checked(features, "features", least=2)
    real_features = checked(real_features, "real features", least=2, width=features.shape[1])
    bounds = np.arange(splits + 1) * len(logits) // splits
    score, *split_scores = (
        float(evaluation.classifier_score_from_logits(tf.constant(part, tf.float64)))
        for part in (logits, *np.split(logits, bounds[1:-1]))
    )
    real, ours = (tf.constant(rows, tf.float64) for rows in (real_features, features))
    distance, error = evaluation.kernel_classifier_distance_and_std_from_activations(real, ours)
    return TfganScores(
        classifier_score=score,
        split_scores=tuple(split_scores),
        frechet_distance=float(evaluation.frechet_classifier_distance_from_activations(real, ours)),
        kernel_distance=float(distance),
        kernel_standard_error=None if np.isnan(error) else float(error),
    )
