"""The setting in which methods are compared on CIFAR-10, and the rows that come of it."""

import json
from collections.abc import Iterable, Mapping

import numpy as np

from ganzoo import config
from ganzoo.experiments.averages import mean
from ganzoo.experiments.lab import Lab, require_any
from ganzoo.experiments.runs import Game, Trained
from ganzoo.experiments.stability import FEWEST, LOWEST, ahead, column, share_alive, steady
from ganzoo.registry import variant

BY_INCEPTION = "full is scored by TF-GAN's Inception on 10,000 samples"
SHORT = 2_000  # rounds; of dual_d_selu, seed 0, the score is 3.85 there, 3.99 after 4,000
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


def played(lab: Lab, games: Mapping[str, Game]) -> tuple[dict[str, list[Trained]], list[dict]]:
    """Returns the runs of games that came to an end, by the games' names, and a row each.

    Raises:
        NotEnough: if none has.
    """
    runs = lab.train(games, partly=True)
    require_any(runs)
    return runs, [row_of(lab, name, each) for name, own in runs.items() for each in own]


def row_of(lab: Lab, name: str, trained: Trained) -> dict:
    """Returns a run's row: the score, best, last and late (mean of the last three), FID, classes, collapsed or not.

    `learned`: whether it has ever had half of the classes. Before that a collapse is not told from a slow beginning.
    """
    score, found = metrics(lab)[0], trained.scores
    late, fids = column(found[-3:], score), column(found, "fid")
    row = {
        "method": name, **steady(trained, score), "late": float(np.mean(late)) if late else LOWEST,
        "learned": any(share_alive(row) >= FEWEST for row in found), "fid": fids[-1] if fids else np.nan,
    }  # fmt: skip
    return row if late else row | {"best": LOWEST, "last": LOWEST}


def means(rows: list[dict], names: Iterable[str], key: str) -> dict[str, float]:
    """Returns each method's mean over its runs, of those that have a value; NaN where none has."""
    return {name: mean(row[key] for row in rows if row["method"] == name) for name in names}


def lead(rows: list[dict], first: str, second: str, key: str = "late") -> tuple[float, float, float]:
    """Returns by how much a method is above another one, see `ganzoo.experiments.stability.ahead`."""
    by_seed = [{row["seed"]: row[key] for row in rows if row["method"] == name} for name in (first, second)]
    return ahead(*by_seed)


def known(lab: Lab, found: Mapping[str, float]) -> bool:
    """Returns whether there is enough to judge by: every run came to its end, every method has a score."""
    return lab.told and bool(np.isfinite(list(found.values())).all())


def real_score(lab: Lab, runs: dict[str, list[Trained]]) -> float:
    """Returns the score of held-out real images, as the records of the runs have it."""
    scores = [
        value for own in runs.values() for each in own for value in column(each.scores, f"real_{metrics(lab)[0]}")
    ]
    return scores[0] if scores else np.nan


def mark_of(row: Mapping) -> str:
    """Returns how a run is marked: one that never had half of the classes cannot have lost them."""
    return ("collapsed" if row["learned"] else "never learned") if row["collapsed"] else "kept"


def draw_scores(lab: Lab, name: str, rows: list[dict], published: dict[str, float]) -> None:
    """Draws each run's late score, a line a method, beside what is published, if anything is."""
    compared = bool(np.isfinite(list(published.values())).any())
    with lab.figure(name, 8.0, 0.4 * len(published) + 1.2) as figure:
        panels = figure.subplots(1, 1 + compared, sharey=True, squeeze=False)[0]
        if compared:
            panels[0].barh(list(published), list(published.values()), color="0.7")
            panels[0].set(title="published", xlabel="Inception score")
        found = panels[-1]
        for position, method in enumerate(published):
            own = [row for row in rows if row["method"] == method]
            found.plot([row["best"] for row in own], [position] * len(own), "|", color="0.6", ms=12)
            for mark, look in (("kept", "C0o"), ("collapsed", "C3X"), ("never learned", "kd")):
                late = [row["late"] for row in own if mark_of(row) == mark]
                found.plot(late, [position] * len(late), look, ms=5, zorder=3)
        label = metrics(lab)[0].replace("_", " ")
        found.set(title="found: late (point), best (bar)")
        found.set_xlabel(
            f"{label}\nlate: mean of the last three\nred cross: collapsed; black: never learned", fontsize=8
        )
        found.set_yticks(range(len(published)), list(published))
        found.set_ylim(len(published) - 0.5, -0.5)  # the first on top, no mark at the edge
        for panel in panels:
            panel.grid(alpha=0.3, axis="x")
