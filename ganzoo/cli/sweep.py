"""Trains many runs: recipes x seeds x grids, each a `ganzoo train` in a folder of its own below --directory.

ganzoo sweep --recipes=dcgan_digits,dragan_digits --seeds=0,1,2 --directory=runs/sweep
ganzoo sweep --recipes=dragan_digits --grid=gan.penalty_weight=1,5,10 --set=train.steps=2000 --directory=runs/weights

--grid and --set may be repeated. The same command goes on where it was cut; runs that are finished, or that their watch
has stopped, are not run again. A run that fails or diverges stops no other; its log is <run>/train.log, and the exit
status is 1, as it is where another process trains a run. SIGTERM and Ctrl-C are passed on: runs save and end, no more
are started, and the exit status is 130. With --ray_address runs go to a Ray cluster that sees the directory, as many at
a time as it has --threads for; there a signal ends them unsaved.
"""

import contextlib
import functools
import os
import sys
from collections.abc import Callable

import joblib
from absl import flags

from ganzoo import sweeps
from ganzoo.callbacks.history import save_rows
from ganzoo.errors import InputError
from ganzoo.files import require_writable

RECIPES = flags.DEFINE_list("recipes", None, "Names of recipes, or paths of .toml files.", required=True)
DIRECTORY = flags.DEFINE_string("directory", None, "Where each run gets a folder.", required=True)
SEEDS = flags.DEFINE_list("seeds", [], "Values of gan.seed; none: the recipes' own.")
GRID = flags.DEFINE_multi_string("grid", [], "section.key=value,value,...: every value; may be repeated.")
SET = flags.DEFINE_multi_string("set", [], "section.key=value over the recipes'; may be repeated.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data sets.")
JOBS = flags.DEFINE_integer(
    "jobs", None, "Runs at a time here; if not given one a core, or per --threads; on a GPU one.", lower_bound=1
)
THREADS = flags.DEFINE_integer(
    "threads", None, "Threads of a run; if not given the cores by --jobs, on Ray 1.", lower_bound=1
)
RAY = flags.DEFINE_string("ray_address", None, "Of a Ray cluster, 'auto' say; needs ganzoo[ray].")
DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print the commands of the runs that have not ended; run none.")


def main() -> None:
    """Sweeps."""
    start = starter(RAY.value, JOBS.value, THREADS.value)
    directory = os.path.abspath(DIRECTORY.value)  # Ray's workers have another working directory
    own = [f"--data_dir={DATA_DIR.value}"] if DATA_DIR.value else []
    axes = sweeps.axes_of(GRID.value, seeds())
    runs = sweeps.runs_of(RECIPES.value, directory, axes=axes, changes=SET.value, flags=own)
    if DRY_RUN.value:
        print("\n".join(run.command for run in runs if not run.ended))
        return
    table = os.path.join(directory, sweeps.TABLE_FILE)
    require_writable(table)
    with contextlib.nullcontext() if RAY.value else sweeps.PROCESSES.told_by_signals():
        outcomes = sweeps.sweep(runs, start)
    rows = sweeps.table_of(outcomes)
    save_rows(rows, table)
    print(f"{sweeps.printed(rows)}\ntable: {table}")
    if any(outcome.status in (*sweeps.BROKEN, sweeps.IN_USE) for outcome in outcomes):
        sys.exit(1)


def seeds() -> list[int]:
    """Returns the seeds that the flag gives."""
    try:
        return [int(seed) for seed in SEEDS.value]
    except ValueError:
        raise InputError(f"--seeds={','.join(SEEDS.value)}: give whole numbers, separated by commas") from None


def starter(ray_address: str | None, jobs: int | None, threads: int | None) -> Callable:
    """Returns what starts runs, here or on Ray, see `sweeps.sweep`."""
    if not ray_address:
        jobs, threads = sweeps.shares(joblib.cpu_count(), jobs, threads)
        return functools.partial(sweeps.on_cores, jobs=jobs, threads=threads)
    if jobs:
        raise InputError(f"--jobs={jobs} beside --ray_address: Ray says how many runs go at once; give --threads")
    return functools.partial(sweeps.on_ray, address=ray_address, threads=threads or 1)
