"""The arithmetic of the experiments on MNIST, against closed forms."""

import itertools
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import config, experiments
from ganzoo.experiments.lab import Lab
from ganzoo.experiments.mnist import frozen, measures, one_layer, sharpness, stacked
from ganzoo.experiments.runs import Trained
from ganzoo.objectives import minimax, non_saturating

TINY = '{architecture = "mlp", width = 4, depth = 1}'


def tiny(**settings):
    """Returns a small game of points."""
    changes = (f"gan.networks.generator={TINY}", f"gan.networks.discriminator={TINY}", "data.dataset=ring8")
    return config.build(config.load_recipe("non_saturating", changes), image_shape=(2,), latent_dim=3, **settings)


def dense(inputs, kernel, bias=0.0):
    """Returns a linear model with that kernel [inputs, outputs]."""
    kernel = np.asarray(kernel, np.float32)
    layer = keras.layers.Dense(kernel.shape[1])
    model = keras.Sequential([keras.Input((inputs,)), layer])
    layer.set_weights([kernel, np.full(kernel.shape[1], bias, np.float32)])
    return model


# What is measured.


def test_slopes_of_a_linear_score():
    """a(x) = 3 x + 4 y: ||grad a||^2 = 25; at 0, s' = 1/4."""
    game = types.SimpleNamespace(discriminator=dense(2, [[3.0], [4.0]]))
    found = measures.slopes(game, tf.zeros((5, 2)))
    assert found["logit"] == pytest.approx(25)
    assert found["probability"] == pytest.approx(25 / 16)
    far = measures.slopes(game, tf.ones((5, 2)))
    assert far["logit"] == pytest.approx(25)
    assert far["probability"] == pytest.approx(25 * (np.exp(-7) / (1 + np.exp(-7)) ** 2) ** 2, rel=1e-3)


def test_each_value_is_held_against_those_before_it():
    np.testing.assert_allclose(measures.against_before([1, 2, 3, 4, 1], window=3), [4 / 2, 1 / 3])
    assert len(measures.against_before([1, 2, 3], window=3)) == 0
    np.testing.assert_allclose(measures.against_before(np.full(30, 7.0)), np.ones(20))


def test_roughness_is_change_over_size():
    assert measures.roughness([1, 3, 1, 3]) == pytest.approx(1.0)  # 2 off the mean of the neighbours, sizes of 2
    assert measures.roughness([5, 5, 5]) == 0
    assert measures.roughness([1, 4, 7, 10]) == 0  # a drift
    assert np.isnan(measures.roughness([1, 2]))


class ByLevel:
    """Takes an image's level for its class, of ten, and is sure."""

    def predict(self, images):
        classes = images.reshape(len(images), -1)[:, 0]
        return 50.0 * np.eye(10, dtype=np.float32)[classes], None


def scored(levels):
    images = np.asarray(levels, np.uint8)[:, None, None, None]
    game = types.SimpleNamespace(generate=lambda count, seed, averaged: images)
    return measures.sample_scores(ByLevel(), len(images))(game)


def test_scores_of_samples():
    even = scored(list(range(10)) * 10)
    assert even["classifier_score"] == pytest.approx(10)
    assert (even["modes"], even["alive"]) == (10, 10)
    assert even["reverse_kl"] == pytest.approx(0, abs=1e-9)
    one = scored([3] * 100)
    assert one["classifier_score"] == pytest.approx(1)
    assert one["reverse_kl"] == pytest.approx(np.log(10))
    rare = scored([3] * 99 + [4])  # 1 % is reached, and not alive
    assert (rare["modes"], rare["alive"]) == (2, 1)


def test_what_is_measured_once_is_not_measured_again(tmp_path, monkeypatch):
    run = types.SimpleNamespace(model_dir=tmp_path, steps=3)
    trained = Trained(run, seed=0, status="finished")
    held = [1, 2]
    monkeypatch.setattr(Trained, "steps", property(lambda self: list(held)))
    monkeypatch.setattr(Trained, "snapshots", lambda self, steps: ((step, step) for step in steps))
    asked = []

    def measure(gan):
        asked.append(gan)
        return {"double": 2.0 * gan + 1 / 3}

    first = trained.measured("doubles", measure)
    assert trained.measured("doubles", measure) == first
    assert asked == [1, 2]
    held.append(3)
    assert trained.measured("doubles", measure)[:2] == first
    assert asked == [1, 2, 3]
    assert [row["step"] for row in first] == [1, 2]


# One hidden layer.


def test_falls_are_where_the_score_drops():
    """Ten equal scores, then half of it twice among equal ones; the norm is three times as large exactly there."""
    score, norm = np.full(30, 8.0), np.full(30, 2.0)
    score[[15, 20]], norm[[15, 20]] = 4.0, 6.0
    found = sharpness.in_falls(score, norm)
    assert found["falls"] == 2
    assert found["ratio"] == pytest.approx(3)
    assert found["spearman"] == pytest.approx(-1)
    assert np.isnan(sharpness.in_falls(np.full(30, 8.0), norm)["ratio"])


def test_a_run_collapses_if_its_score_falls_or_ends_low():
    steady = np.linspace(1, 9, 40)
    assert one_layer.kept(steady) == {"best": 9, "last": 9, "falls": 0, "collapsed": False}
    dip = steady.copy()
    dip[25] = 2
    assert one_layer.kept(dip)["collapsed"]
    slow = np.concatenate([steady, 9 * 0.99 ** np.arange(80)])  # 5 % below the median of ten before, and 55 % in all
    assert one_layer.kept(slow)["falls"] == 0
    assert one_layer.kept(slow)["collapsed"]
    assert one_layer.kept(steady, finished=False)["collapsed"]
    assert one_layer.kept(np.zeros(0))["collapsed"]


def test_rows_are_parted_by_game_and_seed():
    rows = [{"game": game, "seed": seed, "x": 10 * seed + step} for game in "ab" for seed in (0, 1) for step in (1, 2)]
    first, second = one_layer.series(rows, "b", "x").values()
    assert (first.tolist(), second.tolist()) == ([1, 2], [11, 12])


GOOD, BAD = np.full(40, 8.0), np.concatenate([np.full(39, 8.0), [1.0]])
NONE = np.zeros(0)  # of a run that diverged before its first checkpoint


@pytest.mark.parametrize(
    ("plain", "penalised", "collapses", "mitigated"),
    [
        ((BAD, BAD, GOOD), (GOOD, GOOD, GOOD), "confirmed", "confirmed"),
        ((BAD, BAD, GOOD), (GOOD, GOOD, BAD), "confirmed", "not confirmed"),
        ((GOOD, BAD, GOOD), (GOOD, GOOD, GOOD), "not confirmed", "not tested at this scale"),  # nothing to mitigate
        ((GOOD, GOOD, GOOD), (GOOD, BAD, GOOD), "not confirmed", "not confirmed"),
        ((NONE, NONE, NONE), (GOOD, GOOD, GOOD), "confirmed", "confirmed"),
        ((NONE, NONE, GOOD), (NONE, NONE, NONE), "confirmed", "not confirmed"),
        ((NONE, NONE, NONE), (NONE, NONE, NONE), "confirmed", "not confirmed"),
    ],
)
def test_rule_of_the_one_hidden_layer(monkeypatch, tmp_path, plain, penalised, collapses, mitigated):
    lab = Lab(experiments.named("k-fig3"), tmp_path, tmp_path, budget="short", say=lambda line: None)
    values = dict(zip(one_layer.GAMES, (plain, penalised), strict=True))
    runs = [types.SimpleNamespace(seed=seed, status="finished", finished=True) for seed in range(3)]
    monkeypatch.setattr(lab, "train", lambda games, partly: dict.fromkeys(games, runs))
    rows = [
        {"game": name, "seed": seed, "step": step, "classifier_score": score}
        for name, own in values.items()
        for seed, scores in enumerate(own)
        for step, score in enumerate(scores)
    ]
    monkeypatch.setattr(one_layer, "scores", lambda lab, runs: rows)
    one_layer.k_fig3(lab)
    found = {claim: told["verdict"] for claim, told in lab.verdicts.items()}
    assert found == {"collapses": collapses, "mitigated": mitigated}


# One player held.


def test_norm_and_spread_of_gradients():
    found = frozen.size_and_spread(np.array([[3.0, 4.0], [3.0, 6.0], [3.0, 2.0], [3.0, 4.0]]))
    assert found["norm_of_mean"] == pytest.approx(5)
    assert found["spread"] == pytest.approx(np.sqrt(2))


@pytest.mark.parametrize(("finished", "verdict"), [(True, "confirmed"), (False, "not tested at this scale")])
def test_held_generators_are_not_judged_without_the_seeds_that_diverged(tmp_path, finished, verdict):
    lab = Lab(experiments.named("a-frozen-g"), tmp_path, tmp_path, budget="short", say=lambda line: None)
    lab.trained = {tmp_path: types.SimpleNamespace(played=True, finished=finished)}
    sizes = {"log(1 - D)": {100: 1.0, 4_000: 0.001}, "-log D": {100: 1.0, 4_000: 9.0}}
    rows = [{"epoch": epoch, "seed": 0, "step": step, "loss": loss, "probability": 0.001, "norm_of_mean": size,
             "spread": size} for epoch in frozen.EPOCHS for loss, own in sizes.items()
            for step, size in own.items()]  # fmt: skip
    frozen.judge_gradients(lab, rows)
    assert {claim: told["verdict"] for claim, told in lab.verdicts.items()} == {"saturates": verdict, "grows": verdict}


@pytest.mark.parametrize(("player", "other"), [("discriminator", "generator"), ("generator", "discriminator")])
def test_the_other_player_is_held(player, other):
    game = tiny()
    weights = {name: getattr(game, name).get_weights() for name in (player, other)}
    batches = itertools.repeat(tf.ones((8, 2)))
    assert list(frozen.alone(game, player, batches, (0, 3))) == [0, 3]
    assert int(game.optimizers[player].iterations) == 3
    assert all(np.array_equal(*pair) for pair in zip(weights[other], getattr(game, other).get_weights(), strict=True))
    moved = zip(weights[player], getattr(game, player).get_weights(), strict=True)
    assert any(not np.array_equal(*pair) for pair in moved)


@pytest.mark.parametrize(("objective", "rises"), [("non_saturating", False), (frozen.ASCENDING, True)])
def test_the_generator_ascends_a_held_logit_also_where_the_discriminator_is_sure(objective, rises):
    game = tiny(
        objective=objective,
        networks={"generator": {"architecture": "mlp", "width": 4}, "discriminator": dense(2, [[1.0], [1.0]], 60.0)},
    )
    batches = itertools.repeat(tf.zeros((64, 2)))
    first, last = (
        float(tf.reduce_mean(game.scores(game.generate(1_000, seed=1, averaged=False))))
        for _ in frozen.alone(game, "generator", batches, (0, 50))
    )
    assert (last > first + 0.02) == rises


def test_gradients_of_the_two_losses_are_in_the_ratio_of_their_slopes():
    """D = s(c) wherever G goes but for a small slope: d log(1 - D) = -s(c) da, d -log D = -(1 - s(c)) da."""
    kernel, level = [[1e-4], [2e-4]], -3.0
    game = tiny(networks={"generator": {"architecture": "mlp", "width": 4}, "discriminator": dense(2, kernel, level)})
    saturating, other = (frozen.weight_gradients(game, loss, batches=2)() for loss in (minimax, non_saturating))
    assert saturating.shape == (2, sum(np.prod(w.shape) for w in game.generator.trainable_variables))
    kept = np.abs(other) > 1e-7
    np.testing.assert_allclose(saturating[kept] / other[kept], np.exp(level), rtol=5e-3)


def test_variety_of_a_linear_generator():
    """G(z) = diag(3, 4) z, z uniform on (-1, 1): ||J||^2 = 25, variances 9/3 and 16/3; D = s(0)."""
    game = tiny(
        prior="uniform",
        networks={"generator": dense(3, [[3, 0], [0, 4], [0, 0]]), "discriminator": dense(2, [[0.0], [0.0]])},
    )
    found = frozen.variety(game, 20_000)
    assert found["slope"] == pytest.approx(5, rel=0.02)
    assert found["spread"] == pytest.approx(np.sqrt((9 + 16) / 6), rel=0.02)
    assert found["probability"] == pytest.approx(0.5)


# Stacked MNIST.


UNTOLD = "not tested at this scale"


def short_games(names=None):
    return stacked.games(types.SimpleNamespace(budget="short", choose=lambda **options: options["short"]), names)


def test_games_are_recipes_that_can_be_built():
    games = short_games()
    assert len({game.name for game in games.values()}) == 9
    for name, game in games.items():
        built = config.build(config.load_recipe(game.recipe, game.changes), image_shape=(28, 28, 3))
        assert built.generator.output_shape == (None, 28, 28, 3), name


def test_the_discriminator_shrinks_and_the_generator_does_not():
    games = short_games(tuple(stacked.SHARES))
    specs = [config.load_recipe(game.recipe, game.changes).gan["networks"] for game in games.values()]
    assert [spec["discriminator"]["width"] for spec in specs] == [16, 8, 4]
    assert [spec["generator"]["width"] for spec in specs] == [16] * 3


def test_a_run_without_scores_stays_in_the_table():
    rows = [
        {"game": "a", "seed": 0, "status": "finished", "modes": 10.0, "reverse_kl": 3.0, "seconds": 5.0},
        {"game": "a", "seed": 1, "status": "failed", "modes": np.nan, "reverse_kl": np.nan, "seconds": 1.0},
        {"game": "b", "seed": 0, "status": "not run", "modes": np.nan, "reverse_kl": np.nan, "seconds": np.nan},
        {"game": "c", "seed": 0, "status": "finished", "modes": 20.0, "reverse_kl": 1.0, "seconds": 5.0},
    ]
    table = stacked.summary(rows)
    assert [row["game"] for row in table] == ["c", "a", "b"]
    assert (table[1]["runs"], table[1]["finished"], table[1]["modes"], table[1]["seconds"]) == (2, 1, 10, 3)
    assert np.isnan(table[2]["modes"])


@pytest.mark.parametrize(
    ("changes", "verdicts"),
    [
        ({}, ("confirmed", "confirmed", "confirmed")),
        ({"pacgan": (400, 3.0)}, ("not confirmed", "not confirmed", "confirmed")),  # fewer modes, less even
        ({"pacgan": (600, 3.0)}, ("not confirmed", "not confirmed", "confirmed")),  # more, less even
        ({"pacgan": (600, 1.99)}, ("not confirmed", "confirmed", "confirmed")),  # nearer by less than seeds differ
        ({"unrolled": (600, 2.5)}, ("confirmed", "not confirmed", "confirmed")),  # four of five
        ({"dcgan, D at 1/4": (450, 2.0)}, ("confirmed", "confirmed", "not confirmed")),
        ({"dcgan, D at 1/4": (397, 2.0)}, ("confirmed", "confirmed", "not confirmed")),
        (dict.fromkeys(("dcgan, D at 1/2", "dcgan, D at 1/4"), (1_010, 2.0)), ("confirmed", "confirmed", UNTOLD)),
        ({"dcgan, D at 1/4": (-9, 6.9)}, ("confirmed", "confirmed", UNTOLD)),  # it has not begun
        ({"mdgan": None}, ("confirmed", UNTOLD, "confirmed")),
    ],
)
def test_rules_of_stacked_mnist(tmp_path, changes, verdicts):
    """Three seeds that differ by 10 modes and 0.01 nats."""
    lab = Lab(experiments.named("p-stacked"), tmp_path, tmp_path, budget="short", say=lambda line: None)
    found = {"dcgan": (500, 2.0), "dcgan, D at 1/2": (400, 2.0), "dcgan, D at 1/4": (300, 2.0), "pacgan": (600, 1.0)}
    found |= dict.fromkeys(("d2gan", "mdgan", "ebgan_pt", "unrolled"), (600, 1.0)) | changes
    noise = np.random.default_rng(0).uniform(-1, 1, (len(found), 3))
    rows = [
        {"game": name, "seed": seed, "status": "finished", "seconds": 1.0,
         "modes": min(1_000, values[0] + 10 * noise[number, seed]), "reverse_kl": values[1] + noise[number, seed] / 100}
        for number, (name, values) in enumerate(found.items()) if values for seed in range(3)
    ]  # fmt: skip
    stacked.judge(lab, rows)
    assert tuple(told["verdict"] for told in lab.verdicts.values()) == verdicts
