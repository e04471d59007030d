"""Unrolled GAN: a generator that sees how the discriminator would answer.

The generator should descend the value at the best discriminator, of which the present one is a poor stand-in: to put
all mass where it scores highest is best against D as it is, and so modes are dropped and chased. Here D's next K
gradient steps are part of the generator's loss and are differentiated through, so that it does not go where those steps
would undo its gain. K = 0 is the usual game; as K grows the loss approaches that of the best discriminator.
"""

from collections.abc import Mapping
from typing import ClassVar

import keras
import tensorflow as tf

from ganzoo.distribution import replica_count, summed
from ganzoo.errors import InputError
from ganzoo.gan import GAN, Terms
from ganzoo.networks import DCGAN_WITHOUT_NORM
from ganzoo.noise import Stream
from ganzoo.objectives import DIVERGENCES, OBJECTIVES
from ganzoo.registry import register
from ganzoo.settings import NonNegativeFloat, NonNegativeInt

# Objectives whose generator minimises -L_D; at weights that depend on G, the data's part of it does, too.
ZERO_SUM = ("minimax", "wasserstein", "total_variation", *(f"{name}_saddle" for name in DIVERGENCES))


@register("unrolled")
class Unrolled(GAN):
    """A generator that plays against the discriminator as it would be K gradient steps later.

    Args:
        objective: `"minimax"`, `"wasserstein"`, `"total_variation"` and the `_saddle` ones: G minimises -L_D at the
            unrolled weights, data and fakes; others: their loss of the fakes' unrolled scores.
        unroll_steps: the paper's K; 0 is the plain game.
        unroll_rate: step size eta of the unrolled steps; above 2 over L_D's largest curvature they diverge, and G with
            them. Convolutions want 1e-3, the dense networks of points 0.1.
        unroll_gradient: differentiate through the unrolled steps; False: the unrolled D counts as given.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible, or `discriminator_steps` is not 1.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: L_D(w, G), L_D = E_x sp(-a(x)) + E_z sp(a(G)), one step from its weights w
        G: -L_D(w_K, G)
        w_0 = w, w_(k+1) = w_k - eta d L_D(w_k, G) / d w_k, a function of G

    Source: Metz et al. 2016, "Unrolled generative adversarial networks", https://arxiv.org/abs/1611.02163, section 2.2.

    Paper: K 0, 1, 5 and 10; both players step from the same weights; eight Gaussians: dense networks 256-128-128-2
        and 2-128-1, orthogonal weights of gain 0.8, Adam 1e-4 (0.5, 0.999), batch 512.

    Deviation: the authors' code unrolls the steps of D's Adam; these are the plain gradient steps of the derivation,
        whose rate is a setting of its own. 1e-3 is ours: this discriminator's largest curvature on CIFAR-10 is 1,600
        at first. Their one batch for all unrolled steps is kept. A penalty of D counts in the unrolled steps, not in
        -L_D. State of D that is not trained (batch norm's) is not updated. The networks on images are those of the
        other recipes, without batch norm.
    """

    objective = "minimax"
    unroll_steps: NonNegativeInt = 5
    unroll_rate: NonNegativeFloat = 1e-3
    unroll_gradient: bool = True
    latent_dim = 256
    simultaneous = True

    second_order: ClassVar = ("discriminator",)
    default_networks: ClassVar[Mapping[str, Mapping]] = DCGAN_WITHOUT_NORM
    exempt = {"discriminator_steps": "the unrolled steps are the discriminator's lead; more than one step is refused"}

    def check(self) -> None:
        """Refuses several discriminator steps, which would look ahead twice.

        Raises:
            InputError: with the reason and the cure.
        """
        super().check()
        if self.discriminator_steps > 1:
            raise InputError(
                f"discriminator_steps={self.discriminator_steps}: the unrolled steps already look ahead; "
                "leave it at 1 and set unroll_steps"
            )

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the generator's loss against the unrolled discriminator."""
        weights = self.discriminator.trainable_variables
        values = [tf.convert_to_tensor(weight) for weight in weights]
        for _ in range(self.unroll_steps):
            values = self.unrolled(values, real, fake, noise)
        pair = OBJECTIVES[self.objective]
        with keras.StatelessScope(list(zip(weights, values, strict=True))):
            if self.objective in ZERO_SUM:
                return {"adversarial": -pair.discriminator(self.scores(real), self.scores(fake))}
            return {"adversarial": pair.generator(self.scores(fake))}

    def unrolled(self, values: list[tf.Tensor], real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> list[tf.Tensor]:
        """Returns the discriminator's weights one gradient step after `values`, as a function of them and `fake`."""
        weights = self.discriminator.trainable_variables
        with tf.GradientTape() as tape, keras.StatelessScope(list(zip(weights, values, strict=True))):
            tape.watch(values)
            terms = self.discriminator_terms(real, fake, noise)
            terms |= self.penalty_terms("discriminator", real, fake, noise)
            loss = tf.add_n(list(terms.values())) / replica_count()
        gradients = summed(tape.gradient(loss, values, unconnected_gradients=tf.UnconnectedGradients.ZERO))
        if not self.unroll_gradient:
            gradients = [tf.stop_gradient(gradient) for gradient in gradients]
        return [value - self.unroll_rate * gradient for value, gradient in zip(values, gradients, strict=True)]
