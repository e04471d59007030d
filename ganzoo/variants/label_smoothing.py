"""One-sided label smoothing: a discriminator that is never asked to be sure of the data.

The label of the data is alpha = 0.9 in place of 1, so the optimal discriminator is alpha p / (p + q) and scores of
data end at log(alpha / (1 - alpha)) at most, where they no longer grow. It is one-sided because a label beta > 0 of
the fakes would add beta q to the numerator: where data are rare and fakes are not, D would then favour what the
generator makes already.
"""

from typing import Annotated

import pydantic
import tensorflow as tf

from ganzoo.gan import GAN, Terms
from ganzoo.noise import Stream
from ganzoo.objectives import OBJECTIVES
from ganzoo.registry import register
from ganzoo.settings import one_of


@register("label_smoothing")
class LabelSmoothing(GAN):
    """The non-saturating game whose discriminator learns label 0.9 for data, against overconfidence.

    Args:
        objective: `"non_saturating"` or `"minimax"`, the two with labels.
        real_label: what D is to say of data, the paper's alpha, above 0.5 and up to 1, which smooths nothing.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x [alpha sp(-a(x)) + (1 - alpha) sp(a(x))] + E_z sp(a(G))
        G: E_z sp(-a(G))

    Source: Salimans et al. 2016, "Improved techniques for training GANs", https://arxiv.org/abs/1606.03498,
        section 3.4.

    Paper: alpha about 0.9, beside the paper's other techniques; its ImageNet code has 0.75, Adam 4e-4 (0.5, 0.999),
        batch 64. There is no experiment with smoothing alone.

    Deviation: the recipe is DCGAN's, with smoothing and nothing else of the paper.
    """

    objective: Annotated[str, one_of(("minimax", "non_saturating"))] = "non_saturating"
    real_label: Annotated[float, pydantic.Field(gt=0.5, le=1)] = 0.9
    prior = "uniform"
    latent_dim = 100

    def discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the cross entropy with a smoothed label for data."""
        scores = self.scores(real)
        loss = OBJECTIVES[self.objective].discriminator(scores, self.scores(fake))
        # sp(a) - sp(-a) = a, so what a softer label adds is linear in the score.
        return {"adversarial": loss + (1.0 - self.real_label) * tf.reduce_mean(scores)}
