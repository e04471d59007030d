"""Regularised f-GAN: what noise on the images would do to the discriminator, computed instead of drawn.

Data and fakes lie on thin sets that hardly meet, where f-divergences say nothing. Noise on both makes them meet, but
takes many samples. To first order in the variance gamma, noise changes the discriminator's objective by a penalty on
its gradient, weighted by how undecided it is at each example; the paper adds this penalty instead of the noise.
"""

from typing import Annotated, ClassVar

import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.objectives import OBJECTIVES
from ganzoo.penalties import squared_gradient_norms
from ganzoo.registry import register
from ganzoo.settings import Fixed, NonNegativeFloat, NonNegativeInt, one_of

# Objectives whose score is the logit of D.
LOGITS = ("non_saturating", "minimax", "js", "js_saddle")


@register("regularized_fgan")
class RegularizedFGAN(GAN):
    """The non-saturating game with a penalty that stands for noise on data and fakes.

    Args:
        regularizer_form: `"js"`, of data and fakes, for objectives whose score is a logit; `"fgan"`, of fakes alone,
            for any f-divergence with a curved f*: `"pearson"`, `"forward_kl_saddle"`, ...
        regularizer_weight: gamma, the variance of the noise that the penalty stands for, in [-1, 1] pixels; at first.
        regularizer_steps: rounds in which gamma falls to a hundredth, exponentially, and so on; 0: it stays.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible; if the objective does not go with the form.

    Terms: discriminator/adversarial, discriminator/regularizer, generator/adversarial.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G)) + gamma/2 Omega
        G: E_z sp(-a(G))
        js: Omega = E_x (1 - s(a(x)))^2 ||grad a(x)||^2 + E_z s(a(G))^2 ||grad a(G)||^2
        fgan: Omega = E_z f*''(T(G)) ||grad T(G)||^2, T = g_f(a)
        gamma = gamma_0 0.01^(round / steps)

    Source: Roth et al. 2017, "Stabilizing training of generative adversarial networks through regularization",
        https://arxiv.org/abs/1705.09367; https://github.com/rothk/Stabilizing_GANs.

    Paper: DCGAN's networks and Adam 2e-4 (0.5, 0.999); gamma 0.1, or from 2 falling to a hundredth over the run.

    Deviation: the discriminator has no batch norm, since the penalty is one of single examples (the authors kept
        it). The two forms are equal at the optimal discriminator alone; the gradient also flows through the weights,
        as in the authors' code.
    """

    regularizer_form: Annotated[str, one_of(("js", "fgan"))] = "js"
    regularizer_weight: NonNegativeFloat = 0.1
    regularizer_steps: NonNegativeInt = 0
    penalty: Fixed = None
    penalty_form: Fixed = None
    penalty_weight: Fixed = None
    penalty_target: Fixed = None
    penalty_noise_scale: Fixed = None

    own_penalty: ClassVar = True
    terms: ClassVar = {"discriminator": ("adversarial", "regularizer"), "generator": ("adversarial",)}
    default_networks: ClassVar = {
        "generator": {"architecture": "dcgan"},
        "discriminator": {"architecture": "dcgan", "normalized": False},
    }

    def check(self) -> None:
        """Refuses an objective that does not go with the form."""
        super().check()
        curved = [name for name, objective in OBJECTIVES.items() if objective.curvature]
        form = self.regularizer_form
        known, reason = (LOGITS, "a score must be a logit") if form == "js" else (curved, "f* must be curved")
        if self.objective not in known:
            raise InputError(
                f"objective={self.objective!r} with regularizer_form={form!r}: {reason}; use one of {', '.join(known)}"
            )

    def penalty_terms(self, opponent: str, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the discriminator's weighted regulariser."""
        if opponent != "discriminator":
            return {}
        if self.regularizer_form == "js":
            omega = self.smoothness(real, lambda a: tf.square(tf.sigmoid(-a)))
            omega += self.smoothness(fake, lambda a: tf.square(tf.sigmoid(a)))
        else:
            omega = self.smoothness(fake, OBJECTIVES[self.objective].curvature)
        return {"regularizer": self.gamma() / 2.0 * omega}

    def smoothness(self, points: tf.Tensor, weight) -> tf.Tensor:
        """Returns E[weight(a) ||grad a||^2] over `points`."""
        weights = tf.squeeze(weight(self.scores(points)), 1)
        return tf.reduce_mean(weights * squared_gradient_norms(self.scores, points))

    def gamma(self) -> tf.Tensor | float:
        """Returns this round's gamma."""
        if not self.regularizer_steps:
            return self.regularizer_weight
        return self.regularizer_weight * 0.01 ** (tf.cast(self.step.value, tf.float32) / self.regularizer_steps)
