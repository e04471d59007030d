"""Layers of the zoo's networks that Keras lacks."""

from ganzoo.layers.clipped import Clipped
from ganzoo.layers.minibatch import MinibatchDiscrimination, kernel_sums
from ganzoo.layers.spectral import SpectralConv2D, SpectralDense, spectrally_normalized
from ganzoo.layers.virtual import ReferenceBatch, VirtualBatchNormalization, WithoutReference

__all__ = [
    "Clipped",
    "MinibatchDiscrimination",
    "ReferenceBatch",
    "SpectralConv2D",
    "SpectralDense",
    "VirtualBatchNormalization",
    "WithoutReference",
    "kernel_sums",
    "spectrally_normalized",
]
