"""The setting in which methods are compared on CIFAR-10, and the rows that come of it."""

import json

import numpy as np

from ganzoo import config
from ganzoo.experiments.lab import Lab
from ganzoo.experiments.runs import Game, Trained
from ganzoo.experiments.stability import column, steady
from ganzoo.registry import variant

BY_INCEPTION = "full is scored by TF-GAN's Inception on 10,000 samples"
SHORT = 2_000  # rounds; dual_d_selu's score had all but stopped rising there: 3.85, 3.99 after 4,000, seed 0
SCALED = (
    f"{SHORT:,} rounds for 100,000; widths of 16 (32 for residual networks, 256 for a denoiser) for 64 to 128 and "
    "more, batches of 32, networks in bfloat16; scored by the shipped classifier of CIFAR-10 on 2,000 samples, which "
    "is no Inception score"
)
WIDTHS = {"resnet": 32, "mlp": 256}  # of an architecture; the others have 16


def metrics(lab: Lab) -> tuple[str, ...]:
    """Returns what is evaluated, the score first; not all there is: nearness to 50,000 images outlasts the training."""
    small = ("classifier_score", "modes", "fid")
    return lab.choose(smoke=small, short=small, full=("inception_score", "modes", "fid"))


def game(lab: Lab, recipe: str, *changes: str, times: int = 1) -> Game:
    """Returns a recipe's game at the lab's budget, `times` as many rounds as the others' games."""
    steps = times * lab.choose(smoke=2, short=SHORT, full=100_000)
    every = max(1, steps // lab.choose(smoke=1, short=10, full=100))
    common = (
        f"train.steps={steps}", f"train.checkpoint_steps={every}", "train.keep_checkpoints=1", "train.watch_steps=0",
        f"train.evaluate_steps={every}", f"train.evaluate_samples={lab.choose(smoke=40, short=2_000, full=10_000)}",
        f"train.evaluate_metrics={json.dumps(metrics(lab))}", "train.deterministic=false", "gan.ema_momentum=0.0",
    )  # fmt: skip
    less = (*narrowed(recipe, changes), "data.batch_size=32", "train.precision=mixed_bfloat16")
    small = ("data.batch_size=64",) if lab.budget == "full" else less
    few = ("data.split=train[:256]", "train.evaluate_split=test[:64]") if lab.budget == "smoke" else ()
    return Game(recipe, (*common, *small, *few, *changes))


def narrowed(recipe: str, changes: tuple[str, ...]) -> list[str]:
    """Returns the changes that make networks narrow, but for those whose architecture or width is given."""
    loaded = config.load_recipe(recipe, changes)
    cls, given = variant(loaded.variant), loaded.gan.get("networks", {})
    found = []
    for player in (*cls.opponents, *cls.partners, "generator"):
        if not any(change.startswith(f"gan.networks.{player}") for change in changes):
            spec = {**cls.default_networks[player], **given.get(player, {})}
            found.append(f"gan.networks.{player}.width={WIDTHS.get(spec['architecture'], 16)}")
    return found


def row_of(lab: Lab, name: str, trained: Trained) -> dict:
    """Returns a run's row: the score, last and best, FID, classes, and whether it collapsed."""
    row = {"method": name, **steady(trained, metrics(lab)[0])}
    fids = column(trained.scores, "fid")
    return row | {"fid": fids[-1] if fids else np.nan}


def means(rows: list[dict], key: str = "last") -> dict[str, float]:
    """Returns a method's mean over its runs, of those that have a value; NaN where none has."""
    found = {}
    for name in dict.fromkeys(row["method"] for row in rows):
        values = [row[key] for row in rows if row["method"] == name and np.isfinite(row[key])]
        found[name] = float(np.mean(values)) if values else np.nan
    return found


def real_score(lab: Lab, runs: dict[str, list[Trained]]) -> float:
    """Returns the score of held-out real images, as the records of the runs have it."""
    scores = [
        value for own in runs.values() for each in own for value in column(each.scores, f"real_{metrics(lab)[0]}")
    ]
    return scores[0] if scores else np.nan


def draw_scores(lab: Lab, name: str, rows: list[dict], published: dict[str, float]) -> None:
    """Draws each run's last score, a line a method, beside what is published."""
    with lab.figure(name, 8.0, 0.4 * len(published) + 1.2) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        names = list(published)
        left.barh(names, list(published.values()), color="0.7")
        left.set(title="published", xlabel="Inception score")
        for position, method in enumerate(names):
            own = [row for row in rows if row["method"] == method]
            right.plot([row["best"] for row in own], [position] * len(own), "|", color="0.6", ms=12)
            colours = ["C3" if row["collapsed"] else "C0" for row in own]
            right.scatter([row["last"] for row in own], [position] * len(own), c=colours, s=18, zorder=3)
        label = metrics(lab)[0].replace("_", " ")
        right.set(title="found: last (point), best (bar)", xlabel=f"{label}; red: collapsed")
        left.invert_yaxis()
        for panel in (left, right):
            panel.grid(alpha=0.3, axis="x")
