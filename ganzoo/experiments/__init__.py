"""The papers' experiments: each a function over the library that leaves tables, figures and verdicts on claims."""

from ganzoo.experiments.experiment import BUDGETS, Claim, Experiment, experiment, known, named
from ganzoo.experiments.lab import Lab
from ganzoo.experiments.reproduction import reproduce
from ganzoo.experiments.runs import Game, Trained

__all__ = [
    "BUDGETS",
    "Claim",
    "Experiment",
    "Game",
    "Lab",
    "Trained",
    "experiment",
    "known",
    "named",
    "reproduce",
]
