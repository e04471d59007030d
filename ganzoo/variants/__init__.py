"""The zoo: one file a paper."""

from ganzoo.variants.dcgan import DCGAN
from ganzoo.variants.dragan import DRAGAN
from ganzoo.variants.dual_d_selu import DualDSELU
from ganzoo.variants.imle import IMLE
from ganzoo.variants.mix_gan import MixGAN
from ganzoo.variants.self_contrastive import SelfContrastive

__all__ = ["DCGAN", "DRAGAN", "IMLE", "DualDSELU", "MixGAN", "SelfContrastive"]
