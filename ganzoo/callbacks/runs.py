"""What a run shows, saves and ends by."""

import math
import os
import sys
from collections.abc import Callable

import keras
import tqdm

from ganzoo import pictures
from ganzoo.faults import diverged, require_finite
from ganzoo.files import or_without


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
    """Ends a run in the round in which a term or a gradient is no longer a number, before anything of it is saved.

    At the end of an epoch also if a weight is none, or what an optimizer remembers. To come before what writes.

    Raises:
        Diverged: naming the player and its term, its gradient, or its variable.
    """

    def on_train_batch_end(self, batch, logs=None):
        if not math.isfinite(logs["loss"]):
            means = [name for name, value in logs.items() if not math.isfinite(value)]
            raise diverged(self.model, [*self.model.faults.names(), *means][0])

    def on_epoch_end(self, epoch, logs=None):
        require_finite(self.model)


class ContinueEpoch(keras.callbacks.Callback):
    """Gives the first epoch the means that a checkpoint kept of its rounds, which Keras starts by forgetting.

    Args:
        cut: whether the run resumes inside of an epoch.
    """

    def __init__(self, cut: bool):
        super().__init__()
        self.cut = cut
        self.kept = []

    def on_train_begin(self, logs=None):
        if self.cut:
            variables = [variable for tracker in self.model.trackers for variable in tracker.variables]
            self.kept = [(variable, variable.numpy()) for variable in variables]
        self.cut = False

    def on_epoch_begin(self, epoch, logs=None):
        for variable, value in self.kept:
            variable.assign(value)
        self.kept = []


class SampleGrids(keras.callbacks.Callback):
    """Draws the same latents after every epoch, `<folder>/<step>.png`; points as a scatter.

    Args:
        folder: where the pictures go.
        count: samples in a picture.
        say: what prints a line.
    """

    def __init__(self, folder: str | os.PathLike, count: int = 64, say: Callable[[str], None] = print):
        super().__init__()
        self.folder = folder
        self.count = count
        self.say = say

    def on_epoch_end(self, epoch, logs=None):
        path = os.path.join(self.folder, f"{int(self.model.step.numpy()):08d}.png")
        with or_without(path, self.say):
            pictures.save_samples(self.model.generate(self.count), path)


class SaveCheckpoints(keras.callbacks.Callback):
    """Saves a checkpoint after every epoch.

    Args:
        checkpoints: where to.
        interrupted: where one from inside of an epoch may be, of no use any more once there is a newer one.
    """

    def __init__(self, checkpoints, interrupted):
        super().__init__()
        self.checkpoints = checkpoints
        self.interrupted = interrupted

    def on_epoch_end(self, epoch, logs=None):
        self.checkpoints.save(self.model)
        self.interrupted.remove()
