"""Keras callbacks of a training run, and which of Keras' own a game of several optimizers can have."""

import csv
import math
import os
import sys

import keras
import numpy as np
import tqdm

from ganzoo import pictures
from ganzoo.data import Density, Examples
from ganzoo.errors import InputError
from ganzoo.files import written

ONE_OPTIMIZER = (
    keras.callbacks.LearningRateScheduler,
    keras.callbacks.ReduceLROnPlateau,
    keras.callbacks.SwapEMAWeights,
)
INSTEAD = {
    "SwapEMAWeights": "set ema_momentum: `generate` samples the averaged generator already",
}


def check_callbacks(callbacks, x=None) -> None:
    """Raises InputError for a callback that cannot do its work on a GAN with the data `x`.

    That is what drives `model.optimizer`, where a GAN has one a player; and BackupAndRestore on data whose order
    follows the round, since it restores the round when the data are lined up already.
    """
    given = getattr(callbacks, "callbacks", callbacks) or []
    for callback in given if isinstance(given, list | tuple) else [given]:
        if isinstance(callback, ONE_OPTIMIZER):
            name = type(callback).__name__
            cure = INSTEAD.get(
                name,
                "give each player's optimizer a Keras schedule as its learning_rate, in compile or recipe",
            )
            raise InputError(f"{name} drives one optimizer, a GAN has one a player: {cure}")
        if isinstance(callback, keras.callbacks.BackupAndRestore) and isinstance(x, Examples | Density):
            raise InputError(
                "BackupAndRestore would start over in data of ganzoo.data.load: use ganzoo.train, which resumes exactly"
            )


class Progress(keras.callbacks.Callback):
    """One progress bar over all rounds of a run, also after a resume.

    Args:
        title: at its left.
        total: rounds of the whole run.
    """

    def __init__(self, title: str, total: int):
        super().__init__()
        self.title = title
        self.total = total
        self.bar = None

    def on_train_begin(self, logs=None):
        terminal = sys.stderr.isatty()
        self.bar = tqdm.tqdm(
            desc=self.title, total=self.total, initial=int(self.model.step.numpy()), unit="round",
            mininterval=0.2 if terminal else 20.0, dynamic_ncols=terminal,
        )  # fmt: skip

    def on_train_batch_end(self, batch, logs=None):
        self.bar.update()

    def on_epoch_end(self, epoch, logs=None):
        self.bar.set_postfix({"loss": f"{logs['loss']:.3g}"}, refresh=False)

    def on_train_end(self, logs=None):
        self.bar.close()


class StopOnNaN(keras.callbacks.Callback):
    """Ends a run whose terms are no longer numbers, before the checkpoint that would keep it.

    Raises:
        InputError: naming the terms.
    """

    def on_epoch_end(self, epoch, logs=None):
        lost = [name for name, value in logs.items() if not math.isfinite(value) and name != "loss"]
        # The last update before a checkpoint may break weights of which no term tells yet.
        lost += [weight.path for weight in self.model.weights if not np.isfinite(weight.numpy()).all()][:3]
        if lost:
            raise InputError(
                f"training diverged before step {int(self.model.step.numpy())}: {', '.join(lost)} not finite; the "
                "checkpoints before it are kept; lower the learning rates or add a penalty"
            )


class History(keras.callbacks.Callback):
    """Keeps the epochs' means of all terms in a CSV file, one row a checkpoint, whole at every moment.

    Args:
        path: of the file.
        step: where the run resumes: later rows, of what was lost, are dropped.
    """

    def __init__(self, path: str | os.PathLike, step: int = 0):
        super().__init__()
        self.path = path
        self.rows = [row for row in rows_of(path) if int(row["step"]) <= step] if step else []

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append({"step": int(self.model.step.numpy()), **{k: f"{v:.8g}" for k, v in logs.items()}})
        with written(self.path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self.rows[-1])
            writer.writeheader()
            writer.writerows(self.rows)


def rows_of(path: str | os.PathLike) -> list[dict[str, str]]:
    """Returns the rows of a history file; none if there is no file."""
    if not os.path.exists(path):
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class SampleGrids(keras.callbacks.Callback):
    """Draws the same latents after every epoch, `<folder>/<step>.png`; points as a scatter.

    Args:
        folder: where the pictures go.
        count: samples in a picture.
    """

    def __init__(self, folder: str | os.PathLike, count: int = 64):
        super().__init__()
        self.folder = folder
        self.count = count

    def on_epoch_end(self, epoch, logs=None):
        path = os.path.join(self.folder, f"{int(self.model.step.numpy()):08d}.png")
        pictures.save_samples(self.model.generate(self.count), path)


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves a checkpoint after every epoch.

    Args:
        checkpoints: where to.
    """

    def __init__(self, checkpoints):
        super().__init__()
        self.checkpoints = checkpoints

    def on_epoch_end(self, epoch, logs=None):
        self.checkpoints.save(self.model)
