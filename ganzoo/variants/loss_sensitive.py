"""Loss-sensitive GAN: fakes need only be worse than data by as much as they differ from it.

The discriminator is a loss, low on data. A usual one drives data and fakes apart without limit, and so needs the
capacity to tell any two distributions apart. This one asks that the loss of a fake exceeds that of its pair among the
data by a margin that grows with their distance; fakes that are as close as data no longer count. That makes the loss
Lipschitz, and the density that it can recover is one that varies no faster.
"""

from typing import Annotated, ClassVar

import pydantic
import tensorflow as tf

from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.registry import register
from ganzoo.settings import Fixed, NonNegativeFloat

Slope = Annotated[float, pydantic.Field(ge=0, le=1)]


@register("loss_sensitive")
class LossSensitiveGAN(GAN):
    """A loss, low on data, that is higher on each fake by a margin of their distance.

    Args:
        margin_weight: the margin at a mean absolute difference of 1 between two images; lambda in the authors'
            code (tau in the paper) times the number of values, as it sums over them.
        real_weight: factor of the loss of the data itself, >= 0.
        leak: slope of the hinge where a pair keeps its margin, 0 to 1; above 0 the paper's generalised GLS-GAN, and
            with 1 Wasserstein GAN's critic.
        nonnegative: the loss is the ReLU of the discriminator's output; GLS-GAN leaves it linear. A ReLU of outputs
            that are all negative would learn no more: batch norm before them keeps some positive.
        objective: fixed; the game has its own.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/real, discriminator/hinge, generator/adversarial.

    Equations:
        L = max(0, D), Delta(x, G) = lambda mean |x - G|
        D: gamma E_x L(x) + E max(nu t, t), t = Delta(x, G) + L(x) - L(G), over pairs
        G: E_z L(G)

    Source: Qi 2017, "Loss-sensitive generative adversarial networks on Lipschitz densities",
        https://arxiv.org/abs/1701.06264, GLS-GAN included; the authors' code: https://github.com/guojunq/lsgan.

    Paper: in the code Adam 1e-4 (beta_1 0.5), batch 64, z ~ U(-1, 1)^100, networks of DCGAN, gamma 0 (unconditional);
        lambda 2e-4 at 64x64x3, 8e-4 in its conditional script at 32x32x3: 2.4576 over the number of values in both.

    Deviation: the distance is a mean, not a sum, so that one weight suits all sizes of images. The generator's step
        takes fresh fakes, where the code takes again those that the discriminator has seen. Weight decay, by which
        the theory bounds the loss, is 0, as in the code.
    """

    margin_weight: NonNegativeFloat = 2.4576
    real_weight: NonNegativeFloat = 0.0
    leak: Slope = 0.0
    nonnegative: bool = True
    objective: Fixed = None

    prior = "uniform"
    latent_dim = 100
    terms: ClassVar = {"discriminator": ("real", "hinge"), "generator": ("adversarial",)}

    def losses(self, images: tf.Tensor) -> tf.Tensor:
        """Returns the loss L of each example, float32 [B, 1]: lower is more real."""
        outputs = super().scores(images)
        return tf.nn.relu(outputs) if self.nonnegative else outputs

    def scores(self, images: tf.Tensor, opponent: str = "discriminator") -> tf.Tensor:
        """Returns the losses with the opposite sign, float32 [B, 1]: larger is more real."""
        return -self.losses(images)

    def discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the loss of the data, and by how much each pair falls short of its margin."""
        on_real, on_fake = self.losses(real), self.losses(fake)
        distance = tf.reduce_mean(tf.abs(real - fake), axis=range(1, real.shape.rank))
        margin = self.margin_weight * tf.stop_gradient(distance)[:, None]
        short = margin + on_real - on_fake
        return {
            "real": self.real_weight * tf.reduce_mean(on_real),
            "hinge": tf.reduce_mean(tf.maximum(self.leak * short, short)),
        }

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the loss of the fakes."""
        return {"adversarial": tf.reduce_mean(self.losses(fake))}
