"""Denoisers: features [B, F] of a discriminator, with noise, to features [B, F] without."""

import keras
from keras import layers

from ganzoo.networks.blocks import Activation, Layers
from ganzoo.settings import NonNegativeInt, PositiveInt


def mlp(
    image_shape: tuple[int],
    *,
    width: PositiveInt = 2048,
    depth: NonNegativeInt = 9,
    activation: Activation = "leaky_relu",
    normalized: bool = True,
    synchronized: bool = False,
    seed: int = 0,
    name: str = "denoiser",
) -> keras.Model:
    """Returns `depth` dense layers of `width`, each with batch norm, and a linear one back to the features.

    Args:
        image_shape: (F,), the number of features.
        width: units of a hidden layer.
        depth: hidden layers.
        activation: of the hidden layers.
        normalized: batch norm after each hidden layer.
        synchronized: over the batch of all replicas, not of each replica's own.
        seed: of the initial weights.
        name: of the model.

    Source: Warde-Farley & Bengio 2017; https://github.com/pfnet-research/chainer-gan-lib.
    """
    make = Layers("lecun_normal", seed, synchronized=synchronized)
    features = x = keras.Input(image_shape, name="features")
    for _ in range(depth):
        x = make.weighted(layers.Dense, width, use_bias=not normalized)(x)
        x = make.activation(activation)(make.batch_norm()(x) if normalized else x)
    x = make.weighted(layers.Dense, image_shape[0], dtype="float32")(x)
    return keras.Model(features, x, name=name)
