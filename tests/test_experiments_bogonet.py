"""Random games are drawn as they should be, counted as they should be, and judged without names."""

import csv
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from ganzoo import config, networks
from ganzoo.errors import InputError
from ganzoo.experiments.bogonet import blind, games, play, table
from ganzoo.experiments.bogonet.games import RandomGame, drawn, scaled
from ganzoo.experiments.bogonet.play import Played, Setting

MANY = [drawn(number) for number in range(2_000)]
PLAYERS = ("generator", "discriminator")


# Games.


@pytest.mark.parametrize("player", PLAYERS)
def test_families_have_their_odds(player):
    counts = Counter(game.networks[player]["architecture"] for game in MANY)
    for family, odds in games.FAMILIES.items():
        assert counts[family] / len(MANY) == pytest.approx(odds, abs=4 * np.sqrt(odds * (1 - odds) / len(MANY)))


def test_players_are_drawn_independently():
    """The share of each pair of families is the product of the two shares, within four standard errors."""
    pairs = Counter(tuple(game.networks[player]["architecture"] for player in PLAYERS) for game in MANY)
    for first, one in games.FAMILIES.items():
        for second, other in games.FAMILIES.items():
            odds = one * other
            error = np.sqrt(odds * (1 - odds) / len(MANY))
            assert pairs[first, second] / len(MANY) == pytest.approx(odds, abs=4 * error)


def test_a_game_is_a_function_of_its_number():
    assert drawn(17) == drawn(17)
    assert len({game.name for game in MANY[:30]}) == 30


@pytest.mark.parametrize("player", PLAYERS)
@pytest.mark.parametrize("family", games.FAMILIES)
def test_ranges_are_used_up(player, family):
    specs = [game.networks[player] for game in MANY if game.networks[player]["architecture"] == family]
    for option, values in games.RANGES[family].items():
        assert {spec[option] for spec in specs} == set(values)
    activations = {spec.get("activation") for spec in specs}
    own = games.ACTIVATIONS[player]
    assert activations == {"strided": set(own), "mlp": {own[0]}, "resnet": {None}}[family]


def test_smaller_images_have_smaller_networks():
    game = RandomGame(0, 64, {
        "generator": {"architecture": "strided", "width": 64, "depth": 5},
        "discriminator": {"architecture": "mlp", "width": 128, "depth": 5},
    })  # fmt: skip
    small = scaled(game, 8, 16).networks
    assert (small["generator"]["width"], small["generator"]["depth"]) == (8, 4)  # one halving less to 1x1
    assert (small["discriminator"]["width"], small["discriminator"]["depth"]) == (16, 5)
    assert scaled(game, 1, 32) == game


def test_networks_of_games_fit_their_images():
    for number in range(6):
        game = scaled(drawn(number), 8, 16)
        generator = networks.network("generator", game.networks["generator"], (16, 16, 1), game.latent_dim, 0)
        assert generator.output_shape == (None, 16, 16, 1)
        scores = networks.network("discriminator", game.networks["discriminator"], (16, 16, 1), game.latent_dim, 0)
        assert scores.output_shape == (None, 1)


NORMALIZED = RandomGame(0, 64, {
    "generator": {"architecture": "mlp", "width": 16, "depth": 2, "activation": "relu"},
    "discriminator": {"architecture": "strided", "width": 8, "depth": 2, "kernel": 3, "normalized": True},
})  # fmt: skip


def recipe_of(name, game=NORMALIZED):
    made = Setting(games=1).game(game, name)
    return config.load_recipe(made.recipe, made.changes)


def test_one_game_for_every_algorithm():
    recipes = {name: recipe_of(name) for name in table.PAPERS}
    plain = recipes["non_saturating"]
    assert plain.gan["networks"] == NORMALIZED.networks
    for name, recipe in recipes.items():
        assert recipe.optimizer == plain.optimizer
        assert recipe.optimizers == {}
        assert recipe.train == plain.train
        assert recipe.data == plain.data
        assert {key: recipe.gan[key] for key in ("latent_dim", "prior", "ema_momentum")} == {
            "latent_dim": 64, "prior": "normal", "ema_momentum": 0.0,
        }  # fmt: skip
        networks_of = recipe.gan["networks"]
        assert networks_of["generator"] == NORMALIZED.networks["generator"]
        without = name == "wgan_gp"  # whose penalty is one of single examples
        assert networks_of["discriminator"] == NORMALIZED.networks["discriminator"] | {"normalized": not without}


def test_any_variant_plays():
    both = recipe_of("d2gan").gan["networks"]
    assert both["second_discriminator"]["kernel"] == both["discriminator"]["kernel"] == 3
    head = recipe_of("minibatch_discrimination").gan["networks"]["discriminator"]
    assert (head["architecture"], head["minibatch_kernels"]) == ("strided", 100)
    for name in ("r1", "consensus", "locally_stable"):
        assert not recipe_of(name).gan["networks"]["discriminator"]["normalized"]


def test_who_reconstructs_cannot_play_networks_that_score():
    with pytest.raises(InputError, match="this game reconstructs"):
        play.play(SimpleNamespace(seeds=[0]), Setting(games=1), ["began"])
    with pytest.raises(InputError, match="did you mean"):
        play.play(SimpleNamespace(seeds=[0]), Setting(games=1), ["dragann"])
    with pytest.raises(InputError, match="each once"):
        play.play(SimpleNamespace(seeds=[0]), Setting(games=1), ["dragan", "dragan"])


# What is counted.


def trained(values, status="finished", seed=0):
    rows = [{"step": 10.0 * n, "classifier_score/c": value, "fid/c": 100 / value} for n, value in enumerate(values, 1)]
    finished = status == "finished"
    return SimpleNamespace(scores=rows, status=status, finished=finished, seed=seed, seconds=1.0)


def test_a_run_that_diverges_has_the_area_it_had_and_ends_lowest():
    row = play.row_of(3, "dragan", trained([1.5, 4.0, 2.0], "diverged"), "classifier_score")
    assert (row["final"], row["area"], row["distance"], row["collapsed"]) == (1.0, 7.5, 50.0, True)
    nothing = play.row_of(3, "dragan", trained([], "diverged"), "classifier_score")
    assert (nothing["final"], nothing["area"], nothing["collapsed"]) == (1.0, 0.0, True)
    assert np.isnan(nothing["distance"])


def played(scores):
    """Returns what came of games: algorithm -> a run a game."""
    runs = [play.row_of(number, name, run, "classifier_score")
            for name, own in scores.items() for number, run in enumerate(own) if run]  # fmt: skip
    return Played([drawn(number) for number in range(len(next(iter(scores.values()))))], list(scores), runs, [])


def test_games_that_were_cut_are_left_out_and_broken_ones_are_not():
    what = played(
        {"a": [trained([2, 4]), trained([3], "diverged"), trained([9])],
         "b": [trained([2, 2]), trained([1, 1]), None]}
    )  # fmt: skip
    assert what.complete == [0, 1]
    first, _ = what.summary()
    assert (first["games"], first["final"], first["final_sd"], first["area"]) == (2, 2.5, 1.5, 4.5)
    assert first["collapse_rate"] == 0.5
    rows = {(row["first"], row["measure"]): row for row in what.differences()}
    assert rows["a", "final"]["difference"] == 1.0
    assert rows["b", "area"]["difference"] == -1.5
    assert rows["a", "distance"]["difference"] == pytest.approx(np.mean(np.log([25 / 50, (100 / 3) / 100])))


def test_the_interval_is_that_of_a_mean():
    differences = np.random.default_rng(1).normal(0.3, 1.0, 400)
    low, high = play.interval(differences)
    reach = 1.96 * differences.std() / np.sqrt(len(differences))
    assert (low, high) == pytest.approx((differences.mean() - reach, differences.mean() + reach), abs=0.01)
    assert play.interval(differences) == (low, high)
    assert play.interval(np.full(5, 2.0)) == (2.0, 2.0)
    assert np.isnan(play.interval(np.zeros(0))).all()


@pytest.mark.parametrize(
    ("count", "better", "holds"), [(20, 1.0, True), (20, 0.0, False), (20, -1.0, False), (19, 1.0, None)]
)
def test_dragan_is_judged_by_paired_differences(count, better, holds):
    plain = np.random.default_rng(0).uniform(2, 8, count)
    what = played({"non_saturating": [trained([v]) for v in plain], "dragan": [trained([v + better]) for v in plain]})
    verdicts = {}
    lab = SimpleNamespace(told=True, judge=lambda claim, holds, found: verdicts.update({claim: holds}))
    for claim in ("final", "area", "distance"):
        table.judge(lab, what, claim, "non_saturating", [claim])
    table.judge(lab, what, "wgan_gp", "wgan_gp", ["final", "area"])
    assert verdicts == {"final": holds, "area": holds, "distance": holds, "wgan_gp": None}
    lab.told = False  # runs were cut
    table.judge(lab, what, "final", "non_saturating", ["final"])
    assert verdicts["final"] is None
    if count == 20:
        assert table.best_of(what) == {1.0: "dragan", 0.0: None, -1.0: "non_saturating"}[better]


def test_each_seed_has_games_of_its_own():
    asked = []

    def train(wanted, seeds, partly):
        asked.append((list(wanted), seeds))
        return {name: [trained([2, 3], seed=seeds[0])] for name in wanted}

    what = play.play(SimpleNamespace(seeds=range(2), train=train), Setting(games=2), ["dragan", "hinge"])
    assert [game.number for game in what.games] == [0, 1, 2, 3]
    assert asked[1] == (["2, dragan", "2, hinge", "3, dragan", "3, hinge"], [1])
    assert what.games[2] == scaled(drawn(2), 8, 16)
    assert len(what.curves) == 16


# Blind judging.


@pytest.fixture
def curves(tmp_path):
    path = tmp_path / "curves.csv"
    with open(path, "w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["game", "algorithm", "step", "score"])
        for number in range(6):
            writer.writerows([number, name, step, number + step * slope]
                             for name, slope in (("a", 0.1), ("b", -0.1), ("c", 0)) for step in (1, 2))  # fmt: skip
    return path


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def filled(folder, key, points):
    """Fills a sheet in: points of the first algorithm, pair after pair."""
    answers = rows_of(key)
    with open(folder / blind.SHEET, "w", newline="") as file:
        writer = csv.DictWriter(file, ["pair", "left", "right"])
        writer.writeheader()
        for row, own in zip(answers, points, strict=True):
            split = (own, 5 - own) if row["left"] == "a" else (5 - own, own)
            writer.writerow({"pair": row["pair"], "left": split[0], "right": split[1]})


def test_points_come_back_to_who_earned_them(tmp_path, curves):
    folder, key = tmp_path / "blind", tmp_path / "key.csv"
    assert blind.export(curves, ("a", "b"), folder, key) == 6
    assert sorted(path.name for path in folder.iterdir()) == [*(f"pair_{n:03d}.png" for n in range(1, 7)), blind.SHEET]
    assert rows_of(folder / blind.SHEET) == [{"pair": str(n), "left": "", "right": ""} for n in range(1, 7)]
    answers = rows_of(key)
    assert {row["game"] for row in answers} == set("012345")
    assert all({row["left"], row["right"]} == {"a", "b"} for row in answers)
    assert len({row["left"] for row in answers}) == 2  # sides are shuffled
    with pytest.raises(InputError, match="sum to 5"):
        blind.scored([folder / blind.SHEET], key)
    filled(folder, key, [5, 3.5, 2.25, 2, 2.5, 2.5])
    assert blind.scored([folder / blind.SHEET], key) == {"a": 17.75, "b": 12.25}
    sheet = folder / blind.SHEET
    sheet.write_text(sheet.read_text(), encoding="utf-8-sig")  # as Excel saves it
    assert blind.scored([sheet], key) == {"a": 17.75, "b": 12.25}
    other = tmp_path / "other"
    other.mkdir()
    filled(other, key, [2.5] * 6)
    assert blind.scored([folder / blind.SHEET, other / blind.SHEET], key) == {"a": 16.375, "b": 13.625}


def test_what_judges_must_not_see_or_lose(tmp_path, curves):
    folder, key = tmp_path / "blind", tmp_path / "key.csv"
    with pytest.raises(InputError, match="judges see"):
        blind.export(curves, ("a", "b"), folder, folder / "key.csv")
    with pytest.raises(InputError, match="is not in"):
        blind.export(curves, ("a", "d"), folder, key)
    with pytest.raises(InputError, match="two different"):
        blind.export(curves, ("a", "a"), folder, key)
    assert not folder.exists()
    blind.export(curves, ("a", "b"), folder, key)
    with pytest.raises(InputError, match="already"):
        blind.export(curves, ("a", "b"), folder, key)
    blind.export(curves, ("a", "b"), tmp_path / "another", tmp_path / "another.csv", seed=1)
    assert rows_of(key) != rows_of(tmp_path / "another.csv")


@pytest.mark.parametrize("points", [(6, -1), (3, 3), ("nan", "nan"), ("", 5)])
def test_splits_that_are_none(tmp_path, curves, points):
    folder, key = tmp_path / "blind", tmp_path / "key.csv"
    blind.export(curves, ("a", "b"), folder, key)
    filled(folder, key, [2.5] * 6)
    path = folder / blind.SHEET
    path.write_text(path.read_text().replace("1,2.5,2.5", f"1,{points[0]},{points[1]}", 1))
    with pytest.raises(InputError, match=r"pair 1: .*sum to 5"):
        blind.scored([path], key)
    path.write_text("pair,left,right\n1,2.5,2.5\n")
    with pytest.raises(InputError, match="has not the 6 pairs"):
        blind.scored([path], key)
