"""Settings declared once, as annotated class attributes, and checked by pydantic wherever they come from."""

import functools
import inspect
import typing
from collections.abc import Callable, Iterable, Mapping
from typing import Annotated, Any

import pydantic

from ganzoo.errors import InputError, did_you_mean

STRICT = pydantic.ConfigDict(extra="forbid", strict=True, allow_inf_nan=False, arbitrary_types_allowed=True)
PositiveInt = pydantic.PositiveInt
NonNegativeInt = pydantic.NonNegativeInt
NonNegativeFloat = pydantic.NonNegativeFloat
Momentum = Annotated[float, pydantic.Field(ge=0, lt=1)]
Seed = Annotated[int, pydantic.Field(ge=0, lt=2**63)]
# Lists, as TOML and JSON write them, or tuples.
_tuple = pydantic.BeforeValidator(lambda v: tuple(v) if isinstance(v, list) else v)
Sizes = Annotated[tuple[PositiveInt, ...], _tuple]
Names = Annotated[tuple[str, ...], _tuple]


def _image_shape(sizes: tuple[int, ...]) -> tuple[int, ...]:
    if len(sizes) not in (1, 3):
        raise ValueError("give (height, width, channels), or (numbers,) for points")
    return sizes


ImageShape = Annotated[Sizes, pydantic.AfterValidator(_image_shape)]


def one_of(known: Iterable[str]) -> pydantic.AfterValidator:
    """Returns the check that a string is among `known`, with did-you-mean."""

    def check(value: str) -> str:
        if value not in known:
            raise ValueError(f"unknown; {did_you_mean(value, known)}")
        return value

    return pydantic.AfterValidator(check)


def each_of(known: Iterable[str]) -> pydantic.AfterValidator:
    """Returns the check that every string of a tuple is among `known`, with did-you-mean."""
    check = one_of(known).func
    return pydantic.AfterValidator(lambda names: tuple(check(name) for name in names))


def _fixed(value: Any) -> None:
    if value is not None:  # as a saved config has it
        raise ValueError("this game has its own, which cannot be changed; leave it out")


# The type of an inherited setting that has no meaning in a game.
Fixed = Annotated[None, pydantic.BeforeValidator(_fixed)]


def declared(cls: type, root: type) -> dict[str, tuple[Any, Any]]:
    """Returns name -> (annotation, default) of the annotated attributes from `root` down to `cls`."""
    names: dict[str, Any] = {}
    for klass in reversed(cls.__mro__):
        if issubclass(klass, root):
            names |= inspect.get_annotations(klass)
    return {
        name: (annotation, getattr(cls, name))
        for name, annotation in names.items()
        if typing.ClassVar not in (annotation, typing.get_origin(annotation))
    }


@functools.cache
def _schema(cls: type, root: type) -> type[pydantic.BaseModel]:
    return pydantic.create_model(cls.__name__, __config__=STRICT, **declared(cls, root))


def validated(cls: type, root: type, given: Mapping[str, Any]) -> dict[str, Any]:
    """Returns every setting of `cls`: what is `given`, checked, and the class's defaults.

    Raises:
        InputError: naming each value that is unknown, of a wrong type, or impossible.
    """
    schema = _schema(cls, root)
    try:
        checked = schema.model_validate(dict(given))
    except pydantic.ValidationError as error:
        raise InputError(explained(error, cls.__name__, schema.model_fields)) from None
    return {name: getattr(checked, name) for name in schema.model_fields}


def check_options(function: Callable, given: Mapping[str, Any], where: str, skip: Iterable[str] = ()) -> None:
    """Checks keyword arguments by the function's annotations.

    Raises:
        InputError: naming, after `where`, each that is unknown, of a wrong type, or impossible.
    """
    parameters = inspect.signature(function).parameters.items()
    fields = {name: (p.annotation, p.default) for name, p in parameters if name not in skip}
    try:
        pydantic.create_model(function.__name__, __config__=STRICT, **fields).model_validate(dict(given))
    except pydantic.ValidationError as error:
        raise InputError(explained(error, function.__name__, fields, where)) from None


def signature(cls: type, root: type) -> inspect.Signature:
    """Returns the constructor's signature, for `help` and editors."""
    return inspect.Signature(
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)
        for name, (annotation, default) in declared(cls, root).items()
    )


def explained(error: pydantic.ValidationError, where: str, names: Iterable[str], prefix: str = "") -> str:
    """Returns one message for all that pydantic found: key, value, reason, and the nearest known key."""
    lines = []
    for found in error.errors():
        key = prefix + ".".join(str(part) for part in found["loc"])
        if found["type"] in ("extra_forbidden", "unexpected_keyword_argument"):
            lines.append(f"{key}: unknown to {where}; {did_you_mean(str(found['loc'][-1]), names)}")
        elif found["type"] in ("missing", "missing_argument"):
            lines.append(f"{key}: missing from {where}; give it a value")
        else:
            reason = found["msg"].removeprefix("Value error, ")
            # Without a key it is a check of the whole, whose message says all.
            lines.append(f"{key}={found['input']!r}: {reason[0].lower()}{reason[1:]}" if key else reason)
    return "; ".join(lines)
