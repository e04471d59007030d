"""What a run shows, saves and ends by."""

import math
import os
import sys

import keras
import numpy as np
import tqdm

from ganzoo import pictures
from ganzoo.errors import InputError
from ganzoo.strategies import agreed


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


class StopTogether(keras.callbacks.Callback):
    """Ends training on all workers after the round in which a callback of one of them ends it; the last callback.

    Else the others would wait for one that has left.
    """

    def on_train_batch_end(self, batch, logs=None):
        self.model.stop_training = agreed(self.model.distribute_strategy, self.model.stop_training)

    def on_epoch_end(self, epoch, logs=None):
        self.model.stop_training = agreed(self.model.distribute_strategy, self.model.stop_training)


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
