"""Pieces that generators and discriminators share: named, seeded layers; activations; batch norm."""

import math
from typing import Annotated

import keras
from keras import layers

from ganzoo.layers import SpectralConv2D, SpectralDense, VirtualBatchNormalization
from ganzoo.settings import one_of

Activation = Annotated[str, one_of(("leaky_relu", "relu", "selu", "tanh"))]
INITIALIZERS = {
    "he_uniform": keras.initializers.HeUniform,
    "lecun_normal": keras.initializers.LecunNormal,
    "normal": keras.initializers.RandomNormal,
    "orthogonal": keras.initializers.Orthogonal,
}
SPECTRAL = {layers.Conv2D: SpectralConv2D, layers.Dense: SpectralDense}


class Layers:
    """Makes the layers of one network; names and initial weights depend on their order and the seed alone.

    Keras' own names count up through a process, and a saved model is loaded by name.

    Args:
        initializer: of the kernels, a name in `INITIALIZERS`.
        seed: of the initial weights.
        spectral: spectrally normalise every convolution and dense layer.
        synchronized: batch norm takes the statistics of the batch of all replicas, not of each replica's own.
        true_fan_in: of transposed convolutions, see `transposed`; False: by Keras' count.
        **options: of the initializer.
    """

    def __init__(
        self,
        initializer: str,
        seed: int,
        spectral: bool = False,
        synchronized: bool = False,
        true_fan_in: bool = True,
        **options: float,
    ):
        self.initializer = initializer
        self.seed = seed
        self.spectral = spectral
        self.synchronized = synchronized
        self.true_fan_in = true_fan_in
        self.options = options
        self.count = 0

    def __call__(self, layer: type[layers.Layer], *args, **kwargs) -> layers.Layer:
        """Returns `layer(*args, **kwargs)`, named by its kind and number."""
        self.count += 1
        return layer(*args, **{"name": f"{layer.__name__.lower()}_{self.count}", **kwargs})

    def weight_seed(self) -> int:
        """Returns the seed of the next layer's weights, of its own in this network and game."""
        return (1_000 * self.seed + self.count) % 2**31

    def weighted(self, layer: type[layers.Layer], *args, **kwargs) -> layers.Layer:
        """Returns a layer with a kernel, `layer(*args, **kwargs)`, with initial weights of its own."""
        kernel = INITIALIZERS[self.initializer](seed=self.weight_seed(), **self.options)
        layer = SPECTRAL[layer] if self.spectral else layer
        made = self(layer, *args, **{"kernel_initializer": kernel, **kwargs})
        by_fan_in = isinstance(kernel, keras.initializers.VarianceScaling)
        if self.true_fan_in and by_fan_in and isinstance(made, layers.Conv2DTranspose):
            made.kernel_initializer = transposed(kernel, made.strides)
        return made

    def activation(self, name: str) -> layers.Layer:
        """Returns the activation `name`; leaky ReLU has slope 0.2, the custom of GANs."""
        return self(layers.LeakyReLU, 0.2) if name == "leaky_relu" else self(layers.Activation, name)

    def batch_norm(self, scale: bool = True, reference_size: int = 0) -> layers.Layer:
        """Returns batch norm with Chainer's momentum 0.9 and epsilon 2e-5: Keras' 0.99 lags behind a GAN.

        With a `reference_size` above 0 it is virtual batch norm.
        """
        if reference_size:
            return self(VirtualBatchNormalization, reference_size)
        own = {"momentum": 0.9, "epsilon": 2e-5, "synchronized": self.synchronized}
        return self(layers.BatchNormalization, scale=scale, **own)


def transposed(
    initializer: keras.initializers.VarianceScaling, strides: tuple[int, int]
) -> keras.initializers.VarianceScaling:
    """Returns an initializer by fan-in as a transposed convolution needs it.

    Of its kernel [k, k, out, in] Keras takes k * k * out as the fan-in; a pixel is a sum over in * k * k / stride ** 2.
    With Keras' the last kernel of 128 channels to 3 is three times too large, and half of the pixels begin saturated.
    """
    return keras.initializers.VarianceScaling(
        initializer.scale * math.prod(strides), "fan_out", initializer.distribution, seed=initializer.seed
    )


def dcgan_layers(
    activation: str, normalized: bool, seed: int, spectral: bool = False, synchronized: bool = False
) -> Layers:
    """Returns what makes the layers of a DCGAN: weights N(0, 0.02^2) where a norm sets the scale after them.

    Without one these would lose the signal, the faster the narrower the network: on images of N(0, 1) the scores of a
    discriminator of width 16 have a standard deviation of 7e-6. There weights are He uniform (0.3); with SELU LeCun
    normal, which its fixed point needs.
    """
    if activation == "selu":
        return Layers("lecun_normal", seed, spectral, synchronized)
    if normalized or spectral:
        return Layers("normal", seed, spectral, synchronized, stddev=0.02)
    return Layers("he_uniform", seed)
