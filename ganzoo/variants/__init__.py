"""The zoo: one file a paper."""

from ganzoo.variants.averaged import Averaged
from ganzoo.variants.began import BEGAN
from ganzoo.variants.consensus import Consensus
from ganzoo.variants.cramer import CramerGAN
from ganzoo.variants.d2gan import D2GAN
from ganzoo.variants.dcgan import DCGAN
from ganzoo.variants.dfm import DFM
from ganzoo.variants.dragan import DRAGAN
from ganzoo.variants.dual_d_selu import DualDSELU
from ganzoo.variants.ebgan import EBGAN, EBGANPT
from ganzoo.variants.feature_matching import FeatureMatching
from ganzoo.variants.fgan import (
    FGANJS,
    FGANForwardKL,
    FGANPearson,
    FGANReverseKL,
    FGANSquaredHellinger,
    FGANTotalVariation,
)
from ganzoo.variants.hinge import Hinge
from ganzoo.variants.historical_averaging import HistoricalAveraging
from ganzoo.variants.imle import IMLE
from ganzoo.variants.instance_noise import InstanceNoise
from ganzoo.variants.label_smoothing import LabelSmoothing
from ganzoo.variants.locally_stable import LocallyStable
from ganzoo.variants.loss_sensitive import LossSensitiveGAN
from ganzoo.variants.lsgan import LSGAN
from ganzoo.variants.mdgan import MDGAN
from ganzoo.variants.minibatch_discrimination import MinibatchDiscriminationGAN
from ganzoo.variants.minimax import Minimax
from ganzoo.variants.mix_gan import MixGAN
from ganzoo.variants.non_saturating import NonSaturating
from ganzoo.variants.pacgan import PacGAN
from ganzoo.variants.r1 import R1
from ganzoo.variants.r3gan import R3GAN
from ganzoo.variants.regularized_fgan import RegularizedFGAN
from ganzoo.variants.relativistic import Relativistic
from ganzoo.variants.self_contrastive import SelfContrastive
from ganzoo.variants.sngan import SNGAN
from ganzoo.variants.unrolled import Unrolled
from ganzoo.variants.virtual_batch_norm import VirtualBatchNorm
from ganzoo.variants.wgan import WGAN
from ganzoo.variants.wgan_gp import WGANGP

__all__ = [
    "BEGAN",
    "D2GAN",
    "DCGAN",
    "DFM",
    "DRAGAN",
    "EBGAN",
    "EBGANPT",
    "FGANJS",
    "IMLE",
    "LSGAN",
    "MDGAN",
    "R1",
    "R3GAN",
    "SNGAN",
    "WGAN",
    "WGANGP",
    "Averaged",
    "Consensus",
    "CramerGAN",
    "DualDSELU",
    "FGANForwardKL",
    "FGANPearson",
    "FGANReverseKL",
    "FGANSquaredHellinger",
    "FGANTotalVariation",
    "FeatureMatching",
    "Hinge",
    "HistoricalAveraging",
    "InstanceNoise",
    "LabelSmoothing",
    "LocallyStable",
    "LossSensitiveGAN",
    "MinibatchDiscriminationGAN",
    "Minimax",
    "MixGAN",
    "NonSaturating",
    "PacGAN",
    "RegularizedFGAN",
    "Relativistic",
    "SelfContrastive",
    "Unrolled",
    "VirtualBatchNorm",
]
