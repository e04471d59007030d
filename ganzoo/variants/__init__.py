"""The zoo: one file a paper."""

from ganzoo.variants.began import BEGAN
from ganzoo.variants.cramer import CramerGAN
from ganzoo.variants.d2gan import D2GAN
from ganzoo.variants.dcgan import DCGAN
from ganzoo.variants.dragan import DRAGAN
from ganzoo.variants.dual_d_selu import DualDSELU
from ganzoo.variants.ebgan import EBGAN, EBGANPT
from ganzoo.variants.loss_sensitive import LossSensitiveGAN

__all__ = [
    "BEGAN",
    "D2GAN",
    "DCGAN",
    "DRAGAN",
    "EBGAN",
    "EBGANPT",
    "CramerGAN",
    "DualDSELU",
    "LossSensitiveGAN",
]
