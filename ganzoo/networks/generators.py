"""Generators: latents [B, latent_dim] to images [B, H, W, C] in [-1, 1], or to points [B, D] of any range."""

import math

import keras
from keras import layers

from ganzoo.layers import Clipped, ReferenceBatch, WithoutReference
from ganzoo.networks.blocks import Activation, Layers, dcgan_layers
from ganzoo.settings import NonNegativeInt, PositiveInt


def dcgan(
    image_shape: tuple[int, int, int],
    *,
    latent_dim: int,
    width: PositiveInt = 64,
    activation: Activation = "relu",
    normalized: bool = True,
    synchronized: bool = False,
    reference_size: NonNegativeInt = 0,
    seed: int = 0,
    name: str = "generator",
) -> keras.Model:
    """Returns the seven-layer DCGAN generator of chainer-gan-lib, for any image size.

    A dense layer, three transposed 4x4 convolutions of stride 2, one 3x3; batch norm and ReLU between, tanh
    at the end; weights N(0, 0.02^2). 3.83 M weights at 32x32x3, width 64, latent_dim 128. Sizes that are no
    multiple of 8 start from the ceiling and are cropped. `normalized=False` leaves batch norm out, and weights are
    He uniform; `synchronized=True` takes the norm over the batch of all replicas, not of each; `reference_size` above 0
    makes it virtual batch norm with a reference batch of so many latents.

    Source: Radford et al. 2015, arXiv:1511.06434; https://github.com/pfnet-research/chainer-gan-lib.
    """
    make = dcgan_layers(activation, normalized, seed, synchronized=synchronized)
    latent = keras.Input((latent_dim,), name="latent")
    x = dcgan_decoded(latent, image_shape, width, activation, normalized, make, reference_size if normalized else 0)
    # float32 under any precision policy: pixels need more than bfloat16's eight bits.
    return keras.Model(latent, make(layers.Activation, "tanh", dtype="float32")(x), name=name)


def dcgan_decoded(
    latent: keras.KerasTensor,
    image_shape: tuple[int, int, int],
    width: int,
    activation: str,
    normalized: bool,
    make: Layers,
    reference_size: int = 0,
) -> keras.KerasTensor:
    """Returns what `dcgan` makes of latents or codes, before the tanh."""
    height, columns, channels = image_shape
    start = (math.ceil(height / 8), math.ceil(columns / 8))

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
    return cropped(make.weighted(layers.Conv2DTranspose, channels, 3, padding="same")(x), image_shape, make)


def cropped(images: keras.KerasTensor, image_shape: tuple[int, int, int], make: Layers) -> keras.KerasTensor:
    """Returns the middle of images that are too large."""
    excess = [images.shape[axis + 1] - image_shape[axis] for axis in (0, 1)]
    return make(layers.Cropping2D, [(e // 2, e - e // 2) for e in excess])(images) if any(excess) else images


def resnet(
    image_shape: tuple[int, int, int],
    *,
    latent_dim: int,
    width: PositiveInt = 128,
    blocks: PositiveInt = 1,
    activation: Activation = "relu",
    normalized: bool = True,
    synchronized: bool = False,
    seed: int = 0,
    name: str = "generator",
) -> keras.Model:
    """Returns the residual generator of WGAN-GP's CIFAR-10 code, for any image size.

    A dense layer and three blocks of one width, each twice as large as what it sees: batch norm, ReLU, nearest
    neighbours, 3x3, batch norm, ReLU, 3x3, beside nearest neighbours of a 1x1; then batch norm, ReLU, 3x3, tanh.
    He uniform weights; 1.21 M at 32x32x3 and latent_dim 128. Sizes that are no multiple of 8 are cropped.
    `synchronized=True` takes the norm over the batch of all replicas, not of each; `blocks` above 1 adds blocks that
    do not enlarge, so that each scale has as many.

    Source: Gulrajani et al. 2017, arXiv:1704.00028, appendix; https://github.com/igul222/improved_wgan_training.
    """
    height, columns, channels = image_shape
    start = (math.ceil(height / 8), math.ceil(columns / 8))
    make = Layers("he_uniform", seed, synchronized=synchronized)
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
        for _ in range(blocks - 1):
            x = make(layers.Add)([conv(activated(conv(activated(x)))), x])
    x = make.weighted(layers.Conv2D, channels, 3, padding="same")(activated(x))
    x = cropped(x, image_shape, make)
    # float32 under any precision policy: pixels need more than bfloat16's eight bits.
    return keras.Model(latent, make(layers.Activation, "tanh", dtype="float32")(x), name=name)


def strided(
    image_shape: tuple[int, int, int],
    *,
    latent_dim: int,
    width: PositiveInt = 128,
    depth: PositiveInt = 3,
    kernel: PositiveInt = 5,
    constant: bool = False,
    activation: Activation = "relu",
    normalized: bool = True,
    synchronized: bool = False,
    seed: int = 0,
    name: str = "generator",
) -> keras.Model:
    """Returns a generator of `depth` transposed convolutions of stride 2 alone, the DCGAN of Radford et al. 2015.

    A dense layer to `width * 2 ** (depth - 1)` filters, which halve from layer to layer down to `width` before the
    image; `constant=True` keeps them at `width`. Weights are He uniform, LeCun normal with SELU. By default the small
    one of WGAN-GP's CIFAR-10 code. Batch norm as in `dcgan`; sizes that are no multiple of `2 ** depth` are cropped.

    Source: Radford et al. 2015, arXiv:1511.06434; https://github.com/igul222/improved_wgan_training.
    """
    height, columns, channels = image_shape
    start = (math.ceil(height / 2**depth), math.ceil(columns / 2**depth))
    filters = [width * (1 if constant else 2**level) for level in reversed(range(depth))]
    make = Layers("lecun_normal" if activation == "selu" else "he_uniform", seed, synchronized=synchronized)
    latent = keras.Input((latent_dim,), name="latent")

    def activated(x):
        return make.activation(activation)(make.batch_norm()(x) if normalized else x)

    x = make.weighted(layers.Dense, math.prod(start) * filters[0], use_bias=not normalized)(latent)
    x = make(layers.Reshape, (*start, filters[0]))(activated(x))
    for count in filters[1:]:
        x = make.weighted(layers.Conv2DTranspose, count, kernel, 2, padding="same", use_bias=not normalized)(x)
        x = activated(x)
    x = make.weighted(layers.Conv2DTranspose, channels, kernel, 2, padding="same")(x)
    x = cropped(x, image_shape, make)
    # float32 under any precision policy: pixels need more than bfloat16's eight bits.
    return keras.Model(latent, make(layers.Activation, "tanh", dtype="float32")(x), name=name)


def began(
    image_shape: tuple[int, int, int],
    *,
    latent_dim: int,
    width: PositiveInt = 64,
    seed: int = 0,
    name: str = "generator",
) -> keras.Model:
    """Returns BEGAN's generator, which has the architecture of its autoencoder's decoder.

    A dense layer to at most 8x8; at each resolution two 3x3 convolutions of `width` filters with ELU, nearest
    upsampling between; then a linear 3x3 convolution. No norm. Weights are LeCun normal, which the paper does not
    say. While it trains nothing bounds its values; outside of training they are clipped to [-1, 1].

    Source: Berthelot et al. 2017, arXiv:1703.10717.
    """
    make = Layers("lecun_normal", seed)
    latent = keras.Input((latent_dim,), name="latent")
    x = began_decoded(latent, image_shape, width, make)
    return keras.Model(latent, make(Clipped, dtype="float32")(x), name=name)


def began_halvings(image_shape: tuple[int, int, int]) -> int:
    """Returns how often the longer side is halved until it is at most 8."""
    return max(0, math.ceil(math.log2(max(image_shape[:2]) / 8)))


def began_decoded(
    code: keras.KerasTensor, image_shape: tuple[int, int, int], width: int, make: Layers
) -> keras.KerasTensor:
    """Returns what `began` makes of latents or codes, unbounded."""
    halvings = began_halvings(image_shape)
    start = [math.ceil(size / 2**halvings) for size in image_shape[:2]]
    x = make.weighted(layers.Dense, math.prod(start) * width)(code)
    x = make(layers.Reshape, (*start, width))(x)
    for level in range(halvings + 1):
        if level:
            x = make(layers.UpSampling2D)(x)
        for _ in range(2):
            x = make.activation("elu")(make.weighted(layers.Conv2D, width, 3, padding="same")(x))
    return cropped(make.weighted(layers.Conv2D, image_shape[2], 3, padding="same")(x), image_shape, make)


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
