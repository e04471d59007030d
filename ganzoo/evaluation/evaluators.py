"""The network in whose view images are scored: Inception, or a classifier of the data set itself."""

import os
from typing import Protocol

import numpy as np

from ganzoo.data import Examples
from ganzoo.errors import InputError
from ganzoo.evaluation.arrays import log_softmax
from ganzoo.evaluation.classifier_cache import cached_classifier, classifier_for


class Evaluator(Protocol):
    """Asked for logits and features; all that is said of it stands in the record.

    Args:
        name: A part of each metric's name.
        accuracy: On the held-out split, 0 to 1; None of Inception.
        weights_hash: SHA-256 of its weights.
        is_inception: Whether its scores may be called Inception scores.
        preparation: How images are made ready for it.
    """

    name: str
    accuracy: float | None
    weights_hash: str
    is_inception: bool
    preparation: str

    def predict(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns logits [B, K] and features [B, F], float32, of uint8 images [B, H, W, C]."""


class StackedClassifier:
    """Reads the three channels of an image as three digits, a class 0 to 999 of stacked MNIST.

    Its logits are the sums of the three classifiers' log probabilities, its features those of the channels in turn.

    Args:
        digit: The classifier of one channel.
    """

    is_inception = False
    preparation = "each channel by itself"

    def __init__(self, digit: Evaluator):
        self.digit = digit
        self.name = f"stacked_{digit.name}"
        self.weights_hash = digit.weights_hash
        self.accuracy = digit.accuracy  # of one channel

    def predict(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns logits [B, K^3] and features [B, 3 F] of uint8 images [B, H, W, 3]."""
        outputs = [self.digit.predict(images[..., channel : channel + 1]) for channel in range(3)]
        first, second, third = (log_softmax(logits) for logits, _ in outputs)
        logits = first[:, :, None, None] + second[:, None, :, None] + third[:, None, None, :]
        return logits.reshape(len(images), -1), np.concatenate([features for _, features in outputs], axis=1)


def in_domain(train: Examples | None, test: Examples, data_dir: str | os.PathLike | None = None) -> Evaluator:
    """Returns the classifier of a data set.

    That of its splits `train` and `test`, whatever splits are compared, so that all scores come from the same weights;
    of a data set without these, that of the splits at hand.

    Raises:
        InputError: If it has no labels.
    """
    name = test.name.partition(":")[0]
    if name == "stacked_mnist":
        height, width, _ = test.image_shape
        return StackedClassifier(classifier_for("mnist", (height, width, 1), data_dir))
    if test.labels is None:
        raise InputError(
            f"{test.name!r} has no labels to train a classifier with; give an Inception network (evaluator='inception')"
        )
    if not test.name.startswith("folder"):
        try:
            return classifier_for(test.name, test.image_shape, data_dir)
        except InputError:  # it lacks one of the two splits
            if train is None:
                raise
    if train is None:
        raise InputError(
            f"{test.name!r}: a classifier is trained on one part and measured on another; give train_split"
        )
    return cached_classifier(train, test)
