"""Self-contrastive estimation: a density that learns to tell the data from its own last guess.

Experimental, and for explicit densities alone: the generator has to be able to say log q(x), which the networks that
make images cannot. Noise-contrastive estimation trains a density inside a discriminator, D(x) = s(log q(x) - log n(x)),
against noise of a known density n. If n is a copy of the density, taken anew before every step, the expected gradient
is half that of maximum likelihood: D is 1/2 everywhere, so that the data push their log density up by 1/2, and the
copy's own samples push it down by 1/2, which is 0 on average. The optimal discriminator of a GAN gives its generator
another gradient.
"""

from collections.abc import Mapping
from typing import Annotated, ClassVar

import tensorflow as tf

from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.objectives import cross_entropy
from ganzoo.registry import register
from ganzoo.settings import Fixed, one_of


@register("self_contrastive")
class SelfContrastive(GAN):
    """An explicit density that learns to tell data from a frozen copy of itself; experimental, points only.

    Args:
        generator_objective: `"contrastive"`, the paper's; `"mle"`, the negative log likelihood, of which the other's
            gradient is half in expectation.
        prior: `"normal"`, that of the density.
        latent_dim: at least the numbers of a point; more are not used.
        networks: the generator's has `log_density(points)`, as `"affine_flow"` has.
        **settings: see `GAN`; those of opponents are refused, as there are none.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible, or the data are images.

    Terms: generator/contrastive; with `generator_objective="mle"` generator/mle in its place.

    Equations:
        G: E_x sp(-a(x)) + E_z sp(a(C)), a(x) = log q(x) - log c(x)
        c a copy of q that is taken anew before every step and held fixed, C = C(z) its samples

    Source: Goodfellow 2014, "On distinguishability criteria for estimating generative models",
        https://arxiv.org/abs/1412.6515, self-contrastive estimation.

    Paper: theory alone, without an experiment.

    Deviation: no second network holds the copy, since it would equal the first wherever it is used: it is the
        density itself without a gradient. The value of the term is therefore 2 log 2 at all times, and only its
        gradient says something; to watch the likelihood, evaluate with `generator_objective="mle"`.
    """

    generator_objective: Annotated[str, one_of(("contrastive", "mle"))] = "contrastive"
    prior: Annotated[str, one_of(("normal",))] = "normal"
    latent_dim = 2
    objective: Fixed = None
    penalty: Fixed = None

    opponents: ClassVar = ()
    default_networks: ClassVar[Mapping[str, Mapping]] = {"generator": {"architecture": "affine_flow"}}
    exempt: ClassVar = {
        "takes_colour_and_odd_sizes": "an explicit density of points; generators of images have none",
        "discriminator_steps": "there are no opponents to step",
        "simultaneous": "there is one player",
        "computes_in_bfloat16": "an explicit density is inverted: its networks are float32 under any policy",
    }

    @property
    def terms(self) -> Mapping[str, tuple[str, ...]]:
        """The keys of the generator's terms."""
        return {"generator": (self.generator_objective,)}

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the loss of the discriminator that the density and its copy make, or the likelihood's."""
        density = self.generator.log_density
        if self.generator_objective == "mle":
            return {"mle": -tf.reduce_mean(density(real))}

        def scores(points: tf.Tensor) -> tf.Tensor:
            log_density = density(points)
            return log_density - tf.stop_gradient(log_density)

        return {"contrastive": cross_entropy(scores(real), scores(tf.stop_gradient(fake)))}
