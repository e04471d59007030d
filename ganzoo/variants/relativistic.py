"""Relativistic average GAN: an image is as real as it is more real than the average of the other kind.

In the usual game the generator raises the scores of fakes and never lowers those of data, although half of what the
discriminator sees is known to be fake. Here a score counts relative to the mean score of the other kind, in both
players' losses: data become less real as fakes become more so, and the generator learns from data, too.
"""

import tensorflow as tf

from ganzoo.distribution import averaged
from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.objectives import OBJECTIVES
from ganzoo.registry import register


@register("relativistic")
class Relativistic(GAN):
    """A game on scores relative to the mean score of the other kind.

    Args:
        objective: of both players, on relative scores; the generator's is the discriminator's with data and fakes
            swapped: `"non_saturating"` gives the paper's RaSGAN, `"hinge"` its RaHingeGAN.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x sp(-c(x)) + E_z sp(e(G))
        G: E_x sp(c(x)) + E_z sp(-e(G))
        c(x) = a(x) - E_z a(G), e(G) = a(G) - E_x a(x)

    Source: Jolicoeur-Martineau 2018, "The relativistic discriminator: a key element missing from standard GAN",
        https://arxiv.org/abs/1807.00734, the relativistic average discriminator.

    Paper: on CIFAR-10 Adam 2e-4 (0.5, 0.999), batch 32, one discriminator step, a convolutional discriminator with
        spectral normalisation.

    Deviation: the networks are those of chainer-gan-lib, as in `sngan`. Means are over the global batch of all
        replicas. A discriminator step and the generator's see the same data.
    """

    default_networks = {
        "generator": {"architecture": "dcgan"},
        "discriminator": {"architecture": "dcgan", "normalized": False, "spectral": True},
    }

    def discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the loss on relative scores."""
        real_scores, fake_scores = self.relative_scores(real, fake)
        return {"adversarial": OBJECTIVES[self.objective].discriminator(real_scores, fake_scores)}

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the discriminator's loss with data and fakes swapped."""
        real_scores, fake_scores = self.relative_scores(real, fake)
        return {"adversarial": OBJECTIVES[self.objective].discriminator(fake_scores, real_scores)}

    def relative_scores(self, real: tf.Tensor, fake: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Returns the scores of data and of fakes, each less the mean of the other."""
        real, fake = self.scores(real), self.scores(fake)
        return real - averaged(tf.reduce_mean(fake)), fake - averaged(tf.reduce_mean(real))
