"""Minibatch discrimination: a discriminator that sees how alike the images of a batch are.

One that scores each image by itself cannot tell a collapsed generator from a good one. Here each image's features
are joined by how near they are to those of the rest of the batch, in a hundred learned kernels: a batch of fakes
that are all alike gives itself away, and the generator gets a gradient that parts them.
"""

from collections.abc import Mapping
from typing import ClassVar

from ganzoo.gan import GAN
from ganzoo.registry import register


@register("minibatch_discrimination")
class MinibatchDiscriminationGAN(GAN):
    """The non-saturating game with a discriminator that compares the images of a batch.

    Args:
        **settings: see `GAN`; the kernels are `networks.discriminator.minibatch_kernels` and `minibatch_dim`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G)), a(x_i) = w [f(x_i), o(x_i)] + b
        G: E_z sp(-a(G))
        o_b(x_i) = sum over j != i of exp(-|M_ib - M_jb|_1), M_i = f(x_i) T, data and fakes each among themselves

    Source: Salimans et al. 2016, "Improved techniques for training GANs", https://arxiv.org/abs/1606.03498,
        section 3.2.

    Paper: in the authors' code on CIFAR-10 100 kernels of 5 numbers, T with weight norm per kernel, a learned scale
        and a bias of -1, all initialised from data; Adam 3e-4 (0.5, 0.999); the generator, with the saturating loss,
        steps three times for one step of the discriminator.

    Deviation: the setting is chainer-gan-lib's: 100 kernels of 5, T ~ N(0, 0.02^2) without bias or scale, Adam 1e-4
        (0, 0.9), batch 64, both players stepped from the same weights, z ~ U(-1, 1)^128. It leaves out batch norm on
        the discriminator's last convolution, which has it here, as the others. The paper's sum takes in j = i, which
        adds 1; its code leaves it out, as this one.

    Elsewhere: the authors' ImageNet code has 300 kernels of 50 and takes means where the paper has sums; the layer's
        `normalize` does that.
    """

    simultaneous = True
    prior = "uniform"
    default_networks: ClassVar[Mapping[str, Mapping]] = {
        "generator": {"architecture": "dcgan"},
        "discriminator": {"architecture": "dcgan", "minibatch_kernels": 100, "minibatch_dim": 5},
    }
