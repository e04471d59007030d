"""The three forms of DRAGAN's penalty, weighed far too heavily: which one still tells data from noise around them?"""

import numpy as np
import tensorflow as tf

from ganzoo.data import load
from ganzoo.experiments.exact.held import discriminator, training
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab
from ganzoo.experiments.papers import DRAGAN
from ganzoo.penalties import FORMS

WEIGHTS = (0.0, 0.1, 1.0, 10.0, 100.0, 1_000.0, 10_000.0)
HEAVY = 1_000.0
POINTS = 512
REACH = 0.5  # of the noise beside real points, whose own deviation is 0.02
SAME = 0.05  # of the contrast without a penalty: less is none; a slope of 1 allows 12.8 %
RULE = f"at weight {HEAVY:g} it keeps at least {100 * SAME:g} % of the contrast without a penalty, mean of seeds"


def contrast(form: str, weight: float, seed: int, steps: int) -> dict:
    """Returns how a discriminator of a held, wide generator tells real points from noise beside them."""
    rng = np.random.default_rng(seed)
    real = tf.constant(load("ring8").sample(POINTS, seed))
    fake = tf.constant(rng.normal(scale=2.0, size=(POINTS, 2)), tf.float32)
    angle = rng.uniform(0, 2 * np.pi, POINTS)
    beside = real + REACH * np.stack([np.cos(angle), np.sin(angle)], 1).astype(np.float32)
    model = discriminator({"width": 128, "depth": 2}, 2, seed)
    (_,) = training(model, real, fake, (steps,), form=form, weight=weight, seed=seed)
    at_real, at_noise = (tf.sigmoid(model(points, training=False)).numpy() for points in (real, beside))
    return {
        "form": form, "weight": weight, "seed": seed, "contrast": float(np.mean(at_real - at_noise)),
        "at_real": float(at_real.mean()), "beside": float(at_noise.mean()),
    }  # fmt: skip


@experiment(
    "k-forms",
    hours=(0.01, 0.15, 0.15),
    seeds=3,
    differs=DRAGAN,
    claims={
        "plain": Claim(
            "Kodali et al. 2018, section 2.4",
            "Over-penalised, the plain form makes D give real points and noise around them the same probability.",
            f"ring of 8 against fakes of N(0, 2^2), x + noise {REACH:g} beside x: at weight {HEAVY:g} the contrast "
            f"D(x) - D(x + noise) is under {100 * SAME:g} % of what it is without a penalty, mean of seeds",
            "remark",
        ),
        "one_sided": Claim(
            "Kodali et al. 2018, section 2.4",
            "The form with a target k, the one-sided one, is the better choice: it keeps them apart.",
            RULE,
            "remark",
        ),
        "two_sided": Claim(
            "Kodali et al. 2018, section 2.4",
            "So does the two-sided form, the one of all their experiments.",
            RULE,
            "remark",
        ),
    },
)
def k_forms(lab: Lab) -> None:
    """Weighs the three forms of DRAGAN's penalty from nothing to far too much."""
    steps = lab.choose(smoke=50, short=2_000)
    weights = lab.choose(smoke=(0.0, HEAVY), short=WEIGHTS)
    rows = [contrast(form, weight, seed, steps) for seed in lab.seeds for form in sorted(FORMS) for weight in weights]
    lab.table("contrast", rows)

    def mean(form: str, weight: float) -> float:
        return float(np.mean([row["contrast"] for row in rows if (row["form"], row["weight"]) == (form, weight)]))

    kept = {form: mean(form, HEAVY) / mean(form, 0.0) for form in FORMS}
    for form, share in kept.items():
        holds = share < SAME if form == "plain" else share >= SAME
        lab.judge(form, holds if lab.told else None, f"{100 * share:.2g} % kept")
    with lab.figure("contrast") as figure:
        plot = figure.add_subplot()
        for form in sorted(FORMS):
            plot.plot([mean(form, weight) for weight in weights], "o-", label=form)
        plot.set_xticks(range(len(weights)), [f"{weight:g}" for weight in weights])
        plot.set(xlabel="weight of the penalty", ylabel="D(x) - D(x + noise)")
        plot.grid(alpha=0.3)
        plot.legend()
