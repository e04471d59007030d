"""BEGAN: an autoencoder that is kept in balance with the generator it judges.

If two distributions of reconstruction errors are alike, so, nearly, are the images; and the distance between the
errors' means bounds the Wasserstein distance between the two from below. So the discriminator lowers the error of
data and raises that of fakes. A controller keeps it from winning: k, the weight that it gives to the fakes, rises
while the error of fakes is below gamma times that of data, and falls while it is above. Small gamma: sharp images, few
kinds; large: diverse ones. From the two errors follows a measure of convergence that falls as training goes well,
which a GAN's losses do not.
"""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from ganzoo.distribution import averaged
from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.registry import register
from ganzoo.settings import Fixed, NonNegativeFloat


@register("began")
class BEGAN(GAN):
    """Autoencoder errors of data and of fakes, held in a given ratio by a weight that adapts.

    Args:
        diversity_ratio: the paper's gamma, E L(G) / E L(x) at balance, 0 to 1; less is sharper and less diverse.
        fake_weight_rate: the paper's lambda_k, by which k moves in a round.
        simultaneous: with False k takes the error of data from the generator's update, one more pass.
        objective: fixed; the game has its own.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/real, discriminator/fake, generator/adversarial.

    Equations:
        L(x) = mean over values of |AE(x) - x|
        D: E_x L(x) - k E_z L(G)
        G: E_z L(G)
        k <- min(1, max(0, k + lambda_k (gamma E_x L(x) - E_z L(G)))), k = 0 at first
        convergence: E_x L(x) + |gamma E_x L(x) - E_z L(G)|

    Source: Berthelot, Schumm & Metz 2017, "BEGAN: boundary equilibrium generative adversarial networks",
        https://arxiv.org/abs/1703.10717, sections 3.3 and 3.4.

    Paper: z ~ U(-1, 1)^64 and a code of 64, gamma 0.3 to 0.7, lambda_k 0.001, batch 16; Adam, 5e-5 to 1e-4,
        halved when the convergence measure stalls; both players once a batch, from the same weights.

    Deviation: the paper's optional skip connections, and residuals that vanish in the course of training, are left
        out. The rate does not follow the measure: a recipe can give it a schedule. A batch is that of all replicas.

    Elsewhere: chainer-gan-lib has the DCGAN generator without batch norm, and a leaky ReLU autoencoder with a code of
        128 and tanh at its end.
    """

    diversity_ratio: NonNegativeFloat = 0.5
    fake_weight_rate: NonNegativeFloat = 0.001
    objective: Fixed = None

    prior = "uniform"
    latent_dim = 64
    simultaneous = True
    default_networks: ClassVar[Mapping[str, Mapping]] = {
        "generator": {"architecture": "began"},
        "discriminator": {"architecture": "began_autoencoder"},
    }
    terms: ClassVar = {"discriminator": ("real", "fake"), "generator": ("adversarial",)}

    def build(self, input_shape) -> None:
        """Builds networks and optimizers, and k."""
        self.fake_weight = self.add_weight(
            name="fake_weight", shape=(), initializer="zeros", trainable=False, aggregation="only_first_replica"
        )
        super().build(input_shape)

    def error(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the mean absolute error of each reconstruction, float32 [B]."""
        reconstructions, _ = self.discriminator(images, training=True)
        return tf.reduce_mean(tf.abs(reconstructions - images), axis=range(1, images.shape.rank))

    def scores(self, images: tf.Tensor, opponent: str = "discriminator") -> tf.Tensor:
        """Returns the errors with the opposite sign, float32 [B, 1]: larger is more real."""
        return -self.error(images)[:, None]

    def discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the error of the data, and the weighted one of the fakes, to be raised."""
        return {
            "real": tf.reduce_mean(self.error(real)),
            "fake": -self.fake_weight * tf.reduce_mean(self.error(fake)),
        }

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the error of the fakes."""
        return {"adversarial": tf.reduce_mean(self.error(fake))}

    def update(self, players: tuple[str, ...], real: tf.Tensor, noise: Stream) -> Terms:
        """Takes one optimizer step for each of `players`; with the generator's, which ends a round, k moves."""
        values = super().update(players, real, noise)
        if "generator" in players:
            if "discriminator" in players:
                real_error = values["discriminator/real"]
            else:
                real_error = tf.reduce_mean(self.error(self.seen(real, noise, "real")))
            self.balance(real_error, values["generator/adversarial"])
        return values

    def balance(self, real_error: tf.Tensor, fake_error: tf.Tensor) -> None:
        """Moves k by the errors of a batch: up if fakes are reconstructed too well, down if too badly."""
        lead = averaged(self.diversity_ratio * real_error - fake_error)
        self.fake_weight.assign(tf.clip_by_value(self.fake_weight + self.fake_weight_rate * lead, 0.0, 1.0))

    def convergence(self, logs: Mapping[str, float]) -> float:
        """Returns the paper's measure of convergence for an epoch's logs, or for a row of the history."""
        real_error, fake_error = logs["discriminator/real"], logs["generator/adversarial"]
        return real_error + abs(self.diversity_ratio * real_error - fake_error)
