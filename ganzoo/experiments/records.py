"""The record that a result's folder holds, and what may take its place: nothing of another kind, and no part of it."""

import json
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ganzoo.errors import InputError
from ganzoo.experiments.runs import ENDED

RECORD_FILE = "record.json"
MAY_DIFFER = ("--seeds=", "--first_seed=", "--score=", "--output=")  # between commands whose results share a folder


def held(folder: str | os.PathLike) -> dict[str, Any] | None:
    """Returns the record that a folder holds, and in `asked` what its command asks for; None without a record.

    Raises:
        InputError: if it cannot be read.
    """
    path = Path(folder) / RECORD_FILE
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        record = {key: record[key] for key in ("command", "seeds", "partial", "files", "runs")}
        return record | {"asked": asked(record["command"])}
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path} is no record of an experiment ({error}); remove it, or choose another output"
        ) from None


def asked(command: str) -> set[str]:
    """Returns what a command asks for, however much of it."""
    return {part for part in shlex.split(command) if not part.startswith(MAY_DIFFER)}


def require_place(folder: str | os.PathLike, command: str, seeds: Sequence[int]) -> None:
    """Refuses a folder whose result would give way to one of something else, or to one that lacks some of its seeds.

    Raises:
        InputError: with the cure.
    """
    record = held(folder)
    if record is None:
        return
    lacking = set(record["seeds"]) - set(seeds)
    if lacking or record["asked"] != asked(command):
        what = f"seeds {', '.join(map(str, record['seeds']))} of " if lacking else ""
        raise InputError(
            f"{folder} holds the result of {what}`{record['command']}`, which that of `{command}` would replace; "
            "give another place: --output=FOLDER"
        )


def less(record: Mapping[str, Any], enough: bool, before: Mapping[str, Any] | None) -> bool:
    """Returns whether a record is of a part, and the one before of the whole, or of more runs that came to an end.

    Args:
        record: of now.
        enough: whether there was enough to compare.
        before: the one that is there; None: there is none.
    """
    if before is None or (enough and not record["partial"]):
        return False
    return not before["partial"] or len(ended(record)) < len(ended(before))


def ended(record: Mapping[str, Any]) -> set[str]:
    """Returns the folders of those of a record's runs that came to an end."""
    return {run["folder"] for run in record["runs"] if run["status"].startswith(ENDED)}


def publish(draft: Path, folder: Path, before: Mapping[str, Any] | None) -> None:
    """Moves a result from its draft into its folder, the record last, and removes what only the one before had left."""
    record = json.loads((draft / RECORD_FILE).read_text(encoding="utf-8"))
    for name in set(before["files"] if before else ()) - set(record["files"]):
        (folder / name).unlink(missing_ok=True)
    for name in (*record["files"], RECORD_FILE):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(draft / name, folder / name)
