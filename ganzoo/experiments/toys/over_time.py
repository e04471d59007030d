"""The ring of 8 as games go on: who rotates from mode to mode, who covers them."""

import numpy as np

from ganzoo.data import load
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Game, Lab
from ganzoo.experiments.toys.games import SAMPLES, spread, zoo, zoo_game

# Beside the zoo's own games: the plain game and unrolled ones in the setting of unrolled's recipe.
UNROLLED = {"unrolled, 0 steps": 0, "unrolled, 5 steps": 5, "unrolled, 10 steps": 10}


def games(rounds: int, names) -> dict[str, Game]:
    """Returns the games by name; those of the zoo are p-zoo's, run once for both."""
    found = zoo("ring8", rounds, names)
    for name, steps in UNROLLED.items():
        game = zoo_game("unrolled", "ring8", rounds)
        found[name] = Game(game.recipe, (*game.changes, f"gan.unroll_steps={steps}"))
    return found


@experiment(
    "a-mog-time",
    hours=(0.01, 0.6, 3.0),
    seeds=3,
    scaled="3,000 rounds for 25,000",
    claims={
        "unrolled": Claim(
            "Article, on unrolled GANs (Metz et al. 2016)",
            "The plain game rotates between modes; unrolled by 5 or 10 steps it spreads over all.",
            "last snapshot, mean of seeds: the samples' spread (the data's is 1) is at least 0.8 with 5 and 10 steps, "
            "below 0.5 with none",
            "figure",
        ),
    },
)
def a_mog_time(lab: Lab) -> None:
    """Draws the density of every variant on the ring of 8 at five moments of its training."""
    names = lab.choose(smoke=("non_saturating",), short=None)
    rounds, density = lab.choose(smoke=10, short=3_000, full=25_000), load("ring8")
    rows, snapshots = [], {}
    for name, runs in lab.train(games(rounds, names)).items():
        # Snapshots are drawn of one seed; of the games that are judged the others are looked at, too.
        for trained in runs if name in UNROLLED else runs[:1]:
            for step, gan in trained.snapshots():
                points = gan.generate(SAMPLES, seed=1, averaged=False)
                rows.append({"game": name, "seed": trained.seed, "step": step, "spread": spread(points, density)})
                if trained is runs[0]:
                    snapshots.setdefault(name, {})[step] = points
    lab.table("snapshots", rows)

    def last(name: str) -> float:
        own = [row for row in rows if row["game"] == name]
        return float(np.mean([row["spread"] for row in own if row["step"] == max(r["step"] for r in own)]))

    spreads = {name: last(name) for name in UNROLLED}
    found = "; ".join(f"{name}: {spread:.2f}" for name, spread in spreads.items())
    plain, *others = spreads.values()
    lab.judge("unrolled", min(others) >= 0.8 and plain < 0.5 if lab.budget != "smoke" else None, found)
    draw(lab, density, snapshots)


def draw(lab: Lab, density, snapshots: dict[str, dict[int, np.ndarray]]) -> None:
    """Draws a row a game, a column a moment."""
    columns = max(len(moments) for moments in snapshots.values())
    with lab.figure("density", 1.2 * columns + 1.2, 1.2 * len(snapshots)) as figure:
        panels = figure.subplots(len(snapshots), columns, squeeze=False)
        for row, (name, moments) in zip(panels, snapshots.items(), strict=True):
            for panel in row:
                panel.set(xticks=[], yticks=[], xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
            for panel, (step, points) in zip(row, moments.items(), strict=False):
                panel.hist2d(*points.T, bins=60, range=[[-3, 3], [-3, 3]], cmap="magma", rasterized=True)
                panel.plot(*density.modes.T, "w.", ms=1)
                panel.set_title(f"round {step}", fontsize=6, pad=2)
            row[0].set_ylabel(
                name.replace(", ", ",\n").replace("_", "\n"), fontsize=5, rotation=0, ha="right", va="center"
            )
