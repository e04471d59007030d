"""Checkpoints of a run: one folder a step, complete or not there at all."""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.faults import require_finite
from ganzoo.files import needed
from ganzoo.gan import GAN
from ganzoo.strategies import worker_gone

# TensorFlow has checksums, too, but not of every byte, and looks at them when weights are changing already.
# `sha256sum -c` reads this file.
SUMS_FILE = "SHA256SUMS"
INTERRUPTED = "interrupted"  # in the folder of checkpoints: the one of a run that was told to end between two


def state(gan: GAN) -> tf.train.Checkpoint:
    """Returns everything that trains or decides, and is reported.

    That is weights (with the round and all averages), optimizers, and the means of the epoch so far.
    """
    optimizers = {player: list(optimizer.variables) for player, optimizer in gan.optimizers.items()}
    means = [variable for tracker in gan.trackers for variable in tracker.variables]
    return tf.train.Checkpoint(weights=list(gan.weights), optimizers=optimizers, means=means)


def sums(folder: Path) -> str:
    """Returns the SHA-256 of every file in a checkpoint's folder, a line each."""
    lines = []
    for path in sorted(folder.iterdir()):
        if path.name != SUMS_FILE:
            with open(path, "rb") as file:
                lines.append(f"{hashlib.file_digest(file, 'sha256').hexdigest()}  {path.name}\n")
    return "".join(lines)


@contextlib.contextmanager
def removed_on_error(folder: Path) -> Iterator[Path]:
    """Yields the folder; removes it if it could not be filled.

    Raises:
        InputError: if the disk is why.
    """
    try:
        yield folder
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError | tf.errors.OpError) and not worker_gone(error):
            raise InputError(
                f"checkpoint {folder.with_suffix('')} cannot be written ({reason(error)}); those before it are whole: "
                "make room, and give the same command again"
            ) from None
        raise


def reason(error: Exception) -> str:
    """Returns in a line why something failed."""
    said = getattr(error, "strerror", None) or str(error).partition("\n")[0]
    return said[:120] or type(error).__name__


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
        """Saves the state, then removes the checkpoints that are too many, and those beyond, which are of no use.

        Raises:
            Diverged: if a variable is not finite; then nothing is saved.
            InputError: if the disk refuses.
        """
        require_finite(gan)
        step = int(gan.step.numpy())
        final = self.folder / f"{step:08d}"
        partial = self.folder / f"{final.name}.partial"
        for path in self.folder.glob("*.partial"):  # of a run that was killed while saving
            remove_folder(path)
        with removed_on_error(partial):
            state(gan).write(str(partial / "state"))
            (partial / SUMS_FILE).write_text(sums(partial), encoding="utf-8")
            if final.exists():  # damaged, or it would have been restored
                shutil.rmtree(final)
            os.replace(partial, final)
        self.drop_after(step)  # the run came back to here, since they could not be restored
        for old in set(self.steps()[: -self.keep]) - self.kept:
            remove_folder(self.folder / f"{old:08d}")

    def drop_after(self, step: int) -> None:
        """Removes the checkpoints beyond a step."""
        for later in self.steps():
            if later > step:
                remove_folder(self.folder / f"{later:08d}")

    def remove(self) -> None:
        """Removes them all."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def restore(self, gan: GAN, say: Callable[[str], None] = print) -> int:
        """Restores the newest checkpoint that can be into a built, compiled model; returns its step, 0 without any.

        Raises:
            InputError: if there are checkpoints and none can be restored.
        """
        steps = self.steps()
        for step in reversed(steps):
            path = self.folder / f"{step:08d}"
            if not (flaw := flaw_in(path) or misfit(path, gan)):
                return step
            say(f"checkpoint {path} {flaw}; trying the one before")
        if steps:
            raise InputError(f"no checkpoint in {self.folder} can be restored; choose another model_dir")
        return 0


def flaw_in(path: Path) -> str | None:
    """Returns what is wrong with the files of a checkpoint; None if they are those that were written."""
    try:
        if not (path / SUMS_FILE).exists():
            return f"has no {SUMS_FILE}: it is of an older version, or not all of it is there"
        whole = (path / SUMS_FILE).read_bytes() == sums(path).encode()
    except OSError as error:
        return f"cannot be read ({reason(error)})"
    return None if whole else f"is damaged: its files are not those of {SUMS_FILE}"


def misfit(path: Path, gan: GAN) -> str | None:
    """Restores a whole checkpoint; returns why it cannot be, None if it was."""
    try:
        state(gan).read(str(path / "state")).assert_existing_objects_matched().assert_consumed()
    except (tf.errors.OpError, AssertionError, OSError, ValueError, LookupError) as error:
        return f"is of another model, or of an older version ({reason(error)})"
    return None


def remove_folder(path: Path) -> None:
    """Removes a checkpoint's folder.

    Raises:
        InputError: if the system refuses.
    """
    with needed(path):
        shutil.rmtree(path)


def newest_step(folder: Path) -> int:
    """Returns the step of a run's newest checkpoint, whether it was told to end there or not; 0 if it has none."""
    return max((*Checkpoints(folder).steps(), *Checkpoints(folder / INTERRUPTED).steps()), default=0)


def restore_newest(folder: Path, gan: GAN, say: Callable[[str], None] = print) -> int:
    """Restores the newest checkpoint of a run that can be, also one that it saved when told to end; returns its step.

    Args:
        folder: of the run's checkpoints.
        gan: a built, compiled model.
        say: what prints a line.

    Raises:
        InputError: if there are checkpoints and none can be restored.
    """
    regular, interrupted = Checkpoints(folder), Checkpoints(folder / INTERRUPTED, 1)
    steps = regular.steps()
    if max(interrupted.steps(), default=0) > max(steps, default=0):
        try:
            return interrupted.restore(gan, say)
        except InputError:
            if not steps:
                raise
    return regular.restore(gan, say)


def restore_step(folder: Path, gan: GAN, step: int) -> None:
    """Restores the checkpoint of one step into a built, compiled model.

    Raises:
        InputError: if there is none, or it cannot be restored.
    """
    path = folder / f"{step:08d}"
    if flaw := flaw_in(path) or misfit(path, gan):
        raise InputError(f"checkpoint {path} {flaw}; give one of {Checkpoints(folder).steps()}")
