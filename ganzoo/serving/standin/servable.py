"""One loaded version of a model: a Session that feeds and fetches the tensors that its signatures name."""

import contextlib
import inspect
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2
from tensorflow.core.protobuf import config_pb2, meta_graph_pb2
from tensorflow.python.client import pywrap_tf_session
from tensorflow_serving.apis import prediction_log_pb2

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

_MOST_MILLISECONDS = 1 << 40  # a client without a deadline may have one in the year 3000
DEFAULT_SIGNATURE = "serving_default"
_load = inspect.unwrap(tf.compat.v1.saved_model.load)  # without the advice to use a loader that knows no Session


class Servable:
    """A SavedModel that answers.

    A plain `Session.run` refuses feeds that contradict a placeholder's static shape, which the C++ session that it
    calls does not: that one is called here, so such a feed reaches the graph.

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
        self._lock = threading.Lock()
        self._new_queue, self._queues = queue, {}
        try:
            with self._session.graph.as_default():
                graph = _load(self._session, [tf.saved_model.SERVING], str(path))
            self._session._extend_graph()
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
        inputs: Mapping[str, np.ndarray | tensor_pb2.TensorProto],
        output_filter: Sequence[str] = (),
        seconds: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Returns a signature's outputs by name.

        Args:
            signature_name: empty for the default one.
            inputs: by the signature's names; protos are unpacked once the names are known to fit.
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
        self._session.close()

    def _run(
        self, signature: meta_graph_pb2.SignatureDef, feeds: list[np.ndarray], deadline: float | None
    ) -> list[np.ndarray]:
        """Returns what the graph makes of the feeds, both in the order of the sorted names."""
        tensors = [self._tensor(signature.inputs[name]) for name in sorted(signature.inputs)]
        fetches = [self._tensor(signature.outputs[name]) for name in sorted(signature.outputs)]
        try:
            with _options(deadline) as options:
                inputs = dict(zip(tensors, feeds, strict=True))
                values = self._session._call_tf_sessionrun(options, inputs, fetches, [], None)
        except tf.errors.OpError as error:
            raise as_refusal(error) from None
        return [np.asarray(value, object) if isinstance(value, bytes) else np.asarray(value) for value in values]

    def _tensor(self, info: meta_graph_pb2.TensorInfo) -> pywrap_tf_session.TF_Output:
        return self._session.graph.get_tensor_by_name(info.name)._as_tf_output()

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
            self.predict(request.model_spec.signature_name, request.inputs, request.output_filter)


def _unpacked(value: np.ndarray | tensor_pb2.TensorProto, name: str, most_bytes: int) -> np.ndarray:
    """Returns an input as an array.

    Raises:
        Refusal: If it is no tensor of a known type and shape, or too large a one.
    """
    try:
        return value if isinstance(value, np.ndarray) else array_of(value, most_bytes)
    except ValueError:
        raise invalid(f"tensor parsing error: {name}") from None


def _load_error(error: Exception) -> Refusal:
    if isinstance(error, OSError | RuntimeError | ValueError | UnicodeError):  # what the loader says of bad files
        return not_found(str(error).strip())
    return as_refusal(error)


@contextlib.contextmanager
def _options(deadline: float | None) -> Iterator[Any]:
    """Yields the options of a run, C++'s: by the deadline, in seconds of the monotonic clock, it is cancelled."""
    if deadline is None:
        yield None
        return
    milliseconds = int(1000 * (deadline - time.monotonic()))
    if milliseconds <= 0:
        raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification")
    options = config_pb2.RunOptions(timeout_in_ms=min(milliseconds, _MOST_MILLISECONDS))
    buffer = pywrap_tf_session.TF_NewBufferFromString(options.SerializeToString())
    try:
        yield buffer
    finally:
        pywrap_tf_session.TF_DeleteBuffer(buffer)


def _feeds(
    signature: meta_graph_pb2.SignatureDef, inputs: Mapping[str, np.ndarray | tensor_pb2.TensorProto]
) -> list[np.ndarray]:
    """Returns the values to feed, in the order of the sorted names; a signature may have defaults."""
    wanted, given = set(signature.inputs), set(inputs)
    if len(given) > len(wanted) or (len(given) < len(wanted) and not signature.defaults):
        raise invalid(
            f"input size does not match signature: {len(given)}!={len(wanted)} len({{{_joined(given)}}}) != "
            f"len({{{_joined(wanted)}}}). Sent extra: {{{_joined(given - wanted)}}}. "
            f"Missing but required: {{{_joined(wanted - given)}}}."
        )
    values = {}
    for name in sorted(wanted):
        if name in given or name in signature.defaults:
            value = inputs[name] if name in given else signature.defaults[name]
            values[name] = _unpacked(value, name, limits.TENSOR_BYTES - sum(each.nbytes for each in values.values()))
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
    for name, value in values.items():
        if value.ndim and len(value) > limits.ROWS:
            raise invalid(
                f"input {name} has {len(value)} rows: more than the {limits.ROWS} that this development server takes "
                "in one request; send several"
            )
    return list(values.values())


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
