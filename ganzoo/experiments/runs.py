"""What experiments train: games, and what their runs left."""

import contextlib
import dataclasses
import hashlib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence

from ganzoo import folders, sweeps, training
from ganzoo.callbacks.history import rows_of, save_rows
from ganzoo.callbacks.scoring import SCORES_FILE
from ganzoo.checkpoints import Checkpoints, restore_step
from ganzoo.gan import GAN

SECONDS_FILE = "seconds"
DEVICE_FILE = "device"
ENDED = ("finished", "diverged", sweeps.STOPPED)  # how the statuses begin of runs that were not cut
Measure = Callable[[GAN], Mapping[str, float]]


@dataclasses.dataclass(frozen=True)
class Game:
    """A recipe and what an experiment changes of it.

    Args:
        recipe: name of a shipped recipe.
        changes: `section.key=value` over it.
    """

    recipe: str
    changes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The name of its runs' folders, but for the seed: the same for equal games, another for any other."""
        digest = hashlib.sha256("\n".join(sorted(self.changes)).encode()).hexdigest()[:8]
        return f"{self.recipe}-{digest}" if self.changes else self.recipe


@dataclasses.dataclass(frozen=True)
class Trained:
    """A run of a game that an experiment asked for.

    Args:
        run: of the sweep.
        seed: of the run.
        status: see `ganzoo.sweeps.Outcome`; `"not run"` where the core-hours were spent, `"diverged before"`.
    """

    run: sweeps.Run
    seed: int
    status: str

    @property
    def finished(self) -> bool:
        """Whether it came to its last round."""
        return self.status.startswith("finished")

    @property
    def played(self) -> bool:
        """Whether it came to an end: its last round, a verdict of its watch or a number that is not finite."""
        return self.status.startswith(ENDED)

    @property
    def scores(self) -> list[dict[str, float]]:
        """The rows of scores.csv, one an evaluation."""
        return numbers(rows_of(self.run.model_dir / SCORES_FILE, self.run.steps))

    @property
    def history(self) -> list[dict[str, float]]:
        """The rows of history.csv, one a checkpoint."""
        return numbers(rows_of(self.run.model_dir / training.HISTORY_FILE, self.run.steps))

    @property
    def steps(self) -> list[int]:
        """The rounds that have a checkpoint."""
        return Checkpoints(self.run.model_dir / folders.CHECKPOINTS).steps()

    @property
    def seconds(self) -> float:
        """The core-seconds that all its processes took together, start included."""
        path = self.run.model_dir / SECONDS_FILE
        return float(path.read_text(encoding="utf-8")) if path.exists() else math.nan

    @property
    def device(self) -> str:
        """What it was trained on last: a GPU's name, else `"CPU"`."""
        path = self.run.model_dir / DEVICE_FILE
        return path.read_text(encoding="utf-8").strip() if path.exists() else "CPU"

    def restored(self, step: int | None = None) -> GAN:
        """Returns the GAN at the checkpoint of a round; None: at the last one."""
        if step is None:
            return folders.restored(self.run.model_dir)[0]
        return next(gan for _, gan in self.snapshots([step]))

    def snapshots(self, steps: Sequence[int] | None = None) -> Iterator[tuple[int, GAN]]:
        """Yields the round of each checkpoint, or of those asked for, and the GAN there: one and the same model."""
        gan = None
        for step in self.steps if steps is None else steps:
            if gan is None:
                gan, _ = folders.rebuilt(self.run.model_dir)
            restore_step(self.run.model_dir / folders.CHECKPOINTS, gan, step)
            yield step, gan

    def measured(self, name: str, measure: Measure) -> list[dict[str, float]]:
        """Returns a row a checkpoint: its `step`, and what `measure` finds of the GAN there.

        The rows are kept in the run's folder as `<name>.csv`, for all experiments that ask: what measures otherwise
        needs another name.
        """
        path = self.run.model_dir / f"{name}.csv"
        found = {int(row["step"]): row for row in numbers(rows_of(path, self.run.steps))}
        missing = [step for step in self.steps if step not in found]
        for step, gan in self.snapshots(missing):
            found[step] = dict(measure(gan))
        rows = [{**found[step], "step": step} for step in self.steps]
        if missing:
            save_rows(rows, path)
        return rows


def numbers(rows: Sequence[Mapping[str, str]]) -> list[dict[str, float]]:
    """Returns the columns of a table's rows that are numbers."""
    found = []
    for row in rows:
        found.append({})
        for name, text in row.items():
            with contextlib.suppress(ValueError, TypeError):
                found[-1][name] = float(text)
    return found
