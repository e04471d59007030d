"""Means over seeds or games, of tables with a row a run."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np


def mean(values: Iterable[float], of: Callable[[np.ndarray], float] = np.mean) -> float:
    """Returns the mean of the values that are finite, or another statistic of them; NaN where none is."""
    finite = np.array([value for value in values if np.isfinite(value)], np.float64)
    return float(of(finite)) if len(finite) else np.nan


def averages(rows: Sequence[Mapping], columns: Iterable[str]) -> dict[str, float]:
    """Returns the mean of each column, and beside it its standard deviation as `<column>_sd`, of N, not N - 1.

    A row that lacks a column, or has no finite number there, does not count in it.
    """
    found = {}
    for column in columns:
        values = [row.get(column, np.nan) for row in rows]
        found |= {column: mean(values), f"{column}_sd": mean(values, np.std)}
    return found


def by_name(rows: Sequence[Mapping], key: str, columns: Iterable[str]) -> list[dict]:
    """Returns a row a name that rows have under `key`: how many runs, how many of them finished, `averages`."""
    columns, found = tuple(columns), []
    for name in dict.fromkeys(row[key] for row in rows):
        own = [row for row in rows if row[key] == name]
        finished = sum(row["status"].startswith("finished") for row in own)
        found.append({key: name, "runs": len(own), "finished": finished, **averages(own, columns)})
    return found
