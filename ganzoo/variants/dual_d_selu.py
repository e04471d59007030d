"""Dual-discriminator SELU GAN: two unlike discriminators between which the generator minimises KL(q || p).

The first discriminator scores data high; it is a residual network with minibatch discrimination, against mode
collapse. The second scores fakes high; its leaky ReLU and batch norm give way to SELU, for convergence. With p the
data density, q the generator's, and a and b the logits of D1 and D2, each discriminator minimises the usual
cross entropy, D2 with the labels swapped. The generator minimises E[-log D1 + log D2] = E[softplus(-a) -
softplus(-b)]: at the optimal discriminators its value is KL(q || p), and so is its gradient with them held fixed.

What follows from it: KL(q || p) is the mode-seeking direction, so nothing in the loss prevents collapse, minibatch
discrimination has to; where D2 is sure of a fake its term saturates, so D1 drives early training; the loss is
bounded on neither side.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import tensorflow as tf

from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.objectives import OBJECTIVES
from ganzoo.registry import register
from ganzoo.settings import one_of

# Name -> ((logits of D1 on fakes) -> term, (logits of D2 on fakes) -> term), each before the mean.
GENERATOR_OBJECTIVES = {
    "kl": (lambda a: tf.nn.softplus(-a), lambda b: -tf.nn.softplus(-b)),
    "minimax": (lambda a: -tf.nn.softplus(a), lambda b: -tf.nn.softplus(-b)),
    "nonsat": (lambda a: tf.nn.softplus(-a), tf.nn.softplus),
    "logit": (tf.negative, tf.zeros_like),
    "hinge": (tf.negative, tf.identity),
}


@register("dual_d_selu")
class DualDSELU(GAN):
    """A generator against a discriminator that favours data and a second one that favours fakes.

    Args:
        objective: of both discriminators: `"non_saturating"` (cross entropy) or `"hinge"`.
        generator_objective: what the generator minimises: `"kl"`, E[-log D1 + log D2] (eq. 5); `"minimax"`,
            E[log(1 - D1) + log D2] (eq. 6); `"nonsat"`, E[-log D1 - log(1 - D2)]; `"logit"`, E[-a], D1 alone;
            `"hinge"`, E[-a + b]. None: `"hinge"` beside the hinge objective, else `"kl"`.
        penalty: with `"interpolates"`, the paper's "gp", on the logits of both discriminators.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, second_discriminator/adversarial, generator/first, generator/second; with a
        penalty also discriminator/penalty, second_discriminator/penalty.

    Equations:
        D1: E_x sp(-a(x)) + E_z sp(a(G))
        D2: E_x sp(b(x)) + E_z sp(-b(G))
        G: E_z [sp(-a(G)) - sp(-b(G))]

    Source: Zhang, Li & Yu 2018, "On the convergence and mode collapse of GAN", SIGGRAPH Asia Technical Briefs,
        https://doi.org/10.1145/3283254.3283282, eqs. (5) to (10), tables 2 and 3.

    Paper: z ~ N(0, I), networks as named below; optimizer, batch and length are not given. The recipe has those of
        chainer-gan-lib's minibatch discrimination: Adam 1e-4 (0, 0.9), batch 64, 100,000 rounds.

    Deviation: eq. (5) prints log(-D), which its own eq. (9) shows to mean -log D. The architectures are in a
        supplement that is not public; these follow the paper's text and the code base it names, chainer-gan-lib:
        G is its DCGAN, D1 its residual critic with its minibatch discrimination, D2 its DCGAN discriminator with
        SELU. Hinge and gp are the usual ones (Lim & Ye 2017; Gulrajani et al. 2017, weight 10), the paper has
        no formula. Samples come from an averaged generator (`ema_momentum`; 0 is the paper's).
    """

    objective: Annotated[str, one_of(("non_saturating", "hinge"))] = "non_saturating"
    generator_objective: Annotated[str, one_of(GENERATOR_OBJECTIVES)] | None = None

    opponents: ClassVar = ("discriminator", "second_discriminator")
    default_networks: ClassVar[Mapping[str, Mapping]] = {
        "generator": {"architecture": "dcgan", "width": 64},
        "discriminator": {"architecture": "resnet", "width": 128, "minibatch_kernels": 100},
        "second_discriminator": {
            "architecture": "dcgan",
            "width": 64,
            "activation": "selu",
            "normalized": False,
        },
    }
    terms: ClassVar = {
        "discriminator": ("adversarial",),
        "second_discriminator": ("adversarial",),
        "generator": ("first", "second"),
    }

    def second_discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns what the second discriminator minimises: the first one's loss with data and fakes swapped."""
        scores = {
            "real": self.scores(real, "second_discriminator"),
            "fake": self.scores(fake, "second_discriminator"),
        }
        loss = OBJECTIVES[self.objective].discriminator(scores["fake"], scores["real"])
        return {"adversarial": loss}

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the two discriminators' parts of the generator's loss."""
        name = self.generator_objective or ("hinge" if self.objective == "hinge" else "kl")
        first, second = GENERATOR_OBJECTIVES[name]
        return {
            "first": tf.reduce_mean(first(self.scores(fake))),
            "second": tf.reduce_mean(second(self.scores(fake, "second_discriminator"))),
        }
