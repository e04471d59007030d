"""Where an experiment works: its budget and seeds, the runs it shares with others, the files it leaves."""

import contextlib
import dataclasses
import functools
import json
import math
import os
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import joblib

from ganzoo import config, folders, pictures, strategies, sweeps
from ganzoo.callbacks.history import save_rows
from ganzoo.errors import InputError
from ganzoo.experiments import records
from ganzoo.experiments.experiment import BUDGETS, Experiment
from ganzoo.experiments.records import RECORD_FILE
from ganzoo.experiments.runs import DEVICE_FILE, SECONDS_FILE, Game, Trained
from ganzoo.files import write_text

T = TypeVar("T")
DIVERGED_FILE = "diverged"  # of a run that would come to the same number again
VERDICTS = {True: "confirmed", False: "not confirmed", None: "not tested at this scale"}
LEFT_TO_READERS = "left to the reader"  # a claim without a rule


class NotEnough(Exception):
    """There is nothing to compare yet: core-hours are spent, a signal came, or one left nothing before it diverged."""


def require_any(found: Mapping[str, Sequence[Trained]]) -> None:
    """Refuses to go on without a single run.

    Raises:
        NotEnough: if no game has one that came to its end.
    """
    if not any(found.values()):
        raise NotEnough("no run has come to its end; the same command goes on")


def require_shown(found: Mapping[str, Sequence[Trained]]) -> None:
    """Refuses to go on where a game's first run has no checkpoint.

    Raises:
        NotEnough: saying whether it will have one.
    """
    lacking = [name for name, own in found.items() if not (own and own[0].steps)]
    never = [name for name in lacking if found[name]]
    if never:
        raise NotEnough(f"nothing to show of {', '.join(never)}: diverged before the first checkpoint")
    if lacking:
        raise NotEnough(f"nothing to show yet of {', '.join(lacking)}; the same command goes on")


class Lab:
    """What an experiment is given.

    Args:
        experiment: whose lab it is.
        folder: where its tables, figures and record go; made if it is not there.
        runs_folder: where runs go, those of other experiments too.
        budget: `"smoke"`, minutes at most; `"short"`, what two cores can do; `"full"`, the paper's setting.
        seeds: how many; None: the experiment's own number.
        first_seed: from which on; None: the experiment's own.
        core_hours: beyond which no further run begins; None: no end.
        jobs: runs at a time; None: one a core, on a GPU one.
        data_dir: where TFDS keeps its data sets.
        say: what prints a line.

    Raises:
        InputError: if a value is impossible.
    """

    def __init__(
        self,
        experiment: Experiment,
        folder: str | os.PathLike,
        runs_folder: str | os.PathLike,
        *,
        budget: str = "smoke",
        seeds: int | None = None,
        first_seed: int | None = None,
        core_hours: float | None = None,
        jobs: int | None = None,
        data_dir: str | None = None,
        say: Callable[[str], None] = print,
    ):
        if budget not in BUDGETS:
            raise InputError(f"budget={budget!r}: give one of {', '.join(BUDGETS)}")
        self.experiment = experiment
        self.folder = Path(folder)
        self.runs_folder = Path(runs_folder)
        self.budget = budget
        self.seeds = experiment.asked_seeds(seeds, first_seed)
        self.core_hours = core_hours
        self.jobs, self.threads = sweeps.shares(joblib.cpu_count(), jobs)  # threads of a run
        self.data_dir = data_dir
        self.say = say
        self.verdicts: dict[str, dict[str, Any]] = {}
        self.trained: dict[Path, Trained] = {}  # by the run's folder
        self.seconds = 0.0  # of one core, spent on runs now
        self.files: list[str] = []

    def choose(self, *, smoke: T, short: T, full: T | None = None) -> T:
        """Returns the value of the budget; where `full` is left out it is that of `short`."""
        return {"smoke": smoke, "short": short, "full": short if full is None else full}[self.budget]

    def path(self, name: str) -> Path:
        """Returns where a file of the experiment goes, and remembers that it left it."""
        if name not in self.files:
            self.files.append(name)
        return self.folder / name

    def table(self, name: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Writes a CSV file, numbers with six digits; none without rows."""
        if rows:
            save_rows([{k: f"{v:.6g}" if isinstance(v, float) else v for k, v in row.items()} for row in rows],
                      self.path(f"{name}.csv"))  # fmt: skip

    @contextlib.contextmanager
    def figure(self, name: str, width: float = 7.0, height: float = 4.0) -> Iterator:
        """Yields a Matplotlib figure, which becomes a PNG and an SVG file."""
        with pictures.figure(self.path(f"{name}.png"), self.path(f"{name}.svg"), width=width, height=height) as figure:
            yield figure

    def judge(self, claim: str, holds: bool | None, found: str) -> None:
        """Notes what was found of a claim; `holds` is None where this budget cannot tell."""
        if claim not in self.experiment.claims:
            raise KeyError(claim)
        self.verdicts[claim] = {"found": found, "verdict": VERDICTS[None if holds is None else bool(holds)]}
        self.say(f"{self.experiment.id}, {claim}: {self.verdicts[claim]['verdict']} ({found})")

    def told_by(self, runs: Iterable[Trained]) -> bool:
        """Returns whether there is enough to judge by, and these runs came to their last round: none diverged."""
        return self.told and all(each.finished for each in runs)

    @property
    def told(self) -> bool:
        """Whether there is enough to judge by: no smoke, as many seeds as the experiment has, and every run ended."""
        enough = self.budget != "smoke" and len(self.seeds) >= self.experiment.seeds
        return enough and all(each.played for each in self.trained.values())

    def train(
        self, games: Mapping[str, Game], seeds: Sequence[int] | None = None, partly: bool = False
    ) -> dict[str, list[Trained]]:
        """Returns the runs of games that came to an end, by the games' names; seed after seed, so that a part compares.

        Runs that have ended, for this experiment or another one, are not run again; those that were cut go on.

        Args:
            games: by name.
            seeds: of each; None: the lab's.
            partly: whether a game may be without a run; else the first run of each has a checkpoint.

        Raises:
            InputError: if a run failed otherwise than by a number that is not finite.
            NotEnough: if a game is without a run that shows anything, or a signal has ended them.
        """
        flags = [f"--data_dir={self.data_dir}"] if self.data_dir else []
        wanted: list[tuple[str, int, sweeps.Run]] = []
        for seed in self.seeds if seeds is None else seeds:
            for name, game in games.items():
                changes = (*game.changes, f"gan.seed={seed}")
                recipe = config.with_precision(config.load_recipe(game.recipe, changes))
                folder = self.runs_folder / f"{game.name}-seed={seed}"
                if (folder / folders.RECIPE_FILE).exists():
                    folders.check_folder(recipe, folder)
                asked = recipe.train
                run = sweeps.Run(game.recipe, changes, {}, folder, asked.steps, tuple(flags), asked.stop_on_collapse)
                wanted.append((name, seed, run))
        runs = {run.model_dir: run for _, _, run in wanted}
        start = functools.partial(sweeps.on_cores, jobs=self.jobs, threads=self.threads, execute=self._within_hours)
        with sweeps.PROCESSES.told_by_signals():
            outcomes = {each.run.model_dir: each for each in sweeps.sweep(list(runs.values()), start, self.say)}
        found: dict[str, list[Trained]] = {name: [] for name in games}
        for name, seed, run in wanted:
            trained = self.trained[run.model_dir] = Trained(run, seed, outcomes[run.model_dir].status)
            if trained.played:
                found[name].append(trained)
        failed = [each for each in outcomes.values() if each.status == "failed"]
        if failed:
            raise InputError(
                f"{len(failed)} of {len(runs)} runs failed, the first in {failed[0].run.model_dir}: "
                f"{failed[0].last_lines.splitlines()[-1]}; the same command goes on from what there is"
            )
        if sweeps.PROCESSES.told:
            raise NotEnough("told to end; the runs have saved, and the same command goes on")
        if not partly:
            require_shown(found)
        return found

    def _within_hours(self, run: sweeps.Run, threads: int) -> sweeps.Outcome:
        if (run.model_dir / DIVERGED_FILE).exists():
            return sweeps.Outcome(run, "diverged before")
        if self.core_hours is not None and self.seconds >= 3600 * self.core_hours:
            return sweeps.Outcome(run, "not run")
        outcome = sweeps.execute(run, threads)
        if outcome.seconds:  # else it was another command's
            self.seconds += outcome.seconds * threads
            path = run.model_dir / SECONDS_FILE
            before = float(path.read_text(encoding="utf-8")) if path.exists() else 0.0
            write_text(path, f"{before + outcome.seconds * threads:.1f}")
            write_text(run.model_dir / DEVICE_FILE, strategies.device_name() + "\n")
        if outcome.status == "diverged":
            write_text(run.model_dir / DIVERGED_FILE, outcome.last_lines + "\n")
        return outcome

    @contextlib.contextmanager
    def recorded(self, command: str) -> Iterator[None]:
        """Publishes at its end what there is, with a record; a part does not take the place of a result that has more.

        Files are drafts until then: a call that is cut, or fails, leaves the folder as it was.

        Raises:
            InputError: at its beginning, if the folder holds another result.
        """
        records.require_place(self.folder, command, self.seeds)
        before, enough = records.held(self.folder), True
        with self._drafts() as folder:
            try:
                yield
            except NotEnough as reason:
                enough = False
                self.say(f"{self.experiment.id}: {reason}")
            record = self.save(command)
            if records.less(record, enough, before):
                self.say(f"{folder} keeps the result of `{before['command']}`, which has more")
            else:
                records.publish(self.folder, folder, before)
                self.say(f"written: {folder}")

    @contextlib.contextmanager
    def _drafts(self) -> Iterator[Path]:
        """Has files go into a temporary folder inside of the lab's, which it yields."""
        folder = self.folder
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".partial.", dir=folder) as draft:
            self.folder = Path(draft)
            try:
                yield folder
            finally:
                self.folder = folder

    def save(self, command: str) -> dict[str, Any]:
        """Writes the record and returns it: what was asked, found and left, and every run that it rests on."""
        experiment = self.experiment
        claims = {}
        for name, claim in experiment.claims.items():
            silent = VERDICTS[None] if claim.rule else LEFT_TO_READERS
            claims[name] = dataclasses.asdict(claim) | self.verdicts.get(name, {"found": "", "verdict": silent})
        trained = list(self.trained.values())
        runs = [
            {"run": each.run.command, "folder": each.run.model_dir.name, "seed": each.seed, "steps": each.run.steps,
             "step": each.run.step, "status": each.status, "device": each.device}
            for each in trained
        ]  # fmt: skip
        record = {
            "id": experiment.id,
            "title": experiment.title,
            "command": command,
            "budget": self.budget,
            "seeds": sorted({each.seed for each in trained if each.played} or self.seeds),
            "differs": experiment.differs,
            "scaled": experiment.scaled if self.budget == "short" else "",
            "devices": sorted({each.device for each in trained if each.played}),
            "partial": any(not each.played for each in trained),
            "core_hours": round(sum(each.seconds for each in trained if not math.isnan(each.seconds)) / 3600, 3),
            "finished": time.strftime("%Y-%m-%d", time.gmtime()),
            "claims": claims,
            "files": self.files,
            "runs": runs,
        }
        for each in trained:
            source = each.run.model_dir / folders.RECIPE_FILE
            if source.exists():
                write_text(self.path(f"recipes/{each.run.model_dir.name}.json"), source.read_text(encoding="utf-8"))
        write_text(self.folder / RECORD_FILE, json.dumps(record, indent=2) + "\n")
        return record
