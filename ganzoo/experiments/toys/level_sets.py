"""Level sets of a discriminator on the plane in three phases of its training: Kodali et al. 2018, figures 4 and 13."""

import numpy as np
import tensorflow as tf

from ganzoo import pictures
from ganzoo.data import load
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Game, Lab
from ganzoo.gan import GAN
from ganzoo.penalties import squared_gradient_norms

# The paper does not say its setting: networks, optimizer and penalty weight are those of WGAN-GP's toy code, smaller.
NETWORK = '{architecture = "mlp", width = 128, depth = 3}'
WEIGHT = 0.1
PHASES = 3
SIDE = 81  # points of the surface, each way
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


def draw(panel, axis: np.ndarray, scores: np.ndarray, samples: np.ndarray, real: np.ndarray) -> None:
    """Draws level sets with real points and samples."""
    panel.contourf(axis, axis, scores, levels=14, cmap="viridis")
    panel.contour(axis, axis, scores, levels=14, colors="k", linewidths=0.25)
    panel.plot(*real.T, ".", ms=1.5, color="orange", rasterized=True)
    panel.plot(*samples.T, ".", ms=1, color="lime", rasterized=True)
    panel.set(xlim=axis[[0, -1]], ylim=axis[[0, -1]], aspect="equal", xticks=[], yticks=[])


def page(lab: Lab, dataset: str, variants: tuple[str, ...], rounds: int, reach: float) -> dict[str, list[float]]:
    """Draws a row a variant, a column a phase; returns the slopes at real points, phase by phase."""
    real, slopes, rows = load(dataset).sample(1_000, 0), {}, []
    trained = {name: runs[0] for name, runs in lab.train(games(dataset, variants, rounds, PHASES), seeds=[0]).items()}
    with lab.figure("level_sets", 2.6 * PHASES, 2.7 * len(variants)) as figure:
        panels = figure.subplots(len(variants), PHASES, squeeze=False)
        for row, (name, run) in zip(panels, trained.items(), strict=True):
            for panel, step in zip(row, run.steps, strict=False):
                gan = run.restored(step)
                draw(panel, *surface(gan, reach), real)
                panel.set_title(f"{name}, round {step}", fontsize=8)
                slopes.setdefault(name, []).append(slope_at(gan, real))
                rows.append({"variant": name, "step": step, "slope_at_real": slopes[name][-1]})
    lab.table("slopes", rows)
    return slopes


def judged(lab: Lab, claim: str, slopes: dict[str, list[float]]) -> None:
    """Judges that a local penalty keeps slopes at real points small."""
    last = {name: own[-1] for name, own in slopes.items()}
    found = "; ".join(f"{name}: {slope:.2g}" for name, slope in last.items())
    plain = last.get("non_saturating", np.inf)
    lab.judge(claim, last["dragan"] < plain / 2 if lab.budget != "smoke" else None, found)


@experiment(
    "k-fig4",
    hours=(0.01, 0.15, 1.0),
    scaled="6,000 rounds; the paper does not say how many",
    claims={
        "local": Claim(
            "Kodali et al. 2018, figure 4",
            "DRAGAN's penalty keeps D smooth around real points; without one gradients there are sharp.",
            "mean slope of the score at real points after the last round: DRAGAN's is under half of the plain game's",
            "figure",
        ),
    },
)
def k_fig4(lab: Lab) -> None:
    """Draws level sets on the swiss roll in three phases: vanilla, WGAN-GP, DRAGAN."""
    rounds = lab.choose(smoke=9, short=6_000, full=60_000)
    judged(lab, "local", page(lab, "swiss_roll", ("non_saturating", "wgan_gp", "dragan"), rounds, reach=3.0))


@experiment(
    "k-fig13",
    hours=(0.01, 0.25, 1.0),
    scaled="6,000 rounds; the paper does not say how many",
    claims={
        "local": Claim(
            "Kodali et al. 2018, figure 13",
            "The same on eight Gaussians.",
            "mean slope of the score at real points after the last round: DRAGAN's is under half of the plain game's",
            "figure",
        ),
    },
)
def k_fig13(lab: Lab) -> None:
    """Draws level sets on eight Gaussians in three phases, and an animation of samples over D's surface."""
    rounds = lab.choose(smoke=9, short=6_000, full=60_000)
    judged(lab, "local", page(lab, "ring8", ("non_saturating", "wgan_gp", "dragan"), rounds, reach=3.0))
    frames = lab.choose(smoke=3, short=FRAMES)
    (run,) = lab.train(games("ring8", ("wgan_gp",), frames * lab.choose(smoke=1, short=50), frames), seeds=[0])[
        "wgan_gp"
    ]
    real = load("ring8").sample(500, 0)
    drawn = [frame(*surface(run.restored(step), 3.0), real, step) for step in run.steps]
    pictures.save_walk(np.stack(drawn), lab.path("surface.gif"), seconds=0.25)


def frame(axis: np.ndarray, scores: np.ndarray, samples: np.ndarray, real: np.ndarray, step: int) -> np.ndarray:
    """Returns a picture uint8 [H, W, 3] of one moment."""
    with pictures.figure(width=3.2, height=3.4) as figure:
        panel = figure.add_subplot()
        draw(panel, axis, scores, samples, real)
        panel.set_title(f"round {step}", fontsize=9)
        return pictures.pixels(figure)
