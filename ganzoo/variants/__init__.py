"""The zoo: one file a paper."""

from ganzoo.variants.averaged import Averaged
from ganzoo.variants.consensus import Consensus
from ganzoo.variants.dcgan import DCGAN
from ganzoo.variants.dragan import DRAGAN
from ganzoo.variants.dual_d_selu import DualDSELU
from ganzoo.variants.historical_averaging import HistoricalAveraging
from ganzoo.variants.locally_stable import LocallyStable
from ganzoo.variants.unrolled import Unrolled

__all__ = [
    "DCGAN",
    "DRAGAN",
    "Averaged",
    "Consensus",
    "DualDSELU",
    "HistoricalAveraging",
    "LocallyStable",
    "Unrolled",
]
