"""The ring of 8 as games go on: who rotates from mode to mode, who covers them."""

import itertools

import numpy as np
from matplotlib.colors import LogNorm

from ganzoo.data import Density, load
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab, require_shown
from ganzoo.experiments.runs import Game
from ganzoo.experiments.toys.games import SAMPLES, SNAPSHOTS, zoo, zoo_game

# Beside the zoo's own games, the plain one and unrolled ones at the rate of the paper, a tenth of the zoo's.
UNROLLED = {"unrolled, 0 steps": 0, "unrolled, 5 steps": 5, "unrolled, 10 steps": 10}
FAIR = 1 / 16  # of the samples: half of a mode's even share
NEAR = 0.5  # of the samples within 3 standard deviations of a mode: fewer are spread over the plane, not over modes
BLOCKS = 3  # of rows, side by side
PAPERS_RATE = 'optimizer={name = "adam", learning_rate = 1e-4, beta_1 = 0.5, beta_2 = 0.999}'


def games(rounds: int, longer: int, names) -> dict[str, Game]:
    """Returns the games by name; those of the zoo are p-zoo's, run once for both."""
    found = zoo("ring8", rounds, names)
    for name, steps in UNROLLED.items():
        game = zoo_game("unrolled", "ring8", longer)
        found[name] = Game(game.recipe, (*game.changes, PAPERS_RATE, f"gan.unroll_steps={steps}"))
    return found


@experiment(
    "a-mog-time",
    hours=(0.01, 0.6, 3.0),
    seeds=3,
    differs="the plain game beside the unrolled ones is theirs with 0 steps: minimax, simultaneous. The ratio of the "
    "rates matters as much: with D's ten times G's the plain game does not collapse. Unrolled are steps of gradient "
    "descent, rate 0.1, for Adam's, batches are of 256 for 512",
    scaled="5,000 rounds of the unrolled games, 6,000 of the others, for 25,000",
    claims={
        "unrolled": Claim(
            "Article, on unrolled GANs (Metz et al. 2016)",
            "Unrolled the game spreads over all 8 modes, where the plain one does not.",
            "last snapshot, mean of seeds, rates 1e-4: each mode is the nearest one to at least 1/16 of the samples, "
            f"half of an even share, and at least {100 * NEAR:g} % are within 3 standard deviations of one, with 5 and "
            "with 10 steps, not so with none (samples all over the plane have the first)",
            "figure",
        ),
        "rotates": Claim(
            "Article, on unrolled GANs (Metz et al. 2016)",
            "The plain game rotates from mode to mode.",
            "with 0 steps, rates 1e-4: in at least half of the pairs of one snapshot and the next one, "
            f"of {SNAPSHOTS} a run, mean of seeds, more than half of the samples are nearest to one mode, and to "
            "another one in the other snapshot",
            "figure",
        ),
    },
)
def a_mog_time(lab: Lab) -> None:
    """Draws the density of every variant on the ring of 8 at five moments of its training."""
    names = lab.choose(smoke=("non_saturating",), short=None)
    rounds, longer = lab.choose(smoke=(10, 10), short=(6_000, 5_000), full=(25_000, 25_000))
    density, rows, snapshots = load("ring8"), [], {}
    trained = lab.train(games(rounds, longer, names), partly=True)
    require_shown({name: trained[name] for name in UNROLLED})
    for name, runs in trained.items():
        # Snapshots are drawn of one seed; of the games that are judged the others are looked at, too.
        for each in runs if name in UNROLLED else runs[:1]:
            for step, gan in each.snapshots():
                points = gan.generate(SAMPLES, seed=1)
                rows.append({"game": name, "seed": each.seed, "step": step, **shares(points, density)})
                if each is runs[0]:
                    snapshots.setdefault(name, {})[step] = points
    lab.table("snapshots", rows)

    def last(name: str, column: str) -> float:
        own = [row for row in rows if row["game"] == name]
        return float(np.mean([row[column] for row in own if row["step"] == max(r["step"] for r in own)]))

    found = {name: (last(name, "least"), last(name, "near")) for name in UNROLLED}
    plain, *others = [least >= FAIR and near >= NEAR for least, near in found.values()]
    said = "; ".join(f"{name}: {100 * least:.1f} %, {100 * near:.1f} % near" for name, (least, near) in found.items())
    told = {name: lab.told_by(trained[name]) for name in UNROLLED}
    lab.judge("unrolled", all(others) and not plain if all(told.values()) else None, f"least mode: {said}")
    still = next(iter(UNROLLED))
    pairs = [one["mode"] != other["mode"] and min(one["most"], other["most"]) > 0.5
             for one, other in itertools.pairwise(rows)
             if one["game"] == other["game"] == still and one["seed"] == other["seed"]]  # fmt: skip
    changes = float(np.mean(pairs))
    lab.judge("rotates", changes >= 0.5 if told[still] else None, f"{100 * changes:.0f} % of {len(pairs)} pairs")
    draw(lab, density, snapshots)


def shares(points: np.ndarray, density: Density) -> dict[str, float | int]:
    """Returns the mode that is nearest to most of the points [N, D], the share it has, and the least one of a mode.

    Beside them the share of the points that are within three standard deviations of a mode.
    """
    distances = np.linalg.norm(points[:, None] - density.modes, axis=-1)
    found = np.bincount(distances.argmin(1), minlength=len(density.modes)) / len(points)
    near = float(np.mean(distances.min(1) < 3 * density.standard_deviation))
    return {"mode": int(found.argmax()), "most": float(found.max()), "least": float(found.min()), "near": near}


def draw(lab: Lab, density: Density, snapshots: dict[str, dict[int, np.ndarray]]) -> None:
    """Draws a row a game, those that are judged first, a column a moment; rows go on in the next block."""
    names = sorted(snapshots, key=lambda name: name not in UNROLLED)
    columns = max(len(moments) for moments in snapshots.values())
    rows = -(-len(names) // BLOCKS)
    with lab.figure("density", BLOCKS * (0.8 * columns + 0.9), 0.9 * rows + 0.3) as figure:
        for number, block in enumerate(figure.subfigures(1, BLOCKS, squeeze=False)[0]):
            own = names[number * rows : (number + 1) * rows]
            titles: list[int] = []
            for panels, name in zip(block.subplots(rows, columns, squeeze=False), own, strict=False):
                draw_moments(panels, name, density, snapshots[name], titled=titles != list(snapshots[name]))
                titles = list(snapshots[name])
            for panel in block.axes:
                panel.set_visible(panel.has_data())


def draw_moments(panels, name: str, density: Density, moments: dict[int, np.ndarray], titled: bool) -> None:
    """Draws where the samples of a game are, a panel a moment."""
    for panel, (step, points) in zip(panels, moments.items(), strict=False):
        panel.hist2d(
            *points.T, bins=60, range=[[-3, 3], [-3, 3]], cmap="magma", norm=LogNorm(1, SAMPLES), rasterized=True
        )
        panel.set_facecolor("black")
        panel.plot(*density.modes.T, "wo", ms=4, mfc="none", mew=0.3)
        panel.set(xticks=[], yticks=[], xlim=(-3, 3), ylim=(-3, 3), aspect="equal")
        if titled:
            panel.set_title(f"round {step:,}", fontsize=6, pad=2)
    label = name.replace(", ", ",\n").replace("_", "\n")
    panels[0].set_ylabel(label, fontsize=6, rotation=0, ha="right", va="center")
