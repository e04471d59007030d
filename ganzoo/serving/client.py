"""Asks a model server for images: TensorFlow Serving, or whatever speaks its gRPC or REST interface."""

import asyncio
import io
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import grpc
import numpy as np
from PIL import Image
from tensorflow.core.protobuf import error_codes_pb2
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from ganzoo.errors import InputError, ServingError
from ganzoo.sampling import BATCH, batch_rows
from ganzoo.serving.addresses import parsed
from ganzoo.serving.roads import channel_options, metadata_request, predict_request, refusal, road_to, signatures_in
from ganzoo.serving.tensors import Signature, Spec, array_of, fitted, signature_of

__all__ = ["AsyncClient", "Client", "Metadata", "ServingError", "Signature", "Spec", "VersionStatus"]

_NOT_YET = ("UNAVAILABLE", "NOT_FOUND", "DEADLINE_EXCEEDED")
_POLL_SECONDS = 0.2
_AT_ONCE = 4  # batches of one call that an AsyncClient asks for


@dataclass(frozen=True)
class Metadata:
    """What a server says of a model: its name, the version that answers, and its signatures by name."""

    name: str
    version: int
    signatures: Mapping[str, Signature]


@dataclass(frozen=True)
class VersionStatus:
    """The state of a version, and of one that failed the reason.

    Args:
        version: its number.
        state: `"START"`, `"LOADING"`, `"AVAILABLE"`, `"UNLOADING"` or `"END"`.
        code: `"OK"`, or the status by which it failed.
        message: the reason.
    """

    version: int
    state: str
    code: str
    message: str


class Client:
    """A model on a server.

        with Client("localhost:8500", "digits") as client:
            images = client.sample(16, seed=3)

    Images are drawn in batches of `ganzoo.sampling.BATCH`, the last one filled up: so they are, bit for bit, those of
    `GAN.generate` and of the SavedModel. What `generate` and `predict` return is computed at the batch size that is
    asked for, where rounding may differ by one level. A new version that the server loads between two batches answers
    the second: give `version=` where that matters.

    Args:
        address: `host:port` or `grpc://host:port`; of REST `http://host:port` or `https://host:port`. The model may
            stand in it: `grpc://host:port/MODEL/VERSION`, `http://host:port/v1/models/MODEL/labels/LABEL`.
        model: name on the server.
        version: one version; by default the newest that is loaded.
        label: that the server's configuration gives a version.
        timeout_seconds: of each request, retries included.
        attempts: how often a request is sent, at most, while the server is unavailable; 1: no retries. gRPC stops at 5.

    Raises:
        InputError: if the address names no server or no model, or an argument is impossible.
    """

    def __init__(
        self,
        address: str,
        model: str | None = None,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_seconds: float = 30.0,
        attempts: int = 5,
    ):
        self.address = parsed(address, model, version, label)
        _require_possible(timeout_seconds, attempts)
        self._road = road_to(self.address, timeout_seconds, attempts)
        self._known: Mapping[str, Signature] = {}

    def sample(self, n: int, seed: int = 0, truncation: float = math.inf, first: int = 0) -> np.ndarray:
        """Returns the images `first` to `first + n - 1` of `seed`, uint8 [n, H, W, C] (points float32 [n, D]).

        Over REST they travel as PNG, which loses nothing: as JSON numbers they are many times as long.

        Args:
            n: how many, >= 1.
            seed: any int64.
            truncation: standard deviations at which the latents are cut, > 0.
            first: index of the first, any int64.

        Raises:
            InputError: if an argument is impossible.
            ServingError: if the server refuses, or does not answer in time.
        """
        return np.concatenate(list(self.batches(n, seed, truncation, first)))

    def batches(self, n: int, seed: int = 0, truncation: float = math.inf, first: int = 0) -> Iterator[np.ndarray]:
        """Yields what `sample` returns, batch by batch."""
        if self._prefers_png("sample"):
            return map(decoded, self._sampled("sample_png", n, seed, truncation, first))
        return self._sampled("sample", n, seed, truncation, first)

    def sample_png(self, n: int, seed: int = 0, truncation: float = math.inf, first: int = 0) -> list[bytes]:
        """Returns the images of `sample` as PNG files; arguments and errors are the same."""
        return [png for batch in self._sampled("sample_png", n, seed, truncation, first) for png in batch]

    def interpolate(self, seed_from: int, seed_to: int, fractions: Sequence[float]) -> np.ndarray:
        """Returns images between the first images of two seeds, uint8 [N, H, W, C] (points float32 [N, D]).

        Args:
            seed_from: where fraction 0 is.
            seed_to: where fraction 1 is.
            fractions: [N], N >= 1.

        Raises:
            InputError: if there is no fraction.
            ServingError: if the server refuses, or does not answer in time.
        """
        fraction = np.asarray(fractions, np.float32).reshape(-1)
        ends = {"seed_from": np.full(len(fraction), seed_from), "seed_to": np.full(len(fraction), seed_to)}
        return self._rows("interpolate", fraction=fraction, **ends)

    def images(self, latents: np.ndarray) -> np.ndarray:
        """Returns float32 images [N, H, W, C] in [-1, 1] (points [N, D]) for latents float32 [N, latent_dim], N >= 1.

        Raises:
            InputError: if there are no latents.
            ServingError: if the server refuses, or does not answer in time.
        """
        return self._rows("serving_default", latent=np.asarray(latents, np.float32))

    def generate(self, n: int, seed: int = 0) -> np.ndarray:
        """Returns the images 0 to n - 1 of `seed` in one request, uint8 [n, H, W, C]; the server limits n.

        A server that batches requests may refuse it, as its inputs are no rows: `sample` is what always works.

        Raises:
            InputError: if an argument does not fit into its type.
            ServingError: if the server refuses, or does not answer in time.
        """
        if self._prefers_png("generate"):
            return decoded(_only(self.predict("generate_png", seed=seed, n=n)))
        return _only(self.predict("generate", seed=seed, n=n))

    def predict(self, signature: str, /, **inputs: Any) -> dict[str, np.ndarray]:
        """Returns the outputs of any signature by name; bytes as arrays of objects.

        Args:
            signature: its name.
            **inputs: arrays, or what NumPy makes arrays of; taken as the types that the signature asks for.

        Raises:
            InputError: if an input does not fit into its type.
            ServingError: if the server refuses, or does not answer in time.
        """
        known = self._signature(signature)
        return self._road.predict(signature, _as_asked(inputs, known), known)

    def metadata(self) -> Metadata:
        """Returns what the server says of the model; raises ServingError if it has none of that name and version."""
        metadata = _metadata(*self._road.metadata())
        self._known = metadata.signatures
        return metadata

    def status(self) -> list[VersionStatus]:
        """Returns the state of each version that the server knows of; raises ServingError if there is none."""
        return [_status(each) for each in self._road.status().model_version_status]

    def wait_until_available(self, timeout: float = 60.0) -> Metadata:
        """Returns the model's metadata as soon as it can be asked, warmed up.

        Args:
            timeout: seconds.

        Raises:
            ServingError: if it cannot be after that time.
        """
        end = time.monotonic() + timeout
        while True:
            try:
                return self.metadata()
            except ServingError as error:
                unlabelled = self.address.label is not None and error.code == "INVALID_ARGUMENT"
                if not (error.code in _NOT_YET or unlabelled):
                    raise
                if time.monotonic() + _POLL_SECONDS > end:
                    late = f"not available after {timeout:g} s; last answer: {error.code}: {error.text}"
                    raise ServingError("DEADLINE_EXCEEDED", late, error.address) from None
            time.sleep(_POLL_SECONDS)

    def close(self) -> None:
        """Closes connections."""
        self._road.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _signature(self, name: str) -> Signature:
        """Returns a signature as the server tells it; an empty one if it has none: to say so is the server's part."""
        if name not in self._known:
            self.metadata()
        return self._known.get(name, Signature({}, {}))

    def _prefers_png(self, signature: str) -> bool:
        return self.address.scheme != "grpc" and bool(self._signature(f"{signature}_png").outputs)

    def _sampled(self, signature: str, n: int, seed: int, truncation: float, first: int) -> Iterator[np.ndarray]:
        for number, columns in enumerate(_columns(n, seed, truncation, first)):
            yield _only(self.predict(signature, **columns))[: n - number * BATCH]

    def _rows(self, signature: str, **columns: np.ndarray) -> np.ndarray:
        """Returns the output of a signature for columns of N rows each, in whole batches: the last row fills up."""
        rows = min(map(len, columns.values()))
        if not rows:
            raise InputError(f"{', '.join(columns)}: no row is asked for; give 1 or more")
        batches = []
        for start in range(0, rows, BATCH):
            index = np.minimum(np.arange(start, start + BATCH), rows - 1)
            batches.append(_only(self.predict(signature, **{name: each[index] for name, each in columns.items()})))
        return np.concatenate(batches)[:rows]


class AsyncClient:
    """A model on a server, over gRPC, for programs with an event loop; arguments and errors as of `Client`."""

    def __init__(
        self,
        address: str,
        model: str | None = None,
        *,
        version: int | None = None,
        label: str | None = None,
        timeout_seconds: float = 30.0,
        attempts: int = 5,
    ):
        self.address = parsed(address, model, version, label)
        if self.address.scheme != "grpc":
            raise InputError(f"{address!r}: AsyncClient speaks gRPC; give host:port, or take Client")
        _require_possible(timeout_seconds, attempts)
        self._timeout = timeout_seconds
        self._channel = grpc.aio.insecure_channel(self.address.server, channel_options(attempts))
        self._stub = PredictionServiceStub(self._channel)
        self._known: Mapping[str, Signature] = {}

    async def sample(self, n: int, seed: int = 0, truncation: float = math.inf, first: int = 0) -> np.ndarray:
        """Returns the images of `Client.sample`; a few batches are asked for at once."""
        asked = list(_columns(n, seed, truncation, first))
        few = asyncio.Semaphore(_AT_ONCE)  # the deadline of a request begins when it is sent

        async def batch(columns: Mapping[str, np.ndarray]) -> np.ndarray:
            async with few:
                return _only(await self.predict("sample", **columns))

        try:
            async with asyncio.TaskGroup() as group:
                batches = [group.create_task(batch(columns)) for columns in asked]
        except ExceptionGroup as failed:  # the first error ends the others
            raise failed.exceptions[0] from None
        return np.concatenate([each.result() for each in batches])[:n]

    async def predict(self, signature: str, /, **inputs: Any) -> dict[str, np.ndarray]:
        """Returns the outputs of any signature by name, as `Client.predict` does."""
        if signature not in self._known:
            await self.metadata()
        arrays = _as_asked(inputs, self._known.get(signature, Signature({}, {})))
        response = await self._answer(self._stub.Predict, predict_request(self.address, signature, arrays))
        return {name: array_of(proto) for name, proto in response.outputs.items()}

    async def metadata(self) -> Metadata:
        """Returns what the server says of the model."""
        response = await self._answer(self._stub.GetModelMetadata, metadata_request(self.address))
        metadata = _metadata(response.model_spec, signatures_in(response))
        self._known = metadata.signatures
        return metadata

    async def close(self) -> None:
        """Closes connections."""
        await self._channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _answer(self, method: Callable[..., Any], request: Any) -> Any:
        try:
            return await method(request, timeout=self._timeout)
        except grpc.RpcError as error:
            raise refusal(error, self.address) from None


def _require_possible(timeout_seconds: float, attempts: int) -> None:
    if not timeout_seconds > 0:
        raise InputError(f"timeout_seconds={timeout_seconds}: give seconds above 0")
    if attempts < 1:
        raise InputError(f"attempts={attempts}: give 1, for no retries, or more")


def _columns(n: int, seed: int, truncation: float, first: int) -> Iterator[dict[str, np.ndarray]]:
    """Yields the inputs of `sample`, batch by batch."""
    for name, value, most in (("seed", seed, 2**63 - 1), ("first", first, 2**63 - 1 - n - BATCH)):
        if not -(2**63) <= value <= most:
            raise InputError(f"{name}={value}: indices and seeds are integers of 64 bits; give one nearer to 0")
    for seeds, index, cut in batch_rows(n, seed, truncation=truncation):
        yield {"seed": seeds.numpy(), "index": index.numpy() + first, "truncation": cut.numpy()}


def _as_asked(inputs: Mapping[str, Any], known: Signature) -> dict[str, np.ndarray]:
    """Returns inputs as the types that a signature asks for; what it does not know is left to the server to refuse."""
    types = {name: spec.dtype for name, spec in known.inputs.items()}
    return {
        name: fitted(value, types[name], name) if name in types else np.asarray(value) for name, value in inputs.items()
    }


def _metadata(spec: Any, signatures: Any) -> Metadata:
    found = signatures.signature_def.items()
    return Metadata(spec.name, spec.version.value, {name: signature_of(each) for name, each in found})


def _status(said: Any) -> VersionStatus:
    return VersionStatus(
        version=said.version,
        state=ModelVersionStatus.State.Name(said.state),
        code=error_codes_pb2.Code.Name(said.status.error_code),
        message=said.status.error_message,
    )


def _only(outputs: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns the output of a signature that has one."""
    (output,) = outputs.values()
    return output


def decoded(pngs: Sequence[bytes]) -> np.ndarray:
    """Returns PNG files as uint8 [n, H, W, C]."""
    images = np.stack([np.asarray(Image.open(io.BytesIO(png))) for png in pngs])
    return images if images.ndim == 4 else images[..., None]
