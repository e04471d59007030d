"""EBGAN: a discriminator that gives every image an energy, low near the data; and its pull-away term.

A classifier learns one bit an example. An autoencoder learns to reconstruct data, a target in every pixel, and
what it reconstructs badly is far from the data: the error is the energy. Pushed up everywhere else it would not
come to rest, so it is pushed up only on fakes, and only to a margin. The pull-away term is against mode collapse: it
makes the codes of a batch of fakes as unlike each other as can be, of which minibatch discrimination hopes that the
discriminator learns it.
"""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from ganzoo.distribution import gathered
from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.registry import register
from ganzoo.settings import Fixed, NonNegativeFloat


def squared_error(images: tf.Tensor, reconstructions: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared difference of each example, [B]."""
    return tf.reduce_mean(tf.square(reconstructions - images), axis=range(1, images.shape.rank))


def pull_away(codes: tf.Tensor) -> tf.Tensor:
    """Returns the mean squared cosine between the codes [n, K] of different examples; 0 if there is one."""
    directions = tf.math.l2_normalize(codes, axis=1)
    cosines = tf.matmul(directions, directions, transpose_b=True)
    different = 1.0 - tf.eye(tf.shape(codes)[0], dtype=cosines.dtype)
    return tf.reduce_sum(tf.square(cosines) * different) / tf.maximum(tf.reduce_sum(different), 1.0)


class _Energy(GAN):
    """What both games of the paper share, which differ in the generator's terms alone."""

    margin: NonNegativeFloat = 1.0
    objective: Fixed = None

    prior = "uniform"
    latent_dim = 100
    default_networks: ClassVar[Mapping[str, Mapping]] = {
        "generator": {"architecture": "dcgan"},
        "discriminator": {"architecture": "autoencoder"},
    }
    terms: ClassVar = {"discriminator": ("real", "fake"), "generator": ("adversarial",)}

    def energy(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the mean squared error of each reconstruction, float32 [B]."""
        reconstructions, _ = self.discriminator(images, training=True)
        return squared_error(images, reconstructions)

    def scores(self, images: tf.Tensor, opponent: str = "discriminator") -> tf.Tensor:
        """Returns the energies with the opposite sign, float32 [B, 1]: larger is more real."""
        return -self.energy(images)[:, None]

    def discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the energy of the data, and by how much that of each fake falls short of the margin."""
        return {
            "real": tf.reduce_mean(self.energy(real)),
            "fake": tf.reduce_mean(tf.nn.relu(self.margin - self.energy(fake))),
        }

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the energy of the fakes."""
        return {"adversarial": tf.reduce_mean(self.energy(fake))}


@register("ebgan")
class EBGAN(_Energy):
    """An autoencoder's reconstruction error as energy: low on data, pushed up to a margin on fakes.

    Args:
        margin: the energy up to which fakes are pushed, >= 0: a mean squared error of pixels in [-1, 1].
        objective: fixed; the game has its own.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/real, discriminator/fake, generator/adversarial.

    Equations:
        e(x) = mean over values of (Dec(Enc(x)) - x)^2
        D: E_x e(x) + E_z max(0, m - e(G))
        G: E_z e(G)

    Source: Zhao, Mathieu & LeCun 2016, "Energy-based generative adversarial network",
        https://arxiv.org/abs/1609.03126, eqs. (1) and (2), section 2.3.

    Paper: Adam 1e-3 and margin 10 in the grid search on MNIST; z ~ U(-1, 1); with convolutions the optimizer of
        DCGAN. It has no score on CIFAR-10.

    Deviation: the paper's energy is a norm; here it is the mean squared error, whose gradient is smooth at 0. A margin
        m of the norm over N values is m^2 / N here: 80 at 64x64x3 would be 0.52. The margin stays as it is; the paper
        suggests to start large and let it decay. At 32x32 the networks are chainer-gan-lib's, the autoencoder
        mirrored from its discriminator and generator, without batch norm, which would couple the examples' energies.

    Elsewhere: two public ports take the hinge of the batch's mean energy, which stops pushing fakes of little energy
        as soon as others have much.
    """


@register("ebgan_pt")
class EBGANPT(_Energy):
    """EBGAN whose generator also makes the codes of a batch of fakes orthogonal to each other.

    Args:
        margin: the energy up to which fakes are pushed, >= 0: a mean squared error of pixels in [-1, 1].
        pull_away_weight: factor of the pull-away term; 0: EBGAN.
        objective: fixed; the game has its own.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/real, discriminator/fake, generator/adversarial, generator/pull_away.

    Equations:
        e(x) = mean over values of (Dec(Enc(x)) - x)^2, S_i = Enc(G(z_i))
        D: E_x e(x) + E_z max(0, m - e(G))
        G: E_z e(G) + lambda / (n (n - 1)) sum_{i != j} (S_i . S_j / (||S_i|| ||S_j||))^2

    Source: Zhao, Mathieu & LeCun 2016, "Energy-based generative adversarial network",
        https://arxiv.org/abs/1609.03126, section 2.4.

    Paper: lambda 0.1; the rest as EBGAN.

    Deviation: as EBGAN. The batch is that of all replicas.

    Elsewhere: one public library normalises the codes along the batch and keeps the pairs of a code with itself.
    """

    pull_away_weight: NonNegativeFloat = 0.1

    terms: ClassVar = {"discriminator": ("real", "fake"), "generator": ("adversarial", "pull_away")}

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the energy of the fakes, and how alike their codes are."""
        reconstructions, codes = self.discriminator(fake, training=True)
        return {
            "adversarial": tf.reduce_mean(squared_error(fake, reconstructions)),
            "pull_away": self.pull_away_weight * pull_away(gathered(codes)),
        }
