"""Two no-regret players of xy on a box: the gap of their mean strategies against the bound by their regrets."""

import numpy as np

from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab

ROUNDS = (100, 300, 1_000, 3_000, 10_000, 30_000)


def gap_and_bound(rounds: int, start: tuple[float, float], decreasing: bool) -> dict[str, float]:
    """Returns the duality gap of the mean strategies, and both players' regrets over the rounds.

    Args:
        rounds: T.
        start: of x and y, in [-1, 1].
        decreasing: rates 1 / sqrt(t) for 1 / sqrt(T) throughout.
    """
    x, y = start
    sum_x = sum_y = value = 0.0
    for t in range(1, rounds + 1):
        rate = 1 / np.sqrt(t if decreasing else rounds)
        sum_x, sum_y, value = sum_x + x, sum_y + y, value + x * y
        x, y = min(1.0, max(-1.0, x - rate * y)), min(1.0, max(-1.0, y + rate * x))
    # The best fixed x against all that y played is a corner: -|sum_y|; so for y.
    regrets = value + abs(sum_y), abs(sum_x) - value
    gap = (abs(sum_x) + abs(sum_y)) / rounds  # max_y mean_x y - min_x x mean_y
    return {
        "rounds": rounds,
        "gap": gap,
        "regret_x": regrets[0],
        "regret_y": regrets[1],
        "bound": sum(regrets) / rounds,
    }


@experiment(
    "k-regret",
    seeds=20,
    claims={
        "bound": Claim(
            "Kodali et al. 2018, section 2.2",
            "The gap of the averaged strategies is at most (R1 + R2) / T.",
            "at every T, start and rate, to 1e-9",
            "theorem",
        ),
        "vanishes": Claim(
            "Kodali et al. 2018, section 2.2",
            "With no-regret players the averages approach the equilibrium, as 1 / sqrt(T).",
            "the slope of log(largest gap) over log(T) is at most -0.4, for both kinds of rates",
            "1 / sqrt(T)",
        ),
    },
)
def k_regret(lab: Lab) -> None:
    """Plays xy on a box without regret: the duality gap of mean strategies against its bound."""
    rows = []
    for seed in lab.seeds:
        start = tuple(np.random.default_rng(seed).uniform(-1, 1, size=2))
        for decreasing in (False, True):
            for rounds in lab.choose(smoke=ROUNDS[:4], short=ROUNDS):
                rows.append({"seed": seed, "rates": "1/sqrt(t)" if decreasing else "1/sqrt(T)",
                             **gap_and_bound(rounds, start, decreasing)})  # fmt: skip
    lab.table("gaps", rows)
    worst = max(row["gap"] - row["bound"] for row in rows)
    lab.judge("bound", worst < 1e-9, f"gap less bound at most {worst:.1e} in {len(rows)} games")
    slopes = {}
    with lab.figure("gaps") as figure:
        plot = figure.add_subplot()
        for rates in ("1/sqrt(T)", "1/sqrt(t)"):
            own = [row for row in rows if row["rates"] == rates]
            counts = sorted({row["rounds"] for row in own})
            gaps, bounds = (
                [max(row[c] for row in own if row["rounds"] == n) for n in counts] for c in ("gap", "bound")
            )
            slopes[rates] = float(np.polyfit(np.log(counts), np.log(gaps), 1)[0])
            (line,) = plot.loglog(counts, gaps, "o-", label=f"gap, rates {rates}")
            plot.loglog(counts, bounds, ":", color=line.get_color(), label="its bound")
        plot.set(xlabel="rounds T", ylabel="duality gap, largest over starts")
        plot.grid(alpha=0.3)
        plot.legend(fontsize=8)
    lab.judge("vanishes", max(slopes.values()) <= -0.4, f"slopes {', '.join(f'{s:.2f}' for s in slopes.values())}")
