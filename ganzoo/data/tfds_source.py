"""Images from TensorFlow Datasets."""

import re
import socket
import urllib.parse
import urllib.request
from typing import Any

import numpy as np

from ganzoo.data.examples import Examples, empty_images
from ganzoo.data.resizing import fitted
from ganzoo.data.splits import bad_split
from ganzoo.errors import InputError, did_you_mean
from ganzoo.progress import shown

_AT_ONCE = 256  # images decoded and resized at one time


def load_tfds(
    dataset: str,
    split: str,
    data_dir: str | None,
    size: tuple[int, int] | None,
    channels: int | None,
    other_names: tuple[str, ...],
) -> Examples:
    """Returns the images of a TFDS data set, [N, H, W, C], and its `label` where it has one.

    Args:
        dataset: `mnist`, `cifar10:3.*.*`, `my_dataset/config`.
        split: As TFDS spells it: `train[:90%]`.
        data_dir: Where TFDS data is, or is downloaded to; None for TFDS' own choice.
        size: Height and width to resize to; None where the data set has one size.
        channels: 1, 3 or None for the native ones.
        other_names: What else the caller knows, for the message about an unknown name.

    Raises:
        InputError: no such data set or split, it is not there and cannot be downloaded, it has no images,
            or they do not fit into memory.
    """
    builder = _builder(dataset, data_dir, other_names)
    image = _image_feature(builder)
    shape = _result_shape(dataset, image.shape, size, channels)
    if not builder.is_prepared():
        _prepare(builder, dataset)
    count = _count(builder, split)
    images = empty_images(dataset, count, shape)
    wanted = {"image": True, "label": True} if _has_label(builder) else {"image": True}
    labels = np.empty(count, np.int64) if "label" in wanted else None
    row = 0
    for batch in _decoded(builder, split, wanted, count, one_size=None not in image.shape):
        rows = slice(row, row + len(batch["image"]))
        images[rows] = fitted(batch["image"], shape[:2], channels)
        if labels is not None:
            labels[rows] = batch["label"]
        row = rows.stop
    config = f"/{builder.builder_config.name}" if builder.builder_config else ""
    return Examples(f"{builder.name}{config}:{builder.version}", split, images, labels)


def _builder(dataset: str, data_dir: str | None, other_names: tuple[str, ...]) -> Any:
    """Returns the TFDS builder of that name."""
    import tensorflow_datasets as tfds

    try:
        return tfds.builder(dataset, data_dir=data_dir)
    except tfds.core.DatasetNotFoundError as error:
        word = re.split("[:/]", dataset)[0]
        names = [*other_names, *tfds.list_builders(with_community_datasets=False)]
        hint = did_you_mean(word, names)
        if not hint.startswith("did you mean"):  # do not list TFDS' hundreds of names
            hint = f"known: {', '.join(other_names)} and the names of tensorflow.org/datasets"
        raise InputError(f"no data set {dataset!r}: {hint}; a folder of images is given as folder:PATH") from error
    except Exception as error:  # an unknown version is an AssertionError, an unknown config a ValueError, ...
        raise InputError(
            f"data set {dataset!r} cannot be used ({_short(error)}): names are NAME, NAME/CONFIG or NAME:VERSION"
        ) from error


def _image_feature(builder: Any) -> Any:
    """Returns the feature `image` of the data set."""
    import tensorflow_datasets as tfds

    features = builder.info.features
    names = list(features) if isinstance(features, tfds.features.FeaturesDict) else []
    if "image" not in names or not isinstance(features["image"], tfds.features.Image):
        raise InputError(
            f"data set {builder.name!r} has no images under the key 'image' (it has: {', '.join(names)}): "
            "choose another, or pass its tf.data.Dataset of images to GAN.fit"
        )
    pixel = np.dtype(features["image"].np_dtype)
    if pixel != np.uint8:
        raise InputError(f"data set {builder.name!r} holds {pixel} images: choose one of uint8 images")
    return features["image"]


def _has_label(builder: Any) -> bool:
    """Returns whether there is one whole number `label` for each image."""
    features = builder.info.features
    if "label" not in features:
        return False
    return features["label"].shape == () and np.issubdtype(features["label"].np_dtype, np.integer)


def _prepare(builder: Any, dataset: str) -> None:
    """Downloads the data set into its folder."""
    cure = (
        f"on a machine with network run `tfds build {dataset} --data_dir FOLDER`, "
        "then give that folder as data_dir (--data_dir, or TFDS_DATA_DIR)"
    )
    missing = f"data set {dataset!r} is not in {str(builder.data_path)!r}"
    host = _unreachable_host(builder)
    if host:
        raise InputError(f"{missing} and cannot be downloaded, {host} is not found: {cure}")
    try:
        builder.download_and_prepare()
    except Exception as error:  # whatever network, disk or the data set's own code raise
        raise InputError(f"{missing} and cannot be prepared ({_short(error)}): {cure}") from error


def _unreachable_host(builder: Any) -> str | None:
    """Returns the host of the first download if its name cannot be resolved, else None.

    TFDS repeats a failing download for minutes before it says so.
    """
    host = urllib.parse.urlsplit(next(iter(builder.url_infos or ()), "")).hostname
    if not host or urllib.request.getproxies():  # behind a proxy, names need not resolve here
        return None
    try:
        socket.getaddrinfo(host, None)
    except OSError:
        return host
    return None


def _count(builder: Any, split: str) -> int:
    """Returns the number of images in the split."""
    splits = builder.info.splits
    sizes = {name: splits[name].num_examples for name in splits}
    try:
        count = splits[split].num_examples
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise bad_split(split, sizes, str(error)) from error
    if count <= 0:
        raise bad_split(split, sizes, "it selects no image")
    return count


def _result_shape(
    dataset: str, native: tuple, size: tuple[int, int] | None, channels: int | None
) -> tuple[int, int, int]:
    """Returns (H, W, C) of the images as asked for."""
    if size is None and None in native[:2]:
        raise InputError(f"data set {dataset!r}: its images differ in size: give image_size, such as 64")
    if channels is None and native[2] is None:
        raise InputError(f"data set {dataset!r}: its images differ in channels: give channels, 1 or 3")
    return (*(size or native[:2]), channels or native[2])


def _decoded(builder: Any, split: str, wanted: dict[str, bool], count: int, one_size: bool) -> Any:
    """Yields dicts of arrays, image uint8 [b, h, w, c]; b is 1 where the images differ in size."""
    import tensorflow_datasets as tfds

    others = set(builder.info.features) - set(wanted)  # without any, PartialDecoding only logs a warning
    decoders = tfds.decode.PartialDecoding(wanted) if others else None
    rows = builder.as_dataset(split=split, decoders=decoders, shuffle_files=False)
    at_once = _AT_ONCE if one_size else 1
    return shown(rows.batch(at_once).prefetch(2).as_numpy_iterator(), builder.name, -(-count // at_once))


def _short(error: Exception) -> str:
    """Returns the error on one line of at most 300 characters."""
    text = re.sub(r'Failed to construct dataset .*?}": ', "", " ".join(str(error).split()))
    return f"{type(error).__name__}: {text[:300]}"
