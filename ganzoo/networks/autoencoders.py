"""Autoencoders as discriminators: images [B, H, W, C], or points [B, D], to [reconstructions, codes [B, K]].

Reconstructions have the shape of the input and are linear: nothing bounds them. Both are float32.
"""

import math

import keras
from keras import layers

from ganzoo.networks.blocks import Activation, Layers
from ganzoo.networks.discriminators import dcgan_encoded
from ganzoo.networks.generators import began_decoded, began_halvings, dcgan_decoded
from ganzoo.settings import NonNegativeInt, PositiveInt


def encoded(features: keras.KerasTensor, code_dim: int, make: Layers) -> keras.KerasTensor:
    """Returns the linear code of features."""
    return make.weighted(layers.Dense, code_dim, dtype="float32", name="code")(features)


def reconstructing(
    inputs: keras.KerasTensor, output: keras.KerasTensor, code: keras.KerasTensor, make: Layers, name: str
) -> keras.Model:
    """Returns the model from `inputs` to [reconstructions, codes]."""
    return keras.Model(inputs, [make(layers.Activation, "linear", dtype="float32")(output), code], name=name)


def autoencoder(
    image_shape: tuple[int, int, int],
    *,
    width: PositiveInt = 64,
    code_dim: PositiveInt = 128,
    activation: Activation = "leaky_relu",
    seed: int = 0,
    name: str = "discriminator",
) -> keras.Model:
    """Returns the DCGAN discriminator's convolutions, a code, and the DCGAN generator's transposed convolutions.

    No batch norm: an example's energy is its own. Without it N(0, 0.02^2) would lose the signal on its way through a
    dozen layers, so weights are LeCun normal, those of transposed convolutions by Keras' count: by their true fan-in,
    and more so with He uniform weights, EBGAN learned digits less well. Any image size.

    Args:
        image_shape: (H, W, C).
        width: filters of the first convolution, and of the last but one.
        code_dim: numbers a code.
        activation: of all layers but the code and the output.
        seed: of the initial weights.
        name: of the model.
    """
    make = Layers("lecun_normal", seed, true_fan_in=False)
    images = keras.Input(image_shape, name="images")
    code = encoded(dcgan_encoded(images, width, activation, False, make), code_dim, make)
    return reconstructing(images, dcgan_decoded(code, image_shape, width, activation, False, make), code, make, name)


def began_autoencoder(
    image_shape: tuple[int, int, int],
    *,
    width: PositiveInt = 64,
    code_dim: PositiveInt = 64,
    seed: int = 0,
    name: str = "discriminator",
) -> keras.Model:
    """Returns BEGAN's discriminator: an encoder with ELU, a code, and the architecture of its generator.

    A 3x3 convolution; at each resolution, down to at most 8x8, two more with ELU and, but at the last, a third of
    stride 2; `width` filters, then twice, three times as many. No norm, weights LeCun normal. Any image size.

    Args:
        image_shape: (H, W, C).
        width: filters of the first resolution.
        code_dim: numbers a code; in the paper as many as a latent has.
        seed: of the initial weights.
        name: of the model.

    Source: Berthelot et al. 2017, arXiv:1703.10717.
    """
    make = Layers("lecun_normal", seed)
    images = keras.Input(image_shape, name="images")

    def conv(x, filters, stride=1):
        return make.activation("elu")(make.weighted(layers.Conv2D, filters, 3, stride, padding="same")(x))

    x, halvings = conv(images, width), began_halvings(image_shape)
    for level in range(halvings + 1):
        filters = (level + 1) * width
        x = conv(conv(x, filters), filters)
        if level < halvings:
            x = conv(x, filters, 2)
    code = encoded(make(layers.Flatten)(x), code_dim, make)
    return reconstructing(images, began_decoded(code, image_shape, width, make), code, make, name)


def mlp_autoencoder(
    image_shape: tuple[int, ...],
    *,
    width: PositiveInt = 128,
    depth: NonNegativeInt = 1,
    code_dim: PositiveInt = 128,
    activation: Activation = "relu",
    seed: int = 0,
    name: str = "discriminator",
) -> keras.Model:
    """Returns `depth` dense layers of `width` to a linear code, and as many back; orthogonal weights of gain 0.8.

    Points are divided by 4 first, as by the dense discriminator.
    """
    make = Layers("lecun_normal", seed) if activation == "selu" else Layers("orthogonal", seed, gain=0.8)

    def hidden(x):
        for _ in range(depth):
            x = make.activation(activation)(make.weighted(layers.Dense, width)(x))
        return x

    inputs = keras.Input(image_shape, name="images")
    x = make(layers.Flatten)(inputs) if len(image_shape) > 1 else make(layers.Rescaling, 1 / 4)(inputs)
    code = encoded(hidden(x), code_dim, make)
    output = make.weighted(layers.Dense, math.prod(image_shape))(hidden(code))
    return reconstructing(inputs, make(layers.Reshape, image_shape)(output), code, make, name)
