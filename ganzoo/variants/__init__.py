"""The zoo: one file a paper."""

from ganzoo.variants.dcgan import DCGAN
from ganzoo.variants.dfm import DFM
from ganzoo.variants.dragan import DRAGAN
from ganzoo.variants.dual_d_selu import DualDSELU
from ganzoo.variants.feature_matching import FeatureMatching
from ganzoo.variants.instance_noise import InstanceNoise
from ganzoo.variants.mdgan import MDGAN
from ganzoo.variants.minibatch_discrimination import MinibatchDiscriminationGAN
from ganzoo.variants.pacgan import PacGAN
from ganzoo.variants.virtual_batch_norm import VirtualBatchNorm

__all__ = [
    "DCGAN",
    "DFM",
    "DRAGAN",
    "MDGAN",
    "DualDSELU",
    "FeatureMatching",
    "InstanceNoise",
    "MinibatchDiscriminationGAN",
    "PacGAN",
    "VirtualBatchNorm",
]
