"""The gRPC port: PredictionService and ModelService on the official stubs."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent import futures
from typing import Any

import grpc
from google.protobuf.message import DecodeError
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from ganzoo.errors import InputError
from ganzoo.serving.standin import limits, predictions
from ganzoo.serving.standin.models import Models
from ganzoo.serving.standin.statuses import as_refusal, unimplemented

_log = logging.getLogger("ganzoo.serving")
_LAST_CALLS_SECONDS = 0.1
_OPTIONS = (
    ("grpc.max_receive_message_length", limits.MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.so_reuseport", 0),  # a port that is taken is an error
)


class GrpcPort:
    """A gRPC server on 127.0.0.1.

    Args:
        models: that are served.
        port: 0 for any that is free.
        content: answer tensors as raw bytes, not as typed fields.

    Raises:
        InputError: If the port is taken.
    """

    def __init__(self, models: Models, port: int, content: bool):
        self._ends = threading.Event()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(limits.GRPC_THREADS, "gRPC"),
            interceptors=(_Ending(self._ends), _Parsing()),
            options=_OPTIONS,
            maximum_concurrent_rpcs=limits.REQUESTS,
        )
        prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(
            _PredictionService(models, content), self._server
        )
        model_service_pb2_grpc.add_ModelServiceServicer_to_server(_ModelService(models), self._server)
        try:
            self.number = self._server.add_insecure_port(f"127.0.0.1:{port}")
        except RuntimeError:
            raise InputError(f"port {port} cannot be listened on: it is taken or not allowed; give another") from None

    def start(self) -> None:
        """Answers from now on."""
        self._server.start()

    def stop(self, grace: float):
        """Takes no more requests; returns an event for when those in work are answered, or `grace` seconds are over."""
        self._ends.set()
        time.sleep(min(grace, _LAST_CALLS_SECONDS))
        return self._server.stop(grace)


class _Ending(grpc.ServerInterceptor):
    """Refuses requests with UNAVAILABLE once the server ends, for a moment: those that wait then, grpc would cancel."""

    def __init__(self, ends: threading.Event):
        self._ends = ends

    def intercept_service(self, continuation, handler_call_details):
        return (
            grpc.unary_unary_rpc_method_handler(_ended) if self._ends.is_set() else continuation(handler_call_details)
        )


def _ended(request: bytes, context: grpc.ServicerContext) -> None:
    context.abort(grpc.StatusCode.UNAVAILABLE, "this development server ends")


class _Parsing(grpc.ServerInterceptor):
    """Parses requests in the thread that answers them.

    grpc would do so in the one thread that all calls go through, and keep some memory of each that is no message.
    """

    def intercept_service(self, continuation, handler_call_details):
        handler = continuation(handler_call_details)
        if handler is None:
            return None

        def parsed(data: bytes, context: grpc.ServicerContext) -> Any:
            try:
                request = handler.request_deserializer(data)
            except DecodeError:
                context.abort(grpc.StatusCode.INTERNAL, "the request is no message of its type")
            return handler.unary_unary(request, context)

        return grpc.unary_unary_rpc_method_handler(parsed, None, handler.response_serializer)


class _PredictionService(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, models: Models, content: bool):
        self._models, self._content = models, content

    def Predict(self, request, context):
        def answer():
            return predictions.predict(self._models, request, self._content, context.time_remaining())

        return _answered(context, answer)

    def GetModelMetadata(self, request, context):
        return _answered(context, lambda: predictions.metadata_of(self._models, request))

    def Classify(self, request, context):
        return _answered(context, _not_offered("Classify"))

    def Regress(self, request, context):
        return _answered(context, _not_offered("Regress"))

    def MultiInference(self, request, context):
        return _answered(context, _not_offered("MultiInference"))


class _ModelService(model_service_pb2_grpc.ModelServiceServicer):
    def __init__(self, models: Models):
        self._models = models

    def GetModelStatus(self, request, context):
        return _answered(context, lambda: predictions.status_of(self._models, request))

    def HandleReloadConfigRequest(self, request, context):
        return _answered(context, lambda: predictions.reload(self._models, request))


def _not_offered(name: str) -> Callable[[], None]:
    def answer() -> None:
        raise unimplemented(f"{name} is not offered by this development server; TensorFlow Serving has it")

    return answer


def _answered(context: grpc.ServicerContext, answer: Callable[[], Any]) -> Any:
    """Returns the answer, or ends the call with a code and a text."""
    if not context.is_active():  # the client went while the request waited for a thread
        return None
    try:
        return answer()
    except Exception as error:
        code, text = _told(error)  # a local exception would be in a circle with this frame and keep the request
    context.abort(code, text)


def _told(error: Exception) -> tuple[grpc.StatusCode, str]:
    """Returns code and text that a client gets of an exception."""
    failure = as_refusal(error)
    if failure.code is grpc.StatusCode.INTERNAL:
        _log.error("internal error", exc_info=error)
    return failure.code, failure.grpc_text
