"""The two roads to a model server, gRPC and REST: the same questions, the same answers, the same errors."""

import contextlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

import grpc
import numpy as np
import requests
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from ganzoo.errors import ServingError
from ganzoo.serving.addresses import Address
from ganzoo.serving.tensors import Signature, array_of, from_json, to_json

_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 2.0  # seconds between attempts, doubled from one to the next
_UNAVAILABLE = 503
# What an HTTP status stands for; 400 is FAILED_PRECONDITION and OUT_OF_RANGE, too, which REST does not tell apart.
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    _UNAVAILABLE: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class Road(Protocol):
    """How a server is asked. Each raises ServingError if the server refuses, or does not answer in time."""

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray], known: Signature) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature; `known` says what their types are."""

    def metadata(self) -> tuple[ModelSpec, SignatureDefMap]:
        """Returns name and version of what answers, and its signatures."""

    def status(self) -> GetModelStatusResponse:
        """Returns the state of each version."""

    def close(self) -> None:
        """Closes connections."""


def road_to(address: Address, timeout_seconds: float, attempts: int) -> Road:
    """Returns the road that an address names; the deadline holds for all attempts of a call together."""
    road = Grpc if address.scheme == "grpc" else Rest
    return road(address, timeout_seconds, attempts)


def channel_options(attempts: int) -> list[tuple[str, Any]]:
    """Returns a channel's options: retries where a server is unavailable, messages of any length."""
    retries = {
        "maxAttempts": attempts,
        "initialBackoff": f"{_FIRST_PAUSE}s",
        "maxBackoff": f"{_LONGEST_PAUSE}s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    method = {"name": [{}], **({"retryPolicy": retries} if attempts > 1 else {})}
    return [
        ("grpc.max_receive_message_length", -1),  # 4 MiB by default: 86 float images of 64 x 64 x 3
        ("grpc.max_send_message_length", -1),
        ("grpc.service_config", json.dumps({"methodConfig": [method]})),
        # A channel that lost its server tries again as often as a call does.
        ("grpc.initial_reconnect_backoff_ms", int(1000 * _FIRST_PAUSE)),
        ("grpc.min_reconnect_backoff_ms", int(1000 * _FIRST_PAUSE)),
        ("grpc.max_reconnect_backoff_ms", int(1000 * _LONGEST_PAUSE)),
        ("grpc.use_local_subchannel_pool", 1),  # a connection for each client
    ]


def model_spec(address: Address, signature: str = "") -> ModelSpec:
    """Returns what a request says of the model."""
    spec = ModelSpec(name=address.model, signature_name=signature)
    if address.version is not None:
        spec.version.value = address.version
    if address.label is not None:
        spec.version_label = address.label
    return spec


def predict_request(address: Address, signature: str, inputs: Mapping[str, np.ndarray]) -> PredictRequest:
    """Returns the message that asks for a signature's outputs."""
    tensors = {name: tf.make_tensor_proto(array, shape=array.shape) for name, array in inputs.items()}
    return PredictRequest(model_spec=model_spec(address, signature), inputs=tensors)


def metadata_request(address: Address) -> GetModelMetadataRequest:
    """Returns the message that asks for a model's signatures."""
    return GetModelMetadataRequest(model_spec=model_spec(address), metadata_field=["signature_def"])


def signatures_in(response: Any) -> SignatureDefMap:
    """Returns the signatures in an answer to `metadata_request`."""
    signatures = SignatureDefMap()
    response.metadata["signature_def"].Unpack(signatures)
    return signatures


def refusal(error: grpc.RpcError, address: Address) -> ServingError:
    """Returns a failed call as the one kind of error that clients raise."""
    return ServingError(error.code().name, error.details() or "", str(address))


class Grpc:
    """PredictionService and ModelService over one channel."""

    def __init__(self, address: Address, timeout_seconds: float, attempts: int):
        self.address, self.timeout = address, timeout_seconds
        self.channel = grpc.insecure_channel(address.server, channel_options(attempts))
        self.prediction, self.model = PredictionServiceStub(self.channel), ModelServiceStub(self.channel)

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray], known: Signature) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature."""
        response = self._answer(self.prediction.Predict, predict_request(self.address, signature, inputs))
        return {name: array_of(proto) for name, proto in response.outputs.items()}

    def metadata(self) -> tuple[ModelSpec, SignatureDefMap]:
        """Returns name and version of what answers, and its signatures."""
        response = self._answer(self.prediction.GetModelMetadata, metadata_request(self.address))
        return response.model_spec, signatures_in(response)

    def status(self) -> GetModelStatusResponse:
        """Returns the state of each version."""
        return self._answer(self.model.GetModelStatus, GetModelStatusRequest(model_spec=model_spec(self.address)))

    def close(self) -> None:
        """Closes the channel."""
        self.channel.close()

    def _answer(self, method: Any, request: Any) -> Any:
        try:
            return method(request, timeout=self.timeout)
        except grpc.RpcError as error:
            raise refusal(error, self.address) from None


class Rest:
    """The same over HTTP and JSON."""

    def __init__(self, address: Address, timeout_seconds: float, attempts: int):
        self.address, self.timeout, self.attempts = address, timeout_seconds, attempts
        self.session = requests.Session()

    def predict(self, signature: str, inputs: Mapping[str, np.ndarray], known: Signature) -> dict[str, np.ndarray]:
        """Returns the outputs of a signature; asked for in columns, which take scalars, too."""
        columns = {name: to_json(array) for name, array in inputs.items()}
        body = json.dumps({"signature_name": signature, "inputs": columns}, separators=(",", ":"))
        with self._understood():
            outputs = self._answer("POST", ":predict", body)["outputs"]
            if len(known.outputs) == 1:  # the name of a single one is left out
                outputs = dict.fromkeys(known.outputs, outputs)
            return {name: from_json(value, known.outputs[name].dtype) for name, value in outputs.items()}

    def metadata(self) -> tuple[ModelSpec, SignatureDefMap]:
        """Returns name and version of what answers, and its signatures."""
        with self._understood():
            answer = self._answer("GET", "/metadata")
            signatures = answer["metadata"]["signature_def"]
            return _message(answer["model_spec"], ModelSpec()), _message(signatures, SignatureDefMap())

    def status(self) -> GetModelStatusResponse:
        """Returns the state of each version."""
        with self._understood():
            return _message(self._answer("GET", ""), GetModelStatusResponse())

    def close(self) -> None:
        """Closes connections."""
        self.session.close()

    def _answer(self, method: str, what: str, body: str | None = None) -> dict[str, Any]:
        """Returns the JSON object that a server answers.

        urllib3's own retries would give each attempt a deadline of its own; a call has one.
        """
        end = time.monotonic() + self.timeout
        for pause in _pauses(self.attempts):
            try:
                status, text = self._attempt(method, what, body, end)
            except requests.RequestException as error:
                if (
                    isinstance(error, requests.Timeout) or time.monotonic() >= end
                ):  # silence within a body is no Timeout
                    raise self._error("DEADLINE_EXCEEDED", f"no answer within {self.timeout:g} s") from None
                # Refused, or broken off: a question changes nothing, it may be asked again.
                failed = self._error("UNAVAILABLE", str(error))
            else:
                if status != _UNAVAILABLE:
                    return self._object(status, text)
                failed = self._error(_CODES[status], _reason(text))
            if pause is None or time.monotonic() + pause >= end:
                raise failed
            time.sleep(pause)
        raise AssertionError("the last pause is None")

    def _attempt(self, method: str, what: str, body: str | None, end: float) -> tuple[int, bytes]:
        """Returns status and body of an answer that is there by `end`, in seconds of the monotonic clock."""
        parts = urlsplit(f"//{self.address.server}", scheme=self.address.scheme)
        url = parts._replace(path=parts.path + self.address.path + what).geturl()
        headers = {"Content-Type": "application/json"} if body else None
        left = max(end - time.monotonic(), 1e-3)
        with self.session.request(
            method, url, data=body, headers=headers, timeout=left, stream=True, allow_redirects=False
        ) as response:
            chunks = []
            for chunk in response.iter_content(1 << 20):  # the time-out above is one of silence alone
                chunks.append(chunk)
                if time.monotonic() > end:
                    raise requests.Timeout
            return response.status_code, b"".join(chunks)

    def _object(self, status: int, text: bytes) -> dict[str, Any]:
        if status != requests.codes.ok:
            raise self._error(_CODES.get(status, "UNKNOWN"), _reason(text))
        with self._understood():
            return json.loads(text)

    @contextlib.contextmanager
    def _understood(self) -> Iterator[None]:
        """Makes a ServingError of an answer that is not as TensorFlow Serving spells it."""
        try:
            yield
        except (json_format.ParseError, ValueError, TypeError, AttributeError, LookupError) as error:
            what = f"the answer is not that of a model server: {type(error).__name__}: {error}"
            raise self._error("UNKNOWN", what) from None

    def _error(self, code: str, text: str) -> ServingError:
        return ServingError(code, text, str(self.address))


def _pauses(attempts: int) -> Iterator[float | None]:
    """Yields the seconds to wait after each attempt that failed, None after the last."""
    for number in range(attempts - 1):
        yield min(_FIRST_PAUSE * 2**number, _LONGEST_PAUSE)
    yield None


def _message(value: Any, message: Any) -> Any:
    """Returns a message of protocol buffers, filled with what JSON says of it; of what newer servers add, nothing."""
    return json_format.ParseDict(value, message, ignore_unknown_fields=True)


def _reason(text: bytes) -> str:
    """Returns what a server says is wrong; the body as it is where something before it answered."""
    try:
        return str(json.loads(text)["error"])
    except (ValueError, TypeError, KeyError):
        return text[:1024].decode("utf-8", "replace")
