"""The variants by name."""

import fnmatch
from collections.abc import Callable

import keras

from ganzoo.errors import InputError, did_you_mean
from ganzoo.gan import GAN

_VARIANTS: dict[str, type[GAN]] = {}


def register(name: str) -> Callable[[type[GAN]], type[GAN]]:
    """Registers a variant under `name`, for `build` and for Keras' `load_model`.

    Raises:
        ValueError: if the name is taken.
    """

    def decorate(cls: type[GAN]) -> type[GAN]:
        if name in _VARIANTS:
            raise ValueError(f"{name!r} is registered already, by {_VARIANTS[name].__qualname__}")
        _VARIANTS[name] = keras.saving.register_keras_serializable(package="ganzoo")(cls)
        cls.variant = name
        return cls

    return decorate


def variant(name: str) -> type[GAN]:
    """Returns the class registered under `name`.

    Raises:
        InputError: if there is none.
    """
    if name not in _VARIANTS:
        raise InputError(f"variant {name!r} is unknown; {did_you_mean(name, _VARIANTS)}")
    return _VARIANTS[name]


def list_models(pattern: str = "*") -> list[str]:
    """Returns the names of the variants that match a shell `pattern`, sorted."""
    return sorted(fnmatch.filter(_VARIANTS, pattern))
