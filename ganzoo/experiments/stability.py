"""Whether a run kept what it had: its last score beside its best one, and whether it collapsed."""

import math
import statistics
from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import t as student

from ganzoo.evaluation.directions import sign_of
from ganzoo.experiments.averages import averages
from ganzoo.experiments.runs import Trained

ALIVE = 0.02  # of the samples: what a class has to get
FEWEST = 0.5  # of the classes: so many have to be alive
LOWEST = 1.0  # of a score exp(KL): what a run has that diverged before its first evaluation
BEYOND = 1.5  # times the best score: a last one worse than that is a collapse
KEPT = 1.2  # times the best score: a last one no worse than that is kept
ENOUGH = 0.8  # of the seeds: so many have to keep theirs
COLLAPSED = (
    "collapsed: fewer than half of the classes have 2 % of the last samples (of points: of the modes have one; of "
    "many classes: of those of real images have one), or the last score is more than 1.5 times worse than the best, or "
    "the run diverged"
)
SEEDWISE = "seed by seed, with the 95 % interval of the difference"


def column(rows: Sequence[Mapping[str, float]], metric: str) -> list[float]:
    """Returns a score's values, whatever network took it; none where it was not asked for."""
    return [value for row in rows for name, value in row.items() if metric in (name, name.partition("/")[0])]


def times_best(values: Sequence[float], metric: str, floor: float = 0.0) -> float:
    """Returns by how much the last value is worse than the best one, as a factor of at least 1.

    Args:
        values: one an evaluation.
        metric: which score they are.
        floor: what real examples have: of scores where lower is better none counts as better than that.
    """
    if sign_of(metric) > 0:
        best, last = max(values), values[-1]
        if last >= best:
            return 1.0
        return best / last if last > 0 else math.inf
    best, last = max(min(values), floor), max(values[-1], floor)
    if last <= best:
        return 1.0
    return last / best if best > 0 else math.inf


def share_alive(row: Mapping[str, float], modes: int | None = None) -> float:
    """Returns the share of the classes that at least 2 % of the samples are in; of points that of the modes reached.

    Of more classes than get shares, Inception's say: that of those reached, of those that real images reach.
    """
    shares = [value for name, value in row.items() if name.startswith("class_share_")]
    if shares:
        return float(np.mean(np.array(shares) >= ALIVE))
    if modes:
        reached, whole = column([row], "modes_covered"), [modes]
    else:
        reached, whole = (column([row], name) for name in ("classes_reached", "real_classes_reached"))
    return reached[0] / whole[0] if reached and whole else math.nan


def ahead(first: Mapping[int, float], second: Mapping[int, float]) -> tuple[float, float, float]:
    """Returns by how much what one has is above what another has, seed by seed, its mean and 95 % interval.

    The interval is Student's; of fewer than two seeds it is NaN.
    """
    leads = np.array([first[seed] - second[seed] for seed in first if seed in second])
    if len(leads) < 2:
        return (float(leads.mean()) if len(leads) else math.nan), math.nan, math.nan
    mean, reach = leads.mean(), student.ppf(0.975, len(leads) - 1) * leads.std(ddof=1) / math.sqrt(len(leads))
    return float(mean), float(mean - reach), float(mean + reach)


def said(lead: tuple[float, float, float]) -> str:
    """Returns what `ahead` finds as text."""
    mean, low, high = lead
    return f"{mean:+.2f}" if math.isnan(low) else f"{mean:+.2f} [{low:.2f}, {high:.2f}]"


def steady(trained: Trained, metric: str, modes: int | None = None) -> dict[str, float | str | bool]:
    """Returns a row of what a run that came to an end reached and kept.

    `last_over_best` is at least 1, also where a higher score is better. `still_learning`: no
    score before the last one is as good. `collapsed`: see `COLLAPSED`.
    """
    rows = trained.scores
    values = column(rows, metric)
    row = {"seed": trained.seed, "status": trained.status, "seconds": trained.seconds}
    if not values:
        return row | {
            "best": math.nan,
            "last": math.nan,
            "last_over_best": math.nan,
            "still_learning": False,
            "alive": math.nan,
            "collapsed": True,
        }
    best = max(values) if sign_of(metric) > 0 else min(values)
    floor = max([0.0, *column(rows, f"real_{metric}")[:1]])
    ratio, alive = times_best(values, metric, floor), share_alive(rows[-1], modes)
    collapsed = not trained.finished or ratio > BEYOND or alive < FEWEST
    return row | {"best": best, "last": values[-1], "last_over_best": ratio, "alive": alive,
                  "still_learning": trained.finished and best not in values[:-1], "collapsed": collapsed}  # fmt: skip


def reached(trained: Trained, metric: str, wanted: float) -> tuple[float, float]:
    """Returns the rounds and core-seconds after which a score was as good as `wanted`; infinite if it never was."""
    sign, rows = sign_of(metric), trained.scores
    for row in rows:
        if any(sign * value >= sign * wanted for value in column([row], metric)):
            return row["step"], trained.seconds * row["step"] / rows[-1]["step"]
    return math.inf, math.inf


def summary(name: str, rows: Sequence[Mapping]) -> dict[str, float | str | bool]:
    """Returns a row of many: means and standard deviations over seeds, the collapse rate, whether scores are kept.

    `scored`: how many seeds have a score; `still_learning`: how many of the runs were.
    `last_over_best` is the median of those with a score, so that infinite ones count.
    """
    scored = [row for row in rows if not math.isnan(row["last"])]
    found: dict[str, float | str | bool] = {"name": name, "runs": len(rows), "scored": len(scored)}
    found |= averages(rows, ("best", "last", "seconds"))
    found["last_over_best"] = statistics.median([row["last_over_best"] for row in scored] or [math.nan])
    found["still_learning"] = sum(row["still_learning"] for row in rows)
    found["collapse_rate"] = float(np.mean([row["collapsed"] for row in rows]))
    found["keeps"] = bool(np.mean([row["last_over_best"] <= KEPT and not row["collapsed"] for row in rows]) >= ENOUGH)
    return found
