"""Generators: latents [B, latent_dim] to images [B, H, W, C] in [-1, 1], or to points [B, D] of any range."""

import math

import keras
from keras import layers

from ganzoo.layers import ReferenceBatch, WithoutReference
from ganzoo.networks.blocks import Activation, Layers
from ganzoo.settings import NonNegativeInt, PositiveInt


def dcgan(
    image_shape: tuple[int, int, int],
    *,
    latent_dim: int,
    width: PositiveInt = 64,
    activation: Activation = "relu",
    normalized: bool = True,
    reference_size: NonNegativeInt = 0,
    seed: int = 0,
    name: str = "generator",
) -> keras.Model:
    """Returns the seven-layer DCGAN generator of chainer-gan-lib, for any image size.

    A dense layer, three transposed 4x4 convolutions of stride 2, one 3x3; batch norm and ReLU between, tanh
    at the end; weights N(0, 0.02^2). 3.83 M weights at 32x32x3, width 64, latent_dim 128. Sizes that are no
    multiple of 8 start from the ceiling and are cropped. `normalized=False` leaves batch norm out;
    `reference_size` above 0 makes it virtual batch norm with a reference batch of so many latents.

    Source: Radford et al. 2015, arXiv:1511.06434; https://github.com/pfnet-research/chainer-gan-lib.
    """
    height, columns, channels = image_shape
    start = (math.ceil(height / 8), math.ceil(columns / 8))
    make = Layers("normal", seed, stddev=0.02)
    reference_size = reference_size if normalized else 0
    latent = keras.Input((latent_dim,), name="latent")

    def activated(x):
        return make.activation(activation)(make.batch_norm(reference_size=reference_size)(x) if normalized else x)

    # No bias before batch norm: it has no effect but for rounding.
    x = make(ReferenceBatch, reference_size, make.weight_seed())(latent) if reference_size else latent
    x = make.weighted(layers.Dense, start[0] * start[1] * 8 * width, use_bias=not normalized)(x)
    x = make(layers.Reshape, (*start, 8 * width))(activated(x))
    for filters in (4 * width, 2 * width, width):
        x = make.weighted(layers.Conv2DTranspose, filters, 4, 2, padding="same", use_bias=not normalized)(x)
        x = activated(x)
    x = make(WithoutReference, reference_size)(x) if reference_size else x
    x = make.weighted(layers.Conv2DTranspose, channels, 3, padding="same")(x)
    excess = (8 * start[0] - height, 8 * start[1] - columns)
    if any(excess):
        x = make(layers.Cropping2D, [(e // 2, e - e // 2) for e in excess])(x)
    # float32 under any precision policy: pixels need more than bfloat16's eight bits.
    return keras.Model(latent, make(layers.Activation, "tanh", dtype="float32")(x), name=name)


def mlp(
    image_shape: tuple[int, ...],
    *,
    latent_dim: int,
    width: PositiveInt = 128,
    depth: NonNegativeInt = 2,
    activation: Activation = "relu",
    reference_size: NonNegativeInt = 0,
    seed: int = 0,
    name: str = "generator",
) -> keras.Model:
    """Returns `depth` dense layers of `width`; tanh images, or linear points.

    Orthogonal weights of gain 0.8, as in the toy experiments of Metz et al. 2016, arXiv:1611.02163.
    `reference_size` above 0 puts virtual batch norm after each of the layers, with a reference batch of so many
    latents; 0: there is no norm.
    """
    make = Layers("orthogonal", seed, gain=0.8)
    latent = keras.Input((latent_dim,), name="latent")
    x = make(ReferenceBatch, reference_size, make.weight_seed())(latent) if reference_size else latent
    for _ in range(depth):
        x = make.weighted(layers.Dense, width, use_bias=not reference_size)(x)
        x = make.activation(activation)(make.batch_norm(reference_size=reference_size)(x) if reference_size else x)
    x = make(WithoutReference, reference_size)(x) if reference_size else x
    x = make.weighted(layers.Dense, math.prod(image_shape), dtype="float32")(x)
    if len(image_shape) > 1:
        x = make(layers.Activation, "tanh", dtype="float32")(x)
        x = make(layers.Reshape, image_shape, dtype="float32")(x)
    return keras.Model(latent, x, name=name)
