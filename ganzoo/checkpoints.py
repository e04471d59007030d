"""Checkpoints of a run: one folder a step, complete or not there at all."""

import os
import shutil
from pathlib import Path

import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.gan import GAN


def state(gan: GAN) -> tf.train.Checkpoint:
    """Returns everything that trains or decides: weights (with the round and all averages), optimizers."""
    optimizers = {player: list(optimizer.variables) for player, optimizer in gan.optimizers.items()}
    return tf.train.Checkpoint(weights=list(gan.weights), optimizers=optimizers)


class Checkpoints:
    """The checkpoints `<folder>/<step>/`, oldest first; each is written under another name, then renamed.

    Args:
        folder: where they are.
        keep: how many of the newest to keep.
    """

    def __init__(self, folder: str | os.PathLike, keep: int = 3):
        self.folder = Path(folder)
        self.keep = keep
        self.kept: frozenset[int] = frozenset()  # steps that are not removed, however old

    def steps(self) -> list[int]:
        """Returns the steps that have a checkpoint, sorted."""
        return sorted(int(path.name) for path in self.folder.glob("*") if path.name.isdigit())

    def save(self, gan: GAN) -> None:
        """Saves the state, then removes the checkpoints that are too many."""
        final = self.folder / f"{int(gan.step.numpy()):08d}"
        partial = self.folder / f"{final.name}.partial"
        for path in self.folder.glob("*.partial"):  # of a run that was killed while saving
            shutil.rmtree(path)
        state(gan).write(str(partial / "state"))
        if final.exists():  # damaged, or it would have been restored
            shutil.rmtree(final)
        os.replace(partial, final)
        for step in set(self.steps()[: -self.keep]) - self.kept:
            shutil.rmtree(self.folder / f"{step:08d}")

    def drop_after(self, step: int) -> None:
        """Removes the checkpoints beyond a step."""
        for later in self.steps():
            if later > step:
                shutil.rmtree(self.folder / f"{later:08d}")

    def restore(self, gan: GAN, say=print) -> int:
        """Restores the newest whole checkpoint into a built, compiled model; returns its step, 0 if there is none.

        Raises:
            InputError: if there are checkpoints and none is whole.
        """
        steps = self.steps()
        for step in reversed(steps):
            path = self.folder / f"{step:08d}"
            try:
                status = state(gan).read(str(path / "state"))
                status.assert_existing_objects_matched().assert_consumed()
                return step
            except (tf.errors.OpError, AssertionError, ValueError, LookupError) as error:
                say(f"checkpoint {path} is damaged, trying the one before ({str(error).splitlines()[0][:120]})")
        if steps:
            raise InputError(f"no checkpoint in {self.folder} is whole; remove the folder to start anew")
        return 0
