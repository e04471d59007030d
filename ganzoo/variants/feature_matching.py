"""Feature matching: the generator aims at statistics of the data instead of at the discriminator's score.

What the discriminator has learned to look at is worth matching; how it scores at this moment is not, and a generator
that chases the score overtrains on one discriminator. So the generator brings the mean of the features, the layer
before the score, to that of the data. Only first moments are matched: a batch with the right mean and any spread
costs nothing.
"""

import functools
from typing import ClassVar

import keras
import tensorflow as tf

from ganzoo.distribution import averaged
from ganzoo.gan import GAN, Terms
from ganzoo.networks import with_features
from ganzoo.noise import Stream
from ganzoo.registry import register


@register("feature_matching")
class FeatureMatching(GAN):
    """The generator matches the mean of the discriminator's features on data.

    Args:
        objective: what the discriminator minimises; the generator has no part in it.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/features.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G))
        G: ||E_x f(x) - E_z f(G)||^2, f the features that the last layer of D sees, the squared Euclidean norm

    Source: Salimans et al. 2016, "Improved techniques for training GANs", https://arxiv.org/abs/1606.03498,
        section 3.1.

    Paper: for semi-supervised learning; in the authors' code on CIFAR-10 Adam 3e-4 (0.5, 0.999), batch 100,
        z ~ U(0, 1)^100, both players once a batch, a nine-layer discriminator with weight norm and dropout.

    Deviation: without labels; z ~ U(-1, 1)^100; the networks are DCGAN's. The data's mean is that of the batch which
        the discriminator has just seen (the authors' code takes another one).

    Elsewhere: the authors' code has the mean over features of |difference| on CIFAR-10 and SVHN, and of its square on
        MNIST; Adam makes up for the factor, not for the norm.
    """

    prior = "uniform"
    latent_dim = 100
    terms: ClassVar = {"discriminator": ("adversarial",), "generator": ("features",)}

    @functools.cached_property  # not an attribute, which Keras would track and save a second time
    def scores_and_features(self) -> keras.Model:
        """The discriminator with its features [B, F] as a second output."""
        return with_features(self.discriminator)

    def mean_features(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the mean over the global batch of the discriminator's features, float32 [F]."""
        features = tf.cast(self.scores_and_features(images, training=True)[1], tf.float32)
        return averaged(tf.reduce_mean(features, 0))

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the squared distance between the mean features of data and of fakes."""
        difference = self.mean_features(real) - self.mean_features(fake)
        return {"features": tf.reduce_sum(tf.square(difference))}
