"""Flows: generators of points whose density is known, since their maps can be inverted."""

import math

import keras
import tensorflow as tf
from keras import layers

from ganzoo.errors import InputError
from ganzoo.networks.blocks import Activation, Layers
from ganzoo.settings import NonNegativeInt, PositiveInt


@keras.saving.register_keras_serializable(package="ganzoo")
class AffineFlow(keras.Model):
    """Latents N(0, I) to points x = L h + b, where h is what `depth` affine couplings make of the latent.

    A coupling keeps the first half u of its numbers, maps the others to v exp(tanh(s(u))) + t(u), and swaps the
    two; L is lower triangular with a positive diagonal. So the inverse is as cheap as the map, and the density is
    that of the latent over the product of all scales. Without couplings it is a Gaussian, any Gaussian.

    Args:
        dim: numbers a point, D.
        depth: couplings; a point of one number has no halves, and none.
        width: of the one hidden layer that makes s and t.
        activation: of that layer.
        seed: of the initial weights.
        name, dtype, trainable: of `keras.Model`.

    Source: Dinh et al. 2017, arXiv:1605.08803: affine coupling layers; tanh as there, without a learned scale.
    """

    def __init__(
        self,
        dim: int,
        depth: int = 4,
        width: int = 64,
        activation: str = "relu",
        seed: int = 0,
        *,
        name=None,
        dtype="float32",
        trainable=True,
    ):
        super().__init__(name=name, dtype=dtype, trainable=trainable)
        self.settings = {"dim": dim, "depth": depth, "width": width, "activation": activation, "seed": seed}
        make = Layers("orthogonal", seed, gain=0.8)
        self.kept = dim // 2
        self.couplings = [self._coupling(make, dim, width, activation) for _ in range(depth if self.kept else 0)]
        small = keras.initializers.RandomNormal(stddev=0.02, seed=make.weight_seed())
        self.kernel = self.add_weight(name="kernel", shape=(dim, dim), initializer=small)
        self.bias = self.add_weight(name="bias", shape=(dim,), initializer="zeros")
        self.built = True

    def _coupling(self, make: Layers, dim: int, width: int, activation: str) -> keras.Model:
        kept = keras.Input((self.kept,), dtype="float32")
        hidden = make.weighted(layers.Dense, width, dtype="float32")(kept)
        hidden = make(layers.Activation, activation, dtype="float32")(hidden)
        both = make.weighted(layers.Dense, 2 * (dim - self.kept), dtype="float32")(hidden)
        return keras.Model(kept, both, name=f"coupling_{make.count}")

    def _scales(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns L, [D, D], and the logarithms of its diagonal, [D]: the kernel's own diagonal."""
        kernel = tf.convert_to_tensor(self.kernel)
        logs = tf.linalg.diag_part(kernel)
        return tf.linalg.set_diag(tf.linalg.band_part(kernel, -1, 0), tf.exp(logs)), logs

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        hidden = inputs[:, : self.settings["dim"]]
        for coupling in self.couplings:
            kept, moved = hidden[:, : self.kept], hidden[:, self.kept :]
            scale, shift = tf.split(coupling(kept), 2, axis=1)
            hidden = tf.concat([moved * tf.exp(tf.tanh(scale)) + shift, kept], axis=1)
        matrix, _ = self._scales()
        return tf.linalg.matvec(matrix, hidden) + self.bias

    def latents(self, points: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the numbers that make `points`, [B, D], and log |det dx/dh| of the map there, [B]."""
        matrix, logs = self._scales()
        hidden = tf.transpose(tf.linalg.triangular_solve(matrix, tf.transpose(points - self.bias)))
        stretch = tf.reduce_sum(logs) + tf.zeros_like(points[:, 0])
        for coupling in reversed(self.couplings):
            moved, kept = hidden[:, : -self.kept], hidden[:, -self.kept :]
            scale, shift = tf.split(coupling(kept), 2, axis=1)
            hidden = tf.concat([kept, (moved - shift) * tf.exp(-tf.tanh(scale))], axis=1)
            stretch += tf.reduce_sum(tf.tanh(scale), axis=1)
        return hidden, stretch

    def log_density(self, points: tf.Tensor) -> tf.Tensor:
        """Returns log q(x) of points [B, D] in nats, [B]."""
        latents, stretch = self.latents(points)
        normal = -0.5 * tf.reduce_sum(tf.square(latents) + math.log(2.0 * math.pi), axis=1)
        return normal - stretch

    def get_config(self) -> dict:
        return {**super().get_config(), **self.settings}

    @classmethod
    def from_config(cls, config: dict):
        return cls(**config)


def affine_flow(
    image_shape: tuple[int, ...],
    *,
    latent_dim: int,
    depth: NonNegativeInt = 4,
    width: PositiveInt = 64,
    activation: Activation = "relu",
    seed: int = 0,
    name: str = "generator",
) -> keras.Model:
    """Returns the `AffineFlow` of points [B, D]: an explicit density, `log_density`, as a generator.

    Args:
        image_shape: (D,).
        latent_dim: D or more; numbers beyond D are not used.
        depth: affine couplings; 0 is a Gaussian.
        width: of the one hidden layer of each.
        activation: of that layer.
        seed: of the initial weights.
        name: of the model.

    Raises:
        InputError: on images, or if a latent has fewer numbers than a point.
    """
    if len(image_shape) != 1:
        raise InputError(f"affine_flow makes points (D,), not images {image_shape}; train it on a toy density")
    if latent_dim < image_shape[0]:
        raise InputError(
            f"latent_dim={latent_dim}: an invertible map needs a number for each of a point; give {image_shape[0]}"
        )
    return AffineFlow(image_shape[0], depth, width, activation, seed, name=name)
