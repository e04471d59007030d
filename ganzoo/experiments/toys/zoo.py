"""Every registered variant on the ring of 8 and the grid of 25: one setting, one table, one page."""

import numpy as np

from ganzoo.data import Density, load
from ganzoo.experiments.averages import by_name
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab, require_any
from ganzoo.experiments.runs import Trained
from ganzoo.experiments.stability import ahead
from ganzoo.experiments.toys.games import SAMPLES, zoo

DATASETS = ("ring8", "grid25")
ALL = 8 + 25  # modes
SCORES = {"modes": "modes_covered", "high_quality": "high_quality_share", "reverse_kl": "reverse_kl"}
CURES = ("unrolled", "minibatch_discrimination", "pacgan", "mdgan", "d2gan", "dragan")
COLUMNS = ("held", *SCORES, "seconds")
LEAD = 1.0  # mode that a game has to hold more than the plain one: some hold 0.2 of one, mean of seeds
HELD = 1 / 4  # of an even share of the samples: fewer may come of samples that are spread over the plane


def held_modes(points: np.ndarray, density: Density) -> int:
    """Returns how many modes have a quarter of an even share of the points [N, D] within 3 standard deviations."""
    near = np.linalg.norm(points[:, None] - density.modes, axis=-1) < 3 * density.standard_deviation
    return int((near.mean(0) >= HELD / len(density.modes)).sum())


def row_of(trained: Trained, density: Density) -> dict:
    """Returns what a run came to; if it diverged no mode, whatever it had before."""
    row = {"seed": trained.seed, "status": trained.status, "seconds": trained.seconds}
    if not trained.finished:
        return row | {"held": 0.0, "modes": 0.0, "high_quality": 0.0}
    held = trained.measured("held_modes", lambda gan: {"held": held_modes(gan.generate(SAMPLES, seed=1), density)})
    return row | {"held": held[-1]["held"]} | {name: trained.scores[-1][score] for name, score in SCORES.items()}


@experiment(
    "p-zoo",
    hours=(0.01, 1.0, 4.0),
    seeds=5,
    differs="one setting for all variants, not each one's own, 16 minibatch kernels for 100 "
    "(ganzoo/experiments/toys/games.py); its one rate of 1e-3 for both players was chosen since the plain game "
    "collapses there: at 1e-3 for D and 1e-4 for G, tried first with one seed and 3,000 rounds, it reached 25 of the "
    "33 modes, and one of the six other games more; points alone, no variant is run on CIFAR-10",
    scaled="6,000 rounds for the 25,000 and more that papers give such games",
    claims={
        "covers": Claim(
            "Padala & Gujar 2018, sections 3 and 4; the papers of D2GAN, PacGAN and DRAGAN",
            "Games made against mode collapse cover more modes than the plain one.",
            f"of {', '.join(CURES)} at least 5 hold at least {LEAD:g} more of the {ALL} modes of ring and grid than "
            "non_saturating, mean of seeds, the 95 % interval of the lead, seed by seed, above 0, and their mean is "
            "above that of the variants that are not made for it; a mode is held by a quarter of its even share of the "
            "samples within 3 standard deviations of it; a run that diverged holds none; not told if non_saturating "
            "holds all",
            "none",
        ),
    },
)
def p_zoo(lab: Lab) -> None:
    """Trains every variant on the ring of 8 and the grid of 25: modes, quality, seconds."""
    names = lab.choose(smoke=("non_saturating", "wgan_gp"), short=None)
    rounds = lab.choose(smoke=20, short=6_000, full=25_000)
    modes: dict[str, dict[int, float]] = {}  # by variant and seed
    for dataset in DATASETS:
        density, rows, points = load(dataset), [], {}
        trained = lab.train(zoo(dataset, rounds, names), partly=True)
        require_any(trained)
        for name, runs in trained.items():
            rows += [{"variant": name, **row_of(each, density)} for each in runs]
            if runs and runs[0].steps:
                points[name] = runs[0].restored().generate(SAMPLES, seed=1)
        table = by_name(rows, "variant", COLUMNS)
        table.sort(key=lambda row: (-row["held"], -row["high_quality"]))
        lab.table(
            f"{dataset}_runs",
            [{**dict.fromkeys(("variant", "seed", "status", "seconds", *COLUMNS), ""), **row} for row in rows],
        )
        lab.table(dataset, table)
        draw_page(lab, dataset, density, points, {row["variant"]: row for row in table})
        for row in rows:
            own = modes.setdefault(row["variant"], {})
            own[row["seed"]] = own.get(row["seed"], 0.0) + row["held"]
    judge(lab, modes)


def judge(lab: Lab, modes: dict[str, dict[int, float]]) -> None:
    """Judges by the modes of both data sets that each variant holds, seed by seed."""
    if not {*CURES, "non_saturating"} <= modes.keys():
        return
    mean = {name: float(np.mean(list(own.values()))) for name, own in modes.items()}
    plain = modes["non_saturating"]
    leads = {name: ahead(own, plain) for name, own in modes.items() if own is not plain}
    better = {name for name, (lead, low, _) in leads.items() if lead >= LEAD and low > 0}
    others = leads.keys() - set(CURES)
    ours, theirs = (float(np.mean([mean[name] for name in names])) if names else 0.0 for names in (CURES, others))
    count = len(better & set(CURES))
    found = f"{count} of {len(CURES)} ({len(better & others)} of the {len(others)} others), the plain game "
    found += f"{mean['non_saturating']:.1f}: " + ", ".join(f"{name} {mean[name]:.1f}" for name in CURES)
    found += f"; their mean {ours:.1f}, that of the others {theirs:.1f}"
    told = lab.told and mean["non_saturating"] < ALL
    lab.judge("covers", count >= 5 and ours > theirs if told else None, found)


def draw_page(lab: Lab, name: str, density: Density, points: dict[str, np.ndarray], rows: dict[str, dict]) -> None:
    """Draws a panel a variant, the one that holds most modes first: samples of its first seed over the modes."""
    reach = 1.4 * float(np.abs(density.modes).max())
    columns = min(7, len(rows))
    with lab.figure(name, 1.5 * columns, 1.65 * -(-len(rows) // columns)) as figure:
        panels = figure.subplots(-(-len(rows) // columns), columns, squeeze=False).ravel()
        for panel in panels:
            panel.axis("off")
        for panel, (variant, row) in zip(panels, rows.items(), strict=False):
            panel.plot(*density.modes.T, "o", color="0.7", mfc="none", ms=5, mew=0.5)
            panel.plot(*points.get(variant, np.zeros((0, 2))).T, ".", ms=1, alpha=0.6, rasterized=True)
            panel.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
            panel.set_title(f"{variant}\nholds {row['held']:.1f}, {100 * row['high_quality']:.0f} %", fontsize=6)
