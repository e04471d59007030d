"""From the name of some data to the data."""

import os
from pathlib import Path

from ganzoo.data.arguments import size_pair
from ganzoo.data.digits import NAME as DIGITS
from ganzoo.data.digits import load_digits
from ganzoo.data.examples import Examples
from ganzoo.data.folder import load_folder
from ganzoo.data.stacked_mnist import NAME as STACKED_MNIST
from ganzoo.data.stacked_mnist import load_stacked_mnist
from ganzoo.data.tfds_source import load_tfds
from ganzoo.data.toy import DENSITIES, Density
from ganzoo.errors import InputError

_FOLDER = "folder:"


def load(
    dataset: str,
    split: str = "train",
    *,
    data_dir: str | os.PathLike | None = None,
    image_size: int | tuple[int, int] | None = None,
    channels: int | None = None,
) -> Examples | Density:
    """Returns the data of that name: images uint8 [N, H, W, C] in 0..255, or a density of points [D].

    Names are looked up in this order:

    * `ring8`, `grid25`, `swiss_roll`, `gaussians1d`: densities, see `ganzoo.data.toy`.
    * `digits`: 1,797 handwritten digits of 8 x 8, always there.
    * `stacked_mnist`: three digits of MNIST as the channels of a colour image, 1,000 classes; MNIST comes
      from TensorFlow Datasets.
    * `folder:PATH`, or a path with a separator in it that is a folder: the image files below it.
    * everything else: TensorFlow Datasets, `mnist`, `cifar10:3.*.*` or `my_dataset/config`; downloaded
      where it is missing.

    Args:
        dataset: The name.
        split: In TFDS' syntax: `train`, `train[:90%]`, `train+test`. `digits` and `stacked_mnist` have train and
            test, a folder train (all of it). A density has no splits: train and test both are it.
        data_dir: Where TFDS data is; None for TFDS_DATA_DIR, else TFDS' default. Others do not use it.
        image_size: Height and width, one number for squares; None leaves the native size. Images of
            another aspect are cropped around the centre; see `ganzoo.data.resized`.
        channels: 1 for grey (luminance), 3 for colour (grey repeated), None for the native ones.

    Raises:
        InputError: no such data or split, it cannot be read or downloaded, or does not fit into memory.
    """
    if not isinstance(dataset, str) or not dataset:
        raise InputError(f"data set {dataset!r}: give its name or folder:PATH as a string")
    if not isinstance(split, str):
        raise InputError(f"split {split!r}: give a string such as 'train' or 'train[:90%]'")
    if channels not in (None, 1, 3):
        raise InputError(f"channels={channels!r}: give 1 (grey) or 3 (colour), or leave it out")
    size = size_pair(image_size)
    if dataset in DENSITIES:
        return _density(dataset, split, size, channels)
    if dataset == DIGITS:
        return load_digits(split, size, channels)
    folder = _folder(dataset)
    if folder is not None:
        return load_folder(dataset, folder, split, size, channels)
    place = None if data_dir is None else os.path.expanduser(data_dir)
    if dataset == STACKED_MNIST:
        return load_stacked_mnist(split, place, size, channels)
    return load_tfds(dataset, split, place, size, channels, (DIGITS, STACKED_MNIST, *DENSITIES))


def _density(name: str, split: str, size: tuple[int, int] | None, channels: int | None) -> Density:
    """Returns the density, which has no splits and no pixels."""
    if split not in ("train", "test"):
        raise InputError(f"split {split!r}: {name} is a density, drawn without end: leave split out")
    if size is not None or channels is not None:
        raise InputError(f"image_size and channels: {name} is a density of points: leave them out")
    return DENSITIES[name]()


def _folder(dataset: str) -> Path | None:
    """Returns the folder that the name says, None if it is the name of a data set."""
    said = dataset.startswith(_FOLDER)
    path = Path(dataset.removeprefix(_FOLDER)).expanduser()
    looks_like_path = dataset.startswith((os.sep, ".", "~"))
    if path.is_dir() and (said or os.sep in dataset or looks_like_path):
        return path
    if said or looks_like_path:
        raise InputError(f"data set {dataset!r}: there is no folder {str(path)!r}: check the path")
    return None
