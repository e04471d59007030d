"""What every metric is given, takes and gives."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ganzoo.data import Examples
from ganzoo.evaluation.evaluators import Evaluator
from ganzoo.evaluation.records import Score
from ganzoo.evaluation.references import Reference

ROWS = 1024  # images, or pairs of them, that are taken at once


@dataclass(frozen=True)
class Setting:
    """What is compared with what.

    Args:
        count: Number of generated images.
        seed: Of choices among them.
        test: Real images that the generated ones are compared with.
        train: Real images of another split; None if there is none.
        evaluator: None if no metric asks one.
        reference: What the evaluator makes of `test`.
        floor: What it makes of as many images of `train` as are generated, or all of them; None without.
    """

    count: int
    seed: int
    test: Examples
    train: Examples | None = None
    evaluator: Evaluator | None = None
    reference: Reference | None = None
    floor: Reference | None = None


@dataclass(frozen=True)
class Batch:
    """Generated images uint8 [B, H, W, C], and what the evaluator makes of them if it was asked."""

    images: np.ndarray
    logits: np.ndarray | None = None
    features: np.ndarray | None = None


class Metric:
    """What computes one metric or several of like needs: `update` with every batch, then `scores`.

    Args:
        setting: What is compared with what.
        names: Those of its metrics that are asked for.
    """

    by_network: ClassVar[bool] = True  # whether it wants logits and features

    def __init__(self, setting: Setting, names: Sequence[str]):
        self.setting = setting
        self.names = names

    def update(self, batch: Batch) -> None:
        """Takes the next images."""

    def scores(self) -> list[Score]:
        """Returns the scores of all images seen; the evaluator's name is added to their names."""
        raise NotImplementedError

    def generated(self, metric: str, value: float, real: int = 0, count: int | None = None, **spread) -> Score:
        """Returns a score of the generated images, all if `count` is None."""
        count = self.setting.count if count is None else count
        return Score(metric, float(value), generated=count, real=real, **spread)


def of_mean(error: float | None) -> dict:
    """Returns the arguments of a `Score` whose spread is the standard error of a mean, if there is one."""
    return {} if error is None else {"spread": float(error), "spread_of": "mean"}
