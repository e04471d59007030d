"""One-hidden-layer nets on MNIST, with DRAGAN's penalty and without: Kodali et al. 2018, figures 2, 3, 11, 12."""

from collections.abc import Sequence

import numpy as np

from ganzoo import pictures
from ganzoo.evaluation.classifier_cache import classifier_for
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab, require_any
from ganzoo.experiments.mnist.measures import (
    BEFORE,
    against_before,
    roughness,
    sample_scores,
)
from ganzoo.experiments.papers import DRAGAN, PLAIN_GAME
from ganzoo.experiments.runs import Game, Trained

GAMES = {"plain": "non_saturating", "with penalty": "dragan"}
# The notebook's 10 (||g|| - 1)^2, for images in [0, 1], as it is for images in [-1, 1], where slopes are half as large.
PENALTY = ("gan.penalty_weight=40.0", "gan.penalty_target=0.5")
NETWORK = '{architecture = "mlp", width = 128, depth = 1}'
SEVERE = 0.5  # times it: one below that is a severe collapse
SHEET = 64  # samples
DIFFERS = (
    "rounds, batch, widths, latents and optimizer are those of the authors' notebook, since the paper has none; "
    "weights start orthogonal, of gain 0.8, for N(0, 2 / inputs); G ends in tanh for the notebook's sigmoid; a "
    f"convolutional classifier scores, 5,000 samples; {DRAGAN}; {PLAIN_GAME}"
)
FORM = "; section 2.4 says of the penalty without a target that this figure shows it, here it is equation 1's, k = 1"
COMMON = {
    "hours": (0.01, 0.55, 1.1),  # of both games; the plain one alone takes two fifths
    "seeds": 3,
    "needs": ("mnist",),
    "differs": DIFFERS,
    "scaled": "100,000 rounds for 200,000",
}


def games(lab: Lab) -> dict[str, Game]:
    """Returns both games: z ~ U(-1, 1)^100, 128 ReLU, 784 tanh against 784, 128 ReLU, 1; a look every 1,000 rounds."""
    rounds = lab.choose(smoke=12, short=100_000, full=200_000)
    every = lab.choose(smoke=1, short=1_000)
    changes = (
        "data.dataset=mnist", "data.batch_size=128", "gan.prior=uniform", "gan.latent_dim=100", "gan.ema_momentum=0.0",
        f"gan.networks.generator={NETWORK}", f"gan.networks.discriminator={NETWORK}",
        'optimizer={name = "adam", learning_rate = 1e-4, beta_1 = 0.5, beta_2 = 0.9}', "optimizers={}",
        f"train.steps={rounds}", f"train.checkpoint_steps={every}", f"train.keep_checkpoints={rounds // every}",
        "train.watch_steps=0", "train.evaluate_steps=0", "train.deterministic=false",
    )  # fmt: skip
    small = ("data.split=train[:1000]",) if lab.budget == "smoke" else ()
    own = {"with penalty": PENALTY}
    return {name: Game(recipe, (*changes, *own.get(name, ()), *small)) for name, recipe in GAMES.items()}


def scores(lab: Lab, runs: dict[str, list[Trained]]) -> list[dict]:
    """Returns the scores of all runs, a row a game, seed and checkpoint."""
    measure = sample_scores(classifier_for("mnist", (28, 28, 1), lab.data_dir), lab.choose(smoke=50, short=5_000))
    return [
        {"game": name, "seed": trained.seed, **row}
        for name, own in runs.items()
        for trained in own
        for row in trained.measured("sample_scores", measure)
    ]


def series(rows: Sequence[dict], game: str, column: str) -> dict[int, np.ndarray]:
    """Returns a column of one game over the rounds, by the seeds that were run."""
    own = [row for row in rows if row["game"] == game]
    seeds = dict.fromkeys(row["seed"] for row in own)
    return {seed: np.array([row[column] for row in own if row["seed"] == seed]) for seed in seeds}


def curves(lab: Lab, name: str, rows: Sequence[dict], columns: Sequence[str], what: str) -> None:
    """Draws a panel a game and a line a column of every seed, over the rounds; nothing without rows."""
    if not rows:
        return
    names = list(dict.fromkeys(row["game"] for row in rows))
    with lab.figure(name, 4.5 * len(names), 3.2) as figure:
        panels = np.atleast_1d(figure.subplots(1, len(names), sharey=True))
        panels[0].set_ylabel(what)
        for panel, game in zip(panels, names, strict=True):
            for number, column in enumerate(columns):
                for position, (seed, values) in enumerate(series(rows, game, column).items()):
                    label = None if position else column.replace("_", " ")
                    panel.plot(series(rows, game, "step")[seed], values, f"C{number}", lw=0.8, label=label)
            panel.set(xlabel="round", title=game)
            panel.grid(alpha=0.3)
            panel.legend(fontsize=7)


@experiment(
    "k-fig2",
    claims={
        "steadier": Claim(
            "Kodali et al. 2018, figure 2",
            "With the penalty both players' losses are more stable.",
            "of a loss's means over 1,000 rounds, how far one is off the mean of the one before and the one after, on "
            "average, as a share of the loss's mean size, first tenth of the run left out, mean of seeds: with the "
            "penalty below half of without, for both players",
            "figure",
        ),
    },
    **COMMON | {"differs": f"{DIFFERS}{FORM}; losses are means over 1,000 rounds, the notebook plots each round's"},
)
def k_fig2(lab: Lab) -> None:
    """Plots both players' losses of one-hidden-layer nets, without DRAGAN's penalty and with it."""
    runs = lab.train(games(lab))
    rows = [
        {"game": name, "seed": trained.seed, "step": int(row["step"]),
         **{player: row[f"{player}/adversarial"] for player in ("discriminator", "generator")}}
        for name, own in runs.items() for trained in own for row in trained.history
    ]  # fmt: skip
    lab.table("losses", rows)
    curves(lab, "losses", rows, ("discriminator", "generator"), "adversarial loss, mean of 1,000 rounds")

    def change(player: str, name: str) -> float:
        losses = series(rows, name, player).values()
        return float(np.mean([roughness(values[len(values) // 10 :]) for values in losses]))

    changes = {(player, name): change(player, name) for player in ("discriminator", "generator") for name in runs}
    lab.table("changes", [{"player": player, "game": name, "change": v} for (player, name), v in changes.items()])
    plain, penalised = runs
    steadier = all(changes[p, penalised] < changes[p, plain] / 2 for p in ("discriminator", "generator"))
    found = "; ".join(f"{player}, {name}: {100 * value:.2g} %" for (player, name), value in changes.items())
    known = lab.told and np.isfinite(list(changes.values())).all()
    lab.judge("steadier", steadier if known else None, found)


@experiment(
    "k-fig3",
    claims={
        "collapses": Claim(
            "Kodali et al. 2018, figures 3 and 11",
            "The plain game between such networks collapses severely.",
            f"on most seeds its score falls below {SEVERE} times the median of the {BEFORE} before it, ends below "
            f"{SEVERE} times its best, or the run diverges",
            "figure",
        ),
        "mitigated": Claim(
            "Kodali et al. 2018, figures 3 and 11",
            "With the penalty it does not.",
            "with the penalty that happens on no seed; not told if the plain game does not collapse, nor that one",
            "figure",
        ),
    },
    **COMMON | {"differs": DIFFERS + FORM},
)
def k_fig3(lab: Lab) -> None:
    """Scores one-hidden-layer nets along their training, without DRAGAN's penalty and with it."""
    runs = lab.train(games(lab), partly=True)
    require_any(runs)
    rows = scores(lab, runs)
    lab.table("scores", rows)
    curves(lab, "scores", rows, ("classifier_score",), "classifier score")
    table = [
        {"game": name, "seed": each.seed, "status": each.status,
         **kept(series(rows, name, "classifier_score").get(each.seed, np.zeros(0)), each.finished)}
        for name, own in runs.items() for each in own
    ]  # fmt: skip
    lab.table("runs", table)
    collapsed = {name: [row["collapsed"] for row in table if row["game"] == name] for name in GAMES}
    plain, penalised = collapsed.values()
    found = "; ".join(f"{name}: {sum(own)} of {len(own)} seeds collapse" for name, own in collapsed.items())
    severe = sum(plain) > len(plain) / 2
    lab.judge("collapses", severe if lab.told else None, found)
    lab.judge("mitigated", not any(penalised) if lab.told and (severe or any(penalised)) else None, found)


def kept(values: np.ndarray, finished: bool = True) -> dict[str, float | bool]:
    """Returns the best and the last score of a run, how often it fell severely, and whether it collapsed."""
    if not len(values):
        return {"best": np.nan, "last": np.nan, "falls": 0, "collapsed": True}
    falls = int((against_before(values) < SEVERE).sum())
    best, last = float(values.max()), float(values[-1])
    collapsed = bool(falls or last < SEVERE * best or not finished)
    return {"best": best, "last": last, "falls": falls, "collapsed": collapsed}


@experiment(
    "k-fig11",
    claims={
        "better": Claim(
            "Kodali et al. 2018, section 5.2.1, figure 11",
            "The plain game performs poorly even here; with the penalty scores are higher.",
            "last classifier score, mean of seeds: with the penalty at least 1.1 times that without",
            "figure",
        ),
    },
    **COMMON,
)
def k_fig11(lab: Lab) -> None:
    """Scores one-hidden-layer nets at the end of their training, without DRAGAN's penalty and with it."""
    rows = scores(lab, lab.train(games(lab)))
    last = [
        {"game": name, "seed": seed, "classifier_score": float(values[-1])}
        for name in GAMES
        for seed, values in series(rows, name, "classifier_score").items()
    ]
    lab.table("last_scores", last)
    plain, penalised = (np.mean([row["classifier_score"] for row in last if row["game"] == name]) for name in GAMES)
    found = f"plain: {plain:.2f}; with penalty: {penalised:.2f}"
    lab.judge("better", penalised >= 1.1 * plain if lab.told_by(lab.trained.values()) else None, found)
    with lab.figure("last_scores", 5.0, 3.2) as figure:
        panel = figure.add_subplot()
        panel.plot([row["game"] for row in last], [row["classifier_score"] for row in last], "o", alpha=0.7)
        panel.margins(x=0.4)
        panel.set_ylabel("last classifier score")
        panel.grid(alpha=0.3)


@experiment(
    "k-fig12",
    one_seed=True,
    claims={
        "look": Claim(
            "Kodali et al. 2018, section 5.2.1, figure 12",
            "With the penalty such networks draw decent digits.",
            published="figure",
        ),
    },
    **COMMON | {"seeds": 1},
)
def k_fig12(lab: Lab) -> None:
    """Shows samples of one-hidden-layer nets at four moments, without DRAGAN's penalty and with it."""
    runs = lab.train(games(lab))
    draw_sheets(lab, {name: own[0] for name, own in runs.items()})
    lab.table("samples", [{"game": name, "run": own[0].run.model_dir.name} for name, own in runs.items()])


def draw_sheets(lab: Lab, runs: dict[str, Trained]) -> None:
    """Draws a row a game, a column a moment: the same latents all along."""
    steps = {name: [run.steps[max(0, len(run.steps) * part // 10 - 1)] for part in (1, 3, 6, 10)]
             for name, run in runs.items()}  # fmt: skip
    with lab.figure("samples", 11.0, 6.0) as figure:
        for row, (name, run) in zip(figure.subplots(len(runs), 4), runs.items(), strict=True):
            for panel, (step, gan) in zip(row, run.snapshots(steps[name]), strict=True):
                sheet = pictures.grid(gan.generate(SHEET, seed=1, averaged=False), gap=1)
                panel.imshow(sheet[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
                panel.set_title(f"{name}, round {step:,}", fontsize=9)
                panel.set_axis_off()
