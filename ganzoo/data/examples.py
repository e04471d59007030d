"""Images in memory, and the check that they fit there."""

import dataclasses
import hashlib
import os
from pathlib import Path

import numpy as np

from ganzoo.errors import InputError


@dataclasses.dataclass(frozen=True, eq=False)
class Examples:
    """The images of one split, decoded.

    Attributes:
        name: What `load` takes to get them again; a TFDS name holds its version (`mnist:3.0.1`).
        split: The split as it was asked for, such as `train[:90%]`.
        images: uint8 [N, H, W, C], 0..255.
        labels: int64 [N], or None where the data has none.
    """

    name: str
    split: str
    images: np.ndarray
    labels: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.images)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(H, W, C)."""
        return tuple(self.images.shape[1:])

    def content_hash(self) -> str:
        """Returns the sha256 of the images' bytes, in hexadecimal digits."""
        return hashlib.sha256(np.ascontiguousarray(self.images)).hexdigest()


def available_memory() -> int:
    """Returns the bytes that this machine can still give."""
    try:  # Linux: unlike the count of free pages, this counts the file cache as available
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def empty_images(what: str, count: int, image_shape: tuple[int, int, int]) -> np.ndarray:
    """Returns an array for `count` images: uint8 [count, H, W, C], not filled.

    Raises:
        InputError: the machine's memory cannot hold it.
    """
    need, free = count * int(np.prod(image_shape, dtype=object)), available_memory()
    if need > free:
        size = "x".join(map(str, image_shape))
        raise InputError(
            f"{what}: {count:,} images of {size} need {need / 1e9:.1f} GB of memory and {free / 1e9:.1f} GB "
            "is available: give a smaller image_size, or a part of the split such as train[:10%]"
        )
    return np.empty((count, *image_shape), np.uint8)
