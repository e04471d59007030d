"""The neural net distance of two samples of one distribution, which is 0: what a wider network makes of it."""

import numpy as np

from ganzoo.evaluation import neural_net_distance
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab

DIM = 32
ROWS = 500  # of each sample
WIDTHS = (2, 8, 32, 128, 512)


def distances(width: int, seed: int, steps: int) -> dict[str, float]:
    """Returns the distance on the rows that the network trained on, and on others of the same distribution."""
    a, b = np.random.default_rng(seed).normal(size=(2, 2 * ROWS, DIM)).astype(np.float32)
    options = {
        "discriminator": {"architecture": "mlp", "width": width, "activation": "selu"},
        "steps": steps, "batch_size": ROWS, "learning_rate": 3e-3, "seed": seed,
    }  # fmt: skip
    held_out = neural_net_distance(a, b, **options)
    # It trains on every second row and measures on the others: twice each, these are the same.
    trained_on = neural_net_distance(*(rows[::2].repeat(2, axis=0) for rows in (a, b)), **options)
    return {"width": width, "seed": seed, "trained_on": trained_on, "held_out": held_out}


@experiment(
    "p-nn-distance",
    hours=(0.002, 0.02, 0.02),
    seeds=5,
    claims={
        "grows": Claim(
            "Padala & Gujar 2018 on Arora et al. 2017",
            "Between equal distributions, by a given number of samples, the distance grows with the discriminator.",
            f"on {ROWS} training rows of {DIM} coordinates: at width {WIDTHS[-1]} at least 5 times that at {WIDTHS[0]}",
            "theorem",
        ),
        "generalises": Claim(
            "Padala & Gujar 2018 on Arora et al. 2017",
            "A discriminator that is small for the number of samples gives the same distance on new ones.",
            f"at width {WIDTHS[0]} the gap between both sets of rows is under a tenth of that at width {WIDTHS[-1]}",
            "theorem",
        ),
    },
)
def p_nn_distance(lab: Lab) -> None:
    """Measures the neural net distance of two samples of one Gaussian as the network widens."""
    steps, widths = lab.choose(smoke=20, short=1_000), lab.choose(smoke=(WIDTHS[0], WIDTHS[-1]), short=WIDTHS)
    rows = [distances(width, seed, steps) for seed in lab.seeds for width in widths]
    lab.table("distances", rows)
    means = {
        column: np.array([np.mean([row[column] for row in rows if row["width"] == width]) for width in widths])
        for column in ("trained_on", "held_out")
    }
    told = lab.budget != "smoke"
    trained_on, gaps = means["trained_on"], means["trained_on"] - means["held_out"]
    growth = trained_on[-1] / trained_on[0]
    found = f"{trained_on[0]:.3f} to {trained_on[-1]:.3f}, times {growth:.2g}"
    lab.judge("grows", growth >= 5 if told else None, found)
    lab.judge("generalises", gaps[0] < gaps[-1] / 10 if told else None, f"gap {gaps[0]:.3f} to {gaps[-1]:.3f}")
    with lab.figure("distances") as figure:
        plot = figure.add_subplot()
        plot.semilogx(widths, trained_on, "o-", label=f"{ROWS} rows that D trained on")
        plot.semilogx(widths, means["held_out"], "o-", label="held-out rows")
        plot.axhline(2 * np.log(2), color="k", lw=0.5, ls=":", label="2 log 2, told apart at every point")
        plot.set(xlabel="units of the discriminator", ylabel="neural net distance of equal distributions, nats")
        plot.grid(alpha=0.3)
        plot.legend()
