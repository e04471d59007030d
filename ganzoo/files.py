"""Files that are whole or not there: written under a temporary name, then renamed."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def written(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path beside `path` with the same suffixes; renames it to `path` if all went well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".partial.{os.getpid()}.{path.name}")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | os.PathLike, text: str) -> None:
    """Writes a text file in UTF-8."""
    with written(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def cache_folder(name: str, given: str | os.PathLike | None = None) -> Path:
    """Returns `given`, or the folder of that name in `$GANZOO_CACHE`, or in `~/.cache/ganzoo` without the variable."""
    if given is not None:
        return Path(given)
    root = os.environ.get("GANZOO_CACHE")
    return (Path(root) if root else Path.home() / ".cache" / "ganzoo") / name
