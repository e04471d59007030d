"""The neural net distance of samples of one distribution, which is 0: what wider networks and more rows make of it."""

import numpy as np

from ganzoo.evaluation import neural_net_distance
from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab

DIM = 32
ROWS = 500  # of each sample, as the network widens
SIZES = (125, ROWS, 2_000)  # for the narrowest one
WIDTHS = (2, 8, 32, 128, 512)
EPSILON = 0.1  # ours: the survey names no number


def distances(width: int, count: int, seed: int, steps: int) -> dict[str, float]:
    """Returns the distance on the rows that the network trained on, and on others of the same distribution."""
    a, b = np.random.default_rng(seed).normal(size=(2, 2 * count, DIM)).astype(np.float32)
    options = {
        "discriminator": {"architecture": "mlp", "width": width, "activation": "selu"},
        "steps": steps, "batch_size": count, "learning_rate": 3e-3, "seed": seed,
    }  # fmt: skip
    held_out = neural_net_distance(a, b, **options)
    # It trains on every second row and measures on the others: twice each, these are the same.
    trained_on = neural_net_distance(*(rows[::2].repeat(2, axis=0) for rows in (a, b)), **options)
    gap = abs(trained_on - held_out)
    return {"width": width, "rows": count, "seed": seed, "trained_on": trained_on, "held_out": held_out, "gap": gap}


@experiment(
    "p-nn-distance",
    hours=(0.002, 0.02, 0.02),
    seeds=5,
    claims={
        "grows": Claim(
            "ours, on Padala & Gujar 2018, section 3.4",
            "Between equal distributions, by a given number of samples, the distance grows with the discriminator.",
            f"on {ROWS} training rows of {DIM} coordinates: at width {WIDTHS[-1]} at least 5 times that at {WIDTHS[0]}",
            "none",
        ),
        "generalises": Claim(
            "Padala & Gujar 2018, section 3.4, on Arora et al. 2017",
            "Given enough samples, a small discriminator's distance on them is that on the distribution, to epsilon.",
            f"at width {WIDTHS[0]} the gap between training rows and as many new ones, mean of seeds, falls from "
            f"{' to '.join(f'{size:,}' for size in SIZES)} rows, and is then below {EPSILON:g}, our epsilon; on either "
            "the scores of the one trained network are multiplied by the factor, 0 allowed, that is best on the other "
            "half of the rows, so that both distances are bounds from below, the one on new rows near 0 whatever "
            "D learned by heart",
            "theorem",
        ),
    },
)
def p_nn_distance(lab: Lab) -> None:
    """Measures the neural net distance of two samples of one Gaussian as the network widens and the rows grow."""
    steps, widths = lab.choose(smoke=20, short=1_000), lab.choose(smoke=(WIDTHS[0], WIDTHS[-1]), short=WIDTHS)
    cases = [(width, ROWS) for width in widths] + [(WIDTHS[0], size) for size in SIZES if size != ROWS]
    rows = [distances(*case, seed, steps) for seed in lab.seeds for case in cases]
    lab.table("distances", rows)

    def means(column: str, cases: list[tuple[int, int]]) -> np.ndarray:
        return np.array(
            [np.mean([row[column] for row in rows if (row["width"], row["rows"]) == case]) for case in cases]
        )

    told = lab.told
    wider, longer = [(width, ROWS) for width in widths], [(WIDTHS[0], size) for size in SIZES]
    trained_on = means("trained_on", wider)
    growth = trained_on[-1] / trained_on[0]
    found = f"{trained_on[0]:.3f} to {trained_on[-1]:.3f}, times {growth:.2g}"
    lab.judge("grows", growth >= 5 if told else None, found)
    gaps = means("gap", longer)
    found = f"gap {', '.join(f'{gap:.3f}' for gap in gaps)}"
    lab.judge("generalises", bool(np.all(np.diff(gaps) < 0)) and gaps[-1] < EPSILON if told else None, found)
    with lab.figure("distances", 9.0, 3.8) as figure:
        left, right = figure.subplots(1, 2)
        for panel, x, cases in ((left, widths, wider), (right, SIZES, longer)):
            panel.semilogx(x, means("trained_on", cases), "o-", label="rows that D trained on")
            panel.semilogx(x, means("held_out", cases), "o-", label="held-out rows, scores rescaled")
            panel.grid(alpha=0.3)
        left.axhline(2 * np.log(2), color="k", lw=0.5, ls=":", label="2 log 2, told apart at every point")
        left.set(title=f"{ROWS} rows", xlabel="units of the discriminator", ylabel="neural net distance, nats")
        right.axhline(EPSILON, color="k", lw=0.5, ls=":", label="epsilon")
        right.set_xticks(SIZES, [f"{size:,}" for size in SIZES])
        right.minorticks_off()
        right.set(title=f"{WIDTHS[0]} units", xlabel="rows of each sample")
        left.legend(fontsize=8)
        right.legend(fontsize=8)
