"""Every variant on points: whether it can be built there, what its rows say, who covers more modes."""

from types import SimpleNamespace

import numpy as np
import pytest

from ganzoo import config, experiments
from ganzoo.data import load
from ganzoo.experiments.lab import VERDICTS, Lab
from ganzoo.experiments.toys import games, level_sets, over_time, zoo


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
    ("plain", "other", "verdict", "found"),
    [
        ([20] * 5, 19, "confirmed", "5 of 6 (0 of the 1 others), the plain game 20.0: "),
        ([29.5] * 5, 19, "not confirmed", "4 of 6 "),
        ([28.5] * 5, 19, "not confirmed", "4 of 6 "),  # by half a mode is no lead
        ([20] * 5, 30, "not confirmed", "5 of 6 (1 of the 1 others)"),  # so does what is not made for it
        ([33, 33, 33, 33, 3], 19, "not confirmed", "0 of 6 "),  # ahead on one seed alone
        ([33] * 5, 19, VERDICTS[None], "0 of 6 "),
    ],
)
def test_who_covers_more_modes_than_the_plain_game(tmp_path, plain, other, verdict, found):
    lab = Lab(experiments.named("p-zoo"), tmp_path, tmp_path, budget="short", say=lambda line: None)
    held = {"non_saturating": plain, "minimax": [other] * 5}
    held |= {name: [value] * 5 for name, value in zip(zoo.CURES, (33.0, 32.0, 31.0, 31.0, 29.0, 10.0), strict=True)}
    zoo.judge(lab, {name: dict(enumerate(map(float, own))) for name, own in held.items()})
    assert lab.verdicts["covers"]["verdict"] == verdict
    assert lab.verdicts["covers"]["found"].startswith(found)


def test_the_shares_of_the_modes_nearest_to_points():
    density = load("ring8")
    points = 1.2 * density.modes[[3, 3, 3, 1, 1]]
    assert over_time.shares(points, density) == {"mode": 3, "most": 0.6, "least": 0.0, "near": 0.0}
    assert over_time.shares(density.modes + 0.03, density)["near"] == 1.0


def runs_of(diverged=()):
    """Returns game -> its runs of three seeds; of those named in `diverged` the last one did."""

    def own(name):
        finished = [True, True, name not in diverged]
        return [SimpleNamespace(seed=seed, finished=done) for seed, done in enumerate(finished)]

    return {name: own(name) for name in (*level_sets.VARIANTS, *over_time.UNROLLED)}


@pytest.mark.parametrize(
    ("diverged", "sharp", "flexible"),
    [
        ([], "confirmed", "confirmed"),
        (["dragan"], VERDICTS[None], VERDICTS[None]),
        (["non_saturating"], VERDICTS[None], "confirmed"),
        (["wgan_gp"], "confirmed", VERDICTS[None]),
    ],
)
def test_a_mean_over_seeds_is_not_judged_without_those_that_diverged(tmp_path, diverged, sharp, flexible):
    lab = Lab(experiments.named("k-fig4"), tmp_path, tmp_path, budget="short", say=lambda line: None)
    slopes = {"non_saturating": 9.0, "wgan_gp": 1.0, "dragan": 2.0}
    rows = [{"variant": name, "seed": run.seed, "step": step, "slope_at_real": slopes[name],
             "flexibility": slopes[name] + 0.1 * run.seed}
            for name, own in runs_of(diverged).items() if name in slopes
            for run in own for step in ((1, 2) if run.finished else (1,))]  # fmt: skip
    level_sets.judge_sharp(lab, rows, runs_of(diverged))
    level_sets.judge_flexible(lab, rows, runs_of(diverged))
    assert [lab.verdicts[name]["verdict"] for name in ("sharp", "flexible")] == [sharp, flexible]


def test_a_penalty_that_makes_slopes_larger_does_not_constrain_them(tmp_path):
    lab = Lab(experiments.named("k-fig4"), tmp_path, tmp_path, budget="short", say=lambda line: None)
    slopes = {"non_saturating": 0.4, "wgan_gp": 1.0, "dragan": 0.8}
    rows = [{"variant": name, "seed": 0, "step": 1, "slope_at_real": slope} for name, slope in slopes.items()]
    level_sets.judge_sharp(lab, rows, runs_of())
    assert lab.verdicts["sharp"]["verdict"] == "not confirmed"


def test_a_run_that_diverged_reaches_no_mode_after_the_last_round():
    assert level_sets.modes_of(SimpleNamespace(finished=False), load("ring8")) == 0


@pytest.mark.parametrize(
    ("diverged", "unrolled", "rotates"),
    [
        ([], "not confirmed", "not confirmed"),
        (["unrolled, 5 steps"], VERDICTS[None], "not confirmed"),
        (["unrolled, 0 steps"], VERDICTS[None], VERDICTS[None]),
    ],
)
def test_last_snapshots_are_not_judged_without_those_that_diverged(tmp_path, monkeypatch, diverged, unrolled, rotates):
    gan = SimpleNamespace(generate=lambda count, seed: np.repeat(load("ring8").modes, 5, 0).astype(np.float32))
    trained = runs_of(diverged)
    for run in (run for own in trained.values() for run in own):
        run.steps, run.snapshots = [1, 2], lambda: [(1, gan), (2, gan)]
    lab = Lab(experiments.named("a-mog-time"), tmp_path, tmp_path, budget="short", say=lambda line: None)
    monkeypatch.setattr(lab, "train", lambda games, partly: {name: trained[name] for name in over_time.UNROLLED})
    over_time.a_mog_time(lab)
    assert [lab.verdicts[name]["verdict"] for name in ("unrolled", "rotates")] == [unrolled, rotates]
