"""The HTTP port: TensorFlow Serving's REST API, and a page to look at."""

import asyncio
import json
import logging
import re
import socket
import threading
import time
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import grpc
import uvicorn
from google.protobuf import json_format
from starlette.requests import ClientDisconnect, Request
from starlette.responses import FileResponse, Response
from tensorflow_serving.apis import get_model_metadata_pb2, model_pb2
from uvicorn.protocols.http.h11_impl import H11Protocol

from ganzoo.errors import InputError
from ganzoo.serving.standin import json_tensors, limits, predictions
from ganzoo.serving.standin.models import Models, Version
from ganzoo.serving.standin.statuses import (
    Refusal,
    as_refusal,
    invalid,
    not_found,
    unavailable,
    unimplemented,
)

PAGE = Path(__file__).parent / "page" / "index.html"

_log = logging.getLogger("ganzoo.serving")
_CHOICE = r"/v1/models{}(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_POST = re.compile(_CHOICE.format(r"/(?P<name>[^/:]+)") + r":(?P<method>classify|regress|predict)", re.I)
_GET = re.compile(_CHOICE.format(r"(?:/(?P<name>[^/:]+))?") + r"(?:/(?P<metadata>metadata))?", re.I)
_VERSION_DIGITS = 19  # of 2^63 - 1; Python converts no number of more than some thousands
_LOCAL = ("127.0.0.1", "localhost")
_PAGE_HEADERS = {
    "Cache-Control": "no-cache",
    "Content-Security-Policy": "default-src 'self' 'unsafe-inline'; img-src data:; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
}


class RestPort:
    """An HTTP server on 127.0.0.1, in a thread of its own.

    Args:
        models: that are served.
        port: 0 for any that is free.
        threads: that answer requests.
        timeout_seconds: of a request.

    Raises:
        InputError: If the port is taken.
    """

    def __init__(self, models: Models, port: int, threads: int, timeout_seconds: float):
        # Of a socket that does not name its protocol asyncio does not turn Nagle's delay of 40 ms an answer off.
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind(("127.0.0.1", port))
        except OSError as error:
            self._socket.close()
            raise InputError(f"port {port} cannot be listened on: {error.strerror}; give another") from None
        self.number = self._socket.getsockname()[1]
        self._threads = ThreadPoolExecutor(threads, "REST")
        self._server = uvicorn.Server(
            uvicorn.Config(
                _Application(models, self._threads, timeout_seconds),
                http=_Protocol,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="critical",  # what a client did wrong is told to the client
                access_log=False,
                proxy_headers=False,
                server_header=False,
                h11_max_incomplete_event_size=limits.HEADER_BYTES,
            )
        )
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="HTTP", daemon=True)

    def start(self) -> None:
        """Answers from now on."""
        self._thread.start()
        while not self._server.started:
            if not self._thread.is_alive():
                raise RuntimeError("the HTTP server did not start")
            time.sleep(0.01)

    def stop(self, grace: float) -> None:
        """Takes no more requests and waits until those in work are answered, or `grace` seconds are over."""
        self._server.config.timeout_graceful_shutdown = grace
        self._server.should_exit = True
        if self._thread.is_alive():
            self._thread.join()
        self._socket.close()
        self._threads.shutdown(wait=False, cancel_futures=True)


class _Protocol(H11Protocol):
    """Closes connections that are too many, and those that take too long over a request's headers or an answer."""

    def connection_made(self, transport) -> None:
        super().connection_made(transport)
        if len(self.connections) > limits.CONNECTIONS:
            self._end("503 Service Unavailable", "this development server has too many connections; try again")
        self._idle_since = self.loop.time()
        self._watch = self.loop.call_later(limits.HEADER_SECONDS, self._look)

    def connection_lost(self, exc) -> None:
        self._watch.cancel()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        self._idle_since = self.loop.time()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        self._end("400 Bad Request", msg)

    def _end(self, status: str, text: str) -> None:
        """Says why, whatever was asked, and closes the connection."""
        body = json.dumps({"error": text}).encode()
        head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n"
        self.transport.write(head.encode() + b"connection: close\r\n\r\n" + body)
        self.transport.close()

    def _look(self) -> None:
        idle = self.cycle is None or self.cycle.response_complete
        if idle and self.loop.time() - self._idle_since >= limits.HEADER_SECONDS:
            self.transport.close()  # once all is sent, for which a client that does not read has a minute
            self._watch = self.loop.call_later(limits.BODY_SECONDS, self.transport.abort)
        else:
            self._watch = self.loop.call_later(limits.HEADER_SECONDS / 4, self._look)


class _Application:
    """Reads requests, bounded in size and time, and answers them in threads."""

    def __init__(self, models: Models, threads: ThreadPoolExecutor, timeout_seconds: float):
        self._models, self._threads, self._timeout_seconds = models, threads, timeout_seconds
        self._in_work = 0

    async def __call__(self, scope, receive, send) -> None:
        request = Request(scope, receive)
        self._in_work += 1
        try:
            response = await self._answer(request)
        except ClientDisconnect:
            return
        except Exception as error:
            response = _refused(error)  # a local exception would be in a circle with this frame and keep the request
        finally:
            self._in_work -= 1
        await response(scope, receive, send)

    async def _answer(self, request: Request) -> Response:
        _require_local(request)
        body = await _body(request)
        if self._in_work > limits.REQUESTS:
            raise unavailable("this development server has too many requests in work; try again")
        path = _path(request)
        work = self._work(request.method, path, body)
        try:
            async with asyncio.timeout(self._timeout_seconds):
                return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except TimeoutError:
            raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, "Timed out waiting for notification") from None

    def _work(self, method: str, path: str, body: bytes) -> Callable[[], Response]:
        """Returns what answers a request, to be called in a thread.

        Raises:
            Refusal: If nothing does.
        """
        if method == "GET" and path == "/":
            return _page
        if method == "GET" and path == "/ganzoo/models":
            return lambda: _json(_described(self._models))
        if not path.lower().startswith("/v1/"):
            raise not_found(f"Not found: {path}")
        found = {"POST": _POST, "GET": _GET}[method].fullmatch(path) if method in ("POST", "GET") else None
        if not found:
            raise invalid(f"Malformed request: {method} {path}")
        if not found["name"]:
            raise invalid("Missing model name in request.")
        spec = _spec(found)
        if method == "POST":  # the case of letters, which the pattern leaves open, is looked at after it
            if found["method"] in ("classify", "regress"):
                name = found["method"].capitalize()
                raise unimplemented(f"{name} is not offered by this development server; TensorFlow Serving has it")
            if found["method"] != "predict":
                raise invalid(f"Malformed request: {method} {path}")
            return lambda: self._predict(spec, body)
        if found["metadata"] == "metadata":
            return lambda: _metadata(self._models, spec)
        return lambda: _json(_as_json(self._models.status(spec)))

    def _predict(self, spec: model_pb2.ModelSpec, body: bytes) -> Response:
        document = json_tensors.parse(body)
        name = json_tensors.signature_name(document)
        with self._models.serving(spec) as version:
            servable = version.servable
            try:
                signature = servable.signature(name)
            except Refusal:
                wanted = name or "serving_default"
                raise invalid(f'Serving signature name: "{wanted}" not found in signature def') from None
            if not signature.inputs:
                raise invalid(f"Failed to get input map for signature: {name or 'DEFAULT'}")
            inputs, form = json_tensors.inputs_of(document, signature.inputs)
            outputs = servable.predict(name, inputs, seconds=self._timeout_seconds)
        dtypes = {output: info.dtype for output, info in signature.outputs.items()}
        return _response(json_tensors.answer(outputs, dtypes, form))


def _refused(error: Exception) -> Response:
    """Returns the answer that tells a client of an exception."""
    failure = as_refusal(error)
    if failure.code is grpc.StatusCode.INTERNAL:
        _log.error("internal error", exc_info=error)
    return _json({"error": failure.text}, failure.http)


def _path(request: Request) -> str:
    """Returns the path of a request as TensorFlow Serving reads it: with the query, without scheme and host."""
    path, query = request.scope["raw_path"].decode("ascii", "replace"), request.scope["query_string"]
    path = re.sub("^https?://[^/]*", "", path, flags=re.I)
    return f"{path}?{query.decode('ascii', 'replace')}" if query and path != "/" else path


def _require_local(request: Request) -> None:
    """Refuses other sites' pages: names that were made to mean this machine, requests from elsewhere."""
    for header, prefix in (("host", "//"), ("origin", "")):
        value = request.headers.get(header)
        if value is not None and _hostname(prefix + value) not in _LOCAL:
            text = f"{header.capitalize()} is not this machine: ask 127.0.0.1 or localhost"
            raise Refusal(grpc.StatusCode.PERMISSION_DENIED, text)


def _hostname(address: str) -> str | None:
    try:
        return urlsplit(address).hostname
    except ValueError:
        return None


async def _body(request: Request) -> bytes:
    """Returns the body; a body that is too large is read to its end, within bounds, so that its sender hears why."""
    parts, size = [], 0
    try:
        async with asyncio.timeout(limits.BODY_SECONDS):
            async for part in request.stream():
                size += len(part)
                if size <= limits.MESSAGE_BYTES:
                    parts.append(part)
                else:
                    parts.clear()
                if size > 4 * limits.MESSAGE_BYTES:
                    break
    except TimeoutError:
        text = f"the body of the request did not arrive within {limits.BODY_SECONDS:.0f} s"
        raise Refusal(grpc.StatusCode.DEADLINE_EXCEEDED, text, http=408) from None
    if size > limits.MESSAGE_BYTES:
        raise _too_large()
    body = b"".join(parts)
    return _unzipped(body) if "gzip" in request.headers.get("content-encoding", "") else body


def _unzipped(body: bytes) -> bytes:
    """Returns what is in a gzip file, of which a small one may hold much."""
    stream = zlib.decompressobj(zlib.MAX_WBITS | 16)
    try:
        unzipped = stream.decompress(body, limits.MESSAGE_BYTES + 1)
    except zlib.error:
        raise invalid("the body of the request is not gzip, which its Content-Encoding says") from None
    if len(unzipped) > limits.MESSAGE_BYTES:
        raise _too_large()
    if not stream.eof:
        raise invalid("the body of the request is the beginning of a gzip file alone")
    return unzipped


def _too_large() -> Refusal:
    text = f"the body of the request is larger than {limits.MESSAGE_BYTES} bytes; send several"
    return Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, text, http=413)


def _spec(found: re.Match) -> model_pb2.ModelSpec:
    """Returns the model and version that a path names."""
    spec = model_pb2.ModelSpec(name=unquote(found["name"]))
    if found["version"]:
        digits = found["version"].lstrip("0") or "0"
        if len(digits) > _VERSION_DIGITS or int(digits) >= 1 << 63:
            raise invalid(f"Failed to convert version: {found['version']} to numeric.")
        spec.version.value = int(digits)
    if found["label"]:
        spec.version_label = unquote(found["label"])
    return spec


def _metadata(models: Models, spec: model_pb2.ModelSpec) -> Response:
    metadata = predictions.metadata(models, spec)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    metadata.metadata["signature_def"].Unpack(signatures)
    return _json({"model_spec": _as_json(metadata.model_spec), "metadata": {"signature_def": _as_json(signatures)}})


def _as_json(message) -> dict[str, Any]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _page() -> Response:
    if not PAGE.exists():
        return _json({"error": "this installation has no page"}, 404)
    return FileResponse(PAGE, media_type="text/html", headers=_PAGE_HEADERS)


def _described(models: Models) -> list[dict[str, Any]]:
    """Returns what the page says of each model: its newest version, manifest and score records."""
    return [_description(name, versions) for name, versions in models.available().items()]


def _description(name: str, versions: list[Version]) -> dict[str, Any]:
    newest = versions[-1]
    beside = newest.path.parent.glob(f"{newest.path.name}.*.json")
    records = (*sorted((newest.path / "assets.extra/scores").glob("*.json")), *sorted(beside))
    manifest = _record(newest.path / "assets.extra/ganzoo.json")
    signatures = newest.servable.signatures if newest.servable else {}
    return {
        "name": name,
        "version": newest.number,
        "versions": [version.number for version in versions],
        "manifest": manifest if _is_manifest(manifest) else None,
        "signatures": sorted(each for each in signatures if not each.startswith("__")),
        "scores": [record for record in map(_record, records) if _is_scored(record)],
    }


def _is_manifest(record: Any) -> bool:
    """Returns whether a file's content is what an export says of itself."""
    return isinstance(record, dict) and isinstance(record.get("image_shape"), list)


def _is_scored(record: Any) -> bool:
    """Returns whether a file's content is a score record."""
    scores = record.get("scores") if isinstance(record, dict) else None
    return isinstance(scores, list) and all(
        isinstance(score, dict) and isinstance(score.get("metric"), str) for score in scores
    )


def _record(path: Path) -> Any:
    """Returns a small JSON file's content, without numbers that JSON lacks; None if there is none."""
    try:
        if path.stat().st_size > limits.SCORE_BYTES:
            return None
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=lambda _: None)
    except (OSError, ValueError, RecursionError):
        return None


def _json(value: Any, status: int = 200) -> Response:
    return _response(json.dumps(value, indent=1).encode(), status)


def _response(body: bytes, status: int = 200) -> Response:
    return Response(body, status, media_type="application/json")
