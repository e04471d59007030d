"""DRAGAN: a discriminator kept smooth around the data.

Its authors see a GAN as regret minimisation and mode collapse as an undesirable local equilibrium, which shows as
sharp gradients of the discriminator around real points. The cure is a penalty on its gradient near the data
only, so that the discriminator stays free elsewhere (WGAN-GP constrains it between data and fakes).
"""

from typing import Annotated

from ganzoo.gan import GAN
from ganzoo.penalties import POINTS
from ganzoo.registry import register
from ganzoo.settings import one_of


@register("dragan")
class DRAGAN(GAN):
    """The non-saturating game with the norm of D's gradient near the data drawn to 1.

    Args:
        penalty: where "near the data" is: `"author_noise"` (the authors' notebook), `"gaussian_noise"` (as the
            paper prints it), `"chainer_noise"`, `"compare_gan_noise"`: the four published rules.
        penalty_form: `"two_sided"` (all experiments of the paper), `"one_sided"`, `"plain"`.
        penalty_weight: the paper's lambda.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, discriminator/penalty, generator/adversarial.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G)) + lambda E_x (||grad a(x + delta)|| - 1)^2
        G: E_z sp(-a(G))
        delta = u * std / 2 * U, u ~ U(0, 1) an example, U ~ U(0, 1) a pixel, std of the batch

    Source: Kodali et al. 2018, "On convergence and stability of GANs", https://arxiv.org/abs/1705.07215,
        section 2.4, eq. (1).

    Paper: lambda 10, k 1, c 10, one discriminator step, networks of DCGAN; Adam 1e-4 (0.5, 0.9), batch 128 on MNIST in
        the authors' notebook, the setting on CIFAR-10 is not given.

    Deviation: the paper adds Gaussian noise; the default is its authors' notebook, uniform noise of a random
        reach scaled by the batch's standard deviation. The norm is that of the logit's gradient, as in every
        public code, where the paper writes D as a probability. The discriminator has no batch norm, since the
        penalty is one of single examples (the paper kept it). The paper prints E[||g|| - k]^2 for E[(||g|| - k)^2].
        The notebook has images in [0, 1]; of images in [-1, 1], where slopes are half as large, its penalty is that of
        `penalty_weight` 40 and `penalty_target` 0.5. The default is the paper's 10 and 1, as in chainer-gan-lib.

    Elsewhere: chainer-gan-lib takes the standard deviation per pixel and no u; compare_gan centres the noise and
        clips to the range of pixels; both are settings here.
    """

    penalty: Annotated[str, one_of(POINTS)] | None = "author_noise"
    default_networks = {
        "generator": {"architecture": "dcgan"},
        "discriminator": {"architecture": "dcgan", "normalized": False},
    }
