"""A small classifier of one data set, in whose logits and features generators of that data set are scored.

Networks trained on ImageNet say little about 8 x 8 digits. A classifier trained on the data set itself does,
but its scores compare only with scores by the very same weights: its name is a part of the metric's name
and the hash of its weights stands in every record.
"""

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

import keras
import numpy as np
import tensorflow as tf

from ganzoo.data import Examples
from ganzoo.errors import InputError
from ganzoo.progress import shown

ARCHITECTURE_VERSION = 2  # a part of the cache's key: raise it when the network or its training changes
_BATCH_SIZE = 32
_EXAMPLES_SHOWN = 30_000  # in all epochs together: 21 epochs of the 1,437 digits, 3 of anything large


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
        outputs = [self._apply(tf.constant(batch)) for batch in _full_batches(images, batch_size)]
        logits, features = (np.concatenate([o[key] for o in outputs]) for key in ("logits", "features"))
        return logits[: len(images)], features[: len(images)]

    @cached_property
    def _apply(self) -> Callable[[tf.Tensor], dict[str, tf.Tensor]]:
        # Not Model.predict: it compiles a freshly trained and a loaded model differently.
        return tf.function(lambda images: self.model(images, training=False))


def _full_batches(images: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    """Yields float32 batches of one size, the last filled up with its last image, so that one graph does."""
    for start in range(0, len(images), batch_size):
        batch = images[start : start + batch_size].astype("float32")
        missing = min(batch_size, len(images)) - len(batch)
        yield np.concatenate([batch, np.repeat(batch[-1:], missing, axis=0)])


def train_classifier(train: Examples, test: Examples, *, seed: int = 0, epochs: int | None = None) -> Classifier:
    """Trains a small convolutional network on `train` and measures it on `test`.

    Same data, seed and machine: same weights. No global generator is read or seeded.

    Args:
        train: Images with labels 0 to K - 1.
        test: Held-out images of the same shape.
        seed: Of the initial weights, the order and the shifts.
        epochs: Passes over `train`; by default as many as show about 30,000 images, three at the least.

    Raises:
        InputError: If there are no labels, or labels of one class only.
    """
    classes = 0 if train.labels is None else int(train.labels.max(initial=0)) + 1
    if classes < 2:
        raise InputError(
            f"{train.name!r} has labels of {classes} classes, and a classifier needs two at the least; "
            "give a labelled data set"
        )
    epochs = epochs or max(3, round(_EXAMPLES_SHOWN / len(train.images)))
    model = _network(train.image_shape, classes, seed)
    steps = epochs * max(1, len(train.images) // _BATCH_SIZE)
    model.compile(
        optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(3e-3, steps)),
        loss={"logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "features": None},
        jit_compile=False,
    )
    name = classifier_name(train)
    batches = _shifted_batches(train, epochs, seed)
    for images, labels in shown(batches, f"training {name}", steps):
        model.train_on_batch(images, labels)
    classifier = Classifier(name, model, accuracy=float("nan"))
    right = classifier.predict(test.images)[0].argmax(axis=1) == test.labels
    return Classifier(name, model, accuracy=float(right.mean()))


def classifier_name(examples: Examples) -> str:
    """Returns data set and image shape, `digits_16x16x1`: what a classifier and its metrics are named by.

    It is a part of file names and, after a slash, of metric names; so `mnist:3.0.1` becomes `mnist-3.0.1`.
    """
    name = re.sub(r"[^\w.]+", "-", examples.name)
    return f"{name}_{'x'.join(map(str, examples.image_shape))}"


def _network(image_shape: tuple[int, ...], classes: int, seed: int) -> keras.Model:
    """Returns the untrained network: three convolutions and a dense layer, 90,000 parameters at 16x16."""

    def convolution(hidden: keras.KerasTensor, filters: int, strides: int, number: int) -> keras.KerasTensor:
        initial = keras.initializers.HeNormal(seed=seed + number)
        options = {"padding": "same", "use_bias": False, "kernel_initializer": initial}
        for layer in (
            keras.layers.Conv2D(filters, 3, strides, **options, **policy, name=f"convolution_{number}"),
            keras.layers.BatchNormalization(momentum=0.9, **policy, name=f"normalization_{number}"),
            keras.layers.ReLU(**policy, name=f"relu_{number}"),
        ):
            hidden = layer(hidden)
        return hidden

    policy = {"dtype": "float32"}  # a global mixed precision would give other scores
    images = keras.Input(image_shape, name="images", **policy)
    hidden = keras.layers.Rescaling(1 / 127.5, offset=-1.0, **policy, name="rescaling")(images)
    hidden = convolution(hidden, 16, 1, 0)
    hidden = convolution(hidden, 32, 2, 1)
    hidden = convolution(hidden, 64, 2, 2)
    # Where a stroke is matters: pooled over all places, the network is right but unsure of every digit.
    hidden = keras.layers.Flatten(**policy, name="flatten")(hidden)
    initial = keras.initializers.HeNormal(seed=seed + 3)
    features = keras.layers.Dense(64, "relu", kernel_initializer=initial, **policy, name="features")(hidden)
    initial = keras.initializers.GlorotUniform(seed=seed + 4)
    logits = keras.layers.Dense(classes, kernel_initializer=initial, **policy, name="logits")(features)
    return keras.Model(images, {"logits": logits, "features": features}, name="classifier")


def _shifted_batches(train: Examples, epochs: int, seed: int) -> tf.data.Dataset:
    """Returns all epochs as one data set of full batches, each image moved by up to a twelfth of its side."""
    random = np.random.default_rng(seed)
    count = len(train.images)
    size = min(_BATCH_SIZE, count)
    height, width, _ = train.image_shape
    order = np.concatenate([random.permutation(count)[: count - count % size] for _ in range(epochs)])
    reach = [max(1, round(side / 12)) for side in (height, width)]
    shifts = random.integers(np.negative(reach), reach, (len(order), 2), endpoint=True)
    images, labels = tf.constant(train.images), tf.constant(train.labels)

    def batch(index: tf.Tensor, shift: tf.Tensor) -> tuple[tf.Tensor, dict[str, tf.Tensor]]:
        # Beyond its edge an image goes on with the edge's own pixels.
        rows = tf.clip_by_value(tf.range(height)[None] + shift[:, :1], 0, height - 1)
        columns = tf.clip_by_value(tf.range(width)[None] + shift[:, 1:], 0, width - 1)
        moved = tf.gather(tf.gather(images, index), rows, axis=1, batch_dims=1)
        moved = tf.gather(moved, columns, axis=2, batch_dims=1)
        return tf.cast(moved, tf.float32), {"logits": tf.gather(labels, index)}

    data = tf.data.Dataset.from_tensor_slices((order, shifts.astype("int32")))
    return data.batch(size, drop_remainder=True).map(batch, num_parallel_calls=2).prefetch(4)
