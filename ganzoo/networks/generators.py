"""Generators: latents [B, latent_dim] to images [B, H, W, C] in [-1, 1], or to points [B, D] of any range."""

import math

import keras
from keras import layers

from ganzoo.networks.blocks import Activation, Layers
from ganzoo.settings import NonNegativeInt, PositiveInt


def cropped(x: keras.KerasTensor, image_shape: tuple[int, int, int], make: Layers) -> keras.KerasTensor:
    """Returns the middle of `x`, as large as the image, between -1 and 1."""
    excess = (x.shape[1] - image_shape[0], x.shape[2] - image_shape[1])
    if any(excess):
        x = make(layers.Cropping2D, [(e // 2, e - e // 2) for e in excess])(x)
    # float32 under any precision policy: pixels need more than bfloat16's eight bits.
    return make(layers.Activation, "tanh", dtype="float32")(x)


def dcgan(
    image_shape: tuple[int, int, int],
    *,
    latent_dim: int,
    width: PositiveInt = 64,
    activation: Activation = "relu",
    normalized: bool = True,
    seed: int = 0,
    name: str = "generator",
) -> keras.Model:
    """Returns the seven-layer DCGAN generator of chainer-gan-lib, for any image size.

    A dense layer, three transposed 4x4 convolutions of stride 2, one 3x3; batch norm and ReLU between, tanh
    at the end; weights N(0, 0.02^2). 3.83 M weights at 32x32x3, width 64, latent_dim 128. Sizes that are no
    multiple of 8 start from the ceiling and are cropped. `normalized=False` leaves batch norm out.

    Source: Radford et al. 2015, arXiv:1511.06434; https://github.com/pfnet-research/chainer-gan-lib.
    """
    height, columns, channels = image_shape
    start = (math.ceil(height / 8), math.ceil(columns / 8))
    make = Layers("normal", seed, stddev=0.02)
    latent = keras.Input((latent_dim,), name="latent")

    def activated(x):
        return make.activation(activation)(make.batch_norm()(x) if normalized else x)

    # No bias before batch norm: it has no effect but for rounding.
    x = make.weighted(layers.Dense, start[0] * start[1] * 8 * width, use_bias=not normalized)(latent)
    x = make(layers.Reshape, (*start, 8 * width))(activated(x))
    for filters in (4 * width, 2 * width, width):
        x = make.weighted(layers.Conv2DTranspose, filters, 4, 2, padding="same", use_bias=not normalized)(x)
        x = activated(x)
    x = make.weighted(layers.Conv2DTranspose, channels, 3, padding="same")(x)
    return keras.Model(latent, cropped(x, image_shape, make), name=name)


def resnet(
    image_shape: tuple[int, int, int],
    *,
    latent_dim: int,
    width: PositiveInt = 128,
    activation: Activation = "relu",
    normalized: bool = True,
    seed: int = 0,
    name: str = "generator",
) -> keras.Model:
    """Returns the residual generator of WGAN-GP's CIFAR-10 code, for any image size.

    A dense layer and three blocks of one width, each twice as large as what it sees: batch norm, ReLU, nearest
    neighbours, 3x3, batch norm, ReLU, 3x3, beside nearest neighbours of a 1x1; then batch norm, ReLU, 3x3, tanh.
    He uniform weights; 1.21 M at 32x32x3 and latent_dim 128. Sizes that are no multiple of 8 are cropped.

    Source: Gulrajani et al. 2017, arXiv:1704.00028, appendix; https://github.com/igul222/improved_wgan_training.
    """
    height, columns, channels = image_shape
    start = (math.ceil(height / 8), math.ceil(columns / 8))
    make = Layers("he_uniform", seed)
    latent = keras.Input((latent_dim,), name="latent")

    def activated(x):
        return make.activation(activation)(make.batch_norm()(x) if normalized else x)

    # Every bias between the dense layer and the last batch norm is one of its channel: it would have no effect.
    def conv(x, size=3):
        return make.weighted(layers.Conv2D, width, size, padding="same", use_bias=not normalized)(x)

    x = make.weighted(layers.Dense, start[0] * start[1] * width)(latent)
    x = make(layers.Reshape, (*start, width))(x)
    for _ in range(3):
        branch = conv(make(layers.UpSampling2D, 2)(activated(x)))
        x = make(layers.Add)([conv(activated(branch)), make(layers.UpSampling2D, 2)(conv(x, 1))])
    x = make.weighted(layers.Conv2D, channels, 3, padding="same")(activated(x))
    return keras.Model(latent, cropped(x, image_shape, make), name=name)


def mlp(
    image_shape: tuple[int, ...],
    *,
    latent_dim: int,
    width: PositiveInt = 128,
    depth: NonNegativeInt = 2,
    activation: Activation = "relu",
    seed: int = 0,
    name: str = "generator",
) -> keras.Model:
    """Returns `depth` dense layers of `width`; tanh images, or linear points.

    Orthogonal weights of gain 0.8, as in the toy experiments of Metz et al. 2016, arXiv:1611.02163.
    """
    make = Layers("orthogonal", seed, gain=0.8)
    latent = x = keras.Input((latent_dim,), name="latent")
    for _ in range(depth):
        x = make.activation(activation)(make.weighted(layers.Dense, width)(x))
    x = make.weighted(layers.Dense, math.prod(image_shape), dtype="float32")(x)
    if len(image_shape) > 1:
        x = make(layers.Activation, "tanh", dtype="float32")(x)
        x = make(layers.Reshape, image_shape, dtype="float32")(x)
    return keras.Model(latent, x, name=name)
