"""Scores of images by name: each metric takes them batch by batch and gives its scores at the end.

Beside most stands the same score of real images, `real_<metric>`, with its own counts; of FID and neighbours it is of
as many images as are generated: what a perfect generator would get.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from ganzoo.evaluation.metrics.diversity import MSSSIM, Modes, ModeScore, Neighbours
from ganzoo.evaluation.metrics.metric import Batch, Metric, Setting
from ganzoo.evaluation.metrics.nearness import Memorisation, Parzen
from ganzoo.evaluation.metrics.quality import FID, KID, ByTFGAN, ClassifierScore
from ganzoo.evaluation.records import Score

__all__ = ["METRICS", "METRICS_BY_TFGAN", "Batch", "Metric", "Setting", "named", "of_names"]

METRICS = {
    "classifier_score": ClassifierScore,
    "inception_score": ClassifierScore,
    "fid": FID,
    "kid": KID,
    "precision_recall": Neighbours,
    "density_coverage": Neighbours,
    "modes": Modes,
    "mode_score": ModeScore,
    "ms_ssim": MSSSIM,
    "parzen": Parzen,
    "memorisation": Memorisation,
}
METRICS_BY_TFGAN = METRICS | dict.fromkeys(("classifier_score", "inception_score", "fid", "kid"), ByTFGAN)


def of_names(names: Sequence[str], setting: Setting, table: Mapping[str, type[Metric]] = METRICS) -> list[Metric]:
    """Returns what computes the metrics of these names; each class once, for all of its names."""
    asked = {}
    for name in names:
        asked.setdefault(table[name], []).append(name)
    return [metric(setting, its_names) for metric, its_names in asked.items()]


def named(scores: Sequence[Score], metric: Metric) -> list[Score]:
    """Returns the scores with the name of the network that was asked for them."""
    if not metric.by_network:
        return list(scores)
    name = metric.setting.evaluator.name
    return [dataclasses.replace(score, metric=f"{score.metric}/{name}") for score in scores]
