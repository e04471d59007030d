"""Historical averaging: players that are held near the mean of where they have been.

Gradient descent on a game may turn around its equilibrium for ever. The mean of an orbit is near its centre, so a pull
of each player's weights towards their mean over all rounds damps the turning, as fictitious play does. The mean is
uniform: it forgets slowly, and a strong pull holds the players back for long.
"""

from typing import ClassVar

import tensorflow as tf

from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.registry import register
from ganzoo.settings import NonNegativeFloat


@register("historical_averaging")
class HistoricalAveraging(GAN):
    """The non-saturating game with each player's weights drawn to their mean over all rounds.

    Args:
        history_weight: factor of the squared distance from the mean.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, discriminator/history, generator/adversarial, generator/history.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G)) + lambda ||w_D - mean w_D||^2
        G: E_z sp(-a(G)) + lambda ||w_G - mean w_G||^2
        mean w at round t: (w_0 + ... + w_t) / (t + 1), held fixed in the gradient, over trainable weights

    Source: Salimans et al. 2016, "Improved techniques for training GANs", https://arxiv.org/abs/1606.03498,
        section 3.3.

    Paper: lambda is not given; the term is shown to find equilibria of two-player games in few dimensions, where
        gradient descent orbits, and stands in for the labels in one of the CIFAR-10 models, of which the authors' code
        has Adam 3e-4 (0.5, 0.999), batch 100.

    Deviation: lambda is ours. The mean begins with the initial weights, and counts a round as one step, however many
        steps a player takes in it.
    """

    history_weight: NonNegativeFloat = 0.01

    terms: ClassVar = {"discriminator": ("adversarial", "history"), "generator": ("adversarial", "history")}

    def build(self, input_shape) -> None:
        """Builds as in `GAN`, with the mean of every trainable weight, which begins as the weight."""
        super().build(input_shape)
        self.means = {
            player: [self.mean_of(weight, f"{player}_mean_{number}") for number, weight in enumerate(weights)]
            for player in self.players
            for weights in [getattr(self, player).trainable_variables]
        }

    def mean_of(self, weight, name: str):
        """Returns a variable that is not trained, of the value that `weight` has now."""
        mean = self.add_weight(name=name, shape=weight.shape, initializer="zeros", trainable=False, dtype=weight.dtype)
        mean.assign(weight)
        return mean

    def distance(self, player: str) -> tf.Tensor:
        """Returns the weighted squared distance of a player's weights from their mean."""
        pairs = zip(getattr(self, player).trainable_variables, self.means[player], strict=True)
        return self.history_weight * tf.add_n([tf.reduce_sum(tf.square(weight - mean)) for weight, mean in pairs])

    def discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the discriminator's terms, with its distance from its history."""
        return super().discriminator_terms(real, fake, noise) | {"history": self.distance("discriminator")}

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the generator's terms, with its distance from its history."""
        return super().generator_terms(real, fake, noise) | {"history": self.distance("generator")}

    def train_step(self, batch) -> Terms:
        """Takes the weights into the means, then plays one round."""
        count = tf.cast(self.step.value, tf.float32) + 1.0
        for player, means in self.means.items():
            for mean, weight in zip(means, getattr(self, player).trainable_variables, strict=True):
                mean.assign_add((weight - mean) / count)
        return super().train_step(batch)
