"""What is measured of a run at its checkpoints, and what is made of it."""

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from ganzoo.evaluation.evaluators import Evaluator
from ganzoo.evaluation.scores import class_histogram_kl, class_shares, classes_reached, classifier_score
from ganzoo.experiments.runs import Measure
from ganzoo.experiments.stability import ALIVE
from ganzoo.gan import GAN
from ganzoo.penalties import squared_gradient_norms

BEFORE = 10  # measurements: with the median of so many before it each one is compared


def sample_scores(evaluator: Evaluator, count: int) -> Measure:
    """Returns what measures samples of the last weights in a classifier's view.

    It finds the classifier score, how many classes have a sample and how many have 2 % of them, and the reverse KL: of
    the samples' histogram of classes to the uniform one.
    """

    def measure(gan: GAN) -> dict[str, float]:
        logits, _ = evaluator.predict(gan.generate(count, seed=1, averaged=False))
        shares = class_shares(logits)
        return {
            "classifier_score": classifier_score(logits),
            "modes": classes_reached(shares, 0.5 / count),
            "alive": classes_reached(shares, ALIVE),
            "reverse_kl": class_histogram_kl(shares),
        }

    return measure


def slopes(gan: GAN, points: tf.Tensor) -> dict[str, float]:
    """Returns the mean squared norm of D's gradient at points, of the logit a and of the probability s(a)."""
    norms = squared_gradient_norms(lambda x: gan.discriminator(x, training=False), points)
    probability = tf.sigmoid(gan.discriminator(points, training=False))[:, 0]
    factor = tf.square(probability * (1.0 - probability))  # s' = s (1 - s)
    return {"logit": float(tf.reduce_mean(norms)), "probability": float(tf.reduce_mean(factor * norms))}


def against_before(values: Sequence[float], window: int = BEFORE) -> np.ndarray:
    """Returns each value over the median of the `window` before it, [N - window]; none of fewer."""
    values = np.asarray(values, np.float64)
    if len(values) <= window:
        return np.zeros(0)
    before = np.median(np.lib.stride_tricks.sliding_window_view(values[:-1], window), axis=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return values[window:] / before


def roughness(values: Sequence[float]) -> float:
    """Returns by how much a value is off the mean of its neighbours, the mean of that over the mean size of a value.

    So a drift, however steep, is no roughness.
    """
    values = np.asarray(values, np.float64)
    return float(np.abs(np.diff(values, 2)).mean() / 2 / np.abs(values).mean()) if len(values) > 2 else np.nan
