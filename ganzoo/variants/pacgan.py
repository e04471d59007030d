"""PacGAN: a discriminator that judges several images at once.

A score of one image cannot show that a generator repeats itself. A discriminator of packs sees m images of one kind
together, all data or all fakes, and learns how much they differ: it tells the product densities p^m and q^m apart,
which for a q that lacks modes are further apart than p and q. Nothing else changes.
"""

import tensorflow as tf

from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.registry import register
from ganzoo.settings import PositiveInt


@register("pacgan")
class PacGAN(GAN):
    """The non-saturating game with a discriminator that scores packs of images, all data or all fakes.

    Args:
        pack_size: the paper's m, images a pack; a batch must be a multiple of it. 1 is the plain game.
        **settings: see `GAN`. A penalty is taken at packs, on the gradient with respect to the whole pack.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible, or a batch is no multiple of `pack_size`.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x sp(-a(x_1, ..., x_m)) + E_z sp(a(G_1, ..., G_m))
        G: E_z sp(-a(G_1, ..., G_m))

    Source: Lin et al. 2018, "PacGAN: the power of two samples in generative adversarial networks",
        https://arxiv.org/abs/1712.04086; https://github.com/fjxmlzn/PacGAN.

    Paper: any loss, any networks; only the first layer of the discriminator grows. Stacked MNIST: DCGAN with Adam 2e-4
        (0.5, 0.999), z ~ U(-1, 1)^100, 64 packs a batch, two generator steps a round. Ring and grid: Adam 1e-4
        (beta_1 0.8), 100 packs.

    Deviation: a batch is counted in images, not in packs, so 128 images are the paper's 64 packs of 2. The
        generator steps once. The order in a pack matters to the discriminator, as in the paper. The networks are
        DCGAN's at 32x32.
    """

    pack_size: PositiveInt = 2
    prior = "uniform"
    latent_dim = 100

    @property
    def batch_multiple(self) -> int:
        """Of what a replica's batch must be a multiple: no pack is left short."""
        return self.pack_size

    def input_shape_of(self, player: str) -> tuple[int, ...]:
        """Returns the shape of one example that a player's network sees: of the discriminator, of a pack."""
        *space, channels = super().input_shape_of(player)
        return (*space, channels * self.pack_size if player in self.opponents else channels)

    def packed(self, images: tf.Tensor) -> tf.Tensor:
        """Returns each `pack_size` successive images as one [H, W, pack_size * C]; packs stay as they are."""
        if images.shape[-1] != self.image_shape[-1]:
            return images
        packs = tf.reshape(images, [-1, self.pack_size, *self.image_shape])
        return tf.concat(tf.unstack(packs, axis=1), -1)

    def scores(self, images: tf.Tensor, opponent: str = "discriminator") -> tf.Tensor:
        """Returns an opponent's scores of packs, float32 [B / pack_size, 1], unbounded."""
        return super().scores(self.packed(images), opponent)

    def penalty_terms(self, opponent: str, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the weighted gradient penalty at packs, which are the discriminator's examples."""
        return super().penalty_terms(opponent, self.packed(real), self.packed(fake), noise)
