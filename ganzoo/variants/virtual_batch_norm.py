"""Virtual batch norm: a generator whose images do not depend on the batch that they are made in.

With batch norm the fakes of a batch share their statistics, which ties them together: in small batches the tie
is seen, and an image is another one in another batch. Here a batch of latents, chosen once, sets the statistics, to
which each latent adds its own small share. The reference goes through the generator in every step, with the weights
of that step, and gradients flow through it.
"""

from collections.abc import Mapping
from typing import ClassVar

from ganzoo.gan import GAN
from ganzoo.registry import register


@register("virtual_batch_norm")
class VirtualBatchNorm(GAN):
    """The non-saturating game whose generator is normalised by a fixed reference batch.

    Args:
        **settings: see `GAN`; the latents in the reference batch are `networks.generator.reference_size`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.

    Terms: discriminator/adversarial, generator/adversarial.

    Equations:
        D: E_x sp(-a(x)) + E_z sp(a(G))
        G: E_z sp(-a(G))
        in G: (h - m) / sqrt(v + epsilon), m and v of n reference latents, n / (n + 1), and h itself, 1 / (n + 1)

    Source: Salimans et al. 2016, "Improved techniques for training GANs", https://arxiv.org/abs/1606.03498,
        section 3.5.

    Paper: in the generator alone, for its cost of two passes; the optimizer is not given.

    Deviation: optimizer, batch and networks are DCGAN's (Adam 2e-4 (0.5, 0.999), batch 128), the discriminator keeps
        batch norm. The reference goes through the generator in one batch with the latents, which is the same as a pass
        of its own. It has 64 latents from N(0, I). A generated image is the same in training and when sampled: there
        are no moving averages.

    Elsewhere: the authors' ImageNet code draws the reference latents from U(-1, 1), as its latents. One library keeps
        the statistics by the parity of its calls and leaves the example out of them.
    """

    default_networks: ClassVar[Mapping[str, Mapping]] = {
        "generator": {"architecture": "dcgan", "reference_size": 64},
        "discriminator": {"architecture": "dcgan"},
    }
