"""One experiment from its id to its record."""

import os
import shlex
from collections.abc import Callable
from pathlib import Path

from ganzoo.errors import InputError
from ganzoo.experiments.experiment import BUDGETS, named
from ganzoo.experiments.lab import Lab
from ganzoo.experiments.records import RECORD_FILE, require_place
from ganzoo.files import require_writable

OUTPUT = {"smoke": "results-smoke", "short": "results", "full": "results"}


def reproduce(
    id: str,
    budget: str = "short",
    *,
    seeds: int | None = None,
    first_seed: int | None = None,
    output: str | os.PathLike | None = None,
    runs: str | os.PathLike = "runs/experiments",
    core_hours: float | None = None,
    jobs: int | None = None,
    data_dir: str | None = None,
    say: Callable[[str], None] = print,
) -> Path:
    """Runs an experiment and returns its folder: tables, figures, resolved recipes and record.json.

    The same call goes on where it was cut; runs that another experiment has finished are not run again.

    Args:
        id: one of `known()`.
        budget: `"smoke"`, minutes at most; `"short"`, what two cores can do; `"full"`, the paper's setting.
        seeds: how many; None: the experiment's own number.
        first_seed: from which on: another one tells whether a verdict holds beyond the seeds it was found on; None: the
            experiment's own.
        output: in which the experiment gets a folder of its id; None: that of the budget in `OUTPUT`.
        runs: folder of the runs of all experiments.
        core_hours: beyond which no further run begins: what there is is published as a part; None: no end.
        jobs: runs at a time; None: one a core, on a GPU one.
        data_dir: where TFDS keeps its data sets.
        say: what prints a line.

    Raises:
        InputError: if the id is unknown, a value impossible, or the folder holds a result of another budget, or of
            seeds that are not asked for.
    """
    command = checked(id, budget, seeds=seeds, first_seed=first_seed, output=output)
    experiment, folder = named(id), place(budget, output) / id
    require_writable(folder / RECORD_FILE)
    lab = Lab(
        experiment, folder, runs,
        budget=budget, seeds=seeds, first_seed=first_seed, core_hours=core_hours, jobs=jobs, data_dir=data_dir, say=say,
    )  # fmt: skip
    expected = experiment.hours[budget] * len(lab.seeds)
    limit = "no limit" if core_hours is None else f"at most {core_hours:g}"
    say(f"{id}, {budget}, {len(lab.seeds)} seed(s): about {expected:.2g} core-hours expected, {limit}")
    with lab.recorded(command):
        experiment.run(lab)
    return folder


def checked(
    id: str,
    budget: str = "short",
    *,
    seeds: int | None = None,
    first_seed: int | None = None,
    output: str | os.PathLike | None = None,
) -> str:
    """Returns the command that the record of an experiment names; for the arguments see `reproduce`.

    Raises:
        InputError: if the id is unknown, a value impossible, or the folder holds another result.
    """
    experiment = named(id)
    if budget not in BUDGETS:
        raise InputError(f"budget={budget!r}: give one of {', '.join(BUDGETS)}")
    if seeds is not None and seeds < 1:
        raise InputError(f"seeds={seeds}: give at least 1")
    if first_seed is not None and first_seed < 0:
        raise InputError(f"first_seed={first_seed}: give 0 or more")
    there = place(budget, output)
    given = {
        "seeds": None if experiment.one_seed else seeds,
        "first_seed": None if first_seed == experiment.first_seed else first_seed,
        "output": None if there == place(budget) else there,
    }
    flags = (f"--{name}={value}" for name, value in given.items() if value is not None)
    command = shlex.join(["ganzoo", "reproduce", f"--experiment={id}", f"--budget={budget}", *flags])
    require_place(there / id, command, experiment.asked_seeds(seeds, first_seed))
    return command


def place(budget: str, output: str | os.PathLike | None = None) -> Path:
    """Returns in which folder experiments get theirs; None: that of the budget."""
    return Path(OUTPUT[budget] if output is None else output)
