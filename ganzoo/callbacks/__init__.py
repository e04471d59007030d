"""Keras callbacks of a training run, and which of Keras' own a game of several optimizers can have."""

from ganzoo.callbacks.checks import check_callbacks
from ganzoo.callbacks.history import History
from ganzoo.callbacks.runs import Progress, SampleGrids, SaveCheckpoints, StopOnNaN, StopTogether
from ganzoo.callbacks.scoring import PeriodicEvaluation
from ganzoo.callbacks.watch import CollapseWatch

__all__ = [
    "CollapseWatch",
    "History",
    "PeriodicEvaluation",
    "Progress",
    "SampleGrids",
    "SaveCheckpoints",
    "StopOnNaN",
    "StopTogether",
    "check_callbacks",
]
