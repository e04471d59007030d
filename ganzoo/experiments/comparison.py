"""Variants beside each other on one data set: what they reach, what they keep, how often they collapse."""

import math
from collections.abc import Sequence

from ganzoo import config
from ganzoo.data.toy import DENSITIES
from ganzoo.errors import InputError, did_you_mean
from ganzoo.evaluation.directions import sign_of
from ganzoo.experiments.experiment import BUDGETS, Claim, Experiment
from ganzoo.experiments.lab import Lab, require_any
from ganzoo.experiments.runs import Game, Trained
from ganzoo.experiments.stability import COLLAPSED, column, reached, steady, summary
from ganzoo.files import write_text

EVALUATIONS = 20  # of a run
STYLES = ("-", "--", ":", "-.")  # of lines; colours repeat after ten


def game(variant: str, dataset: str, metric: str, steps: int | None, changes: Sequence[str]) -> Game:
    """Returns a variant's game on a data set: its small recipe for it where it has one, else its paper's recipe there.

    Raises:
        InputError: if there is no such variant or recipe.
    """
    names = config.list_recipes()
    small = f"{variant}_{'ring' if dataset == 'ring8' else dataset}"
    name = small if small in names else variant
    if name not in names:
        raise InputError(f"variant {variant!r} has no recipe; {did_you_mean(variant, names)}")
    own = [f"data.dataset={dataset}"] if config.load_recipe(name).data.dataset != dataset else []
    own += [f"train.steps={steps}"] if steps else []
    rounds = config.load_recipe(name, (*own, *changes)).train.steps
    every = max(1, rounds // EVALUATIONS)
    own += [f"train.evaluate_steps={every}", f"train.checkpoint_steps={every}", f"train.best_metric={metric}"]
    return Game(name, (*own, *changes))  # a score that is not among them is refused before the first round


def compared(
    lab: Lab,
    variants: Sequence[str],
    dataset: str,
    metric: str,
    *,
    steps: int | None = None,
    changes: Sequence[str] = (),
    wanted: float | None = None,
) -> list[dict]:
    """Trains variants and returns a row each, best last score first; leaves tables, Markdown and a plot in the lab.

    Args:
        lab: where runs and files go.
        variants: names; or those of recipes.
        dataset: a registry name.
        metric: the score that ranks, `"fid"` say, one of the evaluation's defaults on these data.
        steps: rounds; None: the recipes' own.
        changes: `section.key=value` over each recipe.
        wanted: a score: the table says after how many rounds and seconds it was reached; None: it does not.

    Raises:
        InputError: if a name is unknown, or a run failed.
        NotEnough: if none has come to its end.
    """
    sign, modes = sign_of(metric), mode_count(dataset)
    games = {name: game(name, dataset, metric, steps, changes) for name in variants}
    found = lab.train(games, partly=True)
    require_any(found)
    trained = {name: own for name, own in found.items() if own}
    runs = {name: [steady(each, metric, modes) for each in own] for name, own in trained.items()}
    rows = [summary(name, own) for name, own in runs.items()]
    if wanted is not None:
        for row in rows:
            times = [reached(each, metric, wanted) for each in trained[row["name"]]]
            row["rounds_to"], row["seconds_to"] = sorted(times)[len(times) // 2]
    rows.sort(key=lambda row: (math.isnan(row["last"]), -sign * row["last"]))
    lab.table("runs", [{"name": name, **row} for name, own in runs.items() for row in own])
    lab.table("variants", rows)
    write_text(lab.path("variants.md"), markdown(rows, metric))
    draw(lab, trained, metric)
    return rows


def mode_count(dataset: str) -> int | None:
    """Returns how many modes a density has; None of images."""
    modes = DENSITIES[dataset]().modes if dataset in DENSITIES else None
    return None if modes is None else len(modes)


def markdown(rows: Sequence[dict], metric: str) -> str:
    """Returns the table as Markdown."""
    to = "rounds_to" in rows[0]
    head = ["variant", "runs", f"last {metric}", f"best {metric}", "last / best", "collapsed", "keeps its score"]
    lines = [head + (["rounds to", "seconds to"] if to else []), ["---"] * (len(head) + 2 * to)]
    for row in rows:
        cells = [
            f"`{row['name']}`", str(row["runs"]), f"{row['last']:.3g} ± {row['last_sd']:.2g}",
            f"{row['best']:.3g} ± {row['best_sd']:.2g}", f"{row['last_over_best']:.2f}",
            f"{100 * row['collapse_rate']:.0f} %", "yes" if row["keeps"] else "no",
        ]  # fmt: skip
        lines.append(cells + ([f"{row['rounds_to']:.4g}", f"{row['seconds_to']:.3g}"] if to else []))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def draw(lab: Lab, trained: dict[str, list[Trained]], metric: str) -> None:
    """Draws every run's score over the rounds, a colour a variant."""
    with lab.figure("scores", 8.0, 4.2 + 0.16 * -(-len(trained) // 4)) as figure:
        plot = figure.add_subplot()
        for number, (name, runs) in enumerate(trained.items()):
            for position, each in enumerate(runs):
                values = column(each.scores, metric)
                steps = [row["step"] for row in each.scores][: len(values)]
                plot.plot(steps, values, STYLES[number // 10 % len(STYLES)], color=f"C{number % 10}", alpha=0.7,
                          label=None if position else name)  # fmt: skip
        plot.set(xlabel="round", ylabel=metric)
        if sign_of(metric) < 0:
            plot.set_yscale("log")
        plot.grid(alpha=0.3)
        figure.legend(loc="outside lower center", fontsize=7, ncols=4)


def comparison(dataset: str) -> Experiment:
    """Returns what a lab needs to know of a comparison on a data set."""
    says = "The last score is within 1.2 times the best one on at least 4 of 5 seeds."
    rule = (
        f"more than half of the variants do that without a collapse ({COLLAPSED}); of {EVALUATIONS} scores that are "
        "off by 10 % at random the last one would be more than 1.2 times the best in 57 of 100 runs"
    )
    claim = Claim("stability report", says, rule)
    return Experiment(f"compare-{dataset}", f"Compares variants on {dataset}", lambda lab: None, {"keeps": claim},
                      dict.fromkeys(BUDGETS, 0.0), 5)  # fmt: skip
