"""The functions by which a generator is asked for images: what `generate` calls, and what is exported and served."""

from collections.abc import Callable, Mapping

import keras
import numpy as np
import tensorflow as tf

from ganzoo.data import pixels
from ganzoo.noise import latents, slerp

# The most images that one `generate` gives: a scalar is not bounded by the size of a request.
MOST_GENERATED = 256
# Scalars `seed` and `n` in, n rows out: a convenience that a server which merges requests refuses.
WHOLE = ("generate", "generate_png")
PNG_CHANNELS = (1, 2, 3, 4)
_FAST = 1  # compression level of PNG: 8 times faster than the default one, and a fifth larger

Inputs = Mapping[str, tuple[tuple, tf.DType]]
ROWS: Inputs = {"seed": ((None,), tf.int64), "index": ((None,), tf.int64), "truncation": ((None,), tf.float32)}
WAY: Inputs = {"seed_from": ((None,), tf.int64), "seed_to": ((None,), tf.int64), "fraction": ((None,), tf.float32)}
COUNT: Inputs = {"seed": ((), tf.int64), "n": ((), tf.int32)}


class Signatures(tf.Module):
    """The named functions of a generator, each from named tensors to one named tensor, and its variables, once.

    Row i of an answer depends on row i of the question alone, so a server may merge requests; `generate` and
    `generate_png` take scalars for convenience, and a server that batches refuses them:

    * `serving_default`: latent float32 [B, latent_dim] -> images float32 [B, H, W, C] in [-1, 1]
    * `sample`: seed int64 [B], index int64 [B], truncation float32 [B] (in standard deviations; infinite for none; what
      is not above 0 gives the image of latent 0) -> images uint8 [B, H, W, C]
    * `sample_png`: the same -> image_bytes string [B]
    * `interpolate`: seed_from int64 [B], seed_to int64 [B], fraction float32 [B] -> images uint8 [B, H, W, C] on the
      way from image 0 of one seed to image 0 of the other, by `slerp`; a fraction is clipped to [0, 1], NaN is 0
    * `generate`: seed int64, n int32 in 1 to `MOST_GENERATED` -> the images 0 to n - 1 of the seed, uint8 [n, H, W, C]
    * `generate_png`: the same -> image_bytes string [n]

    Toy densities give points float32 [B, D] in place of images, and have no PNG, nor have images of other than 1 to 4
    channels.

    Args:
        network: the generator.
        latent_dim: numbers a latent.
        prior: of its latents.
        image_shape: (H, W, C), or (D,) for points.
    """

    def __init__(self, network: keras.Model, latent_dim: int, prior: str, image_shape: tuple[int, ...]):
        super().__init__()
        self.weights = [weight.value for weight in network.weights]
        is_image = len(image_shape) == 3
        latent: Inputs = {"latent": ((None, latent_dim), tf.float32)}

        @tf.function(input_signature=_specs(latent), autograph=False)
        def examples(latent):
            return tf.cast(network(latent, training=False), tf.float32)

        def finished(latent):
            return pixels(examples(latent)) if is_image else examples(latent)

        def drawn(seed, index, truncation):
            return latents(seed, index, latent_dim, prior=prior, truncation=truncation)

        def sample(seed, index, truncation):
            return finished(drawn(seed, index, tf.where(truncation > 0.0, truncation, 0.0)))

        def interpolate(seed_from, seed_to, fraction):
            start, end = (drawn(seed, tf.zeros_like(seed), np.inf) for seed in (seed_from, seed_to))
            return finished(slerp(start, end, tf.minimum(tf.where(fraction > 0.0, fraction, 0.0), 1.0)))

        def generate(seed, n):
            within = tf.debugging.Assert((n >= 1) & (n <= MOST_GENERATED), [f"n must be 1 to {MOST_GENERATED}, is", n])
            with tf.control_dependencies([within]):
                index = tf.range(tf.cast(tf.identity(n), tf.int64))
            return finished(drawn(tf.zeros_like(index) + seed, index, np.inf))

        output = "images" if is_image else "points"
        self.functions = {
            "serving_default": _function(examples, latent, output),
            "sample": _function(sample, ROWS, output),
            "interpolate": _function(interpolate, WAY, output),
            "generate": _function(generate, COUNT, output),
        }
        if is_image and image_shape[-1] in PNG_CHANNELS:
            self.functions["sample_png"] = _function(_png(sample), ROWS, "image_bytes")
            self.functions["generate_png"] = _function(_png(generate), COUNT, "image_bytes")

    @property
    def row_wise(self) -> list[str]:
        """The names of the signatures whose inputs are rows: all but `WHOLE`."""
        return [name for name in self.functions if name not in WHOLE]

    def sample(self, seed: tf.Tensor, index: tf.Tensor, truncation: tf.Tensor) -> tf.Tensor:
        """Returns uint8 images [B, H, W, C] (points float32 [B, D]); row i of (seed, index, truncation)[i] alone."""
        (values,) = self.functions["sample"](seed, index, truncation).values()
        return values


def example_inputs(name: str, rows: int, latent_dim: int, prior: str) -> dict[str, np.ndarray]:
    """Returns inputs of a signature for `rows` images: to warm a server up, to compare what it answers."""
    index = np.arange(rows, dtype=np.int64)
    if name == "serving_default":
        return {"latent": latents(index * 0, index, latent_dim, prior=prior).numpy()}
    if name == "interpolate":
        return {"seed_from": index, "seed_to": index + 1, "fraction": np.linspace(0, 1, rows, dtype=np.float32)}
    if name in WHOLE:
        return {"seed": np.int64(0), "n": np.int32(rows)}
    return {"seed": index * 0, "index": index, "truncation": np.linspace(1, 3, rows, dtype=np.float32)}


def _specs(inputs: Inputs) -> list[tf.TensorSpec]:
    return [tf.TensorSpec(shape, dtype, name) for name, (shape, dtype) in inputs.items()]


def _function(values: Callable, inputs: Inputs, output: str) -> Callable:
    """Returns a function as a signature: with named inputs, and an answer by name."""
    return tf.function(lambda *arguments: {output: values(*arguments)}, input_signature=_specs(inputs), autograph=False)


def _png(images: Callable) -> Callable:
    return lambda *arguments: tf.io.encode_png(images(*arguments), compression=_FAST)
