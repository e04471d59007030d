"""Many runs at once: seeds x recipes x settings, each a `ganzoo train` of its own in a folder of its own."""

import contextlib
import dataclasses
import hashlib
import itertools
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib

from ganzoo import config, folders, strategies
from ganzoo.callbacks.history import rows_of
from ganzoo.callbacks.scoring import SCORES_FILE
from ganzoo.callbacks.watch import VERDICTS, WATCH_FILE
from ganzoo.checkpoints import newest_step
from ganzoo.errors import DIVERGED_STATUS, IN_USE_STATUS, InputError
from ganzoo.files import require_writable
from ganzoo.progress import shown

LOG_FILE = "train.log"
TABLE_FILE = "sweep.csv"
LAST_LINES = 5  # of a failed run's log
BROKEN = ("diverged", "failed")  # statuses of runs that ended by an error of their own
STOPPED = "stopped by the watch"
IN_USE = "in use"
# What TensorFlow says of its libraries and of this machine's processor.
CHATTER = re.compile(r"[IWE]\d{4} |WARNING: All log messages before|To enable the following instructions:")
LONGEST_NAME = 255  # bytes of a folder's name, on all file systems in use
ENDED_BY_SIGNAL = (-signal.SIGTERM, -signal.SIGINT, 130)  # of a run that had not begun to catch any
QUOTES = "\"'"
# What TensorFlow and NumPy read for the number of their threads.
THREADS = ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS")

# Has TensorFlow take a GPU's memory as it needs it, so that who starts runs may compute beside them; else all at once.
GPU_GROWTH = "TF_FORCE_GPU_ALLOW_GROWTH"


@dataclasses.dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Args:
        recipe: name of a shipped recipe, or path of a .toml file.
        changes: `section.key=value` over the recipe's.
        varied: of `changes`, what differs between the runs of the sweep: key -> value as text.
        model_dir: its folder.
        steps: at which it is finished.
        flags: further flags of `ganzoo train`.
        stop_on_collapse: whether a verdict of its watch ends it.
        cwd: where relative paths in its recipe and flags begin, also on another machine.
    """

    recipe: str
    changes: tuple[str, ...]
    varied: Mapping[str, str]
    model_dir: Path
    steps: int
    flags: tuple[str, ...] = ()
    stop_on_collapse: bool = False
    cwd: Path = dataclasses.field(default_factory=Path.cwd)

    @property
    def arguments(self) -> list[str]:
        """The arguments of `ganzoo`."""
        changes = [f"--set={change}" for change in self.changes]
        return ["train", f"--recipe={self.recipe}", f"--model_dir={self.model_dir}", *changes, *self.flags]

    @property
    def command(self) -> str:
        """The command as a shell takes it."""
        return shlex.join(["ganzoo", *self.arguments])

    @property
    def step(self) -> int:
        """The step of its newest checkpoint; 0 if it has none."""
        return newest_step(self.model_dir / folders.CHECKPOINTS)

    @property
    def ended(self) -> str | None:
        """How it ended for good: `"finished"`, with its last step, or `"stopped by the watch"`; None: it can go on."""
        if self.step >= self.steps:
            return "finished"
        looks = rows_of(self.model_dir / WATCH_FILE, self.step) if self.stop_on_collapse else []
        return STOPPED if looks and looks[-1][VERDICTS] else None


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What became of a run.

    Args:
        run: the run.
        status: `"finished"` or `"stopped by the watch"`, now; `"finished before"` or `"stopped by the watch before"`;
            `"diverged"`, that met a number that is not finite; `"failed"`; `"in use"`, that another process trains;
            `"not finished"`, that a signal ended or kept from starting.
        seconds: that it took now.
        last_lines: of the log, if it failed, diverged or is in use.
    """

    run: Run
    status: str
    seconds: float = 0.0
    last_lines: str = ""


def values_of(text: str) -> list[str]:
    """Returns the values in `"1,5,10"` as they are spelt; lists, tables and quoted strings may hold commas."""
    values, parts = [], text.split(",")
    while parts:
        starts = (",".join(parts[:end]).strip() for end in range(1, len(parts) + 1))
        # The shortest that is TOML; if there is none, a string without quotes, up to the comma.
        values.append(next((start for start in starts if config.value_of(start) != start), parts[0].strip()))
        parts = parts[values[-1].count(",") + 1 :]
    return values


def axes_of(grid: Sequence[str], seeds: Sequence[int] = ()) -> dict[str, list[str]]:
    """Returns what a sweep varies beside recipes: key -> its values.

    Args:
        grid: `"section.key=value,value,..."`, a key each.
        seeds: of the runs; none: the recipes' own.

    Raises:
        InputError: if there is no value, or a key or value comes twice.
    """
    axes: dict[str, list[str]] = {}
    for line in grid:
        key, equals, text = (part.strip() for part in line.partition("="))
        values = values_of(text)
        if not equals or not key or "" in values or not values:
            raise InputError(f"--grid={line!r}: write it as section.key=value,value, e.g. gan.penalty_weight=1,5,10")
        if key in axes:
            raise InputError(f"--grid={line!r}: {key} has values already; give them all at once, separated by commas")
        axes[key] = values
    if seeds and "gan.seed" in axes:
        raise InputError("--grid=gan.seed beside --seeds: they are the same; leave one out")
    axes |= {"gan.seed": [str(seed) for seed in seeds]} if seeds else {}
    for key, values in axes.items():
        if len({repr(config.value_of(value)) for value in values}) < len(values):
            raise InputError(f"{key}={','.join(values)}: a value comes twice, and the runs would be the same")
    return axes


def runs_of(
    recipes: Sequence[str],
    directory: str | os.PathLike,
    *,
    axes: Mapping[str, Sequence[str]] | None = None,
    changes: Sequence[str] = (),
    flags: Sequence[str] = (),
) -> list[Run]:
    """Returns every combination of a recipe and values as a run, each checked.

    Args:
        recipes: names of shipped recipes, or paths of .toml files.
        directory: in which each run gets a folder named by what is varied.
        axes: key -> values, see `axes_of`.
        changes: `section.key=value` for all.
        flags: further flags of `ganzoo train` for all.

    Raises:
        InputError: if there is no recipe, one is not valid with its values, a folder holds a run of other settings,
            or two runs would share one.
    """
    axes, made = axes or {}, []
    if not recipes:
        raise InputError("--recipes: give at least one recipe")
    for recipe, *values in itertools.product(recipes, *axes.values()):
        varied = dict(zip(axes, values, strict=True))
        own = (*changes, *(f"{key}={value}" for key, value in varied.items()))
        whole = config.with_precision(config.load_recipe(recipe, own))
        folder = Path(directory) / _name(recipe, varied)
        if (folder / folders.RECIPE_FILE).exists():
            folders.check_folder(whole, folder)  # else a finished run of other settings would pass for this one
        made.append(Run(recipe, own, varied, folder, whole.train.steps, tuple(flags), whole.train.stop_on_collapse))
    places = [run.model_dir for run in made]
    for folder in places:
        if places.count(folder) > 1:
            raise InputError(f"two runs would share the folder {folder}; name recipes and values so that they differ")
    return made


def _name(recipe: str, varied: Mapping[str, str]) -> str:
    """Returns the name of a run's folder; what TensorFlow would take for a pattern is percent-encoded.

    Of one that would be too long the end is replaced by its hash; recipe.json and the table have all values.
    """
    parts = [Path(recipe).stem, *(f"{key}={value.strip(QUOTES)}" for key, value in varied.items())]
    name = urllib.parse.quote("-".join(parts), safe="=,+")
    if len(name) <= LONGEST_NAME:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:16]
    return f"{name[: LONGEST_NAME - len(digest) - 1]}-{digest}"


class Processes:
    """The runs that go on this machine. Told to end, they save and end by themselves, and no more are started."""

    def __init__(self):
        self.going: set[subprocess.Popen] = set()
        self.told = False

    def tell(self, number: int, frame: Any = None) -> None:
        """Tells them to end: a handler of SIGTERM and Ctrl-C; a second Ctrl-C is not caught."""
        self.told = True
        if number == signal.SIGINT:
            signal.signal(number, signal.default_int_handler)
        for process in list(self.going):
            process.terminate()

    @contextlib.contextmanager
    def told_by_signals(self) -> Iterator[None]:
        """Tells them to end at SIGTERM and Ctrl-C, as long as it is open; in the main thread, which alone gets any."""
        self.told = False  # an earlier call was, in a notebook say
        main = threading.current_thread() is threading.main_thread()
        numbers = (signal.SIGTERM, signal.SIGINT) if main else ()
        before = {number: signal.signal(number, self.tell) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def status_of(self, command: Sequence[str], **options: Any) -> int:
        """Returns the exit status of a command; `options` are those of `subprocess.Popen`."""
        with subprocess.Popen(command, **options) as process:
            self.going.add(process)
            try:
                if self.told:  # while it started, when `tell` knew nothing of it
                    process.terminate()
                return process.wait()
            finally:
                self.going.discard(process)


PROCESSES = Processes()


def execute(run: Run, threads: int) -> Outcome:
    """Returns the outcome of `ganzoo train` in a process of its own, whose output goes to the run's log file."""
    if PROCESSES.told:
        return Outcome(run, "not finished")
    if ended := run.ended:  # meanwhile, by another command
        return Outcome(run, f"{ended} before")
    log = run.model_dir / LOG_FILE
    environment = {GPU_GROWTH: "true", **os.environ, **dict.fromkeys(THREADS, str(threads))}
    command = [sys.executable, "-m", "ganzoo", *run.arguments]
    start = time.monotonic()
    try:
        require_writable(log)
        with open(log, "ab") as file:
            before = file.tell()
            status = PROCESSES.status_of(command, stdout=file, stderr=subprocess.STDOUT, env=environment, cwd=run.cwd)
    except (InputError, OSError) as error:
        return Outcome(run, "failed", last_lines=str(error))
    seconds = time.monotonic() - start
    if status and not (PROCESSES.told and status in ENDED_BY_SIGNAL):
        said = f"exit status {status}\n{_tail(log, before)}"
        if status == IN_USE_STATUS:
            return Outcome(run, IN_USE, last_lines=said)
        return Outcome(run, "diverged" if status == DIVERGED_STATUS else "failed", seconds, said)
    return Outcome(run, run.ended or "not finished", seconds)


def _tail(log: Path, start: int) -> str:
    """Returns the last lines of a log from byte `start` on, without TensorFlow's chatter.

    Of a line that a progress bar wrote over it is what was left to see.
    """
    lines = [line.rpartition("\r")[2] for line in log.read_bytes()[start:].decode(errors="replace").split("\n")]
    return "\n".join([line for line in lines if line.strip() and not CHATTER.match(line)][-LAST_LINES:])


def shares(cores: int, jobs: int | None = None, threads: int | None = None) -> tuple[int, int]:
    """Returns how many runs go at a time, and on how many threads each, so that all cores are used once.

    Where nobody says how many, and there is a GPU, one: it has no room for as many as there are cores.
    """
    jobs = jobs or (max(1, cores // (threads or 1)) if strategies.device_name() == "CPU" else 1)
    return jobs, threads or max(1, cores // jobs)


def on_cores(
    runs: Sequence[Run], jobs: int, threads: int, execute: Callable[[Run, int], Outcome] = execute
) -> Iterator[Outcome]:
    """Yields the outcomes as they come, of `jobs` runs at a time on this machine."""
    parallel = joblib.Parallel(n_jobs=jobs, prefer="threads", return_as="generator_unordered")
    yield from parallel(joblib.delayed(execute)(run, threads) for run in runs)


def on_ray(runs: Sequence[Run], address: str, threads: int) -> Iterator[Outcome]:
    """Yields the outcomes as they come, of runs on a Ray cluster that sees the sweep's directory.

    Args:
        runs: what to run.
        address: of the cluster, as `ray.init` takes it.
        threads: CPUs that a run asks Ray for.

    Raises:
        InputError: if Ray is not installed, or there is no cluster.
    """
    try:
        import ray
    except ImportError:
        raise InputError("--ray_address needs Ray: pip install 'ganzoo[ray]', here and on the cluster") from None
    try:
        ray.init(address=address)
    except (ConnectionError, ValueError, RuntimeError) as error:
        raise InputError(f"--ray_address={address!r}: {str(error).splitlines()[0]}") from None
    try:
        remote = ray.remote(num_cpus=threads, max_retries=0)(execute)
        waiting = {remote.remote(run, threads): run for run in runs}
        while waiting:
            (reference, *_), _ = ray.wait(list(waiting), num_returns=1)
            run = waiting.pop(reference)
            try:
                yield ray.get(reference)
            except ray.exceptions.RayError as error:  # its machine is gone, say
                yield Outcome(run, "failed", last_lines=str(error).splitlines()[0])
    finally:
        ray.shutdown()


def sweep(
    runs: Sequence[Run],
    start: Callable[[Sequence[Run]], Iterator[Outcome]],
    say: Callable[[str], None] = print,
) -> list[Outcome]:
    """Returns the outcomes of all runs, in their order; those that have ended for good are not run again.

    Args:
        runs: what to run.
        start: runs -> their outcomes as they come: `on_cores` or `on_ray`.
        say: what prints a line.
    """
    outcomes = {run.model_dir: Outcome(run, f"{ended} before") for run in runs if (ended := run.ended)}
    waiting = [run for run in runs if run.model_dir not in outcomes]
    for outcome in shown(start(waiting), "sweep", len(waiting)) if waiting else ():
        outcomes[outcome.run.model_dir] = outcome
        if outcome.status in (*BROKEN, IN_USE):
            say(f"{outcome.status}: {outcome.run.command}\n  log: {outcome.run.model_dir / LOG_FILE}")
            say("\n".join(f"  | {line}" for line in outcome.last_lines.splitlines()))
    return [outcomes[run.model_dir] for run in runs]


def table_of(outcomes: Sequence[Outcome]) -> list[dict[str, str]]:
    """Returns a row a run: what is varied, how it ended, and its last scores if it was evaluated."""
    rows = []
    for outcome in outcomes:
        run = outcome.run
        scores = rows_of(run.model_dir / SCORES_FILE, run.steps)
        rows.append(
            {
                "run": run.model_dir.name,
                "recipe": Path(run.recipe).stem,
                **run.varied,
                "status": outcome.status,
                "step": str(run.step),
                "seconds": f"{outcome.seconds:.0f}",
                **{name: value for name, value in (scores[-1] if scores else {}).items() if name != "step"},
            }
        )
    columns = list(dict.fromkeys(itertools.chain.from_iterable(rows)))
    return [{column: row.get(column, "") for column in columns} for row in rows]


def printed(rows: Sequence[Mapping[str, str]]) -> str:
    """Returns the table with its columns aligned."""
    lines = [list(rows[0]), *(list(row.values()) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in lines)
