"""Level sets of a discriminator on the plane in three phases of its training: Kodali et al. 2018, figures 4 and 13."""

from typing import Any

import numpy as np
import tensorflow as tf

from ganzoo import pictures
from ganzoo.data import Density, load
from ganzoo.evaluation import modes_covered
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab
from ganzoo.experiments.papers import DRAGAN, PLAIN_GAME
from ganzoo.experiments.runs import Game, Trained
from ganzoo.experiments.stability import ahead, said
from ganzoo.gan import GAN
from ganzoo.penalties import squared_gradient_norms

# The paper does not say its setting: networks, optimizer and penalty weight are those of WGAN-GP's toy code, smaller.
NETWORK = '{architecture = "mlp", width = 128, depth = 3}'
WEIGHT = 0.1
SEEDS = 5
DIFFERS = (
    "the paper does not say its setting: three layers of 128 units, penalty weight 0.1, not its usual 10; "
    f"{DRAGAN}; {PLAIN_GAME}"
)
SCALED = "6,000 rounds; the paper does not say how many"
VARIANTS = ("non_saturating", "wgan_gp", "dragan")
PHASES = 3
REACH = 3.0  # of the plane, each way
SIDE = 81  # points of the surface, each way
NEAR = 0.5  # of real points: further away there is nothing that any of the games sees
FRAMES = 24


def games(dataset: str, variants: tuple[str, ...], rounds: int, snapshots: int) -> dict[str, Game]:
    """Returns the games of variants on one density, with equal networks and optimizers."""
    changes = (
        f"data.dataset={dataset}", "data.batch_size=256", "gan.latent_dim=2", "gan.ema_momentum=0.0",
        f"gan.networks.generator={NETWORK}", f"gan.networks.discriminator={NETWORK}",
        'optimizer={name = "adam", learning_rate = 1e-3, beta_1 = 0.5, beta_2 = 0.9}', "optimizers={}",
        f"train.steps={rounds}", f"train.checkpoint_steps={rounds // snapshots}", f"train.keep_checkpoints={snapshots}",
        "train.watch_steps=0", "train.evaluate_steps=0", "train.deterministic=false",
    )  # fmt: skip
    weight = (f"gan.penalty_weight={WEIGHT}",)
    return {name: Game(name, changes + (weight if name in ("wgan_gp", "dragan") else ())) for name in variants}


def surface(gan: GAN, reach: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns an axis [S], scores on the square of it [S, S] and samples [N, 2]."""
    axis = np.linspace(-reach, reach, SIDE, dtype=np.float32)
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    scores = gan.discriminator(points, training=False).numpy().reshape(SIDE, SIDE)
    return axis, scores, gan.generate(1_000, seed=1, averaged=False)


def slope_at(gan: GAN, points: np.ndarray) -> float:
    """Returns the mean norm of the score's gradient at points [N, 2]."""
    norms = squared_gradient_norms(lambda x: gan.discriminator(x, training=False), tf.constant(points))
    return float(tf.reduce_mean(tf.sqrt(norms)))


def draw(panel, axis: np.ndarray, scores: np.ndarray, samples: np.ndarray, real: np.ndarray) -> Any:
    """Draws level sets with real points and samples; returns what a colour bar is drawn of."""
    filled = panel.contourf(axis, axis, scores, levels=14, cmap="viridis")
    panel.contour(axis, axis, scores, levels=14, colors="k", linewidths=0.25)
    panel.plot(*real.T, ".", ms=1.5, color="orange", rasterized=True)
    panel.plot(*samples.T, ".", ms=1, color="lime", rasterized=True)
    panel.set(xlim=axis[[0, -1]], ylim=axis[[0, -1]], aspect="equal", xticks=[], yticks=[])
    return filled


def flexibility(gan: GAN, reach: float, real: np.ndarray) -> float:
    """Returns by how much slopes differ around real points [N, 2], standard deviation over mean: 0 if all are one."""
    axis = np.linspace(-reach, reach, SIDE, dtype=np.float32)
    plane = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    points = plane[np.linalg.norm(plane[:, None] - real, axis=-1).min(1) <= NEAR]
    norms = squared_gradient_norms(lambda x: gan.discriminator(x, training=False), tf.constant(points)).numpy() ** 0.5
    return float(norms.std() / norms.mean())


def page(lab: Lab, dataset: str, rounds: int) -> tuple[list[dict], dict[str, list[Trained]]]:
    """Draws a row a variant, a column a phase, of the first seed; returns what is measured at each, and the runs.

    Of every seed and phase: the slope at real points, the flexibility.
    """
    real, rows = load(dataset).sample(1_000, 0), []
    runs = lab.train(games(dataset, VARIANTS, rounds, PHASES))
    with lab.figure("level_sets", 2.9 * PHASES, 2.5 * len(VARIANTS)) as figure:
        figure.suptitle("D's score, data (orange), samples (green)", fontsize=9)
        panels = figure.subplots(len(VARIANTS), PHASES, squeeze=False)
        for row, (name, own) in zip(panels, runs.items(), strict=True):
            for trained in own:
                for panel, (step, gan) in zip(row, trained.snapshots(), strict=False):
                    found = {"slope_at_real": slope_at(gan, real), "flexibility": flexibility(gan, REACH, real)}
                    rows.append({"variant": name, "seed": trained.seed, "step": step, **found})
                    if trained is own[0]:
                        filled = draw(panel, *surface(gan, REACH), real)
                        figure.colorbar(filled, ax=panel, shrink=0.75).ax.tick_params(labelsize=6)
                        panel.set_title(f"{name}, round {step}", fontsize=8)
    lab.table("phases", rows)
    return rows, runs


def last_phase(rows: list[dict], key: str) -> dict[str, dict[int, float]]:
    """Returns what variants have in the last phase, by seed; a run that diverged before has nothing."""
    end = max(row["step"] for row in rows)
    return {name: {row["seed"]: row[key] for row in rows if row["variant"] == name and row["step"] == end}
            for name in VARIANTS}  # fmt: skip


def means(last: dict[str, dict[int, float]]) -> dict[str, float]:
    """Returns the mean over seeds of each variant."""
    return {name: float(np.mean(list(values.values()) or [np.nan])) for name, values in last.items()}


def listed(values: dict[str, float]) -> str:
    """Returns a number a variant as text."""
    return "; ".join(f"{name}: {value:.2g}" for name, value in values.items())


def judge_flexible(lab: Lab, rows: list[dict], runs: dict[str, list[Trained]]) -> None:
    """Judges by what DRAGAN has above WGAN-GP in the last phase."""
    last = last_phase(rows, "flexibility")
    lead, told = ahead(last["dragan"], last["wgan_gp"]), lab.told_by([*runs["dragan"], *runs["wgan_gp"]])
    found = f"{listed(means(last))}; DRAGAN over WGAN-GP {said(lead)}"
    lab.judge("flexible", lead[1] > 0 if told else None, found)


def judge_sharp(lab: Lab, rows: list[dict], runs: dict[str, list[Trained]]) -> None:
    """Judges by the slopes of the vanilla game's score and of DRAGAN's in the last phase."""
    slopes = means(last_phase(rows, "slope_at_real"))
    told = lab.told_by([*runs["dragan"], *runs["non_saturating"]])
    lab.judge("sharp", slopes["dragan"] < slopes["non_saturating"] / 2 if told else None, listed(slopes))


def modes_of(trained: Trained, density: Density) -> int:
    """Returns how many modes a run's samples reach after the last round; none if it diverged."""
    if not trained.finished:
        return 0
    points = trained.restored().generate(2_500, seed=1, averaged=False)
    return int(modes_covered(points, density.modes, density.standard_deviation))


FLEXIBLE = (
    "after the last round the slope of the score varies more (standard deviation over mean) for DRAGAN than for "
    f"WGAN-GP on the plane within {NEAR:g} of real points, seed by seed, with its 95 % interval"
)


@experiment(
    "k-fig4",
    hours=(0.01, 0.15, 1.0),
    seeds=SEEDS,
    differs=DIFFERS,
    scaled=SCALED,
    claims={
        "sharp": Claim(
            "Kodali et al. 2018, section 2.4, by the runs of figure 4",
            "The penalty constrains the norm of D's gradients around real points to be small.",
            "after the last round, mean of seeds, the mean slope of the score at real points is under half of the "
            "vanilla game's (the penalty draws it to 1, from above and from below)",
            "remark",
        ),
        "flexible": Claim(
            "Kodali et al. 2018, section 2.5, figure 4",
            "WGAN-GP's coupled penalty restricts D more.",
            FLEXIBLE,
            "figure",
        ),
    },
)
def k_fig4(lab: Lab) -> None:
    """Draws level sets on the swiss roll in three phases: vanilla, WGAN-GP, DRAGAN."""
    rows, runs = page(lab, "swiss_roll", lab.choose(smoke=9, short=6_000, full=60_000))
    judge_sharp(lab, rows, runs)
    judge_flexible(lab, rows, runs)


@experiment(
    "k-fig13",
    hours=(0.01, 0.25, 1.0),
    seeds=SEEDS,
    differs=DIFFERS,
    scaled=SCALED,
    claims={
        "converge": Claim(
            "Kodali et al. 2018, section 5.2.2",
            "WGAN-GP and DRAGAN both converge, approximately, to eight Gaussians.",
            "samples of both reach all eight modes after the last round, on every seed",
            "figure",
        ),
        "flexible": Claim(
            "Kodali et al. 2018, section 5.2.2", "DRAGAN's D is the more flexible one.", FLEXIBLE, "figure"
        ),
    },
)
def k_fig13(lab: Lab) -> None:
    """Draws level sets on eight Gaussians in three phases, and an animation of samples over D's surface."""
    rounds, density = lab.choose(smoke=9, short=6_000, full=60_000), load("ring8")
    rows, runs = page(lab, "ring8", rounds)
    judge_flexible(lab, rows, runs)
    table = [{"variant": name, "seed": trained.seed, "modes": modes_of(trained, density)}
             for name, own in runs.items() for trained in own]  # fmt: skip
    lab.table("modes", table)
    reached = {name: [row["modes"] for row in table if row["variant"] == name] for name in VARIANTS}
    found = "; ".join(f"{name}: {', '.join(map(str, own))}" for name, own in reached.items())
    lab.judge("converge", min(reached["dragan"] + reached["wgan_gp"]) == 8 if lab.told else None, found)
    frames = lab.choose(smoke=3, short=FRAMES)
    animated = games("ring8", ("wgan_gp",), frames * lab.choose(smoke=1, short=50), frames)
    (run,) = lab.train(animated, seeds=lab.seeds[:1])["wgan_gp"]
    real = density.sample(500, 0)
    drawn = [frame(*surface(gan, REACH), real, step) for step, gan in run.snapshots()]
    pictures.save_walk(np.stack(drawn), lab.path("surface.gif"), seconds=0.25)


def frame(axis: np.ndarray, scores: np.ndarray, samples: np.ndarray, real: np.ndarray, step: int) -> np.ndarray:
    """Returns a picture uint8 [H, W, 3] of one moment."""
    with pictures.figure(width=3.2, height=3.4) as figure:
        panel = figure.add_subplot()
        draw(panel, axis, scores, samples, real)
        panel.set_title(f"round {step}", fontsize=9)
        return pictures.pixels(figure)
