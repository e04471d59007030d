"""Random games played by any set of training procedures: final scores, areas, collapses, paired differences."""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence

import numpy as np

from ganzoo.config import load_recipe
from ganzoo.errors import InputError
from ganzoo.experiments.averages import mean
from ganzoo.experiments.bogonet.games import RandomGame, changes, drawn, scaled
from ganzoo.experiments.lab import Lab
from ganzoo.experiments.runs import Game, Trained
from ganzoo.experiments.stability import LOWEST, column, steady

RESAMPLES = 10_000
MEASURES = ("final", "area", "distance")  # the last one: lower is better


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all games of a comparison share.

    Args:
        games: how many, a seed.
        dataset: a registry name.
        side: of the images.
        divisor: of the drawn widths.
        rounds: updates of the generator.
        evaluations: in a run, evenly spread.
        samples: of an evaluation.
        batch_size: of a discriminator's update.
        learning_rate: of every player, Adam (0.5, 0.9): that of the authors' notebook and of WGAN-GP where 1e-4.
        metrics: that are evaluated; the first is the score.
        changes: `section.key=value` over everything else.
    """

    games: int
    dataset: str = "digits"
    side: int = 16
    divisor: int = 8
    rounds: int = 1_000
    evaluations: int = 20
    samples: int = 500
    batch_size: int = 32
    learning_rate: float = 5e-4
    metrics: tuple[str, ...] = ("classifier_score", "modes", "fid")
    changes: tuple[str, ...] = ()

    def game(self, game: RandomGame, recipe: str) -> Game:
        """Returns a random game, in its size here, as a recipe's variant plays it."""
        every = max(1, self.rounds // self.evaluations)
        adam = f'{{name = "adam", learning_rate = {self.learning_rate}, beta_1 = 0.5, beta_2 = 0.9}}'
        quoted = ", ".join(f'"{name}"' for name in self.metrics)
        common = (
            f"data.dataset={self.dataset}", f"data.image_size={self.side}", f"data.batch_size={self.batch_size}",
            f"optimizer={adam}", "optimizers={}", "gan.ema_momentum=0.0", "train.precision=float32",
            f"train.steps={self.rounds}", f"train.checkpoint_steps={every}", "train.keep_checkpoints=1",
            "train.watch_steps=0", f"train.evaluate_steps={every}", f"train.evaluate_samples={self.samples}",
            f"train.evaluate_metrics=[{quoted}]",
        )  # fmt: skip
        return Game(recipe, (*common, *changes(game, recipe), *self.changes))


@dataclasses.dataclass(frozen=True)
class Played:
    """What came of a comparison.

    Args:
        games: those that were drawn, in the size in which they were played.
        algorithms: their names.
        runs: a row a run that came to its end: `final`, the last score; `area`, the sum of all; `distance`, the last
            Fréchet distance, which noise does not flatter; whether it collapsed.
        curves: a row an evaluation.
    """

    games: list[RandomGame]
    algorithms: list[str]
    runs: list[dict]
    curves: list[dict]

    @property
    def complete(self) -> list[int]:
        """The games that every algorithm has played to the end, or to its own."""
        played = [row["game"] for row in self.runs]
        return [game.number for game in self.games if played.count(game.number) == len(self.algorithms)]

    def values(self, algorithm: str, measure: str) -> np.ndarray:
        """Returns a column of an algorithm, a number a complete game."""
        own = {row["game"]: row[measure] for row in self.runs if row["algorithm"] == algorithm}
        return np.array([own[number] for number in self.complete], np.float64)

    def summary(self) -> list[dict]:
        """Returns a row an algorithm: means and standard deviations over games, the collapse rate."""
        rows = []
        for algorithm in self.algorithms:
            rows.append({"algorithm": algorithm, "games": len(self.complete)})
            for measure in MEASURES:
                values = self.values(algorithm, measure)
                rows[-1] |= {measure: mean(values), f"{measure}_sd": mean(values, np.std)}
            rows[-1]["collapse_rate"] = mean(self.values(algorithm, "collapsed"))
            rows[-1]["seconds"] = mean(self.values(algorithm, "seconds"))
        return rows

    def differences(self) -> list[dict]:
        """Returns a row a pair of algorithms and a measure: the mean over games of first - second, its interval.

        Of Fréchet distances it is log first - log second: by differences a few failed games would decide.
        """
        rows = []
        for (first, second), measure in itertools.product(itertools.permutations(self.algorithms, 2), MEASURES):
            scale = np.log if measure == "distance" else np.asarray
            each = scale(self.values(first, measure)) - scale(self.values(second, measure))
            each = each[np.isfinite(each)]  # a run without evaluations has no distance
            low, high = interval(each)
            rows.append({"first": first, "second": second, "measure": measure, "games": len(each),
                         "difference": mean(each), "low": low, "high": high})  # fmt: skip
        return rows


def interval(differences: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """Returns the 95 % interval of the mean of differences, a number a game: percentiles of a bootstrap over games."""
    if not len(differences):
        return np.nan, np.nan
    drawn_again = np.random.default_rng(seed).choice(differences, (RESAMPLES, len(differences)))
    low, high = np.percentile(drawn_again.mean(1), [2.5, 97.5])
    return float(low), float(high)


def row_of(number: int, algorithm: str, trained: Trained, metric: str) -> dict:
    """Returns a row of a run: one that diverged has the area that it had, and ends at the lowest score."""
    values, distances = (column(trained.scores, name) for name in (metric, "fid"))
    kept = steady(trained, metric)
    return {
        "game": number, "algorithm": algorithm, "evaluations": len(values),
        "final": values[-1] if values and trained.finished else LOWEST, "area": float(np.sum(values)),
        "distance": distances[-1] if distances else np.nan, **kept,
    }  # fmt: skip


def play(lab: Lab, setting: Setting, algorithms: Sequence[str]) -> Played:
    """Plays random games by recipes, and returns what came of it; each of the lab's seeds has games of its own.

    Raises:
        InputError: if an algorithm is unknown, comes twice, or cannot play drawn networks.
    """
    if not algorithms or len(set(algorithms)) < len(algorithms):
        raise InputError(f"variants {', '.join(algorithms)!r}: give names, each once")
    measured = [change for change in setting.changes if change.startswith("train.evaluate_")]
    if measured:
        raise InputError(f"{measured[0]}: all games are scored alike, by what is compared; leave it out")
    asked: dict[int, dict[tuple[int, str], Game]] = {}
    games, runs, curves = [], [], []
    for seed in lab.seeds:
        numbers = range(seed * setting.games, (seed + 1) * setting.games)
        own = [scaled(drawn(number), setting.divisor, setting.side) for number in numbers]
        asked[seed] = {(game.number, name): setting.game(game, name) for game in own for name in algorithms}
        games += own
    for each in itertools.chain.from_iterable(own.values() for own in asked.values()):
        load_recipe(each.recipe, each.changes)  # refused before any seed's games begin
    for seed, own in asked.items():
        trained = lab.train(
            {f"{number}, {name}": game for (number, name), game in own.items()}, seeds=[seed], partly=True
        )
        played = [(key, each) for key, found in zip(own, trained.values(), strict=True) for each in found]
        for (number, name), each in played:
            runs.append(row_of(number, name, each, setting.metrics[0]))
            steps = [row["step"] for row in each.scores]
            values = column(each.scores, setting.metrics[0])
            curves += [{"game": number, "algorithm": name, "step": int(step), "score": value}
                       for step, value in zip(steps, values, strict=True)]  # fmt: skip
    return Played(games, list(algorithms), runs, curves)


def by_game(curves: Sequence[Mapping]) -> dict[int, dict[str, tuple[list, list]]]:
    """Returns game -> algorithm -> (steps, scores)."""
    found: dict[int, dict[str, tuple[list, list]]] = {}
    for row in curves:
        steps, scores = found.setdefault(int(row["game"]), {}).setdefault(str(row["algorithm"]), ([], []))
        steps.append(float(row["step"]))
        scores.append(float(row["score"]))
    return found
