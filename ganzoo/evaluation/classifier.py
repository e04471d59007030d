"""A small classifier of one data set, in whose logits and features generators of that data set are scored.

Networks trained on ImageNet say little about 8 x 8 digits. A classifier trained on the data set itself does,
but its scores compare only with scores by the very same weights: its name is a part of the metric's name
and the hash of its weights stands in every record.
"""

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar

import keras
import numpy as np
import tensorflow as tf

from ganzoo.data import Examples
from ganzoo.errors import InputError, did_you_mean
from ganzoo.evaluation.arrays import filled
from ganzoo.evaluation.classifier_plans import PLANS, Plan
from ganzoo.files import written
from ganzoo.progress import shown

ARCHITECTURE_VERSION = 2  # a part of the cache's key: raise it when a network or its training changes


@dataclass(frozen=True)
class Classifier:
    """A trained classifier.

    Args:
        name: Data set and image shape, `digits_16x16x1`.
        model: Images [N, H, W, C], 0 to 255, to `{"logits": [N, K], "features": [N, F]}`.
        accuracy: Share of the held-out split classified rightly, 0 to 1.
    """

    name: str
    model: keras.Model
    accuracy: float

    is_inception: ClassVar[bool] = False
    preparation: ClassVar[str] = "none"

    @cached_property
    def weights_hash(self) -> str:
        """SHA-256 of all weights: path, shape, dtype and bytes of each."""
        digest = hashlib.sha256()
        for weight in self.model.weights:
            values = np.asarray(weight)
            digest.update(f"{weight.path} {values.shape} {values.dtype.str}\n".encode())
            digest.update(values.tobytes())
        return digest.hexdigest()

    def predict(self, images: np.ndarray, batch_size: int = 256) -> tuple[np.ndarray, np.ndarray]:
        """Returns the logits [N, K] and the features [N, F] of uint8 images [N, H, W, C], both float32."""
        expected = self.model.input_shape[1:]
        if images.shape[1:] != expected or len(images) == 0:
            raise InputError(
                f"images of shape {images.shape} do not fit the classifier {self.name}, which wants "
                f"{(None, *expected)}; load or generate them in that shape"
            )
        size = min(batch_size, len(images))
        batches = (filled(images[start : start + size], size)[0] for start in range(0, len(images), size))
        outputs = [self._apply(tf.constant(batch, tf.float32)) for batch in batches]
        logits, features = (np.concatenate([o[key] for o in outputs]) for key in ("logits", "features"))
        return logits[: len(images)], features[: len(images)]

    def accuracy_on(self, test: Examples) -> float:
        """Returns the share of labelled images classified rightly, 0 to 1."""
        return float((self.predict(test.images)[0].argmax(axis=1) == test.labels).mean())

    @cached_property
    def _apply(self) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        # Not Model.predict: it compiles a freshly trained and a loaded model differently.
        return tf.function(lambda images: self.model(images, training=False))


def train_classifier(
    train: Examples,
    test: Examples,
    *,
    plan: str = "quick",
    seed: int = 0,
    epochs: int | None = None,
    backup: str | os.PathLike | None = None,
) -> Classifier:
    """Trains a small convolutional network on `train` and measures it on `test`.

    Same data, seed and machine: same weights. No global generator is read or seeded.

    Args:
        train: Images with labels 0 to K - 1.
        test: Held-out images of the same shape.
        plan: Network and training, a key of `classifier_plans.PLANS`.
        seed: Of the initial weights, the order, the shifts and the mirrored.
        epochs: Passes over `train`; the plan's if None.
        backup: `.keras` file that each epoch is kept in until the last is done; training goes on from it.

    Raises:
        InputError: If there are no labels, or labels of one class only, or no such plan.
    """
    chosen = plan_named(plan)
    classes = 0 if train.labels is None else int(train.labels.max(initial=0)) + 1
    if classes < 2:
        raise InputError(
            f"{train.name!r} has labels of {classes} classes, and a classifier needs two at the least; "
            "give a labelled data set"
        )
    epochs = epochs or chosen.epochs_of(len(train))
    steps = chosen.steps_of(len(train))
    if backup is not None and Path(backup).exists():
        model = keras.models.load_model(backup)
    else:
        model = chosen.compiled(train.image_shape, classes, seed, epochs * steps)
    name = classifier_name(train)
    done = int(model.optimizer.iterations)
    batches = chosen.batches(train.images, train.labels, epochs, seed, done)
    for step, batch in enumerate(shown(batches, f"training {name}", epochs * steps - done), done + 1):
        model.train_on_batch(*batch)
        if backup is not None and step % steps == 0:
            with written(backup) as temporary:
                model.save(temporary)
    classifier = Classifier(name, model, accuracy=float("nan"))
    classifier = replace(classifier, accuracy=classifier.accuracy_on(test))
    if backup is not None:
        Path(backup).unlink(missing_ok=True)
    return classifier


def plan_named(name: str) -> Plan:
    """Returns the plan of that name.

    Raises:
        InputError: If there is none.
    """
    if name not in PLANS:
        raise InputError(f"there is no plan {name!r} to train a classifier by; {did_you_mean(name, PLANS)}")
    return PLANS[name]


def classifier_name(examples: Examples) -> str:
    """Returns data set and image shape, `digits_16x16x1`: what a classifier and its metrics are named by.

    It is a part of file names and, after a slash, of metric names; so `mnist:3.0.1` becomes `mnist-3.0.1`.
    """
    name = re.sub(r"[^\w.]+", "-", examples.name)
    return f"{name}_{'x'.join(map(str, examples.image_shape))}"
