"""DCGAN: which convolutional networks make a GAN train.

The paper's rules: strides instead of pooling, batch norm in both networks (but not at the generator's output
and the discriminator's input), ReLU in the generator with tanh at its end, leaky ReLU in the discriminator.
The game is the non-saturating one of Goodfellow et al. 2014.
"""

from ganzoo.gan import GAN
from ganzoo.registry import register


@register("dcgan")
class DCGAN(GAN):
    """The non-saturating game between two convolutional networks with batch norm.

    Args:
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G))
        G: E_z sp(-a(G))

    Source: Radford et al. 2015, "Unsupervised representation learning with deep convolutional generative
        adversarial networks", https://arxiv.org/abs/1511.06434; the game: Goodfellow et al. 2014,
        https://arxiv.org/abs/1406.2661, section 3.

    Paper: Adam 2e-4 (0.5, 0.999), batch 128, z ~ U(-1, 1)^100, weights N(0, 0.02^2); both players once a batch.

    Deviation: the paper's networks make 64x64 images with 5x5 kernels; these are the seven-layer 32x32
        networks of chainer-gan-lib, by which dual_d_selu's paper compared.
    """

    prior = "uniform"
    latent_dim = 100
