"""The development server: models, a gRPC port, an HTTP port."""

import importlib.util
import logging
import os
import time
from pathlib import Path
from typing import Self

import grpc
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from ganzoo.errors import InputError
from ganzoo.serving.standin import batching
from ganzoo.serving.standin.grpc_services import GrpcPort
from ganzoo.serving.standin.models import Config, Models
from ganzoo.serving.standin.servable import Servable
from ganzoo.serving.standin.statuses import Refusal

BATCHING_FILE = "batching_params.pbtxt"

_log = logging.getLogger("ganzoo.serving")


class Server:
    """A development server, not TensorFlow Serving: its gRPC and REST, on this machine alone.

    The arguments have the names of TensorFlow Serving's flags. Use it as a context manager, or `start` and `stop` it.

    Args:
        model_base_path: folder of a model's versions; relative ones are taken from the working directory.
        model_name: under which it is served.
        model_config_file: several models, as text of a ModelServerConfig; instead of the two above.
        model_config_file_poll_wait_seconds: between looks at that file; 0: look once.
        port: of gRPC on 127.0.0.1; 0: any that is free, see `grpc_port`.
        rest_api_port: of HTTP on 127.0.0.1; 0: no HTTP, as in TensorFlow Serving; -1: any that is free, see
            `rest_port`.
        rest_api_timeout_in_ms: of a request, in milliseconds.
        rest_api_num_threads: that answer HTTP requests; four a CPU if None.
        file_system_poll_wait_seconds: between looks for new versions; 0: look once.
        enable_model_warmup: replay the warm-up requests of a version before it answers.
        enable_batching: merge requests.
        batching_parameters_file: how; only with `enable_batching`.
        enable_per_model_batching_parameters: how to batch is said by `batching_params.pbtxt` in a version's folder;
            versions without that file are not batched.
        allow_version_labels_for_unavailable_models: a label may name a version that is not loaded yet.
        max_num_load_retries: after a failed load.
        load_retry_interval_micros: before the next try, in microseconds; negative: none.
        enable_serialization_as_tensor_content: answer gRPC with raw bytes, not with typed fields.

    Raises:
        InputError: If an argument cannot be used, a file cannot be read, or the extra `serving` is not installed.
    """

    def __init__(
        self,
        model_base_path: str | os.PathLike | None = None,
        *,
        model_name: str = "default",
        model_config_file: str | os.PathLike | None = None,
        model_config_file_poll_wait_seconds: float = 0,
        port: int = 0,
        rest_api_port: int = -1,
        rest_api_timeout_in_ms: int = 30_000,
        rest_api_num_threads: int | None = None,
        file_system_poll_wait_seconds: float = 1,
        enable_model_warmup: bool = True,
        enable_batching: bool = False,
        batching_parameters_file: str | os.PathLike | None = None,
        enable_per_model_batching_parameters: bool = False,
        allow_version_labels_for_unavailable_models: bool = False,
        max_num_load_retries: int = 5,
        load_retry_interval_micros: int = 60_000_000,
        enable_serialization_as_tensor_content: bool = False,
    ):
        _require_possible(port, rest_api_port, rest_api_timeout_in_ms, rest_api_num_threads, max_num_load_retries)
        poll, per_model = model_config_file_poll_wait_seconds, enable_per_model_batching_parameters
        _require_beside(model_config_file=model_config_file, model_config_file_poll_wait_seconds=poll)
        _require_beside(enable_batching=enable_batching, batching_parameters_file=batching_parameters_file)
        _require_beside(enable_batching=enable_batching, enable_per_model_batching_parameters=per_model)
        if rest_api_port:
            _require_extra()
        self._config_file = model_config_file
        self._config_poll_seconds = poll
        if model_config_file:
            if model_base_path:
                both = f"model_base_path {str(model_base_path)!r} and model_config_file {str(model_config_file)!r}"
                raise InputError(f"{both} both say what is served; give one")
            self._config = read_config(model_config_file)
        else:
            self._config = _single_model(model_name, model_base_path)
        self._warm_up, self._per_model = enable_model_warmup, per_model
        self._models = Models(
            self._loaded,
            poll_seconds=file_system_poll_wait_seconds,
            load_retries=max_num_load_retries,
            retry_seconds=load_retry_interval_micros / 1e6,
            labels_for_unavailable=allow_version_labels_for_unavailable_models,
        )
        self._ports = (port, rest_api_port)
        self._rest_threads = rest_api_num_threads or 4 * (os.cpu_count() or 1)
        self._rest_seconds = rest_api_timeout_in_ms / 1e3
        self._content = enable_serialization_as_tensor_content
        self._grpc = self._rest = None
        self._parameters = _parameters(enable_batching, batching_parameters_file)
        self._batching = None
        self._stopped = False

    @property
    def grpc_port(self) -> int | None:
        """The port of gRPC; None before the start."""
        return self._grpc.number if self._grpc else None

    @property
    def rest_port(self) -> int | None:
        """The port of HTTP; None before the start, or without."""
        return self._rest.number if self._rest else None

    @property
    def banner(self) -> str:
        """What this is, where it listens, and what it serves, in one line."""
        rest = f", REST and a page http://127.0.0.1:{self.rest_port}" if self._rest else ""
        models = ", ".join(f"{model.name} ({model.base_path})" for model in self._config.model_config_list.config)
        return f"development server, not TensorFlow Serving: gRPC 127.0.0.1:{self.grpc_port}{rest}; models: {models}"

    def start(self) -> Self:
        """Loads the models, then answers; returns itself.

        Raises:
            InputError: If a port is taken, or a model does not become available.
        """
        try:
            self._open_ports()
            _log.info("%s", self.banner)
            if self._parameters:
                self._batching = batching.Batching(self._parameters)
            self._models.start(self._config)
        except Refusal as error:
            self.stop(0)
            raise InputError(f"{error.text}; {_cure(error)}") from None
        except BaseException:
            self.stop(0)
            raise
        if self._config_file and self._config_poll_seconds > 0:
            self._models.every(self._config_poll_seconds, self._reread)
        self._grpc.start()
        if self._rest:
            self._rest.start()
        _log.info("ready")
        return self

    def stop(self, grace: float = 30) -> None:
        """Takes no more requests, answers those in work for at most `grace` seconds, and unloads the models."""
        if self._stopped:
            return
        self._stopped = True
        deadline = time.monotonic() + grace
        ended = self._grpc.stop(grace) if self._grpc else None
        if self._rest:
            self._rest.stop(max(0.0, deadline - time.monotonic()))
        if ended:
            ended.wait()
        self._models.stop(max(1.0, deadline - time.monotonic()))  # to unload takes a moment
        if self._batching:
            self._batching.stop(max(0.0, deadline - time.monotonic()))

    def _open_ports(self) -> None:
        port, rest_port = self._ports
        self._grpc = GrpcPort(self._models, port, self._content)
        if rest_port:
            from ganzoo.serving.standin.rest import RestPort

            self._rest = RestPort(self._models, max(0, rest_port), self._rest_threads, self._rest_seconds)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _loaded(self, path: Path) -> Servable:
        """Returns a version's folder as what answers."""
        if self._batching is None:
            return Servable(path, None, self._warm_up)
        if not self._per_model:
            return Servable(path, self._batching.queue, self._warm_up)
        own = path / BATCHING_FILE
        if not own.exists():
            return Servable(path, None, self._warm_up)
        parameters = batching.read_parameters(own)
        return Servable(path, lambda run: self._batching.queue(run, parameters), self._warm_up)

    def _reread(self) -> None:
        """Serves what the configuration file says, if that has changed."""
        try:
            config = read_config(self._config_file)
            if config == self._config:
                return
            self._models.configure(config)
        except Refusal as error:
            if error.code is grpc.StatusCode.UNAVAILABLE:  # another one is being loaded
                return
            _log.warning("%s is not taken: %s", self._config_file, error)
        except InputError as error:
            _log.warning("%s", error)
            return
        self._config = config


def read_config(path: str | os.PathLike) -> Config:
    """Returns what a file of models (text of a ModelServerConfig) says.

    Raises:
        InputError: If it is no such file.
    """
    try:
        config = text_format.Parse(Path(path).read_text(encoding="utf-8"), Config())
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read ({error.strerror}); give a models.config") from None
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InputError(
            f"{str(path)!r} is no models.config ({error}); write model_config_list {{ config {{ name: ... }} }}"
        ) from None
    if not config.model_config_list.config:
        raise InputError(f"{str(path)!r} lists no model; write model_config_list {{ config {{ name: ... }} }}")
    return config


def _single_model(name: str, base_path: str | os.PathLike | None) -> Config:
    if not base_path:
        raise InputError("no model is given: set model_base_path to a folder of versions, or model_config_file")
    model = model_server_config_pb2.ModelConfig(
        name=name, base_path=os.path.abspath(base_path), model_platform="tensorflow"
    )
    return Config(model_config_list=model_server_config_pb2.ModelConfigList(config=[model]))


def _parameters(enabled: bool, path: str | os.PathLike | None) -> batching.Parameters | None:
    if not enabled:
        return None
    return batching.read_parameters(path) if path else batching.Parameters()


def _require_extra() -> None:
    """Raises InputError if HTTP is asked for and what it needs is missing."""
    for package in ("starlette", "uvicorn"):
        if importlib.util.find_spec(package) is None:
            raise InputError(
                f"the REST port needs {package}, which is not installed: pip install ganzoo[serving], or set "
                "rest_api_port to 0"
            )


def _require_possible(port: int, rest_port: int, milliseconds: int, threads: int | None, retries: int) -> None:
    """Raises InputError if a number is impossible."""
    if not 0 <= port <= 65535 or not -1 <= rest_port <= 65535:
        raise InputError(f"ports are {port} and {rest_port}: the highest is 65535")
    if port == rest_port > 0:
        raise InputError(f"port and rest_api_port are both {port}; give two")
    if milliseconds < 1:
        raise InputError(f"rest_api_timeout_in_ms is {milliseconds}; it must be at least 1")
    if threads is not None and threads < 1:
        raise InputError(f"rest_api_num_threads is {threads}; it must be at least 1")
    if retries < 0:
        raise InputError(f"max_num_load_retries is {retries}; it must be at least 0")


def _require_beside(**values: object) -> None:
    """Raises InputError if the second of two arguments is set, which says more of the first, and the first is not."""
    (first, given), (second, value) = values.items()
    if value and not given:
        raise InputError(f"{second} is {str(value)!r} without {first}; set that, too")


def _cure(error: Refusal) -> str:
    """Returns what a user can do about a start that failed."""
    if "assign label" in error.text:
        return "at the start no version is: allow_version_labels_for_unavailable_models lets labels name it"
    if "base path" in error.text:
        return "export a model, and give the folder of its versions"
    if "become available" in error.text:
        return "export the model again"
    return "correct the configuration"
