"""D's gradient at real points while a game of one-hidden-layer nets collapses: Kodali et al. 2018, figure 1."""

from collections.abc import Sequence

import numpy as np
from scipy import stats

from ganzoo.data import load
from ganzoo.data.pixels import unit_range
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab
from ganzoo.experiments.mnist.measures import BEFORE, against_before, slopes
from ganzoo.experiments.mnist.one_layer import COMMON, games, scores, series

KINDS = ("logit", "probability")  # what D's gradient is taken of
POINTS = 1_000  # training images at which D's gradient is taken
FALL = 0.8  # times the median before: a score below that falls


@experiment(
    "k-fig1",
    claims={
        "spikes": Claim(
            "Kodali et al. 2018, section 2.4, figure 1",
            "When the plain game collapses, the discriminator's gradient around real points often is sharp.",
            f"a fall is a score below {FALL} times the median of the {BEFORE} before it; median over the falls of all "
            "seeds: the logit's squared norm is at least 1.5 times the median of those before it; not told below 3 "
            "falls",
            "figure",
        ),
        "together": Claim(
            "Kodali et al. 2018, figure 1: the norm changes with collapses; the sign is our reading",
            "The norm rises where the score falls.",
            f"Spearman's correlation of score and the logit's squared norm, each over the median of the {BEFORE} "
            "before it, mean of seeds: at most -0.3; not told below 3 falls either",
            "figure",
        ),
    },
    **COMMON,
)
def k_fig1(lab: Lab) -> None:
    """Scores one-hidden-layer nets beside the discriminator's gradient at real points: does it rise in a collapse?"""
    runs = lab.train({"plain": games(lab)["plain"]})
    real = unit_range(load("mnist", f"train[:{POINTS}]", data_dir=lab.data_dir).images)
    norms = [row for each in runs["plain"] for row in each.measured("slopes", lambda gan: slopes(gan, real))]
    rows = [{**score, **norm} for score, norm in zip(scores(lab, runs), norms, strict=True)]
    lab.table("moments", rows)
    table = [{"seed": seed, "kind": kind, **in_falls(score, norm)}
             for kind in KINDS for seed, (score, norm) in beside(rows, kind).items()]  # fmt: skip
    lab.table("falls", table)
    judge_falls(lab, rows)
    draw_beside(lab, rows)


def beside(rows: Sequence[dict], kind: str) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Returns the scores and the squared norms of a kind along the plain game, by seed."""
    norms = series(rows, "plain", kind)
    return {seed: (score, norms[seed]) for seed, score in series(rows, "plain", "classifier_score").items()}


def norms_in_falls(score: np.ndarray, norm: np.ndarray) -> np.ndarray:
    """Returns the norms where the score fell, over the median of those before."""
    return against_before(norm)[against_before(score) < FALL]


def in_falls(score: np.ndarray, norm: np.ndarray) -> dict[str, float]:
    """Returns how often a score fell, what the norms were then, and how both go together."""
    ratios, scores, norms = norms_in_falls(score, norm), against_before(score), against_before(norm)
    varies = len(scores) > 2 and np.ptp(scores) > 0
    return {
        "falls": len(ratios),
        "ratio": float(np.median(ratios)) if len(ratios) else np.nan,
        "spearman": float(stats.spearmanr(scores, norms).statistic) if varies else np.nan,
    }


def judge_falls(lab: Lab, rows: Sequence[dict]) -> None:
    """Judges both claims of figure 1 by the logit; what the probability gives is said beside."""
    pairs = {kind: list(beside(rows, kind).values()) for kind in KINDS}
    ratios = {kind: np.concatenate([norms_in_falls(*pair) for pair in own]) for kind, own in pairs.items()}
    together = {kind: float(np.mean([in_falls(*pair)["spearman"] for pair in own])) for kind, own in pairs.items()}
    falls, told = len(ratios["logit"]), lab.told
    medians = {kind: float(np.median(own)) if falls else np.nan for kind, own in ratios.items()}
    found = "; ".join([f"{falls} falls", *(f"{kind}: norm x {value:.2g}" for kind, value in medians.items() if falls)])
    lab.judge("spikes", medians["logit"] >= 1.5 if told and falls >= 3 else None, found)
    found = "; ".join(f"{kind}: {value:.2f}" for kind, value in together.items())
    known = told and falls >= 3 and np.isfinite(together["logit"])
    lab.judge("together", together["logit"] <= -0.3 if known else None, found)


def draw_beside(lab: Lab, rows: Sequence[dict]) -> None:
    """Draws, of the first seed, the score and both squared norms over the rounds, one above the other."""
    with lab.figure("gradients", 7.0, 6.5) as figure:
        panels = figure.subplots(3, 1, sharex=True)
        titles = {"classifier_score": "classifier score", "logit": "E||grad a(x)||², the logit",
                  "probability": "E||grad D(x)||², the probability"}  # fmt: skip
        seed, steps = next(iter(series(rows, "plain", "step").items()))
        fallen = steps[BEFORE:][against_before(series(rows, "plain", "classifier_score")[seed]) < FALL]
        for panel, (column, title) in zip(panels, titles.items(), strict=True):
            panel.plot(steps, series(rows, "plain", column)[seed], lw=0.9)
            for step in fallen:
                panel.axvline(step, color="C3", alpha=0.25)
            panel.set_title(title, fontsize=9)
            panel.grid(alpha=0.3)
        panels[-1].set_xlabel("round (red: the score falls)")
