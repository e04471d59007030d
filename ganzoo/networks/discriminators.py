"""Discriminators: images [B, H, W, C] in [-1, 1], or points [B, D], to scores [B, 1], unbounded float32."""

import math

import keras
from keras import layers

from ganzoo.layers import MinibatchDiscrimination
from ganzoo.networks.blocks import Activation, Layers, dcgan_layers
from ganzoo.settings import NonNegativeInt, PositiveInt


def scored(
    inputs: keras.KerasTensor,
    features: keras.KerasTensor,
    minibatch: tuple[int, int, bool],
    outputs: int,
    make: Layers,
    name: str,
) -> keras.Model:
    """Returns the model from `inputs` to scores: minibatch discrimination, if any kernels, then a dense layer."""
    kernels, dimension, per_replica = minibatch
    if kernels:
        kernel = keras.initializers.RandomNormal(stddev=0.02, seed=make.weight_seed())
        layer = make(MinibatchDiscrimination, kernels, dimension, kernel_initializer=kernel, per_replica=per_replica)
        features = layer(features)
    scores = make.weighted(layers.Dense, outputs, dtype="float32", name="scores")(features)
    return keras.Model(inputs, scores, name=name)


def dcgan(
    image_shape: tuple[int, int, int],
    *,
    width: PositiveInt = 64,
    activation: Activation = "leaky_relu",
    normalized: bool = True,
    synchronized: bool = False,
    spectral: bool = False,
    minibatch_kernels: NonNegativeInt = 0,
    minibatch_dim: PositiveInt = 5,
    minibatch_per_replica: bool = False,
    outputs: PositiveInt = 1,
    seed: int = 0,
    name: str = "discriminator",
) -> keras.Model:
    """Returns the seven-convolution discriminator of chainer-gan-lib.

    Convolutions 3x3, then 4x4 of stride 2 and 3x3 in turn, from `width` to 8 `width` filters; batch norm
    (offset only) on all but the first. 5.86 M weights at 32x32x3 and width 64.

    Args:
        image_shape: (H, W, C).
        width: filters of the first convolution.
        activation: with `"selu"` weights are LeCun normal, which its fixed point needs.
        normalized: batch norm; leave it out with SELU and with gradient penalties. Weights are N(0, 0.02^2) with it
            or with spectral norm, He uniform without both, see `dcgan_layers`.
        synchronized: batch norm over the batch of all replicas, not of each replica's own.
        spectral: spectral normalisation of every convolution and dense layer.
        minibatch_kernels: kernels of minibatch discrimination before the score; 0 leaves it out.
        minibatch_dim: numbers a kernel.
        minibatch_per_replica: each replica looks at its own rows alone, not at those of all; cheaper, another method.
        outputs: numbers an image; a score is one.
        seed: of the initial weights.
        name: of the model.

    Source: Radford et al. 2015, arXiv:1511.06434; https://github.com/pfnet-research/chainer-gan-lib.
    """
    make = dcgan_layers(activation, normalized, seed, spectral, synchronized)
    images = keras.Input(image_shape, name="images")
    features = dcgan_encoded(images, width, activation, normalized, make)
    return scored(images, features, (minibatch_kernels, minibatch_dim, minibatch_per_replica), outputs, make, name)


def dcgan_encoded(
    images: keras.KerasTensor, width: int, activation: str, normalized: bool, make: Layers
) -> keras.KerasTensor:
    """Returns the features [B, F] of `dcgan`'s convolutions."""
    x = make.activation(activation)(make.weighted(layers.Conv2D, width, 3, padding="same")(images))
    for factor, size, stride in ((2, 4, 2), (2, 3, 1), (4, 4, 2), (4, 3, 1), (8, 4, 2), (8, 3, 1)):
        x = make.weighted(layers.Conv2D, factor * width, size, stride, padding="same", use_bias=not normalized)(x)
        x = make.activation(activation)(make.batch_norm(scale=False)(x) if normalized else x)
    return make(layers.Flatten)(x)


def strided(
    image_shape: tuple[int, int, int],
    *,
    width: PositiveInt = 128,
    depth: PositiveInt = 3,
    kernel: PositiveInt = 5,
    constant: bool = False,
    activation: Activation = "leaky_relu",
    normalized: bool = False,
    synchronized: bool = False,
    spectral: bool = False,
    minibatch_kernels: NonNegativeInt = 0,
    minibatch_dim: PositiveInt = 5,
    minibatch_per_replica: bool = False,
    outputs: PositiveInt = 1,
    seed: int = 0,
    name: str = "discriminator",
) -> keras.Model:
    """Returns a discriminator of `depth` convolutions of stride 2 alone, the DCGAN of Radford et al. 2015.

    From `width` filters, which double from layer to layer; `constant=True` keeps them at `width`. By default the small
    one of WGAN-GP's CIFAR-10 code. `normalized=True` puts batch norm on all but the first; the rest is as in `dcgan`.

    Source: Radford et al. 2015, arXiv:1511.06434; https://github.com/igul222/improved_wgan_training.
    """
    make = Layers("lecun_normal" if activation == "selu" else "he_uniform", seed, spectral, synchronized)
    images = x = keras.Input(image_shape, name="images")
    for level in range(depth):
        norm = normalized and level > 0
        filters = width * (1 if constant else 2**level)
        x = make.weighted(layers.Conv2D, filters, kernel, 2, padding="same", use_bias=not norm)(x)
        x = make.activation(activation)(make.batch_norm(scale=False)(x) if norm else x)
    features = make(layers.Flatten)(x)
    return scored(images, features, (minibatch_kernels, minibatch_dim, minibatch_per_replica), outputs, make, name)


def resnet(
    image_shape: tuple[int, int, int],
    *,
    width: PositiveInt = 128,
    blocks: PositiveInt = 1,
    activation: Activation = "relu",
    pooled: bool = False,
    spectral: bool = False,
    minibatch_kernels: NonNegativeInt = 0,
    minibatch_dim: PositiveInt = 5,
    minibatch_per_replica: bool = False,
    outputs: PositiveInt = 1,
    seed: int = 0,
    name: str = "discriminator",
) -> keras.Model:
    """Returns the residual critic of chainer-gan-lib: four blocks of one width, two of stride 2, no norm.

    At 32x32 it ends in 8x8x128 = 8,192 features: 5.64 M weights with 100 minibatch kernels of dimension 5.
    With `pooled` it is the one of WGAN-GP's own code, which ends in 128 features: 1.05 M weights.

    Args:
        image_shape: (H, W, C).
        width: filters of every convolution.
        blocks: of each scale; above 1 more blocks of stride 1 follow at each.
        activation: with `"selu"` weights are LeCun normal and each residual sum is scaled by 1/sqrt(2), or the
            sum would leave SELU's fixed point; else He uniform.
        pooled: average pooling after 3x3 (1x1 beside it) in place of 4x4 of stride 2, and at the end over all places.
        spectral: spectral normalisation of every convolution and dense layer.
        minibatch_kernels: kernels of minibatch discrimination before the score; 0 leaves it out.
        minibatch_dim: numbers a kernel.
        minibatch_per_replica: each replica looks at its own rows alone, not at those of all; cheaper, another method.
        outputs: numbers an image; a score is one.
        seed: of the initial weights.
        name: of the model.

    Source: Gulrajani et al. 2017, arXiv:1704.00028, appendix; https://github.com/pfnet-research/chainer-gan-lib;
        https://github.com/igul222/improved_wgan_training.
    """
    selu = activation == "selu"
    make = Layers("lecun_normal" if selu else "he_uniform", seed, spectral)

    def conv(x, size=3, stride=1):
        return make.weighted(layers.Conv2D, width, size, stride, padding="same")(x)

    def halved(x, size):
        return make(layers.AveragePooling2D, 2, padding="same")(conv(x, size)) if pooled else conv(x, 4, 2)

    def block(x, *, first=False, stride=1):
        branch = conv(x if first else make.activation(activation)(x))
        branch = make.activation(activation)(branch)
        branch = halved(branch, 3) if stride == 2 else conv(branch)
        total = make(layers.Add)([branch, halved(x, 1) if stride == 2 else x])
        return make(layers.Rescaling, 1 / math.sqrt(2))(total) if selu else total

    images = keras.Input(image_shape, name="images")
    x = block(images, first=True, stride=2)
    for _ in range(blocks - 1):
        x = block(x)
    x = block(x, stride=2)
    for _ in range(blocks + 1):
        x = block(x)
    x = make.activation(activation)(x)
    features = make(layers.GlobalAveragePooling2D if pooled else layers.Flatten)(x)
    # The sum of four blocks is large, and a first score far from 0 would saturate the loss.
    make.initializer, make.options = "normal", {"stddev": 0.02}
    return scored(images, features, (minibatch_kernels, minibatch_dim, minibatch_per_replica), outputs, make, name)


def mlp(
    image_shape: tuple[int, ...],
    *,
    width: PositiveInt = 128,
    depth: NonNegativeInt = 1,
    activation: Activation = "relu",
    spectral: bool = False,
    minibatch_kernels: NonNegativeInt = 0,
    minibatch_dim: PositiveInt = 5,
    minibatch_per_replica: bool = False,
    outputs: PositiveInt = 1,
    seed: int = 0,
    name: str = "discriminator",
) -> keras.Model:
    """Returns `depth` dense layers of `width` on the flattened input; orthogonal weights of gain 0.8.

    Points are divided by 4 first, as in the toy experiments of Metz et al. 2016, arXiv:1611.02163.
    With `activation="selu"` weights are LeCun normal.
    """
    selu = activation == "selu"
    make = Layers("lecun_normal", seed, spectral) if selu else Layers("orthogonal", seed, spectral, gain=0.8)
    inputs = keras.Input(image_shape, name="images")
    x = make(layers.Flatten)(inputs) if len(image_shape) > 1 else make(layers.Rescaling, 1 / 4)(inputs)
    for _ in range(depth):
        x = make.activation(activation)(make.weighted(layers.Dense, width)(x))
    return scored(inputs, x, (minibatch_kernels, minibatch_dim, minibatch_per_replica), outputs, make, name)
