"""Two no-regret players of convex-concave games on a box: the gap of their mean strategies, the bound by regrets."""

import math

import numpy as np

from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab

# 100 to 30,000: in xy sqrt(T) is the angle of play, and few T may all be whole turns.
ROUNDS = tuple(round(100 * 300 ** (n / 12)) for n in range(13))
# Their curvatures, in x and in y. Were both equal, play would turn and shrink alike from every start.
GAMES = {"xy": (0.0, 0.0), "xy + x^2/2 - y^2/8": (1.0, 0.25)}


def payoff(x: np.ndarray | float, y: np.ndarray | float, curvatures: tuple[float, float]) -> np.ndarray | float:
    """Returns what x minimises and y maximises, xy + a x^2 / 2 - b y^2 / 2, of curvatures (a, b)."""
    return x * y + curvatures[0] * x**2 / 2 - curvatures[1] * y**2 / 2


def best(slope: float, curvature: float) -> float:
    """Returns the strategy in [-1, 1] that minimises slope x + curvature x^2 / 2."""
    return min(1.0, max(-1.0, -slope / curvature)) if curvature else -math.copysign(1.0, slope)


def played(rounds: int, start: tuple[float, float], decreasing: bool, curvatures: tuple[float, float]) -> np.ndarray:
    """Returns the strategies of both players, [2, T], as each descends its own loss and is put back into the box.

    Args:
        rounds: T.
        start: of x and y, in [-1, 1].
        decreasing: rates 1 / sqrt(t) for 1 / sqrt(T) throughout.
        curvatures: of the game.
    """
    x, y = start
    a, b = curvatures
    points = []
    for t in range(1, rounds + 1):
        points.append((x, y))
        rate = 1 / math.sqrt(t if decreasing else rounds)
        down, up = y + a * x, x - b * y
        x, y = min(1.0, max(-1.0, x - rate * down)), min(1.0, max(-1.0, y + rate * up))
    return np.array(points).T


def gap_and_bound(x: np.ndarray, y: np.ndarray, curvatures: tuple[float, float]) -> dict[str, float]:
    """Returns the duality gap of the mean strategies, and both players' regrets, each by its definition."""
    # Each strategy meets the other one in a linear term alone: what is best against its mean is so against all of it.
    best_x, best_y = best(y.mean(), curvatures[0]), best(-x.mean(), curvatures[1])
    gap = payoff(x.mean(), best_y, curvatures) - payoff(best_x, y.mean(), curvatures)
    value = payoff(x, y, curvatures).sum()
    regrets = value - payoff(best_x, y, curvatures).sum(), payoff(x, best_y, curvatures).sum() - value
    return {
        "gap": float(gap),
        "regret_x": float(regrets[0]),
        "regret_y": float(regrets[1]),
        "bound": float(sum(regrets)) / len(x),
    }


def zinkevich(curvatures: tuple[float, float], decreasing: bool) -> float:
    """Returns c, where c / sqrt(T) bounds the gap: both regrets of online gradient descent over T (Zinkevich 2003).

    Of a box of diameter d = 2 and gradients of at most g = 1 + curvature a regret is at most (d^2 + g^2) sqrt(T) / 2
    at the rate 1 / sqrt(T), and (d^2 / 2 + g^2) sqrt(T) at rates 1 / sqrt(t).
    """
    return sum(4 / 2 + (1 + curvature) ** 2 / (1 if decreasing else 2) for curvature in curvatures)


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
            "in both games, for both kinds of rates and at every T the largest gap is at most c / sqrt(T), of c from "
            "Zinkevich's (2003) bound for online gradient descent; slopes of log(gap) over log(T) are told beside",
            "R(T) / T = o(1), no rate",
        ),
    },
)
def k_regret(lab: Lab) -> None:
    """Plays xy, flat and curved, on a box without regret: the duality gap of mean strategies against its bound."""
    rows = []
    for seed in lab.seeds:
        start = tuple(np.random.default_rng(seed).uniform(-1, 1, size=2))
        for game, curvatures in GAMES.items():
            for decreasing in (False, True):
                for rounds in lab.choose(smoke=ROUNDS[:4], short=ROUNDS):
                    x, y = played(rounds, start, decreasing, curvatures)
                    rows.append({"game": game, "seed": seed, "rates": "1/sqrt(t)" if decreasing else "1/sqrt(T)",
                                 "rounds": rounds, **gap_and_bound(x, y, curvatures)})  # fmt: skip
    lab.table("gaps", rows)
    worst = max(row["gap"] - row["bound"] for row in rows)
    flat, curved = ([row["gap"] / row["bound"] for row in rows if row["game"] == game] for game in GAMES)
    found = f"gap less bound at most {worst:.1e} in {len(rows)} plays; gap over bound "
    found += f"{min(flat):.4g} to {max(flat):.4g} in xy, {min(curved):.2g} to {max(curved):.2g} in the curved game"
    lab.judge("bound", worst < 1e-9 if lab.told else None, found)
    slopes, shares = [], []
    with lab.figure("gaps", 9.0, 3.8) as figure:
        for panel, (game, curvatures) in zip(figure.subplots(1, 2), GAMES.items(), strict=True):
            for rates in ("1/sqrt(T)", "1/sqrt(t)"):
                own = [row for row in rows if (row["game"], row["rates"]) == (game, rates)]
                counts = sorted({row["rounds"] for row in own})
                gaps, bounds = (
                    [max(row[c] for row in own if row["rounds"] == n) for n in counts] for c in ("gap", "bound")
                )
                most = zinkevich(curvatures, rates == "1/sqrt(t)") / np.sqrt(counts)
                shares.append(float(np.max(gaps / most)))
                slopes.append(float(np.polyfit(np.log(counts), np.log(gaps), 1)[0]))
                (line,) = panel.loglog(counts, gaps, "o-", label=f"gap, rates {rates}")
                panel.loglog(counts, bounds, ":", color=line.get_color(), label="its bound")
                panel.loglog(counts, most, "--", color=line.get_color(), lw=0.8, label="Zinkevich's")
            title = game if any(curvatures) else f"{game}, where the gap is the bound"
            panel.set(title=title, xlabel="rounds T", ylabel="duality gap, largest over starts")
            panel.grid(alpha=0.3)
            panel.legend(fontsize=8)
    found = "at most {:.2f} of it; slope of the largest gap over starts {:.2f} and {:.2f} in xy, {:.2f} and {:.2f} in "
    found = found.format(max(shares), *slopes) + "the curved game, at rates 1/sqrt(T) and 1/sqrt(t)"
    lab.judge("vanishes", max(shares) <= 1 if lab.told else None, found)
