"""The networks of classifiers and how each is trained.

It needs NumPy and Keras alone, on any of its backends, so that a plan also trains where there is no TensorFlow.
"""

import dataclasses
from collections.abc import Callable, Iterator

import keras
import numpy as np

_FLOAT32 = {"dtype": "float32"}  # a global mixed precision would give other scores
_IMAGES_SHOWN = 30_000  # where a plan names no epochs: 21 epochs of the 1,437 digits, 3 of anything large


@dataclasses.dataclass(frozen=True)
class Plan:
    """A network and its training.

    Args:
        network: (H, W, C), classes and seed to the untrained network.
        optimizer: Learning rate, a schedule, to the optimizer.
        learning_rate: The first; it falls to 0 along a cosine.
        batch_size: Images of a step.
        epochs: Passes over the data; None for as many as show about 30,000 images, three at the least.
        reach: The largest shift of an image, as a share of its side.
        mirrored: Whether every other image, by chance, is mirrored.
        erased: Side of a grey square somewhere in the image, as a share of its side (DeVries and Taylor 2017).
    """

    network: Callable[[tuple[int, ...], int, int], keras.Model]
    optimizer: Callable[..., keras.optimizers.Optimizer]
    learning_rate: float
    batch_size: int
    epochs: int | None
    reach: float
    mirrored: bool = False
    erased: float = 0.0

    def epochs_of(self, count: int) -> int:
        """Returns the passes over `count` images."""
        return self.epochs or max(3, round(_IMAGES_SHOWN / count))

    def steps_of(self, count: int) -> int:
        """Returns the full batches of a pass over `count` images."""
        return max(1, count // self.batch_size)

    def compiled(self, image_shape: tuple[int, ...], classes: int, seed: int, steps: int) -> keras.Model:
        """Returns the network, ready for `steps` times train_on_batch."""
        model = self.network(image_shape, classes, seed)
        model.compile(
            optimizer=self.optimizer(keras.optimizers.schedules.CosineDecay(self.learning_rate, steps)),
            loss={"logits": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "features": None},
            jit_compile=keras.backend.backend() == "jax",
        )
        return model

    def batches(
        self, images: np.ndarray, labels: np.ndarray, epochs: int, seed: int, start_step: int = 0
    ) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """Yields full batches of all epochs, float32 images and their labels, from number `start_step` on.

        Each image is moved by up to `reach` of its side; beyond its edge it goes on with the edge's pixels.
        """
        random = np.random.default_rng(seed)
        count, (height, width) = len(images), images.shape[1:3]
        size = min(self.batch_size, count)
        order = np.concatenate([random.permutation(count)[: count - count % size] for _ in range(epochs)])
        reach = [max(1, round(side * self.reach)) for side in (height, width)]
        shifts = random.integers(np.negative(reach), reach, (len(order), 2), endpoint=True)
        mirrored = random.integers(0, int(self.mirrored), len(order), endpoint=True).astype(bool)
        centres = random.integers(0, (height, width), (len(order), 2))
        for start in range(start_step * size, len(order), size):
            chosen = slice(start, start + size)
            rows = np.clip(np.arange(height) + shifts[chosen, :1], 0, height - 1)
            columns = np.clip(np.arange(width) + shifts[chosen, 1:], 0, width - 1)
            columns = np.where(mirrored[chosen, None], columns[:, ::-1], columns)
            moved = images[order[chosen, None, None], rows[:, :, None], columns[:, None, :]].astype("float32")
            if self.erased:
                near = [
                    np.abs(np.arange(side) - centres[chosen, axis, None]) < side * self.erased / 2
                    for axis, side in enumerate((height, width))
                ]
                moved[near[0][:, :, None] & near[1][:, None, :]] = 127.5
            yield moved, {"logits": labels[order[chosen]]}


def strokes(image_shape: tuple[int, ...], classes: int, seed: int) -> keras.Model:
    """Returns the untrained network for drawings: three convolutions and a dense layer, 90,000 parameters at 16x16."""
    images = keras.Input(image_shape, name="images", **_FLOAT32)
    hidden = keras.layers.Rescaling(1 / 127.5, offset=-1.0, **_FLOAT32, name="rescaling")(images)
    for number, (filters, strides) in enumerate(((16, 1), (32, 2), (64, 2))):
        initial = keras.initializers.HeNormal(seed=seed + number)
        options = {"padding": "same", "use_bias": False, "kernel_initializer": initial}
        for layer in (
            keras.layers.Conv2D(filters, 3, strides, **options, **_FLOAT32, name=f"convolution_{number}"),
            keras.layers.BatchNormalization(momentum=0.9, **_FLOAT32, name=f"normalization_{number}"),
            keras.layers.ReLU(**_FLOAT32, name=f"relu_{number}"),
        ):
            hidden = layer(hidden)
    # Where a stroke is matters: pooled over all places, the network is right but unsure of every digit.
    hidden = keras.layers.Flatten(**_FLOAT32, name="flatten")(hidden)
    initial = keras.initializers.HeNormal(seed=seed + 3)
    features = keras.layers.Dense(64, "relu", kernel_initializer=initial, **_FLOAT32, name="features")(hidden)
    return _classifier(images, features, classes, seed + 4)


def residual(image_shape: tuple[int, ...], classes: int, seed: int) -> keras.Model:
    """Returns the untrained network for photographs: WRN-16-2 of Zagoruyko and Komodakis (2016), 690,000 parameters."""
    seeds = iter(range(seed, seed + 100))

    def convolution(hidden: keras.KerasTensor, filters: int, size: int, strides: int, name: str) -> keras.KerasTensor:
        return keras.layers.Conv2D(
            filters, size, strides, padding="same", use_bias=False, name=name, **_FLOAT32,
            kernel_initializer=keras.initializers.HeNormal(seed=next(seeds)),
            kernel_regularizer=keras.regularizers.L2(2.5e-4),  # without the paper's 1/2: its 5e-4
        )(hidden)  # fmt: skip

    def activated(hidden: keras.KerasTensor, name: str) -> keras.KerasTensor:
        hidden = keras.layers.BatchNormalization(momentum=0.9, **_FLOAT32, name=f"{name}_normalization")(hidden)
        return keras.layers.ReLU(**_FLOAT32, name=f"{name}_relu")(hidden)

    images = keras.Input(image_shape, name="images", **_FLOAT32)
    hidden = keras.layers.Rescaling(1 / 127.5, offset=-1.0, **_FLOAT32, name="rescaling")(images)
    hidden = convolution(hidden, 16, 3, 1, "stem")
    for filters, first_strides in ((32, 1), (64, 2), (128, 2)):
        for block, strides in enumerate((first_strides, 1)):
            name = f"block_{filters}_{block}"
            active = activated(hidden, f"{name}_in")
            if block == 0:
                hidden = convolution(active, filters, 1, strides, f"{name}_shortcut")
            branch = convolution(active, filters, 3, strides, f"{name}_first")
            branch = convolution(activated(branch, f"{name}_mid"), filters, 3, 1, f"{name}_second")
            hidden = keras.layers.Add(**_FLOAT32, name=f"{name}_sum")([hidden, branch])
    features = keras.layers.GlobalAveragePooling2D(**_FLOAT32, name="features")(activated(hidden, "out"))
    return _classifier(images, features, classes, next(seeds))


def _classifier(images: keras.KerasTensor, features: keras.KerasTensor, classes: int, seed: int) -> keras.Model:
    """Returns the model from images to `logits`, a dense layer of the features, and `features`."""
    initial = keras.initializers.GlorotUniform(seed=seed)
    logits = keras.layers.Dense(classes, kernel_initializer=initial, **_FLOAT32, name="logits")(features)
    return keras.Model(images, {"logits": logits, "features": features}, name="classifier")


def _momentum(learning_rate: keras.optimizers.schedules.LearningRateSchedule) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(learning_rate, momentum=0.9, nesterov=True)


PLANS = {
    "quick": Plan(strokes, keras.optimizers.Adam, 3e-3, batch_size=32, epochs=None, reach=1 / 12),
    "strokes": Plan(strokes, keras.optimizers.Adam, 3e-3, batch_size=128, epochs=15, reach=1 / 12),
    "residual": Plan(residual, _momentum, 0.1, batch_size=128, epochs=80, reach=1 / 8, mirrored=True, erased=3 / 8),
}
