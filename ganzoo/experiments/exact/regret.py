"""Two no-regret players of convex-concave games on a box: the gap of their mean strategies, the bound by regrets."""

import math

import numpy as np

from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab

ROUNDS = (100, 300, 1_000, 3_000, 10_000, 30_000)
GAMES = {"xy": 0.0, "xy + x^2/2 - y^2/2": 1.0}  # their curvature


def payoff(x: np.ndarray | float, y: np.ndarray | float, curvature: float) -> np.ndarray | float:
    """Returns what x minimises and y maximises, xy + curvature (x^2 - y^2) / 2."""
    return x * y + curvature * (x**2 - y**2) / 2


def best(slope: float, curvature: float) -> float:
    """Returns the strategy in [-1, 1] that minimises slope x + curvature x^2 / 2."""
    return min(1.0, max(-1.0, -slope / curvature)) if curvature else -math.copysign(1.0, slope)


def played(rounds: int, start: tuple[float, float], decreasing: bool, curvature: float) -> np.ndarray:
    """Returns the strategies of both players, [2, T], as each descends its own loss and is put back into the box.

    Args:
        rounds: T.
        start: of x and y, in [-1, 1].
        decreasing: rates 1 / sqrt(t) for 1 / sqrt(T) throughout.
        curvature: of the game.
    """
    x, y = start
    points = []
    for t in range(1, rounds + 1):
        points.append((x, y))
        rate = 1 / math.sqrt(t if decreasing else rounds)
        down, up = y + curvature * x, x - curvature * y
        x, y = min(1.0, max(-1.0, x - rate * down)), min(1.0, max(-1.0, y + rate * up))
    return np.array(points).T


def gap_and_bound(x: np.ndarray, y: np.ndarray, curvature: float) -> dict[str, float]:
    """Returns the duality gap of the mean strategies, and both players' regrets, each by its definition."""
    # Each strategy meets the other one in a linear term alone: what is best against its mean is so against all of it.
    best_x, best_y = best(y.mean(), curvature), best(-x.mean(), curvature)
    gap = payoff(x.mean(), best_y, curvature) - payoff(best_x, y.mean(), curvature)
    value = payoff(x, y, curvature).sum()
    regrets = value - payoff(best_x, y, curvature).sum(), payoff(x, best_y, curvature).sum() - value
    return {
        "gap": float(gap),
        "regret_x": float(regrets[0]),
        "regret_y": float(regrets[1]),
        "bound": float(sum(regrets)) / len(x),
    }


@experiment(
    "k-regret",
    seeds=20,
    claims={
        "bound": Claim(
            "Kodali et al. 2018, section 2.2",
            "The gap of the averaged strategies is at most (R1 + R2) / T.",
            "gap and regrets each by its definition, in both games, at every T, start and rate, to 1e-9; in xy, linear "
            "in each strategy, both sides are equal and it tells nothing: the curved game tests it",
            "theorem",
        ),
        "vanishes": Claim(
            "Kodali et al. 2018, section 2.2",
            "With no-regret players the averages approach the equilibrium: the gap vanishes as T grows.",
            "in both games and for both kinds of rates the slope of log(largest gap) over log(T) is at most -0.4; the "
            "-0.5 to expect is Zinkevich's (2003) for online gradient descent",
            "R(T) / T = o(1), no rate",
        ),
    },
)
def k_regret(lab: Lab) -> None:
    """Plays xy, flat and curved, on a box without regret: the duality gap of mean strategies against its bound."""
    rows = []
    for seed in lab.seeds:
        start = tuple(np.random.default_rng(seed).uniform(-1, 1, size=2))
        for game, curvature in GAMES.items():
            for decreasing in (False, True):
                for rounds in lab.choose(smoke=ROUNDS[:4], short=ROUNDS):
                    x, y = played(rounds, start, decreasing, curvature)
                    rows.append({"game": game, "seed": seed, "rates": "1/sqrt(t)" if decreasing else "1/sqrt(T)",
                                 "rounds": rounds, **gap_and_bound(x, y, curvature)})  # fmt: skip
    lab.table("gaps", rows)
    worst = max(row["gap"] - row["bound"] for row in rows)
    flat, curved = ([row["gap"] / row["bound"] for row in rows if row["game"] == game] for game in GAMES)
    found = f"gap less bound at most {worst:.1e} in {len(rows)} plays; gap over bound "
    found += f"{min(flat):.4g} to {max(flat):.4g} in xy, {min(curved):.2g} to {max(curved):.2g} in the curved game"
    lab.judge("bound", worst < 1e-9, found)
    slopes = []
    with lab.figure("gaps", 9.0, 3.8) as figure:
        for panel, game in zip(figure.subplots(1, 2), GAMES, strict=True):
            for rates in ("1/sqrt(T)", "1/sqrt(t)"):
                own = [row for row in rows if (row["game"], row["rates"]) == (game, rates)]
                counts = sorted({row["rounds"] for row in own})
                gaps, bounds = (
                    [max(row[c] for row in own if row["rounds"] == n) for n in counts] for c in ("gap", "bound")
                )
                slopes.append(float(np.polyfit(np.log(counts), np.log(gaps), 1)[0]))
                (line,) = panel.loglog(counts, gaps, "o-", label=f"gap, rates {rates}")
                panel.loglog(counts, bounds, ":", color=line.get_color(), label="its bound")
            title = game if GAMES[game] else f"{game}, where the gap is the bound"
            panel.set(title=title, xlabel="rounds T", ylabel="duality gap, largest over starts")
            panel.grid(alpha=0.3)
            panel.legend(fontsize=8)
    lab.judge("vanishes", max(slopes) <= -0.4, f"slopes {', '.join(f'{slope:.2f}' for slope in slopes)}")
