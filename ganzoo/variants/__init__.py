"""The zoo: one file a paper."""

from ganzoo.variants.dcgan import DCGAN
from ganzoo.variants.dragan import DRAGAN
from ganzoo.variants.dual_d_selu import DualDSELU
from ganzoo.variants.fgan import (
    FGANJS,
    FGANForwardKL,
    FGANPearson,
    FGANReverseKL,
    FGANSquaredHellinger,
    FGANTotalVariation,
)
from ganzoo.variants.r3gan import R3GAN
from ganzoo.variants.regularized_fgan import RegularizedFGAN
from ganzoo.variants.relativistic import Relativistic
from ganzoo.variants.sngan import SNGAN

__all__ = [
    "DCGAN",
    "DRAGAN",
    "FGANJS",
    "R3GAN",
    "SNGAN",
    "DualDSELU",
    "FGANForwardKL",
    "FGANPearson",
    "FGANReverseKL",
    "FGANSquaredHellinger",
    "FGANTotalVariation",
    "RegularizedFGAN",
    "Relativistic",
]
