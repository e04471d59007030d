"""Denoising feature matching: a denoiser of the discriminator's features tells the generator where data are dense.

A denoising autoencoder that is trained on features of data moves a feature towards where such features are
likely: r(f) - f grows as the gradient of their log density. The generator is drawn along it, by the distance between
the features of a fake and their reconstruction, and keeps its usual loss beside that.
"""

import functools
from collections.abc import Mapping
from typing import ClassVar

import keras
import tensorflow as tf

from ganzoo.gan import GAN, Terms
from ganzoo.networks import with_features
from ganzoo.noise import Stream
from ganzoo.objectives import OBJECTIVES
from ganzoo.registry import register
from ganzoo.settings import NonNegativeFloat


@register("dfm")
class DFM(GAN):
    """The non-saturating game in which fakes are also drawn to what a denoiser makes of their features.

    Args:
        adversarial_weight: factor of the generator's usual loss.
        denoising_weight: factor of its distance to the denoised features, a mean over features.
        noise_scale: standard deviation of the noise on features that the denoiser learns to take away.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, denoiser/reconstruction, generator/adversarial, generator/denoising.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G))
        R: E_x mean (f(x) - r(f(x) + e))^2, e ~ N(0, sigma^2), f the features that the last layer of D sees, fixed
        G: w_a E_z sp(-a(G)) + w_d E_z mean (f(G) - r(f(G)))^2, r(f(G)) fixed, without noise

    Source: Warde-Farley & Bengio 2017, "Improving generative adversarial networks with denoising feature matching",
        https://openreview.net/forum?id=S1X7nhsxl, eqs. (4) and (5).

    Paper: Adam 1e-4 (beta_1 0.5), sigma 1 throughout, a dense denoiser with batch norm on all but its output (for
        ImageNet ten hidden layers of 2,048 ReLUs), which learns beside the other players.

    Deviation: eq. (5) prints the corrupted features as the denoiser's target; they are the clean ones, as its author
        confirmed. The text gives no weights: they are chainer-gan-lib's, 1 and 0.03, on a mean over features. So is the
        denoiser: ten dense layers with its output, leaky ReLU. The discriminator is DCGAN's with 8,192 features,
        after their activation, where that library has 2,048, before it.

    Elsewhere: one port has 0.03 on the adversarial and 1 on the denoising term.
    """

    adversarial_weight: NonNegativeFloat = 1.0
    denoising_weight: NonNegativeFloat = 0.03
    noise_scale: NonNegativeFloat = 1.0
    simultaneous = True
    prior = "uniform"

    partners: ClassVar = ("denoiser",)
    default_networks: ClassVar[Mapping[str, Mapping]] = {
        "generator": {"architecture": "dcgan"},
        "discriminator": {"architecture": "dcgan"},
        "denoiser": {"architecture": "mlp", "width": 2048, "depth": 9},
    }
    terms: ClassVar = {
        "discriminator": ("adversarial",),
        "denoiser": ("reconstruction",),
        "generator": ("adversarial", "denoising"),
    }

    @functools.cached_property  # not an attribute, which Keras would track and save a second time
    def scores_and_features(self) -> keras.Model:
        """The discriminator with its features [B, F] as a second output."""
        return with_features(self.discriminator)

    def input_shape_of(self, player: str) -> tuple[int, ...]:
        """Returns the shape of one example that a player's network sees: of the denoiser, the features."""
        if player == "denoiser":
            return tuple(self.scores_and_features.outputs[1].shape[1:])
        return super().input_shape_of(player)

    def denoiser_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns how far the denoiser is from the features of data, given them with noise."""
        # A pass of its own: features are data here, of a discriminator that has its own step to take.
        clean = tf.stop_gradient(tf.cast(self.scores_and_features(real, training=True)[1], tf.float32))
        corrupted = clean + self.noise_scale * noise.normal("denoiser", (tf.shape(clean)[0], clean.shape[1]))
        return {"reconstruction": tf.reduce_mean(tf.square(clean - self.denoiser(corrupted, training=True)))}

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the usual loss of the scores, and the distance of the features to their reconstruction."""
        scores, features = self.scores_and_features(fake, training=True)
        features = tf.cast(features, tf.float32)
        target = tf.stop_gradient(self.denoiser(features, training=False))
        return {
            "adversarial": self.adversarial_weight * OBJECTIVES[self.objective].generator(scores),
            "denoising": self.denoising_weight * tf.reduce_mean(tf.square(features - target)),
        }
