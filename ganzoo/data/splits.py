"""Split specifications (`train[:90%]+test`) for data that TFDS does not hold."""

from collections.abc import Mapping

from ganzoo.errors import InputError


def parts_of(split: str, sizes: Mapping[str, int]) -> list[tuple[str, slice]]:
    """Returns which rows of which split the specification names, in its order.

    Args:
        split: TFDS' syntax: `train`, `train[:90%]`, `train+test`, `test[10:20]`.
        sizes: The number of rows of each split.

    Raises:
        InputError: it is not of that syntax, names an unknown split or selects no row.
    """
    if split in sizes:
        return [(split, slice(0, sizes[split]))]
    import tensorflow_datasets as tfds

    try:
        infos = {
            name: tfds.core.SplitInfo(name=name, shard_lengths=[size], num_bytes=0) for name, size in sizes.items()
        }
        wanted = tfds.core.ReadInstruction.from_spec(split).to_absolute(infos)
    except (ValueError, TypeError) as error:
        raise bad_split(split, sizes, str(error)) from error
    parts = []
    for part in wanted:
        stop = sizes[part.splitname] if part.to is None else part.to
        parts.append((part.splitname, slice(part.from_ or 0, stop)))
    if not any(len(range(rows.start, rows.stop)) for _, rows in parts):
        raise bad_split(split, sizes, "it selects no image")
    return parts


def bad_split(split: object, sizes: Mapping[str, int], reason: str) -> InputError:
    """Returns the error for a split that cannot be read."""
    known = ", ".join(f"{name} ({size:,} images)" for name, size in sizes.items())
    return InputError(
        f"split {split!r}: {' '.join(reason.split())}; there is: {known}; "
        "parts are written as train[:90%], train[100:200] or train+test"
    )
