"""Scores of a running game: a record every so often, the last and the best, and which is which."""

import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import keras
import tensorflow as tf

from ganzoo.callbacks.history import save_rows
from ganzoo.errors import InputError, NotFinite, did_you_mean
from ganzoo.evaluation import ScoreRecord, load_record
from ganzoo.evaluation.directions import sign_of
from ganzoo.evaluation.records import record_json
from ganzoo.faults import diverged, require_finite
from ganzoo.files import or_without, write_text
from ganzoo.strategies import agreed, is_chief

SCORES_FILE = "scores.csv"


class PeriodicEvaluation(keras.callbacks.Callback):
    """Scores the game every `every` rounds.

    Leaves in `folder`: `scores/<step>.json`, a record a time; of these `scores/last.json`, and `scores/best.json` with
    the weights that it is of. The best one is a chosen one: among many looks at noisy scores it is flattered, and its
    record says `checkpoint="best"`. And scores.csv, a row a time, whose column `best` has the step of the best so far.

    Args:
        score: a GAN -> its record; changes nothing of it.
        every: rounds between scores.
        folder: of the run.
        best_metric: the score that chooses the best, with or without `/<evaluator>`; None: none is kept.
        step: where the run resumes: later scores, of what was lost, are removed.
        checkpoints: where the weights of the best go; None: nowhere.
        resumes_from: the run's checkpoints, whose newest a killed run will resume from.
        log_dir: for TensorBoard; None: no scalars.
        say: what prints a line.

    Raises:
        InputError: if `every` is impossible, `best_metric` has no best value or is not in the records, or a `log_dir`
            is given and TensorBoard is not installed.
        Diverged: in the course of training, if a variable is not finite, or a sample.
    """

    def __init__(
        self,
        score: Callable[..., ScoreRecord],
        every: int,
        folder: str | os.PathLike,
        *,
        best_metric: str | None = None,
        step: int = 0,
        checkpoints=None,
        resumes_from=None,
        log_dir: str | os.PathLike | None = None,
        say: Callable[[str], None] = print,
    ):
        super().__init__()
        if every < 1:
            raise InputError(f"every={every}: give at least 1")
        self.score = score
        self.every = every
        self.folder = Path(folder)
        self.best_metric = best_metric
        self.sign = sign_of(best_metric) if best_metric else 0
        self.checkpoints = checkpoints
        self.resumes_from = resumes_from
        self.say = say
        self.scored = step // every
        self.best: tuple[int, ScoreRecord] | None = None
        self.rows = []
        self.resume(step)
        self.writer = None if log_dir is None else summary_writer(log_dir)

    def try_out(self, gan) -> None:
        """Scores the game and keeps nothing.

        Raises:
            InputError: now, for what would end the run at its first score.
        """
        record = self.score(gan)
        if self.best_metric:
            self.name_in(record)

    def resume(self, step: int) -> None:
        """Takes up the records up to a step, and removes those beyond; the best is one whose weights are there."""
        records = {}
        for path in sorted((self.folder / "scores").glob("*.json")):
            if path.stem.isdigit() and int(path.stem) <= step:
                records[int(path.stem)] = load_record(path)
                self.add(int(path.stem), records[int(path.stem)])
            else:  # also the last and the best, which are written anew
                path.unlink()
        if self.checkpoints is None:
            return
        self.checkpoints.drop_after(step)
        held = {step: records[step] for step in self.checkpoints.steps() if step in records}
        if self.best and self.best[0] not in held:  # a rollback went behind it
            self.best = max(held.items(), key=lambda each: self.worth(each[1]), default=None)

    def on_train_batch_end(self, batch, logs=None):
        step = int(self.model.step.numpy())
        if step // self.every == self.scored:
            return
        self.scored = step // self.every
        require_finite(self.model)  # what is not has no score
        strategy = self.model.distribute_strategy
        record, overflown = None, False
        if is_chief(strategy):
            try:
                record = self.score(self.model)
            except NotFinite:  # samples of weights that are
                overflown = True
        better, overflown = agreed(strategy, record is not None and self.add(step, record), overflown)
        if overflown:
            raise diverged(self.model, "a sample")
        if better and self.checkpoints is not None:  # all workers save, or none
            # Until the run has a checkpoint as new, a resume may need the best one before.
            newest = max(self.resumes_from.steps(), default=0) if self.resumes_from else 0
            self.checkpoints.kept = frozenset([old for old in self.checkpoints.steps() if old <= newest][-1:])
            self.checkpoints.save(self.model)
        if record is None:
            return
        path = self.folder / "scores" / f"{step:08d}.json"
        with or_without(path, self.say):
            write_text(path, record_json(record))
        self.save()
        if better:
            value = record.score(self.name_in(record)).value
            self.say(f"step {step:,}: {self.best_metric} {value:.4g}, the best so far")
        self.write_summary(step, record)

    def on_train_begin(self, logs=None):
        self.save()

    def add(self, step: int, record: ScoreRecord) -> bool:
        """Adds a row; returns whether the record is the best so far, of equal ones the first."""
        better = bool(self.best_metric) and (self.best is None or self.worth(record) > self.worth(self.best[1]))
        if better:
            self.best = step, record
        scores = {score.metric: f"{score.value:.8g}" for score in record.scores}
        self.rows.append({"step": step, **scores, "best": self.best[0] if self.best else ""})
        self.last = record
        return better

    def worth(self, record: ScoreRecord) -> float:
        """Returns the score that chooses the best; the higher the better."""
        return self.sign * record.score(self.name_in(record)).value

    def name_in(self, record: ScoreRecord) -> str:
        """Returns the full name of the score that chooses the best."""
        names = [score.metric for score in record.scores]
        for name in names:
            if self.best_metric in (name, name.partition("/")[0]):
                return name
        raise InputError(
            f"best_metric={self.best_metric!r} is not among the scores; {did_you_mean(self.best_metric, names)}"
        )

    def save(self) -> None:
        """Writes scores.csv, scores/last.json and scores/best.json."""
        if not self.rows:
            return
        with or_without(self.folder / SCORES_FILE, self.say):
            write_text(self.folder / "scores" / "last.json", record_json(self.last))
            if self.best:
                chosen = dataclasses.replace(self.best[1], checkpoint="best")
                write_text(self.folder / "scores" / "best.json", record_json(chosen))
            save_rows(self.rows, self.folder / SCORES_FILE)

    def write_summary(self, step: int, record: ScoreRecord) -> None:
        """Writes a scalar a score for TensorBoard."""
        if self.writer is None:
            return
        with self.writer.as_default(step):
            for score in record.scores:
                tf.summary.scalar(f"scores/{score.metric}", score.value)
        self.writer.flush()


def summary_writer(log_dir: str | os.PathLike) -> tf.summary.SummaryWriter:
    """Returns what writes for TensorBoard.

    Raises:
        InputError: if it is not installed.
    """
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        raise InputError(f"log_dir={os.fspath(log_dir)!r} needs TensorBoard: pip install ganzoo[tensorboard]") from None
    return tf.summary.create_file_writer(os.fspath(log_dir))
