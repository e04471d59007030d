"""Configuration files of TensorFlow Serving for exported models, and of what starts it."""

import contextlib
import importlib.resources
import json
import os
import re
import string
from pathlib import Path

import tensorflow as tf
from google.protobuf import text_format
from google.protobuf.message import Message

from ganzoo.errors import InputError
from ganzoo.files import write_text

MODELS_FILE = "models.config"
MODELS_MOUNT = "/models"  # where the container has the folder of models
COMPOSE_FILE = "docker-compose.yaml"
DEPLOYMENT = ("batching.config", "monitoring.config", COMPOSE_FILE, "kubernetes.yaml")
# What is mounted for the models, in the long form that is written here, or in the short one.
_MOUNT = re.compile(
    r"""source:\s*("(?:[^"\\]|\\.)*"|[^\s,}]+)\s*,?\s*target:\s*["']?/models\b|^\s*-\s*["']?([^"'\s]+):/models\b""",
    re.MULTILINE,
)


def write_configurations(directory: str | os.PathLike, model: str | os.PathLike) -> list[Path]:
    """Writes what TensorFlow Serving needs to serve a model in a container, and returns the paths.

    `models.config` gets the model in addition to those it has; `batching.config`, `monitoring.config`,
    `docker-compose.yaml` and `kubernetes.yaml` are written where they are not there yet, to be edited.

    Args:
        directory: for the files.
        model: folder of the model's versions. Its name is the name it is served by, and it lies in the folder that
            is mounted, beside others.

    Raises:
        InputError: as `with_model`, or if the directory cannot be written.
    """
    text = with_model(directory, model)
    directory, model = Path(directory), Path(model).resolve()
    values = {
        "model": model.name,
        "models": json.dumps(str(model.parent), ensure_ascii=False).replace("$", "$$"),  # Compose knows variables
        "tensorflow": _server_version(),
    }
    templates = importlib.resources.files("ganzoo.serving") / "deployment"
    try:
        write_text(directory / MODELS_FILE, text)
        for name in DEPLOYMENT:
            if not (directory / name).exists():
                template = string.Template((templates / name).read_text(encoding="utf-8"))
                write_text(directory / name, template.substitute(values))
    except OSError as error:
        raise InputError(f"{str(directory)!r} cannot be written: {error.strerror}; give another folder") from None
    return [directory / name for name in (MODELS_FILE, *DEPLOYMENT)]


def with_model(directory: str | os.PathLike, model: str | os.PathLike) -> str:
    """Returns the text of the folder's `models.config` with one more model; all that it says already stays.

    Raises:
        InputError: if the model's name is none that can stand in an address, `models.config` there is no list of
            models, or `docker-compose.yaml` there mounts another folder than the one that the model is in.
    """
    directory, model = Path(directory), Path(model).resolve()
    if not re.fullmatch(r"[A-Za-z0-9._-]+", model.name):
        raise InputError(f"model name {model.name!r}: name the folder with letters A to Z, digits, '.', '_' and '-'")
    mounted = _mounted(directory)
    if mounted not in (None, model.parent):
        raise InputError(
            f"{str(directory / COMPOSE_FILE)!r} mounts {str(mounted)!r}, where {model.name!r} is not: it is in "
            f"{str(model.parent)!r}, and a server that lacks one model's folder loads none; export into the former, or "
            "give another folder for the files"
        )
    path = directory / MODELS_FILE
    try:
        text = path.read_text(encoding="utf-8")
        config = _parsed(text)
    except (FileNotFoundError, NotADirectoryError):
        text, config = "", _parsed("")
    except (OSError, ValueError, text_format.ParseError) as error:
        raise InputError(f"{str(path)!r} is no models.config ({error}); move it away, or give another folder") from None
    if config.WhichOneof("config") == "custom_model_config":
        raise InputError(f"{str(path)!r} has a custom_model_config, no list of models; give another folder")
    if model.name in _names(config):
        return text
    return _joined(text, model.name)


def _joined(text: str, name: str) -> str:
    """Returns the text with one more model: in the list, as a second list is refused; comments stay."""
    model = (
        f'\n  config {{\n    name: "{name}"\n    base_path: "{MODELS_MOUNT}/{name}"\n'
        '    model_platform: "tensorflow"\n  }\n'
    )
    for start in re.finditer(r"model_config_list\s*:?\s*[{<](?:[ \t]*#.*)?", text):
        joined = text[: start.end()] + model + text[start.end() :].removeprefix("\n")
        with contextlib.suppress(text_format.ParseError):  # in a comment
            if name in _names(_parsed(joined)):
                return joined
    return f"{text}model_config_list {{{model}}}\n"


def _parsed(text: str) -> Message:
    from tensorflow_serving.config import model_server_config_pb2

    return text_format.Parse(text, model_server_config_pb2.ModelServerConfig())


def _names(config: Message) -> list[str]:
    return [model.name for model in config.model_config_list.config]


def _mounted(directory: Path) -> Path | None:
    """Returns the folder that docker-compose.yaml there mounts for the models; None where that cannot be seen."""
    try:
        found = _MOUNT.search((directory / COMPOSE_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    source = found and (found[1] or found[2])
    if not source:
        return None
    source = json.loads(source) if source.startswith('"') else source
    if "$" in source.replace("$$", ""):  # a variable
        return None
    return (directory / source.replace("$$", "$")).resolve()


def _server_version() -> str:
    """Returns the version of TensorFlow Serving that knows every op of an export made here."""
    major, minor, *_ = tf.__version__.split(".")
    return f"{major}.{minor}.0"
