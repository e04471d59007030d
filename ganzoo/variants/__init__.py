"""The zoo: one file a paper."""

from ganzoo.variants.dcgan import DCGAN
from ganzoo.variants.dragan import DRAGAN
from ganzoo.variants.dual_d_selu import DualDSELU

__all__ = ["DCGAN", "DRAGAN", "DualDSELU"]
