"""Images from a folder of image files."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from ganzoo.data.examples import Examples, empty_images
from ganzoo.data.resizing import fitted
from ganzoo.data.splits import parts_of
from ganzoo.errors import InputError
from ganzoo.progress import shown

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")
_GREY_MODES = ("1", "L", "LA")
_QUARTER_TURNS = (5, 6, 7, 8)  # values of the EXIF orientation that exchange height and width
_EXIF_ORIENTATION = 0x0112


@dataclasses.dataclass(frozen=True)
class _Header:
    """What an image file says about itself before its pixels are decoded."""

    size: tuple[int, int]
    grey: bool


def load_folder(name: str, folder: Path, split: str, size: tuple[int, int] | None, channels: int | None) -> Examples:
    """Returns the images below a folder, [N, H, W, C], in the order of their paths.

    Files with other endings than those of images, and hidden ones, are left out. Where every image is in
    a sub-folder, the first sub-folders in alphabetical order are the labels 0, 1, ...; so `train` and
    `test` sub-folders would be two classes: give the one to load. Photographs are turned as their EXIF
    data says, of animations the first picture counts, transparency is dropped.

    Args:
        name: The name of the result.
        folder: Where the files are, sub-folders included.
        split: `train`, which is all of them, or parts of it such as `train[:90%]`.
        size: Height and width to resize to; None where all images have one size.
        channels: 1, 3, or None: 1 where all images are grey, else 3.

    Raises:
        InputError: no image is there, one is broken, or the sizes differ and `size` is None.
    """
    paths = _image_paths(folder)
    labels = _labels([path.relative_to(folder) for path in paths])
    chosen = np.concatenate([np.arange(len(paths))[rows] for _, rows in parts_of(split, {"train": len(paths)})])
    paths = [paths[i] for i in chosen]
    headers = [_read(path, _header) for path in paths]
    channels = channels or (1 if all(header.grey for header in headers) else 3)
    height, width = size or _one_size(folder, paths, headers)
    images = empty_images(name, len(paths), (height, width, channels))
    mode = "L" if channels == 1 else "RGB"
    for row, path in enumerate(shown(paths, name, len(paths))):
        picture = _read(path, _decoded, mode)
        images[row] = fitted(picture[None], (height, width), channels)[0]
    return Examples(name, split, images, None if labels is None else labels[chosen])


def _image_paths(folder: Path) -> list[Path]:
    """Returns the image files below the folder, sorted."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES)
    paths = sorted(path for path in found if path.is_file() and not path.name.startswith("."))
    if not paths:
        raise InputError(f"folder {str(folder)!r} holds no image: files ending in {', '.join(SUFFIXES)}")
    return paths


def _labels(relative: list[Path]) -> np.ndarray | None:
    """Returns the number of each file's first sub-folder, int64 [N]; None if a file is in none."""
    if any(len(path.parts) == 1 for path in relative):
        return None
    return np.unique([path.parts[0] for path in relative], return_inverse=True)[1].astype(np.int64)


def _read(path: Path, read: Any, *arguments: Any) -> Any:
    """Returns read(image, *arguments) for the opened file."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            return read(image, *arguments)
    except InputError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, ValueError, SyntaxError, struct.error, ...
        raise InputError(f"image {str(path)!r} cannot be read ({error}): repair or remove it") from error


def _header(image: Any) -> _Header:
    """Returns the header of an open image."""
    if image.mode[0] in "IF":
        raise InputError(
            f"image {image.filename!r} has more than 8 bits per channel (mode {image.mode}): convert it to 8 bits"
        )
    height, width = image.height, image.width
    if image.getexif().get(_EXIF_ORIENTATION) in _QUARTER_TURNS:
        height, width = width, height
    return _Header((height, width), image.mode in _GREY_MODES)


def _decoded(image: Any, mode: str) -> np.ndarray:
    """Returns the pixels of an open image, uint8 [H, W, C]."""
    from PIL import ImageOps

    image = ImageOps.exif_transpose(image)
    if "transparency" in image.info:  # Pillow warns about such palettes unless RGBA comes between
        image = image.convert("RGBA")
    array = np.asarray(image.convert(mode))
    return array[..., None] if array.ndim == 2 else array


def _one_size(folder: Path, paths: list[Path], headers: list[_Header]) -> tuple[int, int]:
    """Returns the (height, width) that all images have."""
    first = headers[0].size
    for path, header in zip(paths, headers, strict=True):
        if header.size != first:
            raise InputError(
                f"folder {str(folder)!r}: the images differ in size, {paths[0].name} is "
                f"{first[0]}x{first[1]} and {path.name} {header.size[0]}x{header.size[1]}: "
                "give image_size, such as 64"
            )
    return first
