"""Generators behind TensorFlow Serving: the contract of an export, a client, a development server."""

import importlib
from typing import Any

_HOME = {
    "AsyncClient": "client",
    "Client": "client",
    "Report": "contract",
    "ServingError": "client",
    "check": "contract",
    "write_configurations": "configurations",
}

__all__ = ["AsyncClient", "Client", "Report", "ServingError", "check", "write_configurations"]


def __getattr__(name: str) -> Any:
    """Returns a public name, imported when it is asked for: the client needs no contract, the contract no client."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
