"""Configuration files of TensorFlow Serving for exported models, and of what starts it."""

import importlib.resources
import os
import string
from pathlib import Path

import tensorflow as tf
from google.protobuf import text_format

from ganzoo.errors import InputError
from ganzoo.files import write_text

MODELS_FILE = "models.config"
MODELS_MOUNT = "/models"  # where the container has the folder of models
DEPLOYMENT = ("batching.config", "monitoring.config", "docker-compose.yaml", "kubernetes.yaml")


def write_configurations(directory: str | os.PathLike, model: str | os.PathLike) -> list[Path]:
    """Writes what TensorFlow Serving needs to serve a model in a container, and returns the paths.

    `models.config` gets the model in addition to those it has; `batching.config`, `monitoring.config`,
    `docker-compose.yaml` and `kubernetes.yaml` are written where they are not there yet, to be edited.

    Args:
        directory: for the files.
        model: folder of the model's versions. Its name is the name it is served by, and it lies in the folder that
            is mounted, beside others.

    Raises:
        InputError: if `models.config` there is none, or the directory cannot be written.
    """
    directory, model = Path(directory), Path(model).resolve()
    path = directory / MODELS_FILE
    text = _with_model(path, model.name)
    values = {"model": model.name, "models": str(model.parent), "tensorflow": _server_version()}
    templates = importlib.resources.files("ganzoo.serving") / "deployment"
    try:
        write_text(path, text)
        for name in DEPLOYMENT:
            if not (directory / name).exists():
                template = string.Template((templates / name).read_text(encoding="utf-8"))
                write_text(directory / name, template.substitute(values))
    except OSError as error:
        raise InputError(f"{str(directory)!r} cannot be written: {error.strerror}; give another folder") from None
    return [path, *(directory / name for name in DEPLOYMENT)]


def _with_model(path: Path, name: str) -> str:
    """Returns the text of a `models.config` with one more model; what it says of one of that name stays."""
    from tensorflow_serving.config import model_server_config_pb2

    config = model_server_config_pb2.ModelServerConfig()
    try:
        text_format.Parse(path.read_text(encoding="utf-8"), config)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError, text_format.ParseError) as error:
        raise InputError(f"{str(path)!r} is no models.config ({error}); move it away, or give another folder") from None
    models = config.model_config_list.config
    if name not in [model.name for model in models]:
        models.add(name=name, base_path=f"{MODELS_MOUNT}/{name}", model_platform="tensorflow")
    return text_format.MessageToString(config)


def _server_version() -> str:
    """Returns the version of TensorFlow Serving that knows every op of an export made here."""
    major, minor, *_ = tf.__version__.split(".")
    return f"{major}.{minor}.0"
