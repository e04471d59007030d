"""MIX+GAN: a mixture of generators plays a mixture of discriminators.

A single generator may have no answer to every discriminator, and then the game has no equilibrium in pure strategies.
In mixed strategies it has one, and the paper shows that mixtures of finitely many networks come near it. So each
player has T networks of untied weights, and mixing weights w = softmax(alpha) and v = softmax(beta), all trained by
gradients of the expected payoff. A term that grows as a weight goes to 0 keeps members from dying out.
"""

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar

import keras
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.gan import GAN, Terms
from ganzoo.networks.mixtures import Mixture
from ganzoo.noise import Stream
from ganzoo.objectives import OBJECTIVES
from ganzoo.penalties import FORMS, POINTS, squared_gradient_norms
from ganzoo.registry import register
from ganzoo.settings import NonNegativeFloat, one_of


@register("mix_gan")
class MixGAN(GAN):
    """T generators against T discriminators, each side mixed by trained weights.

    With one member a side it is the plain game of `objective`, bit for bit.

    Args:
        entropy_weight: of the terms that keep the mixing weights from 0, for both players.
        prior: `"normal"`, as the network that chooses a member by the last latent number knows it.
        latent_dim: numbers a latent; the last one chooses, a generator sees one fewer. Truncation cuts that one, too:
            it favours the members in the middle, and a walk between latents jumps where it passes from one to another.
        networks: both of architecture `"mixture"`; T is their option `members`.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible, or a network is no mixture.

    Terms: discriminator/adversarial, discriminator/entropy, generator/adversarial, generator/entropy; with a penalty
        also discriminator/penalty.

    Equations:
        D: sum_ij w_i v_j [E_x sp(-a_j(x)) + E_z sp(a_j(G_i))] + 0.1 R(v)
        G: sum_ij w_i v_j E_z sp(-a_j(G_i)) + 0.1 R(w)
        R(w) = -(1/T) sum_i log w_i, at least log T, where all are 1/T

    Source: Arora et al. 2017, "Generalization and equilibrium in generative adversarial nets (GANs)",
        https://arxiv.org/abs/1703.00573, the MIX+GAN protocol; numbers of the authors' code,
        https://github.com/PrincetonML/MIX-plus-GANs.

    Paper: T = 5, entropy weight 0.1, Adam 1e-4 (0.5, 0.999), batch 49, z ~ U(0, 1)^50, one latent for all generators.

    Deviation: the released model is conditioned on classes by a pretrained encoder, and has terms of its own for
        that; this is the unconditional game, between DCGANs of half the width. Its generators minimise the
        saturating loss (`objective="minimax"`) and step 1 to 7 times as D's loss says, D is skipped where its loss
        is low: here the loss does not saturate and both step once. Latents are N(0, I). A discriminator sees the
        fakes of all generators in one batch, which with batch norm share its statistics. Beside its entropy term the
        released D has half of each loss, here the whole.
    """

    entropy_weight: NonNegativeFloat = 0.1
    prior: Annotated[str, one_of(("normal",))] = "normal"
    latent_dim = 51

    default_networks: ClassVar[Mapping[str, Mapping]] = {
        "generator": {"architecture": "mixture", "members": 5, "width": 32},
        "discriminator": {"architecture": "mixture", "members": 5, "width": 32},
    }
    terms: ClassVar = {"discriminator": ("adversarial", "entropy"), "generator": ("adversarial", "entropy")}

    def check(self) -> None:
        """Refuses settings that do not go together, and networks that are no mixtures."""
        super().check()
        for player in self.players:
            spec = self.specification_of(player)
            if not isinstance(spec, Mixture) and (isinstance(spec, keras.Model) or spec["architecture"] != "mixture"):
                raise InputError(f"networks.{player}: mix_gan mixes members; give architecture = 'mixture'")

    def make_fake(self, count: tf.Tensor, noise: Stream) -> tf.Tensor:
        """Returns the images that all generators make of the same latents, [count * T, ...], latent by latent."""
        latents = noise.latents(count, self.latent_dim, self.prior)
        images = tf.stack(self.generator.each(latents, training=True), axis=1)
        return tf.reshape(images, [-1, *self.image_shape])

    def by_generator(self, rows: tf.Tensor) -> list[tf.Tensor]:
        """Returns rows [B * T, ...], of fakes or of their scores, as T of [B, ...], one a generator."""
        return tf.unstack(tf.reshape(rows, [-1, len(self.generator.members), *rows.shape[1:]]), axis=1)

    def mixed(self, payoff: Callable[[int, int], tf.Tensor]) -> tf.Tensor:
        """Returns sum_ij w_i v_j payoff(i, j) over generators i and discriminators j."""
        by_generator, by_discriminator = (tf.exp(net.log_weights()) for net in (self.generator, self.discriminator))
        payoffs = [
            [payoff(i, j) for j in range(len(self.discriminator.members))] for i in range(len(self.generator.members))
        ]
        return tf.reduce_sum(by_generator[:, None] * by_discriminator * tf.convert_to_tensor(payoffs))

    def entropy(self, mixture: Mixture) -> tf.Tensor:
        """Returns the weighted cross entropy of the uniform distribution with the mixing weights."""
        return -self.entropy_weight * tf.reduce_mean(mixture.log_weights())

    def discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the expected loss over pairs of a generator and a discriminator, and the entropy term."""
        loss = OBJECTIVES[self.objective].discriminator
        of_real = self.discriminator.each(real, training=True)
        of_fake = [self.by_generator(scores) for scores in self.discriminator.each(fake, training=True)]
        return {
            "adversarial": self.mixed(lambda i, j: loss(of_real[j], of_fake[j][i])),
            "entropy": self.entropy(self.discriminator),
        }

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the expected loss over pairs of a generator and a discriminator, and the entropy term."""
        loss = OBJECTIVES[self.objective].generator
        of_fake = [self.by_generator(scores) for scores in self.discriminator.each(fake, training=True)]
        return {
            "adversarial": self.mixed(lambda i, j: loss(of_fake[j][i])),
            "entropy": self.entropy(self.generator),
        }

    def penalty_terms(self, opponent: str, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the expected gradient penalty over pairs of a generator and a discriminator, if there is one."""
        if not self.penalty or opponent not in self.opponents:
            return {}
        points = [POINTS[self.penalty](real, each, noise, self.penalty_noise_scale) for each in self.by_generator(fake)]

        def penalty(i: int, j: int) -> tf.Tensor:
            member = self.discriminator.members[j]
            norms = squared_gradient_norms(lambda x: member(x, training=True), points[i])
            return FORMS[self.penalty_form](norms, self.penalty_target)

        return {"penalty": self.penalty_weight * self.mixed(penalty)}
