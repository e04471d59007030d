"""Every variant on points: whether it can be built there, what its rows say, who covers more modes."""

from types import SimpleNamespace

import numpy as np
import pytest

from ganzoo import config, experiments
from ganzoo.data import load
from ganzoo.experiments.lab import VERDICTS, Lab
from ganzoo.experiments.toys import games, over_time, zoo


def test_every_variant_is_built_for_points():
    """Optimizers are checked by the game, when it is compiled; networks are small."""
    for name, game in games.zoo("ring8", 10).items():
        gan = config.build(config.load_recipe(game.recipe, game.changes), image_shape=(2,))
        assert sum(np.prod(each.shape) for each in gan.weights) < 1_000_000, name


def test_a_variant_that_diverged_has_no_mode():
    run = SimpleNamespace(scores=[{"modes_covered": 8.0}], seed=0, status="diverged", seconds=1.0, finished=False)
    assert zoo.row_of(run, load("ring8"))["held"] == zoo.row_of(run, load("ring8"))["modes"] == 0.0


def test_a_mode_is_held_by_a_quarter_of_its_share():
    """Of 8 modes and 800 points by 25 within three standard deviations, not by 24."""
    density = load("ring8")
    points = np.concatenate([density.modes[[0] * 750 + [1] * 25 + [2] * 24], density.modes[[3]] + 0.05])
    assert zoo.held_modes(points.astype(np.float32), density) == 2


@pytest.mark.parametrize(
    ("plain", "other", "verdict"),
    [
        (20.0, 19.0, "confirmed"),
        (29.5, 19.0, "not confirmed"),  # four alone hold more
        (20.0, 30.0, "not confirmed"),  # so does what is not made for it
        (33.0, 19.0, VERDICTS[None]),
    ],
)
def test_who_covers_more_modes_than_the_plain_game(tmp_path, plain, other, verdict):
    lab = Lab(experiments.named("p-zoo"), tmp_path, tmp_path, budget="short", say=lambda line: None)
    cures = dict(zip(zoo.CURES, (33.0, 32.0, 30.0, 30.0, 29.0, 10.0), strict=True))
    zoo.judge(lab, {"non_saturating": plain, "minimax": other, **cures})
    assert lab.verdicts["covers"]["verdict"] == verdict


def test_the_shares_of_the_modes_nearest_to_points():
    density = load("ring8")
    points = 1.2 * density.modes[[3, 3, 3, 1, 1]]
    assert over_time.shares(points, density) == {"mode": 3, "most": 0.6, "least": 0.0, "near": 0.0}
    assert over_time.shares(density.modes + 0.03, density)["near"] == 1.0
