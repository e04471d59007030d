"""Mode-regularised GAN: every real image is a place where the generator has to be good.

The score alone gives the generator no reason to go to a mode that it does not visit. An encoder of the data gives
one: the generator shall rebuild each real image from its code, and the rebuilt image shall pass for real, so that
every mode pulls with the weight of its data.
"""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.objectives import OBJECTIVES
from ganzoo.registry import register
from ganzoo.settings import NonNegativeFloat


@register("mdgan")
class MDGAN(GAN):
    """The non-saturating game with an encoder from whose codes the generator rebuilds the data.

    Args:
        distance_weight: the paper's lambda 1, of the mean squared error of a rebuilt image.
        mode_weight: the paper's lambda 2, of the generator's loss on rebuilt images.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible, or images are augmented.

    Terms: discriminator/adversarial, encoder/distance, encoder/mode, generator/adversarial, generator/distance,
        generator/mode.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G))
        E: E_x [lambda1 mean (x - G(E(x)))^2 + lambda2 sp(-a(G(E(x))))]
        G: E_z sp(-a(G)) + E_x [lambda1 mean (x - G(E(x)))^2 + lambda2 sp(-a(G(E(x))))]

    Source: Che et al. 2016, "Mode regularized generative adversarial networks", https://arxiv.org/abs/1612.02136,
        Reg-GAN.

    Paper: networks of DCGAN.

    Deviation: the paper prints + lambda2 log D(G(E(x))) in what G and E minimise, which would punish good
        reconstructions; its stated aim asks for the minus that is here. Both lambdas, Adam 2e-4 (0.5, 0.999), batch
        128, the scale of the distance and z ~ N(0, I), which an encoder with a linear output can reach, are our
        choice. The paper's second form, MDGAN, with a manifold step and a diffusion step that have a discriminator
        each, is left out. The encoder has the discriminator's layers and steps with it. The running statistics of
        the generator's batch norm, by which it samples, see codes of both kinds. With `instance_noise` what is rebuilt
        are the noisy data.

    Elsewhere: a popular port has the printed sign, the error summed over pixels, and 0.01 for both weights.
    """

    distance_weight: NonNegativeFloat = 0.2
    mode_weight: NonNegativeFloat = 0.4

    partners: ClassVar = ("encoder",)
    default_networks: ClassVar[Mapping[str, Mapping]] = {
        "generator": {"architecture": "dcgan"},
        "discriminator": {"architecture": "dcgan"},
        "encoder": {"architecture": "dcgan"},
    }
    terms: ClassVar = {
        "discriminator": ("adversarial",),
        "encoder": ("distance", "mode"),
        "generator": ("adversarial", "distance", "mode"),
    }

    def check(self) -> None:
        """Refuses augmentation: rebuilding augmented images, the generator would learn to augment."""
        super().check()
        if self.augment:
            raise InputError(f"augment={list(self.augment)}: the generator rebuilds what is augmented; leave it out")

    def encoder_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns how far the rebuilt data are from the data, and the generator's loss on them."""
        rebuilt = self.generator(self.encoder(real, training=True), training=True)
        scores = self.scores(self.seen(rebuilt, noise, "rebuilt"))
        return {
            "distance": self.distance_weight * tf.reduce_mean(tf.square(real - rebuilt)),
            "mode": self.mode_weight * OBJECTIVES[self.objective].generator(scores),
        }

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the usual loss on fakes, and what the encoder minimises."""
        return super().generator_terms(real, fake, noise) | self.encoder_terms(real, fake, noise)
