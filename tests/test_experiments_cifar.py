"""Games on CIFAR-10: what is narrowed, what rows say, whether two orders agree."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.stats import kendalltau

from ganzoo import config, experiments
from ganzoo.experiments import ranks, walks
from ganzoo.experiments.cifar import games, kodali, tables
from ganzoo.experiments.lab import Lab


@pytest.fixture(params=["smoke", "short", "full"])
def lab(request, tmp_path):
    return Lab(experiments.named("z-table1"), tmp_path, tmp_path / "runs", budget=request.param)


def recipe(game):
    return config.load_recipe(game.recipe, game.changes)


def test_every_game_is_a_recipe(lab):
    """Of all tables and figures, at each budget; the full one is the recipe's but for scores, averaging and batch."""
    named = {name: games.game(lab, name) for name in {**tables.TABLE_1, **tables.TABLE_2, **tables.TABLE_3}}
    for name, game in [*named.items(), *kodali.five(lab).items(), *kodali.hard(lab).items()]:
        made = recipe(game)
        assert made.data.dataset == "cifar10", name
        assert made.train.steps % made.train.evaluate_steps == 0
        assert made.train.evaluate_steps == made.train.checkpoint_steps
        if lab.budget == "full" and game is named.get(name):
            assert made.gan == config.load_recipe(game.recipe).gan | {"ema_momentum": 0.0}
            assert made.data == dataclasses.replace(config.load_recipe(game.recipe).data, batch_size=64)
            assert made.train.steps == 100_000


def test_tables_name_what_the_paper_has():
    assert set(tables.TABLE_2) & set(tables.TABLE_3) == {"dual_d_selu"}
    assert len({*tables.TABLE_2, *tables.TABLE_3}) == 9  # the game and eight ablations
    assert len(tables.TABLE_1) + 1 == 10  # with the real images' row


def test_networks_are_narrow_at_short(tmp_path):
    lab = Lab(experiments.named("z-table1"), tmp_path, tmp_path, budget="short")
    own = recipe(games.game(lab, "dual_d_selu_without_md")).gan["networks"]
    assert own["discriminator"] == {"minibatch_kernels": 0, "width": 32}  # residual
    assert own["second_discriminator"] == {"width": 16}
    assert recipe(games.game(lab, "dfm")).gan["networks"]["denoiser"] == {"width": 256}
    given = games.game(lab, "dcgan", 'gan.networks.generator={architecture = "mlp", width = 3}')
    assert recipe(given).gan["networks"]["generator"] == {"architecture": "mlp", "width": 3}


def test_equal_steps_of_the_discriminator_are_five_times_the_rounds(tmp_path):
    five = kodali.five(Lab(experiments.named("k-fig5"), tmp_path, tmp_path, budget="short"))
    steps = {name: recipe(game).train.steps for name, game in five.items()}
    assert steps["dragan, equal D steps"] == 5 * steps["dragan, equal G steps"] == 5 * steps["wgan_gp"]


def test_agreement_is_kendalls_tau():
    published = dict(zip("abcdef", range(6), strict=True))
    found = {name: [value] for name, value in zip("abcdef", (0.3, 0.1, 2.0, 4.0, 3.0, 5.0), strict=True)}
    tau, low, high = ranks.agreement(published, found)
    assert tau == pytest.approx(kendalltau(range(6), [values[0] for values in found.values()]).statistic)
    assert -1 <= low < tau < high <= 1
    same = {name: [value] for name, value in published.items()}
    assert ranks.agreement(published, same) == pytest.approx((1.0, 1.0, 1.0))
    turned = {name: [-value] for name, value in published.items()}
    assert ranks.agreement(published, turned) == pytest.approx((-1.0, -1.0, -1.0))


def test_seeds_that_differ_widen_the_interval_of_an_agreement():
    published = dict(zip("abcdef", range(6), strict=True))
    noisy = {name: [value - 3.0, value, value + 3.0] for name, value in published.items()}
    tau, low, _ = ranks.agreement(published, noisy)
    assert tau == pytest.approx(1.0)
    assert low < 0.9


def test_a_method_without_a_score_is_left_out():
    published = {"a": 1.0, "b": 2.0, "c": 3.0}
    assert ranks.agreement(published, {"a": [1.0, np.nan], "b": [2.0], "c": [np.nan]})[0] == pytest.approx(1.0)
    rows = [{"method": "a", "last": 1.0}, {"method": "a", "last": np.nan}, {"method": "b", "last": np.nan}]
    found = games.means(rows, "abc", "last")
    assert found["a"] == 1.0
    assert np.isnan(found["b"])
    assert np.isnan(found["c"])


def test_a_run_that_never_had_half_of_the_classes_has_not_learned(tmp_path):
    """Nor has it collapsed for certain: a row says both."""
    lab = Lab(experiments.named("k-hard4"), tmp_path, tmp_path, budget="short")

    def scores(*shares):
        classes = [{f"class_share_{n}/x": share if n < 5 else 0.0 for n in range(10)} for share in shares]
        return [{"step": n, "classifier_score/x": 1.0 + n, **each} for n, each in enumerate(classes)]

    fallen = SimpleNamespace(scores=scores(0.2, 0.2, 0.01, 0.01), seed=0, status="finished", seconds=1.0, finished=True)
    slow = SimpleNamespace(scores=scores(0.01, 0.01, 0.01, 0.01), seed=0, status="finished", seconds=1.0, finished=True)
    rows = [games.row_of(lab, name, run) for name, run in (("a", fallen), ("b", slow))]
    assert [row["collapsed"] for row in rows] == [True, True]
    assert [row["learned"] for row in rows] == [True, False]
    assert [games.mark_of(row) for row in rows] == ["collapsed", "never learned"]
    assert [row["late"] for row in rows] == [3.0, 3.0]  # of 2, 3 and 4
    assert [row["last"] for row in rows] == [4.0, 4.0]


def test_a_run_that_diverged_before_its_first_score_has_the_lowest(tmp_path):
    lab = Lab(experiments.named("k-hard4"), tmp_path, tmp_path, budget="short")
    none = SimpleNamespace(scores=[], seed=0, status="diverged", seconds=1.0, finished=False)
    row = games.row_of(lab, "a", none)
    assert (row["best"], row["last"], row["late"], row["collapsed"]) == (1.0, 1.0, 1.0, True)


def test_walks_begin_and_end_at_their_stations():
    start, end = np.random.default_rng(0).normal(size=(2, walks.WALKS, 6)).astype(np.float32)
    for latents in walks.walks(start, end).values():
        assert latents.shape == (walks.WALKS, walks.FRAMES, 6)
        np.testing.assert_allclose(latents[:, 0], start, atol=1e-5)
        np.testing.assert_allclose(latents[:, -1], end, atol=1e-5)


def test_a_jump_is_seen():
    smooth = np.linspace(0, 255, walks.FRAMES)[None, :, None, None, None] * np.ones((2, 1, 4, 4, 1))
    np.testing.assert_allclose(walks.largest_steps(smooth), 1 / (walks.FRAMES - 1), rtol=1e-6)
    jumping = smooth.copy()
    jumping[1, :6], jumping[1, 6:] = 0, 255
    assert walks.largest_steps(jumping)[0] < walks.JUMP < walks.largest_steps(jumping)[1]
    unrelated = np.random.default_rng(0).uniform(0, 255, (3, walks.FRAMES, 8, 8, 1))
    assert walks.largest_steps(unrelated).min() > walks.JUMP


def test_two_images_that_lie_over_each_other_are_grey():
    black_and_white = np.random.default_rng(0).integers(0, 2, (2, 50, 8, 8, 1)) * 255
    assert walks.grey(black_and_white) == 0
    assert walks.grey(black_and_white.mean(0)) == pytest.approx(0.5, abs=0.05)


def test_walks_lead_from_a_digit_to_another_one():
    digits = np.tile([3, 3, 3, 1, 3, 4, 3, 3, 3, 5, 6, 7], 2 * walks.WALKS // 10)
    starts, ends = walks.ends_of(digits)
    assert len({*starts, *ends}) == 2 * walks.WALKS
    assert (digits[starts] != digits[ends]).all()
    starts, ends = walks.ends_of(np.zeros(2 * walks.WALKS + 1, int))
    assert len({*starts, *ends}) == 2 * walks.WALKS


def verdicts(monkeypatch, tmp_path, name, row):
    """Returns what is judged of runs that have these rows: method -> what differs from one that ended well."""
    lab = Lab(experiments.named(name), tmp_path, tmp_path, budget="short", say=lambda line: None)
    well = {"seed": 0, "best": 4.0, "last": 4.0, "late": 4.0, "collapsed": False, "learned": True}

    def played(lab, games):
        return {method: [] for method in games}, [{"method": method, **well, **row(method)} for method in games]

    monkeypatch.setattr(kodali, "played", played)
    lab.experiment.run(lab)
    return {claim: found["verdict"] for claim, found in lab.verdicts.items()}


CONFIRMED, NOT, UNTOLD = "confirmed", "not confirmed", "not tested at this scale"


@pytest.mark.parametrize(
    ("scores", "above", "vanilla"),
    [
        ((3.0, 5.0, 6.0, 6.3, 7.0, 7.1), CONFIRMED, CONFIRMED),
        ((3.0, 6.1, 6.0, 6.3, 7.0, 7.1), NOT, CONFIRMED),  # WGAN-GP above, at equal steps of G
        ((3.0, 5.0, 6.0, 6.3, 7.0, 6.9), CONFIRMED, NOT),  # the vanilla game below, at equal steps of D
        ((3.0, 5.0, 6.0, 6.7, 7.0, 7.1), CONFIRMED, NOT),  # above by more than slightly
        ((3.0, 5.0, 6.0, 6.3, 7.0, np.nan), UNTOLD, UNTOLD),
    ],
)
def test_rule_of_figure_5(monkeypatch, tmp_path, scores, above, vanilla):
    games = kodali.five(Lab(experiments.named("k-fig5"), tmp_path, tmp_path, budget="short"))
    late = dict(zip(games, scores, strict=True))
    found = verdicts(monkeypatch, tmp_path, "k-fig5", lambda method: {"late": late[method]})
    assert found == {"above": above, "vanilla": vanilla}


def test_figure_5_is_not_told_by_a_game_that_has_not_begun(monkeypatch, tmp_path):
    found = verdicts(monkeypatch, tmp_path, "k-fig5", lambda name: {"learned": name != "dragan, equal G steps"})
    assert found == {"above": UNTOLD, "vanilla": UNTOLD}


def test_batch_norm_is_in_all_discriminators_of_figure_5_but_wgan_gps(tmp_path):
    five = kodali.five(Lab(experiments.named("k-fig5"), tmp_path, tmp_path, budget="short"))
    norms = {name: recipe(game).gan["networks"]["discriminator"]["normalized"] for name, game in five.items()}
    assert norms == {name: name != "wgan_gp" for name in kodali.FIG_5}


@pytest.mark.parametrize(
    ("change", "stable"),
    [
        (lambda method: {}, CONFIRMED),
        (lambda method: {"collapsed": method == "D dragan" or "vanilla" in method}, NOT),
        (lambda method: {"collapsed": "vanilla" in method and "B" not in method}, NOT),  # vanilla holds on one
        (lambda method: {"learned": "C" not in method}, UNTOLD),  # there neither has had half of the classes
        (lambda method: {"learned": method != "C vanilla"}, CONFIRMED),
    ],
)
def test_rule_of_the_hard_networks(monkeypatch, tmp_path, change, stable):
    def row(method):
        return {"collapsed": "vanilla" in method, **change(method)}

    assert verdicts(monkeypatch, tmp_path, "k-hard4", row)["stable"] == stable


@pytest.mark.parametrize(("wrong", "points"), [(None, CONFIRMED), ("A", NOT), ("D", NOT)])
def test_points_want_every_network_as_by_eye(monkeypatch, tmp_path, wrong, points):
    def row(method):
        letter, name = method.split()
        ours = (letter in "AB") != (letter == wrong)
        return {"late": 4.0 + ((name == "dragan") == ours)}

    assert verdicts(monkeypatch, tmp_path, "k-hard4", row)["points"] == points


@pytest.mark.parametrize(
    ("change", "plain", "dragan"),
    [
        (lambda d, kind: {}, CONFIRMED, CONFIRMED),
        (lambda d, kind: {"collapsed": kind == "plain" and d != "pearson"}, NOT, NOT),  # total variation holds with it
        (lambda d, kind: {"collapsed": True}, CONFIRMED, NOT),
        (lambda d, kind: {"learned": False}, UNTOLD, UNTOLD),
    ],
)
def test_rule_of_the_five_divergences(monkeypatch, tmp_path, change, plain, dragan):
    def row(method):
        divergence, kind = method.split(", ")
        return {"collapsed": kind == "plain" or divergence == "total_variation", **change(divergence, kind)}

    assert verdicts(monkeypatch, tmp_path, "k-fdiv5", row) == {"plain": plain, "dragan": dragan}


@pytest.mark.parametrize(("spread", "verdict"), [(0.01, CONFIRMED), (2.0, NOT)])
def test_rules_of_the_tables_want_leads_beyond_the_seeds(monkeypatch, tmp_path, spread, verdict):
    """The methods come in the paper's order, 0.5 apart; their seeds differ by `spread`."""
    noise = np.random.default_rng(0).normal(size=(6, 3))
    lab = Lab(experiments.named("z-table2"), tmp_path, tmp_path, budget="short", say=lambda line: None)

    def played(lab, games):
        rows = [
            {
                "method": name, "seed": seed, "late": 5 - number / 2 + spread * noise[number, seed],
                "last": 1.0, "best": 1.0, "fid": 1.0, "collapsed": False,
            }
            for number, name in enumerate(games) for seed in range(3)
        ]  # fmt: skip
        return {name: [] for name in games}, rows

    monkeypatch.setattr(tables, "played", played)
    tables.z_table2(lab)
    assert {claim: lab.verdicts[claim]["verdict"] for claim in ("first", "md")} == {"first": verdict, "md": verdict}
    assert verdict == NOT or lab.verdicts["order"]["verdict"] == CONFIRMED
