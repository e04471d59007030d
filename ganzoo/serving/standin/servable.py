"""One loaded version of a model: a Session that feeds and fetches the tensors that its signatures name."""

import inspect
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from ganzoo.serving.standin import limits
from ganzoo.serving.standin.batching import Batches, Run
from ganzoo.serving.standin.statuses import (
    Refusal,
    as_refusal,
    failed_precondition,
    invalid,
    not_found,
    unimplemented,
)
from ganzoo.serving.tensors import array_of
from ganzoo.serving.warm_up import MOST_RECORDS, WARM_UP_FILE

DEFAULT_SIGNATURE = "serving_default"
_load = inspect.unwrap(tf.compat.v1.saved_model.load)  # without the advice to use a loader that knows no Session


class Servable:
    """A SavedModel that answers.

    A plain `Session.run` refuses feeds that contradict a placeholder's static shape, which the C++ session does not;
    a callable made from options behaves like C++: such a feed reaches the graph.

    Args:
        path: the folder of the version.
        queue: makes a queue that merges the requests of a signature, of what runs a batch; None: each runs by itself.
        warm_up: replay the version's warm-up requests.

    Raises:
        Refusal: If it does not load, or a warm-up request fails.
    """

    def __init__(self, path: Path, queue: Callable[[Run], Batches] | None = None, warm_up: bool = True):
        self.path = path
        config = config_pb2.ConfigProto()
        config.gpu_options.allow_growth = True
        self._session = tf.compat.v1.Session(graph=tf.Graph(), config=config)
        self._callables = {}
        self._lock = threading.Lock()
        self._new_queue, self._queues = queue, {}
        try:
            with self._session.graph.as_default():
                graph = _load(self._session, [tf.saved_model.SERVING], str(path))
            self.signatures = dict(graph.signature_def)
            if warm_up:
                self._warm_up()
        except Exception as error:
            self.close()
            raise _load_error(error) from error

    def signature(self, name: str) -> meta_graph_pb2.SignatureDef:
        """Returns the signature of that name, or the default one of no name.

        Raises:
            Refusal: If there is none.
        """
        name = name or DEFAULT_SIGNATURE
        if name not in self.signatures:
            raise failed_precondition(f'Serving signature key "{name}" not found.')
        return self.signatures[name]

    def predict(
        self,
        signature_name: str,
        inputs: Mapping[str, np.ndarray],
        output_filter: Sequence[str] = (),
        seconds: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns a signature's outputs by name.

        Args:
            signature_name: empty for the default one.
            inputs: by the signature's names.
            output_filter: names of the outputs that are asked for; all of them, if empty.
            seconds: after which the answer is of no use.

        Raises:
            Refusal: If the request does not fit the signature, or the graph says no.
        """
        signature = self.signature(signature_name)
        feeds = _feeds(signature, inputs)
        names = _outputs(signature, output_filter)
        deadline = None if seconds is None else time.monotonic() + seconds
        queue = self._queue(signature_name or DEFAULT_SIGNATURE, signature)
        values = queue(feeds, deadline) if queue else self._run(signature, feeds, deadline)
        fetched = dict(zip(sorted(signature.outputs), values, strict=True))
        return {name: fetched[name] for name in names}

    def close(self) -> None:
        """Frees the graph and its variables."""
        for queue in self._queues.values():
            queue.close()
        self._callables.clear()
        self._session.close()

    def _run(
        self, signature: meta_graph_pb2.SignatureDef, feeds: list[np.ndarray], deadline: float | None
    ) -> list[np.ndarray]:
        """Returns what the graph makes of the feeds, both in the order of the sorted names."""
        if deadline is not None and deadline <= time.monotonic():
            raise _deadline_exceeded()
        try:
            values = self._callable(signature)(*feeds)
        except tf.errors.OpError as error:
            raise as_refusal(error) from None
        return [np.asarray(value, object) if isinstance(value, bytes) else np.asarray(value) for value in values]

    def _callable(self, signature: meta_graph_pb2.SignatureDef):
        feeds = tuple(signature.inputs[name].name for name in sorted(signature.inputs))
        fetches = tuple(signature.outputs[name].name for name in sorted(signature.outputs))
        with self._lock:
            if (feeds, fetches) not in self._callables:
                options = config_pb2.CallableOptions(feed=feeds, fetch=fetches)
                self._callables[feeds, fetches] = self._session._make_callable_from_options(options)
            return self._callables[feeds, fetches]

    def _queue(self, name: str, signature: meta_graph_pb2.SignatureDef) -> Batches | None:
        if self._new_queue is None:
            return None
        with self._lock:
            if name not in self._queues:
                self._queues[name] = self._new_queue(lambda feeds: self._run(signature, feeds, None))
            return self._queues[name]

    def _warm_up(self) -> None:
        path = self.path / WARM_UP_FILE
        if not path.exists():
            return
        try:
            records = list(tf.data.TFRecordDataset(str(path)).take(MOST_RECORDS + 1).as_numpy_iterator())
        except tf.errors.DataLossError as error:
            text = f"{error.message}. Please verify your warmup data is in TFRecord format."
            raise Refusal(as_refusal(error).code, text) from None
        if len(records) > MOST_RECORDS:
            raise invalid(f"Number of warmup records exceeds the maximum ({MOST_RECORDS}) at {path}")
        for record in records:
            try:
                log = prediction_log_pb2.PredictionLog.FromString(record)
            except Exception:
                raise invalid(f"Failed to parse warmup record: {record[:64]!r} from {path}") from None
            kind = log.WhichOneof("log_type")
            if kind is None:
                continue
            if kind != "predict_log":
                number = log.DESCRIPTOR.fields_by_name[kind].number
                raise unimplemented(f"Unsupported log_type for warmup: {number} ({kind})")
            request = log.predict_log.request
            inputs = inputs_of(request)
            self.predict(request.model_spec.signature_name, inputs, request.output_filter)


def inputs_of(request: predict_pb2.PredictRequest) -> dict[str, np.ndarray]:
    """Returns a request's inputs by name.

    Raises:
        Refusal: If one is no tensor of a known type and shape, or too large a one.
    """
    return {name: _unpacked(proto, name) for name, proto in request.inputs.items()}


def _unpacked(proto: tensor_pb2.TensorProto, name: str) -> np.ndarray:
    try:
        return array_of(proto, limits.TENSOR_BYTES)
    except ValueError:
        raise invalid(f"tensor parsing error: {name}") from None


def _load_error(error: Exception) -> Refusal:
    if isinstance(error, OSError | RuntimeError | ValueError | UnicodeError):  # what the loader says of bad files
        return not_found(str(error).strip())
    return as_refusal(error)


def _deadline_exceeded() -> Refusal:
    return Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification")


def _feeds(signature: meta_graph_pb2.SignatureDef, inputs: Mapping[str, np.ndarray]) -> list[np.ndarray]:
    """Returns the values to feed, in the order of the sorted names; a signature may have defaults."""
    wanted, given = set(signature.inputs), set(inputs)
    if len(given) > len(wanted) or (len(given) < len(wanted) and not signature.defaults):
        raise invalid(
            f"input size does not match signature: {len(given)}!={len(wanted)} len({{{_joined(given)}}}) != "
            f"len({{{_joined(wanted)}}}). Sent extra: {{{_joined(given - wanted)}}}. "
            f"Missing but required: {{{_joined(wanted - given)}}}."
        )
    values = []
    for name in sorted(wanted):
        if name in inputs:
            values.append(inputs[name])
        elif name in signature.defaults:
            values.append(_unpacked(signature.defaults[name], name))
        else:
            raise invalid(
                f"Signature input alias: {name}(feed name: {signature.inputs[name].name}) not found in request and no "
                f"default value provided. Inputs expected to be in the request {{{_joined(given)}}}, or default input "
                f"alias set: {_joined(signature.defaults)}"
            )
    if given - wanted:
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {_joined(given & wanted)}, "
            f"request input: {_joined(given)}"
        )
    for name, value in inputs.items():
        if value.ndim and len(value) > limits.ROWS:
            raise invalid(
                f"input {name} has {len(value)} rows: more than the {limits.ROWS} that this development server takes "
                "in one request; send several"
            )
    return values


def _outputs(signature: meta_graph_pb2.SignatureDef, output_filter: Sequence[str]) -> list[str]:
    """Returns the names of the outputs to answer."""
    for number, name in enumerate(output_filter):
        if name not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{{{_joined(signature.outputs)}}}."
            )
        if name in output_filter[:number]:
            raise invalid(f"duplicate output tensor alias: {name}")
    return list(output_filter) or sorted(signature.outputs)


def _joined(names) -> str:
    return ",".join(sorted(names))
