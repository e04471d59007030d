"""Variants beside each other on one data set: what they reach, what they keep, how often they collapse."""

import json
import re
from collections.abc import Mapping, Sequence

from ganzoo import config, data
from ganzoo.data.toy import DENSITIES
from ganzoo.errors import InputError, did_you_mean
from ganzoo.evaluation.directions import sign_of
from ganzoo.evaluation.evaluate import DEFAULT_METRICS
from ganzoo.experiments.experiment import BUDGETS, Claim, Experiment
from ganzoo.experiments.lab import Lab, require_any
from ganzoo.experiments.runs import Game, Trained
from ganzoo.experiments.stability import COLLAPSED, column, reached, steady, summary
from ganzoo.files import write_text

EVALUATIONS = 20  # of a run
STYLES = ("-", "--", ":", "-.")  # of lines; colours repeat after ten
OF_POINTS = ("frechet_distance",)
OF_MODES = ("high_quality_share", "modes_covered", "reverse_kl")
# A score of images -> which of the evaluation's metrics gives it.
OF_IMAGES = {
    **dict.fromkeys(("classifier_score", "classifier_score_10_splits", "classifier_score_ratio"), "classifier_score"),
    **dict.fromkeys(("inception_score", "inception_score_10_splits", "inception_score_ratio"), "inception_score"),
    **dict.fromkeys(("class_kl", "classes_reached"), "modes"),
    **dict.fromkeys(("coverage", "density"), "density_coverage"),
    **dict.fromkeys(("precision", "recall"), "precision_recall"),
    **{name: name for name in ("fid", "kid", "mode_score")},
}
GIVEN = {"data.dataset": "--dataset", "gan.seed": "--seeds"}  # what a comparison sets by itself


def recipe_of(variant: str, dataset: str) -> str:
    """Returns the name of a variant's recipe for a data set: its paper's if that is of it, else its small one there.

    Where it has no small one either it is its paper's.

    Raises:
        InputError: if there is no such variant or recipe.
    """
    names = config.list_recipes()
    if variant not in names:
        raise InputError(f"variant {variant!r} has no recipe; {did_you_mean(variant, names)}")
    own = config.load_recipe(variant)
    if own.data.dataset == dataset:
        return variant
    others = {name: config.load_recipe(name) for name in config.list_recipes(f"{variant}_*")}
    small = [name for name, each in others.items() if (each.variant, each.data.dataset) == (own.variant, dataset)]
    return min(small, key=len, default=variant)


def game(variant: str, dataset: str, metric: str, steps: int | None, changes: Sequence[str]) -> Game:
    """Returns a variant's game on a data set, see `recipe_of`, scored by a metric.

    Raises:
        InputError: if there is no such variant or recipe, or it is of other data and nobody says for how many rounds.
    """
    name, own = recipe_of(variant, dataset), []
    made_for = config.load_recipe(name)
    if made_for.data.dataset != dataset:
        if not steps and "train.steps" not in map(key_of, changes):
            known = {config.load_recipe(each).data.dataset for each in config.list_recipes()}
            hint = "" if dataset in known else f" ({did_you_mean(dataset, known)})"
            raise InputError(
                f"variant {variant!r} has no recipe for {dataset}{hint}, and {name!r} plays "
                f"{made_for.train.steps:,} rounds, of {made_for.data.dataset}; "
                f"give --steps, and by --set what else differs on {dataset}"
            )
        own.append(f"data.dataset={dataset}")
    own += [f"train.steps={steps}"] if steps else []
    train = config.load_recipe(name, (*own, *changes)).train
    every = max(1, train.steps // EVALUATIONS)
    own += [f"train.evaluate_steps={every}", f"train.checkpoint_steps={every}", f"train.best_metric={metric}"]
    evaluated, asked = train.evaluate_metrics or DEFAULT_METRICS, OF_IMAGES.get(metric.partition("/")[0])
    if asked and asked not in evaluated:
        changes = (*changes, f"train.evaluate_metrics={json.dumps([*evaluated, asked])}")
    return Game(name, (*own, *changes))


def key_of(change: str) -> str:
    """Returns the key of a change `section.key=value`."""
    return change.partition("=")[0].strip()


def require_ranks(metric: str, dataset: str) -> None:
    """Refuses a metric by which variants cannot be ranked on a data set.

    Raises:
        InputError: if the evaluation has no such score there, or it has no best value, or can be negative.
    """
    name = metric.partition("/")[0]
    points = OF_POINTS + (OF_MODES if mode_count(dataset) else ())
    known = points if dataset in DENSITIES else tuple(OF_IMAGES)
    if name not in known:
        no_ratio = "can be negative: no last score is so many times worse than the best"
        reason = no_ratio if name == "parzen" else f"is no score of {dataset} that ranks variants"
        raise InputError(f"metric {metric!r} {reason}; {did_you_mean(name, known)}")


def require_unset(changes: Sequence[str]) -> None:
    """Refuses changes of what a comparison sets by itself.

    Raises:
        InputError: if there is one.
    """
    for change in changes:
        if key_of(change) in GIVEN:
            raise InputError(f"--set={change}: a comparison sets that by itself; give {GIVEN[key_of(change)]} instead")


def require_alike(recipes: Mapping[str, config.Recipe], data_dir: str | None) -> None:
    """Refuses recipes whose scores would not compare; loads what they are evaluated on.

    Raises:
        InputError: if there are no such data, or they are without labels to score by, or of unlike sizes.
    """
    names = {}  # what is loaded -> a recipe that asks for it
    for name, recipe in recipes.items():
        by_inception = "inception_score" in recipe.train.evaluate_metrics
        wanted = (recipe.train.evaluate_split, recipe.data.image_size, recipe.data.channels, by_inception)
        names.setdefault(wanted, name)
    shapes = {}
    for (split, size, channels, by_inception), name in names.items():
        dataset = recipes[name].data.dataset
        real = data.load(dataset, split, data_dir=data_dir, image_size=size, channels=channels)
        if not (by_inception or dataset in DENSITIES) and real.labels is None:
            raise InputError(f"{dataset} has no labels, by which samples are scored; give --metric=inception_score")
        shapes.setdefault("x".join(map(str, real.image_shape)), name)
    if len(shapes) > 1:
        unlike = " and ".join(f"{shape} ({name})" for shape, name in shapes.items())
        raise InputError(f"scores of {unlike} do not compare; give all one size: --set=data.image_size=N")


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

    Variants with seeds that have no score, since they diverged before their first one, come after all others.

    Args:
        lab: where runs and files go.
        variants: names; or those of recipes.
        dataset: a registry name.
        metric: the score that ranks, `"fid"` say.
        steps: rounds; None: the recipes' own.
        changes: `section.key=value` over each recipe.
        wanted: a score: the table says after how many rounds and core-seconds it was reached; None: it does not.

    Raises:
        InputError: if a name is unknown, scores would not compare, or a run failed.
        NotEnough: if none has come to its end.
    """
    require_ranks(metric, dataset)
    require_unset(changes)
    sign, modes = sign_of(metric), mode_count(dataset)
    games = {name: game(name, dataset, metric, steps, changes) for name in variants}
    recipes = {name: config.load_recipe(each.recipe, each.changes) for name, each in games.items()}
    require_alike(recipes, lab.data_dir)
    for name, each in games.items():
        lab.say(f"{name}: recipe {each.recipe}, {recipes[name].train.steps:,} rounds")
    found = lab.train(games, partly=True)
    require_any(found)
    trained = {name: own for name, own in found.items() if own}
    runs = {name: [steady(each, metric, modes) for each in own] for name, own in trained.items()}
    rows = []
    for name, own in runs.items():
        played = {"recipe": games[name].recipe, "rounds": recipes[name].train.steps}
        rows.append({"name": name, **played, **summary(name, own)})
        if wanted is not None:
            times = sorted(reached(each, metric, wanted) for each in trained[name])
            rows[-1]["rounds_to"], rows[-1]["core_seconds_to"] = times[len(times) // 2]
    rows.sort(key=lambda row: (row["scored"] < row["runs"], not row["scored"], -sign * row["last"]))
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
    head = ["variant", "recipe", "rounds", "seeds with a score", f"last {metric}", f"best {metric}",
            "times worse than best", "best is last", "collapsed", "keeps its score"]  # fmt: skip
    lines = [head + (["rounds to", "core-seconds to"] if to else []), ["---"] * (len(head) + 2 * to)]
    for row in rows:
        cells = [
            f"`{row['name']}`", f"`{row['recipe']}`", f"{row['rounds']:,}", f"{row['scored']} of {row['runs']}",
            f"{row['last']:.3g} ± {row['last_sd']:.2g}", f"{row['best']:.3g} ± {row['best_sd']:.2g}",
            f"{row['last_over_best']:.2f}",
            f"{row['still_learning']} of {row['runs']}", f"{100 * row['collapse_rate']:.0f} %",
            "yes" if row["keeps"] else "no",
        ]  # fmt: skip
        lines.append(cells + ([f"{row['rounds_to']:.4g}", f"{row['core_seconds_to']:.3g}"] if to else []))
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
        "off by 10 % at random the last one would be more than 1.2 times the best in 57 of 100 runs; not told if of "
        "more than half of the runs no score before the last is as good: a game that still learns keeps its score by "
        "that alone"
    )
    claim = Claim("stability report", says, rule)
    id = "compare-" + re.sub(r"[^\w.-]+", "-", dataset).strip("-")  # a folder's name, also of data in a folder
    return Experiment(id, f"Compares variants on {dataset}", lambda lab: None, {"keeps": claim},
                      dict.fromkeys(BUDGETS, 0.0), 5)  # fmt: skip


def judge(lab: Lab, rows: Sequence[dict]) -> None:
    """Judges whether more than half of the variants keep their scores; nothing of games that were still learning."""
    keeping = [row["name"] for row in rows if row["keeps"]]
    runs, learning = (sum(row[key] for row in rows) for key in ("runs", "still_learning"))
    found = f"{len(keeping)} of {len(rows)}: {', '.join(keeping) or 'none'}; {learning} of {runs} runs still learned"
    lab.judge("keeps", 2 * len(keeping) > len(rows) if lab.told and 2 * learning <= runs else None, found)
