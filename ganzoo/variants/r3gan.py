"""R3GAN: a loss sound enough that a GAN needs no tricks.

Where the usual loss compares data and fakes with one boundary, the relativistic one compares each fake with a real
image, which leaves no room to drop modes. It does not converge by itself; zero-centred penalties on the
discriminator's gradient at data (R1) and at fakes (R2) together make it converge locally. On that ground the paper
drops StyleGAN's tricks and takes plain modern residual networks without normalisation.
"""

from typing import Annotated

import tensorflow as tf

from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.penalties import FORMS, POINTS
from ganzoo.registry import register
from ganzoo.settings import Fixed, NonNegativeFloat, one_of


@register("r3gan")
class R3GAN(GAN):
    """The relativistic game on pairs of a real image and a fake, with zero-centred penalties at both.

    Args:
        penalty_weight: the paper's gamma; the penalty at data and at fakes is `"real_and_fake"`, its form `"plain"`.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, discriminator/penalty, generator/adversarial.

    Equations:
        D: E sp(-(a(x) - a(G))) + gamma/2 [E_x ||grad a(x)||^2 + E_z ||grad a(G)||^2]
        G: E sp(-(a(G) - a(x)))

    Source: Huang et al. 2024, "The GAN is dead; long live the GAN! A modern GAN baseline",
        https://arxiv.org/abs/2501.05441, eqs. (2) and (3); https://github.com/brownvc/R3GAN.

    Paper: on CIFAR-10 batch 512, Adam with beta_1 0, z ~ N(0, I) of 64 numbers; over the first 20 of 250 million
        images gamma falls from 0.05 to 0.005 (on faces at 64x64 from 2 to 0.2), the learning rate from 2e-4 to 5e-5,
        and beta_2 rises from 0.9 to 0.99, by cosines; augmentation that grows; both networks of residual blocks
        (1x1, grouped 3x3, 1x1 convolutions, leaky ReLU, bilinear resampling) without normalisation, whose last
        convolutions start at 0 (Fixup); an averaged generator.

    Deviation: gamma is 2, on CIFAR-10 (recipe `r3gan`) 0.05. The paper writes one value for both players; the
        generator's loss here, which does not saturate, is that of its code. The networks are small stand-ins. The
        discriminator is `resnet`: residual, no normalisation, but two convolutions a block, ReLU, and He uniform
        weights; the generator is that of `dcgan` without batch norm, with no residual path. Nothing is scheduled:
        gamma, rates and betas stay. Classes are not used (the paper's CIFAR-10 figure is class-conditional).
    """

    objective: Fixed = None
    penalty: Annotated[str, one_of(POINTS)] | None = "real_and_fake"
    penalty_form: Annotated[str, one_of(FORMS)] = "plain"
    penalty_weight: NonNegativeFloat = 2.0
    latent_dim = 64
    default_networks = {
        "generator": {"architecture": "dcgan", "normalized": False},
        "discriminator": {"architecture": "resnet"},
    }

    def discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns how little each real image is more real than the fake beside it."""
        return {"adversarial": tf.reduce_mean(tf.nn.softplus(self.scores(fake) - self.scores(real)))}

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns how little each fake is more real than the real image beside it."""
        return {"adversarial": tf.reduce_mean(tf.nn.softplus(self.scores(real) - self.scores(fake)))}
