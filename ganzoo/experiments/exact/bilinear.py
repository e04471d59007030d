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
        "simultaneous, mean of iterates": means(simultaneous(RATE)),
        "consensus": consensus(RATE, weight=1.0),
        "unrolled, 5 steps": unrolled(RATE, lookahead=5, inner_rate=RATE),
        "locally stable": locally_stable(RATE, weight=0.5),
        "historical averaging": historical_averaging(RATE, weight=0.1),
    }


def ending(points: np.ndarray) -> dict[str, float | str]:
    """Returns what became of a game: distances from the equilibrium, the last tenth's mean among them, and a word."""
    distance = np.linalg.norm(points, axis=1)
    late = float(distance[-(len(points) // 10) :].mean())
    word = "spirals out" if late > OUTWARD * distance[0] else "comes in" if late < INWARD * distance[0] else "circles"
    return {"first": float(distance[0]), "late": late, "last": float(distance[-1]), "ending": word}


RULE = (
    f"late (mean of the last {STEPS // 10} of {STEPS} steps of {RATE:g}) distance from (0, 0) over the first: above "
    f"{OUTWARD:g} it spirals out, below {INWARD:g} it comes in, between it circles"
)


@experiment(
    "a-bilinear",
    claims={
        "plain": Claim(
            "Article, on Nash equilibrium",
            "On xy gradient steps do not converge: for longer, or at a larger rate, x and y swing further.",
            f"simultaneous steps spiral out, and further at {4 * RATE:g}; {RULE}",
            "does not converge, big swings",
        ),
        "orbit": Claim(
            "Padala & Gujar 2018, section 3.2",
            "Simultaneous steps on xy enter a stable orbit.",
            f"the distance from (0, 0) grows in none of {STEPS} simultaneous steps of {RATE:g}, but for rounding; what "
            "becomes of alternating ones is told beside",
            "stable orbit",
        ),
        "cures": Claim(
            "ours; methods of Mescheder et al. 2017, Metz et al. 2016, Nagarajan & Kolter 2017, Salimans et al. 2016",
            "Consensus, unrolling, the locally stable penalty and historical averaging converge on it.",
            "all four come in, with consensus' weight at 1, 5 steps unrolled, the penalty's weight at 0.5, that of "
            f"historical averaging at 0.1 (others may be too slow for {STEPS} steps: consensus at 0.03, the last one "
            f"at 0.02 and 0.5); {RULE}",
            "none",
        ),
        "averages": Claim(
            "Kodali et al. 2018, section 2.2",
            "The mean of the iterates of no-regret players converges where the iterates do not.",
            "of FTRL on a box and of alternating steps, which the paper calls almost online gradient descent, the "
            "means come in, the iterates do not; of simultaneous ones, which it calls so too, the mean is told beside: "
            f"at a fixed rate and without a box no regret bounds it (rates without regret are k-regret's); {RULE}",
            "converges",
        ),
    },
)
def a_bilinear(lab: Lab) -> None:
    """Plays min max xy: simultaneous and alternating steps, and what makes them converge."""
    points = games()
    rows = {name: ending(each) for name, each in points.items()}
    lab.table("endings", [{"game": name, **row} for name, row in rows.items()])

    def told(*names: str) -> str:
        return "; ".join(f"{name}: {rows[name]['ending']}" for name in names)

    def end(word: str, *names: str) -> bool:
        return all(rows[name]["ending"] == word for name in names)

    slow, fast = "simultaneous", "simultaneous, rate x 4"
    further = rows[fast]["late"] > rows[slow]["late"]
    found = f"late distances {rows[slow]['late']:.2g} and {rows[fast]['late']:.2g}"
    lab.judge("plain", end("spirals out", slow, fast) and further, f"{told(slow, fast)}; {found}")
    distance = np.linalg.norm(points[slow], axis=1)
    growth = float((distance[1:] / distance[:-1]).max())
    found = f"each simultaneous step multiplies it by {growth:.6f}, all by {distance[-1] / distance[0]:.3g}"
    lab.judge("orbit", growth < 1 + 1e-9, f"{found}; {told('alternating')}")
    cures = "consensus", "unrolled, 5 steps", "locally stable", "historical averaging"
    lab.judge("cures", end("comes in", *cures), told(*cures))
    averages, iterates = ("FTRL, mean of iterates", "alternating, mean of iterates"), ("FTRL on a box", "alternating")
    restless = all(rows[name]["ending"] != "comes in" for name in iterates)
    beside = "simultaneous, mean of iterates"
    drawn = (
        f"{told(*averages, *iterates, beside)} (its distance swings and grows: {rows[beside]['last']:.2g} at the end)"
    )
    lab.judge("averages", end("comes in", *averages) and restless, drawn)
    for name, draw in (("paths", draw_path), ("curves", draw_curves)):
        with lab.figure(name, 10.0, 7.0) as figure:
            panels = figure.subplots(3, 4, squeeze=False)
            for panel, (game, each) in zip(panels.ravel(), points.items(), strict=True):
                draw(panel, game, each)
            for panel in panels[-1]:
                panel.set_xlabel("x" if draw is draw_path else "step", fontsize=8)
            for panel in panels[:, 0]:
                panel.set_ylabel("y" if draw is draw_path else "value", fontsize=8)
            if draw is draw_curves:
                panels[0, 0].legend(fontsize=6, loc="upper left")
    with lab.figure("distances", 8.0, 5.0) as figure:
        draw_distances(figure.add_subplot(), points)


def near(points: np.ndarray, most: float) -> np.ndarray:
    """Returns the points of a game as far as they stay within `most`."""
    return points[: max(2, int(np.argmax(np.abs(points).max(1) > most)) or len(points))]


def draw_path(panel, name: str, points: np.ndarray) -> None:
    """Draws the points of a game as far as they stay near, a disc at the first, a square at the last if it is near."""
    shown = near(points, 3)
    panel.plot(*shown.T, lw=0.7)
    panel.plot(*START, "o", ms=4, color="C2")
    if len(shown) == len(points):
        panel.plot(*points[-1], "s", ms=4, color="C3")
    panel.plot(0, 0, "k+")
    panel.set(title=name, aspect="equal", xlim=(-3, 3), ylim=(-3, 3))
    panel.title.set_fontsize(8)
    panel.tick_params(labelsize=6)


def draw_curves(panel, name: str, points: np.ndarray) -> None:
    """Draws x, y and xy over the first steps, as far as they stay near."""
    x, y = near(points[:600], 30).T
    for label, values in (("x", x), ("y", y), ("xy", x * y)):
        panel.plot(values, lw=0.8, label=label)
    panel.set_title(name, fontsize=8)
    panel.tick_params(labelsize=6)
    panel.grid(alpha=0.3)


def draw_distances(panel, points: dict[str, np.ndarray]) -> None:
    """Draws the distance from (0, 0) over the steps, of all games."""
    for number, (name, each) in enumerate(points.items()):
        style = "--" if number > 9 else "-"  # colours repeat
        panel.semilogy(np.linalg.norm(each, axis=1).clip(1e-6), style, lw=1, label=name)
    panel.set(xlabel="step", ylabel="distance from (0, 0)", ylim=(1e-6, 1e18))
    panel.grid(alpha=0.3)
    panel.legend(fontsize=7, ncols=2)
