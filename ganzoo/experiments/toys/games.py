"""The one setting in which every variant plays on points, and what is measured there."""

from collections.abc import Sequence

import numpy as np

from ganzoo.config import list_recipes
from ganzoo.data import Density
from ganzoo.experiments.lab import Game
from ganzoo.registry import list_models

BATCH = 256
SAMPLES = 2_500
SNAPSHOTS = 5  # checkpoints of a run, evenly spread
# RMSprop where a paper forbids momentum; else one Adam for all, at which games of this size move.
OPTIMIZERS = {
    "wgan": '{name = "rmsprop", learning_rate = 1e-3}',
    "consensus": '{name = "rmsprop", learning_rate = 1e-3}',
}
ADAM = '{name = "adam", learning_rate = 1e-3, beta_1 = 0.5, beta_2 = 0.9}'


def zoo_game(variant: str, dataset: str, rounds: int) -> Game:
    """Returns a variant's game on a density: its own recipe for points where it has one, else the common setting.

    The common setting: dense networks of 128 units, batches of 256, one optimizer.
    """
    common = (
        f"data.dataset={dataset}", f"data.batch_size={BATCH}", f"train.steps={rounds}", "train.deterministic=false",
        f"train.checkpoint_steps={max(1, rounds // SNAPSHOTS)}", f"train.keep_checkpoints={SNAPSHOTS}",
        f"train.evaluate_steps={max(1, rounds // SNAPSHOTS)}", f"train.evaluate_samples={SAMPLES}",
        "train.watch_steps=0", "gan.ema_momentum=0.0",
    )  # fmt: skip
    if f"{variant}_ring" in list_recipes():
        return Game(f"{variant}_ring", common)
    optimizer = OPTIMIZERS.get(variant, ADAM)
    return Game(variant, (*common, f"optimizer={optimizer}", "optimizers={}", "train.precision=float32"))


def zoo(dataset: str, rounds: int, names: Sequence[str] | None = None) -> dict[str, Game]:
    """Returns the games of all variants, or of some, by name."""
    return {name: zoo_game(name, dataset, rounds) for name in names or list_models()}


def spread(points: np.ndarray, density: Density) -> float:
    """Returns the standard deviation of points [N, D] over that of the modes, mean of the coordinates."""
    return float(points.std(axis=0).mean() / density.modes.std(axis=0).mean())
