"""Means over seeds: what is not finite or missing does not count, and does not hide."""

import numpy as np

from ganzoo.experiments.averages import averages, by_name, mean


def test_a_mean_leaves_out_what_is_not_finite():
    assert mean([1.0, np.nan, 3.0, np.inf]) == 2.0
    assert mean([1.0, 3.0, np.nan], np.std) == 1.0
    assert np.isnan(mean([np.nan]))
    assert np.isnan(mean([]))


def test_averages_have_the_deviation_beside_each_column():
    found = averages([{"a": 1.0}, {"a": 5.0, "b": 2.0}], ("a", "b", "c"))
    assert (found["a"], found["a_sd"], found["b"], found["b_sd"]) == (3.0, 2.0, 2.0, 0.0)
    assert np.isnan(found["c"])
    assert np.isnan(found["c_sd"])


def test_a_name_counts_all_its_runs_and_those_that_finished():
    rows = [
        {"game": "x", "status": "finished before", "score": 1.0},
        {"game": "y", "status": "finished", "score": 4.0},
        {"game": "x", "status": "diverged", "score": np.nan},
    ]
    first, second = by_name(rows, "game", (column for column in ["score"]))  # also of what can be read but once
    assert first == {"game": "x", "runs": 2, "finished": 1, "score": 1.0, "score_sd": 0.0}
    assert second == {"game": "y", "runs": 1, "finished": 1, "score": 4.0, "score_sd": 0.0}
