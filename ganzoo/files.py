"""Files that are whole or not there: written under a temporary name, then renamed."""

import contextlib
import errno
import os
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

from ganzoo.errors import InputError, InUse

try:
    import fcntl
except ImportError:
    fcntl = None

_VERSIONS_END = 1 << 63  # a version is an int64
NO_LOCKS = (errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP)  # of a file system that has none


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


@contextlib.contextmanager
def written_folder(path: str | os.PathLike) -> Iterator[Path]:
    """Yields the path of a temporary folder beside `path`, not made yet; puts it in `path`'s place if all went well."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".partial.{os.getpid()}.{path.name}")  # servers ignore what is no integer
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        yield temporary
        shutil.rmtree(path, ignore_errors=True)
        os.replace(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def written_version(directory: str | os.PathLike, write: Callable[[Path], None]) -> Path:
    """Returns `directory/<next integer>`, whole: `write` makes a folder of another name, which is then renamed.

    No version is ever replaced, not even if several processes write at once.
    """
    directory = Path(directory)
    directory.mkdir(parents=True, exist_ok=True)
    temporary = directory / f".partial.{os.getpid()}.{threading.get_ident()}"  # servers ignore what is no integer
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        write(temporary)
        while True:
            try:
                return temporary.rename(directory / str(_next_version(directory)))
            except OSError as error:  # another process was faster
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _next_version(directory: Path) -> int:
    version = max(versions(directory), default=0) + 1
    if version == _VERSIONS_END:
        raise InputError(f"{directory} has the last version that there can be, {version - 1}; give another folder")
    return version


def versions(directory: str | os.PathLike) -> dict[int, Path]:
    """Returns number -> path of a model's versions, the newest last; of two of one number the last by name.

    Raises:
        OSError: if the directory cannot be read.
    """
    found = [(version, path) for path in Path(directory).iterdir() if (version := version_number(path)) is not None]
    return dict(sorted(found))


def version_number(path: Path) -> int | None:
    """Returns the number of the version that a folder of this name is; None if its name is none."""
    name = path.name
    return int(name) if name.isascii() and name.isdigit() and int(name) < _VERSIONS_END else None


@contextlib.contextmanager
def or_without(path: str | os.PathLike, say: Callable[[str], None]) -> Iterator[None]:
    """Says that `path` cannot be written, and goes on, where the disk raises an OSError: for what can be spared."""
    try:
        yield
    except OSError as error:
        say(f"{path} cannot be written ({error.strerror or error}); training goes on without it")


@contextlib.contextmanager
def needed(path: str | os.PathLike) -> Iterator[None]:
    """Makes one message of what the disk refuses to do with `path`: for what cannot be spared.

    Raises:
        InputError: in place of an OSError.
    """
    try:
        yield
    except OSError as error:
        raise InputError(
            f"{path} cannot be written ({error.strerror or error}); make room, or choose another folder"
        ) from None


@contextlib.contextmanager
def locked(folder: str | os.PathLike) -> Iterator[None]:
    """Holds a folder: meanwhile no other process, nor another thread, can hold it.

    By a lock of the file `.lock`, which the system lets go when the process ends, however that is. Where the system or
    the file system has no locks, nothing is held.

    Raises:
        InUse: if it is held already, saying by whom.
        InputError: if it cannot be written.
    """
    path = Path(folder) / ".lock"
    with contextlib.ExitStack() as stack:
        with needed(path):
            # Without a buffer, which would be written once more when the file is closed.
            file = stack.enter_context(open(path, "ab+", buffering=0))
            if _lock(file):
                file.truncate(0)
                file.write(f"process {os.getpid()} on {socket.gethostname()}".encode())
            else:
                file.seek(0)
                owner = file.read().decode() or "another process"
                raise InUse(f"{folder} is in use by {owner}; wait for its end, or choose another folder")
        yield


def _lock(file: IO) -> bool:
    """Returns whether a file is locked now, or there are no locks; False if another holds it."""
    if fcntl is None:  # Windows
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in NO_LOCKS:
            raise
    return True


def require_writable(path: str | os.PathLike) -> None:
    """Raises InputError if no file can be written there; makes the folder if need be."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        probe = path.with_name(f".writable.{os.getpid()}")
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be written: {error.strerror}; give another path") from None


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
