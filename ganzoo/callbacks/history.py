"""Tables of a run in CSV files, whole at every moment."""

import csv
import os
from collections.abc import Callable

import keras

from ganzoo.files import or_without, written


class History(keras.callbacks.Callback):
    """Keeps the epochs' means of all terms in a CSV file, one row a checkpoint.

    Args:
        path: of the file.
        step: where the run resumes: later rows, of what was lost, are dropped.
        every: rounds of an epoch: rows of epochs that were cut are dropped, too, since a resumed run completes them.
        say: what prints a line.
    """

    def __init__(self, path: str | os.PathLike, step: int = 0, every: int = 1, say: Callable[[str], None] = print):
        super().__init__()
        self.path = path
        self.rows = [row for row in rows_of(path, step) if not int(row["step"]) % every]
        self.say = say

    def on_epoch_end(self, epoch, logs=None):
        self.rows.append({"step": int(self.model.step.numpy()), **{k: f"{v:.8g}" for k, v in logs.items()}})
        with or_without(self.path, self.say):
            save_rows(self.rows, self.path)


def rows_of(path: str | os.PathLike, step: int) -> list[dict[str, str]]:
    """Returns the rows of a table up to a step; none if there is no file."""
    if not os.path.exists(path):
        return []
    with open(path, newline="", encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if int(row["step"]) <= step]


def save_rows(rows: list[dict], path: str | os.PathLike) -> None:
    """Writes a table whose columns are those of its last row."""
    with written(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[-1])
        writer.writeheader()
        writer.writerows(rows)
