"""Keras callbacks of a training run, and which of Keras' own a game of several optimizers can have."""

from ganzoo.callbacks.checks import check_callbacks
from ganzoo.callbacks.history import History
from ganzoo.callbacks.interruption import Interrupted, StopOnSignal, StopTogether, together
from ganzoo.callbacks.runs import ContinueEpoch, Progress, SampleGrids, SaveCheckpoints, StopOnNaN
from ganzoo.callbacks.scoring import PeriodicEvaluation
from ganzoo.callbacks.watch import CollapseWatch, last_good

__all__ = [
    "CollapseWatch",
    "ContinueEpoch",
    "History",
    "Interrupted",
    "PeriodicEvaluation",
    "Progress",
    "SampleGrids",
    "SaveCheckpoints",
    "StopOnNaN",
    "StopOnSignal",
    "StopTogether",
    "check_callbacks",
    "last_good",
    "together",
]
