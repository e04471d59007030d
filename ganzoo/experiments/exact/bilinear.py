"""The game min over x, max over y of xy: who circles, who spirals out, who finds the equilibrium (0, 0)."""

from collections.abc import Callable, Iterator

import numpy as np

from ganzoo.experiments.experiment import Claim, experiment
from ganzoo.experiments.lab import Lab

START = (1.0, 1.0)
STEPS = 2_000
RATE = 0.05
# INWARD was 0.5 in a first run, by which the small circle of a clipped WGAN came in; no verdict changed with it.
OUTWARD, INWARD = 1.5, 0.1  # times the first distance from (0, 0): beyond, it has left; below, it has come nearer

Point = tuple[float, float]


def played(update: Callable[[float, float, int], Point], steps: int = STEPS) -> np.ndarray:
    """Returns the points of a game, [steps + 1, 2], float64."""

    def points() -> Iterator[Point]:
        point = START
        yield point
        for step in range(1, steps + 1):
            point = update(*point, step)
            yield point

    return np.array(list(points()))


def simultaneous(rate: float) -> np.ndarray:
    """Returns gradient play with both steps from the same point; each multiplies the distance by sqrt(1 + rate^2)."""
    return played(lambda x, y, _: (x - rate * y, y + rate * x))


def alternating(rate: float) -> np.ndarray:
    """Returns gradient play where y answers the new x; keeps x^2 + y^2 - rate xy."""

    def update(x: float, y: float, _: int) -> Point:
        x -= rate * y
        return x, y + rate * x

    return played(update)


def consensus(rate: float, weight: float) -> np.ndarray:
    """Returns consensus optimization (Mescheder et al. 2017): both also descend weight |v|^2 / 2, |v|^2 = x^2 + y^2."""
    return played(lambda x, y, _: (x - rate * (y + weight * x), y + rate * (x - weight * y)))


def unrolled(rate: float, lookahead: int, inner_rate: float) -> np.ndarray:
    """Returns unrolled play (Metz et al. 2016): x differentiates x (y + lookahead inner_rate x), through y's steps."""
    return played(lambda x, y, _: (x - rate * (y + 2 * lookahead * inner_rate * x), y + rate * x))


def locally_stable(rate: float, weight: float) -> np.ndarray:
    """Returns play where x pays weight |dV/dy|^2 = weight x^2 (Nagarajan & Kolter 2017)."""
    return played(lambda x, y, _: (x - rate * (y + 2 * weight * x), y + rate * x))


def historical_averaging(rate: float, weight: float) -> np.ndarray:
    """Returns play where each pays weight (its distance from its mean so far)^2 (Salimans et al. 2016)."""
    mean = np.array(START)

    def update(x: float, y: float, step: int) -> Point:
        pull = 2 * weight * (np.array([x, y]) - mean)
        new = np.array([x - rate * (y + pull[0]), y + rate * (x - pull[1])])
        mean[:] += (new - mean) / (step + 1)
        return tuple(new)

    return played(update)


def clipped(rate: float, most: float) -> np.ndarray:
    """Returns a WGAN's play: y, the slope of its critic, is clipped to [-most, most] (Arjovsky et al. 2017)."""

    def update(x: float, y: float, _: int) -> Point:
        y = float(np.clip(y + rate * x, -most, most))
        return x - rate * y, y

    return played(update)


def regularized_leader(rate: float, most: float) -> np.ndarray:
    """Returns follow-the-regularised-leader with |.|^2 / 2 on [-most, most]: gradients are summed, then projected."""
    total = np.array(START)

    def update(x: float, y: float, _: int) -> Point:
        total[:] += rate * np.array([-y, x])
        return tuple(np.clip(total, -most, most))

    return played(update)


def means(points: np.ndarray) -> np.ndarray:
    """Returns the means of all points up to each one."""
    return np.cumsum(points, axis=0) / np.arange(1, len(points) + 1)[:, None]


def games() -> dict[str, np.ndarray]:
    """Returns the points of every game by name."""
    leader = regularized_leader(RATE, most=1.0)
    return {
        "simultaneous": simultaneous(RATE),
        "simultaneous, rate x 4": simultaneous(4 * RATE),
        "alternating": alternating(RATE),
        "WGAN, clipped": clipped(RATE, most=0.5),
        "FTRL on a box": leader,
        "FTRL, mean of iterates": means(leader),
        "alternating, mean of iterates": means(alternating(RATE)),
        "consensus": consensus(RATE, weight=1.0),
        "unrolled, 5 steps": unrolled(RATE, lookahead=5, inner_rate=RATE),
        "locally stable": locally_stable(RATE, weight=0.5),
        "historical averaging": historical_averaging(RATE, weight=0.1),
    }


def ending(points: np.ndarray) -> dict[str, float | str]:
    """Returns what became of a game: distances from the equilibrium, the last tenth's mean among them, and a word."""
    distance = np.linalg.norm(points, axis=1)
    late = float(distance[-len(points) // 10 :].mean())
    word = "spirals out" if late > OUTWARD * distance[0] else "comes in" if late < INWARD * distance[0] else "circles"
    return {"first": float(distance[0]), "late": late, "last": float(distance[-1]), "ending": word}


EXPECTED = {
    "simultaneous": "spirals out", "simultaneous, rate x 4": "spirals out", "alternating": "circles",
    "FTRL, mean of iterates": "comes in", "alternating, mean of iterates": "comes in", "consensus": "comes in",
    "unrolled, 5 steps": "comes in", "locally stable": "comes in", "historical averaging": "comes in",
}  # fmt: skip
RULE = (
    f"late (mean of the last {STEPS // 10} of {STEPS} steps of {RATE:g}) distance from (0, 0) over the first: above "
    f"{OUTWARD:g} it spirals out, below {INWARD:g} it comes in, between it circles"
)


@experiment(
    "a-bilinear",
    claims={
        "plain": Claim(
            "Article, on xy",
            "On xy simultaneous gradient steps do not converge, larger ones even less; alternating ones orbit.",
            RULE,
            "spirals out, orbits",
        ),
        "cures": Claim(
            "Padala & Gujar 2018 (survey); article",
            "Consensus, unrolling, the locally stable penalty and historical averaging converge on it.",
            RULE,
            "converge",
        ),
        "averages": Claim(
            "Kodali et al. 2018, section 2.2",
            "The mean of the iterates of no-regret players converges where the iterates do not.",
            RULE + "; the iterates of the same game do not come in",
            "converges",
        ),
    },
)
def a_bilinear(lab: Lab) -> None:
    """Plays min max xy: simultaneous and alternating steps, and what makes them converge."""
    points = games()
    rows = {name: ending(each) for name, each in points.items()}
    lab.table("endings", [{"game": name, **row} for name, row in rows.items()])

    def judged(claim: str, names: list[str], also: bool = True) -> None:
        as_said = [name for name in names if rows[name]["ending"] == EXPECTED[name]]
        found = "; ".join(f"{name}: {rows[name]['ending']}" for name in names)
        lab.judge(claim, also and as_said == names, found)

    judged("plain", ["simultaneous", "simultaneous, rate x 4", "alternating"])
    judged("cures", ["consensus", "unrolled, 5 steps", "locally stable", "historical averaging"])
    restless = all(rows[name]["ending"] != "comes in" for name in ("FTRL on a box", "alternating"))
    judged("averages", ["FTRL, mean of iterates", "alternating, mean of iterates"], restless)
    with lab.figure("paths", 10.0, 7.0) as figure:
        panels = figure.subplots(3, 4).ravel()
        for panel, (name, each) in zip(panels, points.items(), strict=False):
            draw_path(panel, name, each)
        draw_distances(panels[-1], points)


def draw_path(panel, name: str, points: np.ndarray) -> None:
    """Draws the points of a game as far as they stay near."""
    near = points[: max(2, int(np.argmax(np.abs(points).max(1) > 3)) or len(points))]
    panel.plot(*near.T, lw=0.7)
    panel.plot(*START, "o", ms=4, color="C2")
    panel.plot(*near[-1], "s", ms=4, color="C3")
    panel.plot(0, 0, "k+")
    panel.set(title=name, aspect="equal", xlim=(-3, 3), ylim=(-3, 3))
    panel.title.set_fontsize(8)
    panel.tick_params(labelsize=6)


def draw_distances(panel, points: dict[str, np.ndarray]) -> None:
    """Draws the distance from (0, 0) over the steps, of all games."""
    for name, each in points.items():
        panel.semilogy(np.linalg.norm(each, axis=1).clip(1e-6, 1e3), lw=0.8, label=name)
    panel.set_title("distance from (0, 0)", fontsize=8)
    panel.tick_params(labelsize=6)
    panel.legend(fontsize=4, ncols=2)
