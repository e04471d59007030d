"""Models and their versions: which are wanted, loaded, served; a version is loaded before another goes."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc
from tensorflow_serving.apis import get_model_status_pb2, model_pb2
from tensorflow_serving.config import model_server_config_pb2

from ganzoo.files import versions
from ganzoo.serving.standin.servable import Servable
from ganzoo.serving.standin.statuses import (
    Refusal,
    as_refusal,
    failed_precondition,
    invalid,
    not_found,
    unavailable,
)

State = get_model_status_pb2.ModelVersionStatus
Config = model_server_config_pb2.ModelServerConfig
ModelConfig = model_server_config_pb2.ModelConfig

# A signal that comes just before the main thread begins to wait is heard when it wakes, so it wakes now and then.
_SIGNAL_SECONDS = 0.5

_log = logging.getLogger("ganzoo.serving")


@dataclass(eq=False)
class Version:
    """A version of a model, from the day it was first seen.

    Args:
        model: the model's name.
        number: of the version.
        path: its folder.
        state: START, LOADING, AVAILABLE, UNLOADING or END.
        wanted: by the version policy; what is not shall go.
        gone: it was unwanted at some time: after that, a failed one may be tried again.
        error: why it did not load, or nothing.
        servable: what answers, while it is AVAILABLE or UNLOADING.
        requests: in work.
    """

    model: str
    number: int
    path: Path
    state: int = State.START
    wanted: bool = True
    gone: bool = False
    error: Refusal | None = None
    servable: Servable | None = None
    requests: int = 0

    def __str__(self) -> str:
        return f"{self.model} version {self.number}"


@dataclass
class Model:
    """A model that is or was served."""

    config: ModelConfig
    versions: dict[int, Version] = field(default_factory=dict)

    @property
    def available(self) -> list[Version]:
        """The versions that answer, newest last."""
        found = (version for version in self.versions.values() if version.state == State.AVAILABLE)
        return sorted(found, key=lambda version: version.number)


class Models:
    """Watches base paths, loads and unloads versions, hands out the one that a request names.

    Args:
        load: makes a version's folder a servable.
        poll_seconds: between looks at the file system; 0: look once.
        load_retries: after a failed load.
        retry_seconds: before the next try; negative: none.
        labels_for_unavailable: a new label may name a version that is not loaded.
    """

    def __init__(
        self,
        load: Callable[[Path], Servable],
        *,
        poll_seconds: float,
        load_retries: int,
        retry_seconds: float,
        labels_for_unavailable: bool,
    ):
        self._load, self._poll_seconds = load, poll_seconds
        self._load_retries, self._retry_seconds = load_retries, retry_seconds
        self._labels_for_unavailable = labels_for_unavailable
        self._models: dict[str, Model] = {}
        self._labels: dict[str, dict[str, int]] = {}
        self._changed = threading.Condition()
        self._configuring, self._looking, self._loading = threading.Lock(), threading.Lock(), threading.Lock()
        self._stopped = threading.Event()
        self._threads: set[threading.Thread] = set()
        self._complaints: dict[str, str] = {}

    def start(self, config: Config) -> None:
        """Loads the models of a configuration, then watches for new versions.

        Raises:
            Refusal: If the configuration is wrong or a model does not become available.
        """
        self.configure(config)
        if self._poll_seconds > 0:
            self.every(self._poll_seconds, self.look)

    def stop(self, seconds: float) -> None:
        """Waits for the requests in work, then unloads everything; what takes longer than `seconds` is left behind."""
        end = time.monotonic() + seconds
        self._stopped.set()
        with self._changed:
            for model in self._models.values():
                for version in model.versions.values():
                    version.wanted = False
                self._retire(model)
            self._changed.notify_all()
        while self._threads and time.monotonic() < end:
            for thread in list(self._threads):
                thread.join(max(0.0, end - time.monotonic()))

    def configure(self, config: Config) -> None:
        """Serves the models of `config` and no others; returns when each new one has a version that answers.

        Raises:
            Refusal: If the configuration is wrong, or a new model does not become available.
        """
        if config.WhichOneof("config") != "model_config_list":
            raise invalid(
                "ServerModelConfig type not supported by HandleReloadConfigRequest. Only ModelConfigList is currently "
                "supported"
            )
        if not self._configuring.acquire(blocking=False):
            raise unavailable("another configuration is being loaded; try again")
        try:
            self._configure(config.model_config_list.config)
        finally:
            self._configuring.release()

    def _configure(self, models: list[ModelConfig]) -> None:
        _require_valid(models)
        labels = self._checked_labels(models)
        served = {name for name, model in self._models.items() if model.config.base_path}
        new = [model for model in models if model.name not in served]
        for model in new:
            _require_versions(model)
        with self._changed:
            self._labels = labels
            for name in set(self._models) - {model.name for model in models}:
                self._models[name].config.ClearField("base_path")  # no version is wanted any more
            for model in models:
                self._models.setdefault(model.name, Model(ModelConfig())).config.CopyFrom(model)
        self.look()
        self._await_available([model.name for model in new])

    def every(self, seconds: float, work: Callable[[], None]) -> None:
        """Does some work again and again, until the end."""

        def repeated() -> None:
            while not self._stopped.wait(seconds):
                work()

        self._spawn(repeated)

    def look(self) -> None:
        """Compares what the file system has with what is loaded, and begins to load and unload."""
        with self._looking:
            with self._changed:
                models = [
                    (model, ModelConfig.FromString(model.config.SerializeToString())) for model in self._models.values()
                ]
            found = [(model, self._wanted(config)) for model, config in models]  # no request waits for a disk
            with self._changed:
                for model, folders in found:
                    if folders is not None and not self._stopped.is_set():
                        self._reconcile(model, folders)

    @contextlib.contextmanager
    def serving(self, spec: model_pb2.ModelSpec) -> Iterator[Version]:
        """Yields the version that a request names, which is not unloaded meanwhile.

        Raises:
            Refusal: If there is none.
        """
        with self._changed:
            version = self._requested(spec)
            version.requests += 1
        try:
            yield version
        finally:
            with self._changed:
                version.requests -= 1
                self._changed.notify_all()

    def status(self, spec: model_pb2.ModelSpec) -> get_model_status_pb2.GetModelStatusResponse:
        """Returns the states of a model's versions, newest first, or of the one that is named.

        Raises:
            Refusal: If there is none.
        """
        with self._changed:
            versions = self._models[spec.name].versions if spec.name in self._models else {}
            if spec.WhichOneof("version_choice") == "version":
                number = spec.version.value
                if number not in versions:
                    raise not_found(f"Could not find version {number} of model {spec.name}")
                versions = {number: versions[number]}
            if not versions:
                raise not_found(f"Could not find any versions of model {spec.name}")
            response = get_model_status_pb2.GetModelStatusResponse()
            for number in sorted(versions, reverse=True):
                status = response.model_version_status.add(version=number, state=versions[number].state)
                error = versions[number].error
                status.status.error_code = error.number if error else 0
                status.status.error_message = error.text if error else ""
            return response

    def available(self) -> dict[str, list[Version]]:
        """Returns the versions that answer, newest last, by model."""
        with self._changed:
            found = {name: model.available for name, model in sorted(self._models.items())}
        return {name: versions for name, versions in found.items() if versions}

    def _requested(self, spec: model_pb2.ModelSpec) -> Version:
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        choice = spec.WhichOneof("version_choice")
        number = spec.version.value if choice == "version" else None
        if choice == "version_label":
            labels = self._labels.get(spec.name, {})
            if spec.version_label not in labels:
                raise invalid(f"Unrecognized servable version label: {spec.version_label}")
            number = labels[spec.version_label]
        available = self._models[spec.name].available if spec.name in self._models else []
        found = [version for version in available if number in (None, version.number)]
        if not found:
            request = f"Latest({spec.name})" if number is None else f"Specific({spec.name}, {number})"
            raise not_found(f"Servable not found for request: {request}")
        return found[-1]

    def _checked_labels(self, models: list[ModelConfig]) -> dict[str, dict[str, int]]:
        """Returns the labels of a configuration: they name versions that answer, unless new ones need not."""
        labels = {}
        with self._changed:
            for model in models:
                known = self._models.get(model.name, Model(model))
                numbers = {version.number for version in known.available}
                for label, number in model.version_labels.items():
                    moved = self._labels.get(model.name, {}).get(label, number) != number
                    if number not in numbers and (moved or not self._labels_for_unavailable):
                        raise failed_precondition(
                            f"Request to assign label to version {number} of model {model.name}, which is not "
                            "currently available for inference"
                        )
                    labels.setdefault(model.name, {})[label] = number
        return labels

    def _wanted(self, config: ModelConfig) -> dict[int, Path] | None:
        """Returns the folders that the version policy wants, by version; None if the base path cannot be read."""
        if not config.base_path:
            return {}
        try:
            folders = versions(Path(config.base_path))
        except OSError as error:
            self._complain(config.name, f"{config.base_path!r} cannot be read: {error.strerror}")
            return None
        policy = config.model_version_policy
        choice = policy.WhichOneof("policy_choice")
        if choice == "all":
            wanted = folders
        elif choice == "specific":
            wanted = {number: folders[number] for number in policy.specific.versions if number in folders}
        else:
            count = policy.latest.num_versions or 1
            wanted = {number: folders[number] for number in sorted(folders)[-count:]}
        self._complain(config.name, "" if wanted else f"no version to serve in {config.base_path!r}")
        return wanted

    def _complain(self, name: str, text: str) -> None:
        """Logs what is wrong with a model, once as long as it stays the same."""
        if text and self._complaints.get(name) != text:
            _log.warning("%s: %s", name, text)
        self._complaints[name] = text

    def _reconcile(self, model: Model, folders: Mapping[int, Path]) -> None:
        for number, version in model.versions.items():
            version.wanted = number in folders
            version.gone = version.gone or not version.wanted
        for number, path in folders.items():
            old = model.versions.get(number)
            if old is None or _may_load_again(old):
                version = model.versions[number] = Version(model.config.name, number, path)
                self._spawn(self._bring_up, model, version)
        self._retire(model)
        self._changed.notify_all()

    def _bring_up(self, model: Model, version: Version) -> None:
        """Loads a version, tries again if that fails, and lets others go when it answers."""
        for attempt in range(self._load_retries + 1):
            with self._loading:
                if not version.wanted or self._stopped.is_set():
                    break
                self._set(version, State.LOADING)
                start = time.perf_counter()
                try:
                    servable = self._load(version.path)
                except Exception as error:
                    self._failed(version, as_refusal(error), attempt)
                    servable = None
            if servable:
                _log.info("%s is loaded, in %.1f s, and answers", version, time.perf_counter() - start)
                with self._changed:
                    version.servable, version.error = servable, None
                    self._set(version, State.AVAILABLE)
                    self._retire(model)
                return
            if attempt < self._load_retries and self._retry_seconds > 0:
                self._wait_unless(lambda: not version.wanted, self._retry_seconds)
        self._set(version, State.END)

    def _failed(self, version: Version, error: Refusal, attempt: int) -> None:
        version.error = error.bare
        left = self._load_retries - attempt
        then = f"tries again in {max(0, self._retry_seconds):.0f} s, {left} more" if left else "gives up"
        _log.warning("%s cannot be loaded (%s); %s", version, error.described, then)

    def _retire(self, model: Model) -> None:
        """Begins to unload what is not wanted, once a wanted version answers or none is wanted."""
        wanted = [version for version in model.versions.values() if version.wanted]
        if wanted and not any(version.state == State.AVAILABLE for version in wanted):
            return
        for version in model.available:
            if not version.wanted:
                self._set(version, State.UNLOADING)
                self._spawn(self._take_down, version)

    def _take_down(self, version: Version) -> None:
        """Unloads a version when its last request is answered."""
        with self._changed:
            self._changed.wait_for(lambda: not version.requests)
            servable, version.servable = version.servable, None
        servable.close()
        self._set(version, State.END)
        _log.info("%s is unloaded", version)
        if version.wanted:  # again, meanwhile
            self.look()

    def _await_available(self, names: list[str]) -> None:
        """Waits until each model has a version that answers, or none that will."""

        def settled(name: str) -> bool:
            model = self._models[name]
            ended = (version.state == State.END for version in model.versions.values() if version.wanted)
            return bool(model.available) or all(ended) or self._stopped.is_set()

        with self._changed:
            while not self._changed.wait_for(lambda: all(map(settled, names)), _SIGNAL_SECONDS):
                pass
            failed = [
                version
                for name in names
                if not self._models[name].available
                for version in self._models[name].versions.values()
            ]
        if failed:
            each = "".join(
                f"{{{{name: {version.model} version: {version.number}}}"
                f"{f' due to error: {version.error.described}' if version.error else ''}}}, "
                for version in failed
            )
            text = f"{len(failed)} model(s) did not become available: {{{each}}}"
            raise Refusal(grpc.StatusCode.UNKNOWN, text)

    def _set(self, version: Version, state: int) -> None:
        with self._changed:
            version.state = state
            self._changed.notify_all()

    def _wait_unless(self, condition: Callable[[], bool], seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: condition() or self._stopped.is_set(), seconds)

    def _spawn(self, work: Callable[..., None], *arguments: object) -> None:
        """Runs work in a thread that `stop` waits for."""

        def run() -> None:
            try:
                work(*arguments)
            finally:
                self._threads.discard(threading.current_thread())

        thread = threading.Thread(target=run, name=f"models: {work.__name__}", daemon=True)
        self._threads.add(thread)
        thread.start()


def _may_load_again(version: Version) -> bool:
    """Returns whether a version that is wanted was unloaded, or failed and was away since."""
    return version.state == State.END and (version.error is None or version.gone)


def _require_versions(config: ModelConfig) -> None:
    """Raises Refusal if a base path has nothing to load; a real server would wait for it without a word."""
    try:
        if versions(Path(config.base_path)):
            return
        reason = "has no version in it (a folder 1, 2, ...)"
    except OSError as error:
        reason = f"cannot be read: {error.strerror}"
    raise not_found(f"Could not find a version of servable {config.name}: base path {config.base_path} {reason}")


def _require_valid(models: list[ModelConfig]) -> None:
    """Raises Refusal if a list of models is one that a server would not take."""
    names = set()
    for model in models:
        if model.name in names:
            raise invalid(f"Illegal to list model {model.name} multiple times in config list")
        names.add(model.name)
    for model in models:
        if not model.base_path.startswith("/"):
            raise invalid(
                f"Expected model {model.name} to have an absolute path or URI; got base_path()={model.base_path}"
            )
    for model in models:
        platform = model.model_platform or ("tensorflow" if model.model_type == 1 else "")
        if not platform:
            raise invalid(
                "Illegal setting neither ModelServerConfig::model_type (deprecated) nor "
                "ModelServerConfig::model_platform."
            )
        if platform != "tensorflow":
            raise invalid(f"Model {model.name} requests unsupported platform {platform}")
