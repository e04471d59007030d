"""Checks of the plain arguments that several functions of this package take."""

import operator
from typing import Any

from ganzoo.errors import InputError

LARGEST_SEED = 2**63 - 1  # TensorFlow's stateless operations take int64 seeds


def whole_number(name: str, value: Any, least: int, most: int = LARGEST_SEED) -> int:
    """Returns `value` as an int of at least `least`.

    Raises:
        InputError: it is no whole number, or out of range.
    """
    try:
        number = operator.index(value)
    except TypeError:
        number = None
    if number is None or isinstance(value, bool) or not least <= number <= most:
        limit = "" if most == LARGEST_SEED else f" and at most {most}"
        raise InputError(f"{name}={value!r}: give a whole number of at least {least}{limit}")
    return number


def size_pair(image_size: Any) -> tuple[int, int] | None:
    """Returns `image_size` (one number for squares, or height and width) as (height, width), None as None.

    Raises:
        InputError: it is neither one whole number above 0 nor two.
    """
    if image_size is None:
        return None
    both = image_size if isinstance(image_size, (tuple, list)) else (image_size, image_size)
    if len(both) != 2:
        raise InputError(f"image_size={image_size!r}: give one number (squares) or (height, width)")
    height, width = (whole_number("image_size", side, least=1) for side in both)
    return height, width
