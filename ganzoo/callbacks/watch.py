"""The collapse watch: looks at a running game, says in words what ails it, and remembers where it was well."""

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from ganzoo import data
from ganzoo.callbacks.history import rows_of, save_rows
from ganzoo.callbacks.looks import Looks, examples_of
from ganzoo.callbacks.verdicts import Judge
from ganzoo.errors import InputError
from ganzoo.files import or_without, write_text

WATCH_FILE = "watch.csv"
LAST_GOOD_FILE = "last_good.json"
VERDICTS = "verdicts"


class CollapseWatch(keras.callbacks.Callback):
    """Looks at a game every `every` rounds and says when it collapses, is won, diverges, or loses a class.

    A look takes the same latents and the same real examples each time (see `Looks`) and changes nothing of the
    training; `Judge` says what makes a verdict. Of the last weights, not of the averaged generator, which lags. At the
    defaults looks took 1 to 2 % of the time of small games on two CPU cores.

    Args:
        x: what the game trains on, in any form that `fit` takes.
        every: rounds between looks.
        samples: samples, and real examples, of a look.
        classify: images uint8 [N, H, W, C] (points float32 [N, D]) -> N class numbers; then classes are watched, too.
        patience: looks in succession that make a verdict.
        stop: whether a verdict ends training; where one stands already, after a round.
        folder: for watch.csv, a row a look, and, with `checkpoints`, last_good.json, the newest checkpoint from before
            the first suspicion; None: no files.
        step: where the run resumes: later rows, of what was lost, are dropped.
        checkpoints: of the run; the last good one is kept.
        say: what prints a line.

    Raises:
        InputError: if `every`, `samples` or `patience` is impossible.
    """

    def __init__(
        self,
        x: Any,
        *,
        every: int = 25,
        samples: int = 64,
        classify: Callable[[np.ndarray], Sequence[int]] | None = None,
        patience: int = 3,
        stop: bool = False,
        folder: str | os.PathLike | None = None,
        step: int = 0,
        checkpoints=None,
        say: Callable[[str], None] = print,
    ):
        super().__init__()
        for name, value, least in (("every", every, 1), ("samples", samples, 2), ("patience", patience, 1)):
            if value < least:
                raise InputError(f"{name}={value}: give at least {least}")
        self.x = x
        self.every = every
        self.samples = samples
        self.classify = classify
        self.stop = stop
        self.folder = None if folder is None else Path(folder)
        self.checkpoints = checkpoints
        self.say = say
        self.judge = Judge(patience)
        self.looks = None
        self.looked = step // every
        self.rows = [] if folder is None else rows_of(self.folder / WATCH_FILE, step)
        for row in self.rows:
            self.judge.look({name: float(value) for name, value in row.items() if name != VERDICTS and value})

    def on_train_begin(self, logs=None):
        if self.looks is not None and self.looks.gan is not self.model:
            raise InputError("this watch looks at another model; make one for each")
        self.mark()
        if self.over:  # since before this run
            self.say(f"training ends after a round, as it shall on {'; '.join(self.judge.verdicts.values())}")
            self.model.stop_training = True

    def on_train_batch_end(self, batch, logs=None):
        step = int(self.model.step.numpy())
        if step // self.every == self.looked:
            return
        self.looked = step // self.every
        row = {"step": str(step), **{name: f"{value:.6g}" for name, value in self.measured().items()}}
        # Judged by what the file will hold: a resumed run reads it again.
        news = self.judge.look({name: float(value) for name, value in row.items()})
        self.rows.append({**row, VERDICTS: "; ".join(self.judge.verdicts)})
        for words in news:
            self.say(f"step {step:,}: {words}")
        if news:
            self.save()
        if self.over:
            self.model.stop_training = True

    def on_epoch_end(self, epoch, logs=None):
        self.save(coming=int(self.model.step.numpy()))

    def on_train_end(self, logs=None):
        self.save()

    @property
    def over(self) -> bool:
        """Whether a verdict stands, and shall end training."""
        return self.stop and bool(self.judge.verdicts)

    def measured(self) -> dict[str, float]:
        """Returns what a look measures; with a classifier also how many samples and real examples a class has."""
        if self.looks is None:
            self.looks = Looks(self.model, examples_of(self.model, self.x, self.samples))
        row, samples = self.looks.measures()
        if self.classify is None:
            return row
        ours, real = self.counts(samples), self.counts(self.looks.real)
        for label in sorted(real):
            row |= {f"class/{label}": ours.get(label, 0), f"real_class/{label}": real[label]}
        return row

    def counts(self, values) -> dict[int, int]:
        """Returns class -> how many of the samples are of it."""
        images = data.pixels(values).numpy() if len(self.model.image_shape) == 3 else np.asarray(values)
        labels, counts = np.unique(np.asarray(self.classify(images)), return_counts=True)
        return dict(zip(labels.tolist(), counts.tolist(), strict=True))

    def save(self, coming: int | None = None) -> None:
        """Writes watch.csv and last_good.json."""
        if self.folder is not None and self.rows:
            with or_without(self.folder / WATCH_FILE, self.say):
                save_rows(self.rows, self.folder / WATCH_FILE)
        self.mark(coming)

    def mark(self, coming: int | None = None) -> None:
        """Keeps the newest checkpoint that is no later than the last look without suspicion, and says why.

        Args:
            coming: the step of a checkpoint that is about to be saved.
        """
        if self.folder is None or self.checkpoints is None:
            return
        steps = {*self.checkpoints.steps(), *([] if coming is None else [coming])}
        good = max((step for step in steps if step <= self.judge.last_clean), default=None)
        self.checkpoints.kept = frozenset() if good is None else frozenset([good])
        if good is None:
            (self.folder / LAST_GOOD_FILE).unlink(missing_ok=True)  # of what a resumed run has lost
            return
        reason = "; ".join(self.judge.verdicts.values()) or "no verdict"
        mark = {"step": good, "clean_until": self.judge.last_clean, "reason": reason}
        with or_without(self.folder / LAST_GOOD_FILE, self.say):
            write_text(self.folder / LAST_GOOD_FILE, json.dumps(mark, indent=2) + "\n")


def last_good(folder: str | os.PathLike) -> int | None:
    """Returns the step of the last good checkpoint, by the watch's file in a run's folder; None if there is none."""
    try:
        return json.loads((Path(folder) / LAST_GOOD_FILE).read_text(encoding="utf-8"))["step"]
    except FileNotFoundError:
        return None
