"""IMLE: every example pulls the nearest sample towards itself.

A GAN moves its samples to where the discriminator takes them for real, and no example misses the samples that are not
near it: that is how modes are lost. Implicit maximum likelihood turns the question round. Each example looks for the
sample nearest to it, and that sample moves; so no example can be left out. There is no discriminator. The paper shows
that under some conditions this maximises the likelihood of a model that can only be sampled.
"""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from ganzoo.distribution import gathered
from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.registry import register
from ganzoo.settings import Fixed, PositiveInt


def nearest(points: tf.Tensor, candidates: tf.Tensor) -> tf.Tensor:
    """Returns the number of the candidate at the least Euclidean distance from each point, [B] of [B, ...]."""
    points, candidates = (tf.reshape(x, [tf.shape(x)[0], -1]) for x in (points, candidates))
    # |x - c|^2 less |x|^2, which does not move the minimum over c.
    squares = tf.reduce_sum(tf.square(candidates), axis=1) - 2.0 * tf.matmul(points, candidates, transpose_b=True)
    return tf.argmin(squares, axis=1)


@register("imle")
class IMLE(GAN):
    """One generator, without an adversary: for every example the nearest of many samples is drawn towards it.

    Args:
        samples_per_example: samples drawn in a round for each example of its batch; all examples choose among all.
        **settings: see `GAN`; those of opponents are refused, as there are none.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: generator/distance.

    Equations:
        G: E_x ||x - G(z_c(x))||^2 / d, c(x) = argmin_j ||x - G(z_j)||^2, held fixed, d the numbers of an example

    Source: Li & Malik 2018, "Implicit maximum likelihood estimation", https://arxiv.org/abs/1809.09087.

    Paper: in the authors' code for MNIST 10 samples an example, drawn anew every 5 epochs; Adam 1e-3 (0.5, 0.999),
        weight decay 1e-5, batch 64, z ~ N(0, I) of 64 numbers, four transposed convolutions with batch norm.

    Deviation: samples are drawn anew for every batch and compared with that batch, not with the whole data set, so a
        choice is never stale and has fewer samples to choose from; distances are exact, where the authors search
        approximately. Their code adds N(0, 0.01^2) to the chosen latents, and decays weights; here neither. The
        generator has no batch norm: the chosen samples are computed a second time, with gradients, and would come
        out otherwise in another batch.
    """

    samples_per_example: PositiveInt = 10
    latent_dim = 64
    objective: Fixed = None
    penalty: Fixed = None

    opponents: ClassVar = ()
    default_networks: ClassVar[Mapping[str, Mapping]] = {"generator": {"architecture": "dcgan", "normalized": False}}
    terms: ClassVar = {"generator": ("distance",)}
    exempt: ClassVar = {
        "discriminator_steps": "there are no opponents to step",
        "simultaneous": "there is one player",
    }

    def make_fake(self, count: tf.Tensor, noise: Stream) -> tf.Tensor:
        """Returns the samples to choose from, `samples_per_example` for each of `count` examples."""
        return super().make_fake(self.samples_per_example * count, noise)

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the mean squared distance of every example from the sample nearest to it."""
        chosen = nearest(real, gathered(tf.stop_gradient(fake)))
        # The latents of `fake` again: a gradient through the few that were chosen costs less than through all.
        latents = gathered(noise.latents(tf.shape(fake)[0], self.latent_dim, self.prior))
        images = self.generator(tf.gather(latents, chosen), training=True)
        return {"distance": tf.reduce_mean(tf.square(real - images))}
