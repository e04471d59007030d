"""The zoo: one file a paper."""

from ganzoo.variants.dcgan import DCGAN
from ganzoo.variants.dragan import DRAGAN
from ganzoo.variants.dual_d_selu import DualDSELU
from ganzoo.variants.hinge import Hinge
from ganzoo.variants.label_smoothing import LabelSmoothing
from ganzoo.variants.lsgan import LSGAN
from ganzoo.variants.minimax import Minimax
from ganzoo.variants.non_saturating import NonSaturating
from ganzoo.variants.r1 import R1
from ganzoo.variants.wgan import WGAN
from ganzoo.variants.wgan_gp import WGANGP

__all__ = [
    "DCGAN",
    "DRAGAN",
    "LSGAN",
    "R1",
    "WGAN",
    "WGANGP",
    "DualDSELU",
    "Hinge",
    "LabelSmoothing",
    "Minimax",
    "NonSaturating",
]
