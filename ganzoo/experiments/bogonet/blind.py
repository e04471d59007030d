"""Blind judging: curves of two algorithms side by side without names, a sheet to fill in, and its sums.

As in Kodali et al. 2018, section 3.2: 5 points a game are split between the two, 2.5 each where both do well or
neither does.
"""

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from ganzoo import pictures
from ganzoo.callbacks.history import save_rows
from ganzoo.errors import InputError, did_you_mean
from ganzoo.experiments.bogonet.play import by_game
from ganzoo.files import require_writable

POINTS = 5.0  # of a game
SHEET = "sheet.csv"
SIDES = ("left", "right")


def export(
    curves: str | os.PathLike, pair: Sequence[str], folder: str | os.PathLike, key: str | os.PathLike, seed: int = 0
) -> int:
    """Draws a pair of curves a game, and returns how many; order of games and sides are the seed's.

    Args:
        curves: a table with the columns game, algorithm, step, score, as `play` leaves it.
        pair: two of its algorithms.
        folder: for the judges: pictures, and a sheet for their points.
        key: who was where, a CSV file, which judges do not see.
        seed: of the order.

    Raises:
        InputError: if the table cannot be read, an algorithm is not in it, or the key would lie in the folder.
    """
    folder, key = Path(folder), Path(key)
    if folder.resolve() in key.resolve().parents:
        raise InputError(f"key={str(key)!r} lies in {str(folder)!r}, which the judges see; put it elsewhere")
    for path in (folder / SHEET, key):
        if path.exists():
            raise InputError(f"{path} is there already, maybe with a judge's points; name another, or remove it")
    rows = _rows(curves, ("game", "algorithm", "step", "score"))
    try:
        games = by_game(rows)
    except ValueError as error:
        raise InputError(f"{curves}: {error}; give the table of curves that was left") from None
    known = list(dict.fromkeys(name for game in games.values() for name in game))
    for name in pair:
        if name not in known:
            raise InputError(f"algorithm {name!r} is not in {curves}; {did_you_mean(name, known)}")
    if len(pair) != 2 or pair[0] == pair[1]:
        raise InputError(f"pair={','.join(pair)}: give two different algorithms")
    for path in (folder / SHEET, key):
        require_writable(path)
    random = np.random.default_rng(seed)
    both = [number for number, game in games.items() if all(name in game for name in pair)]
    answers = []
    for position, number in enumerate(random.permutation(both), start=1):
        sides = [str(name) for name in random.permutation(pair)]
        answers.append({"pair": position, "game": int(number), **dict(zip(SIDES, sides, strict=True))})
        draw(folder / f"pair_{position:03d}.png", position, [games[number][name] for name in sides])
    if not answers:
        raise InputError(f"{curves} has no game that both {' and '.join(pair)} have scores of")
    save_rows(answers, key)  # before the sheet, which nobody could sum without it
    save_rows([{"pair": row["pair"], "left": "", "right": ""} for row in answers], folder / SHEET)
    return len(answers)


def draw(path: Path, number: int, sides: Sequence[tuple[list, list]]) -> None:
    """Draws two curves on equal axes, in one colour and without names."""
    with pictures.figure(path, width=7.0, height=2.8) as figure:
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        for panel, side, (steps, scores) in zip(panels, SIDES, sides, strict=True):
            panel.plot(steps, scores, "o-", color="black", ms=2)
            panel.set(title=f"pair {number}, {side}", xlabel="round")
            panel.grid(alpha=0.3)
        panels[0].set_ylabel("score")


def scored(sheets: Sequence[str | os.PathLike], key: str | os.PathLike) -> dict[str, float]:
    """Returns each algorithm's points, summed over pairs; of several judges' sheets their mean.

    Raises:
        InputError: if a sheet is not filled in, splits a pair in other than 5 points, or is not of the key.
    """
    answers = {row["pair"]: row for row in _rows(key, ("pair", "game", *SIDES))}
    points: dict[str, float] = {}
    for sheet in sheets:
        filled = _rows(sheet, ("pair", *SIDES))
        rows = {row["pair"]: row for row in filled}
        if len(filled) != len(rows) or rows.keys() != answers.keys():
            raise InputError(f"{sheet} has not the {len(answers)} pairs of {key}; give the key that was left with it")
        for pair, row in rows.items():
            for side, given in zip(SIDES, _split(row, sheet), strict=True):
                name = answers[pair][side]
                points[name] = points.get(name, 0.0) + given / len(sheets)
    return points


def _split(row: Mapping[str, str], sheet: str | os.PathLike) -> tuple[float, float]:
    """Returns the points of the left and of the right one."""
    try:
        left, right = (float(row[side]) for side in SIDES)
    except ValueError:
        left = right = np.nan
    if not (min(left, right) >= 0 and abs(left + right - POINTS) < 1e-9):
        raise InputError(
            f"{sheet}, pair {row['pair']}: {row['left']!r} and {row['right']!r}: give two numbers from 0 on that sum "
            f"to {POINTS:g}; 2.5 each where both do well or neither does"
        )
    return left, right


def _rows(path: str | os.PathLike, columns: Sequence[str]) -> list[dict[str, str]]:
    """Returns the rows of a table."""
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:  # Excel begins UTF-8 with a mark
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from None
    if not rows or any(row.get(column) is None for row in rows for column in columns):
        raise InputError(f"{path}: give a CSV table with the columns {', '.join(columns)}")
    return rows
