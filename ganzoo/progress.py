"""The progress bar of slow reading."""

import os
from collections.abc import Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")


def shown(items: Iterable[T], what: str, total: int) -> Iterator[T]:
    """Yields the items; draws a bar on stderr meanwhile, if that is a terminal and no CI runs this."""
    from tqdm import tqdm

    hidden = True if os.environ.get("CI") else None  # None: hidden where stderr is no terminal
    yield from tqdm(items, desc=what, total=total, disable=hidden, leave=False)
