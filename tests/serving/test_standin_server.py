"""The development server from outside: what is bounded, what is refused, how it ends, a real export, its tool."""

import base64
import gc
import gzip
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import grpc
import numpy as np
import pytest
import requests
import tensorflow as tf
from standins import Asking, eventually, together, write_halves
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    classification_pb2,
    get_model_metadata_pb2,
    inference_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
    regression_pb2,
)

import ganzoo
from ganzoo.errors import InputError
from ganzoo.serving.standin import limits, rest
from ganzoo.serving.standin.statuses import Refusal, as_refusal
from ganzoo.serving.tensors import array_of

ROOT = Path(__file__).parent.parent.parent
ENDLESS = 2**31 - 1  # steps of a loop


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    base = tmp_path_factory.mktemp("served")
    write_halves(base, 1)
    return base


@pytest.fixture(scope="module")
def server(base):
    with Asking(base) as server:
        yield server
        assert server.y(4.0) == 4  # it lives on, whatever the tests asked
        assert server.post({"instances": [4.0]}) == (200, {"predictions": [4.0]})


def raw(server, data, shut=True):
    """Returns all that the HTTP port answers to bytes."""
    with socket.create_connection(("127.0.0.1", server.server.rest_port), timeout=20) as connection:
        connection.sendall(data)
        if shut:
            connection.shutdown(socket.SHUT_WR)
        parts = []
        while part := connection.recv(1 << 16):
            parts.append(part)
    return b"".join(parts)


# -- what a client may be wrong about


def test_signatures_inputs_and_outputs(server):
    x = np.float32([1])
    assert server.predict("none", x=x) == ("FAILED_PRECONDITION", 'Serving signature key "none" not found.')
    assert server.post({"signature_name": "none", "instances": [1.0]}) == (
        400, {"error": 'Serving signature name: "none" not found in signature def'}
    )  # fmt: skip
    assert server.predict(x=x, z=x) == (
        "INVALID_ARGUMENT",
        "input size does not match signature: 2!=1 len({x,z}) != len({x}). Sent extra: {z}. Missing but required: {}.",
    )
    assert server.predict() == (
        "INVALID_ARGUMENT",
        "input size does not match signature: 0!=1 len({}) != len({x}). Sent extra: {}. Missing but required: {x}.",
    )
    code, text = server.predict(z=x)
    assert (code, text[:61]) == ("INVALID_ARGUMENT", "Signature input alias: x(feed name: serving_default_x:0) not ")
    two = {"a": np.int64([1, 2]), "b": np.float32([[1, 2], [3, 4]])}
    assert set(server.predict("two", **two)) == {"total", "text", "text_bytes"}
    assert set(server.predict("two", outputs=["total"], **two)) == {"total"}
    assert server.predict("two", outputs=["nil"], **two) == (
        "INVALID_ARGUMENT",
        "output tensor alias not found in signature: nil Outputs expected to be in the set {text,text_bytes,total}.",
    )
    assert server.predict("two", outputs=["text", "text"], **two) == (
        "INVALID_ARGUMENT", "duplicate output tensor alias: text"
    )  # fmt: skip


def test_values_of_the_wrong_type_rank_and_range(server):
    for value in (np.int64([1]), np.float64([1]), np.array([b"x"]), np.array([True])):
        assert server.predict(x=value)[0] == "INVALID_ARGUMENT"
    assert server.predict("two", a=np.int64([1]), b=np.float32([1]))[0] == "INVALID_ARGUMENT"
    assert server.predict("two", a=np.int64([1, 2]), b=np.float32([[1, 2]] * 3))[0] == "INVALID_ARGUMENT"
    code, text = server.predict("positive", x=np.float32([-1]))
    assert code == "INVALID_ARGUMENT"
    assert "x must be above 0" in text
    status, document = server.post({"signature_name": "positive", "instances": [-1.0]})
    assert status == 400
    assert "x must be above 0" in document["error"]
    assert "Traceback" not in document["error"]
    assert server.predict(x=np.float32([[1, 2], [3, 4]]))["y"].tolist() == [[2.5, 3], [3.5, 4]]  # as C++: it is fed
    assert server.predict(x=np.float32([]))["y"].tolist() == []
    assert server.predict("two", x=tensor_pb2.TensorProto(dtype=1, tensor_content=b"1"), a=np.int64([1]))[0] == (
        "INVALID_ARGUMENT"
    )


def test_answers_that_a_road_cannot_carry(server):
    assert server.predict("narrow", x=np.float32([1]))["y"].tolist() == [1]
    assert server.post({"signature_name": "narrow", "instances": [1.0]}) == (
        400, {"error": "Failed to write JSON value for tensor type: half"}
    )  # fmt: skip
    assert server.post({"signature_name": "scalar", "inputs": 1.0}) == (200, {"outputs": 2.5})
    assert server.post({"signature_name": "scalar", "inputs": {"x": 1.0}}) == (200, {"outputs": 2.5})
    status, document = server.post({"signature_name": "scalar", "instances": [1.0]})
    assert (status, document) == (200, {"predictions": [2.5]})


def test_bytes_go_through(server):
    blobs = [b"\x00\xff", b"", bytes(range(256)) * 100]
    assert server.predict("echo", text_bytes=np.array(blobs, object))["text_bytes"].tolist() == blobs
    rows = [{"b64": base64.b64encode(blob).decode()} for blob in blobs]
    assert server.post({"signature_name": "echo", "instances": rows})[1]["predictions"] == rows


def test_long_texts_are_cut_on_grpc(server):
    code, text = server.predict("s" * 3000, x=np.float32([1]))
    assert code == "FAILED_PRECONDITION"
    assert len(text) == 1024 + len("...TRUNCATED")
    assert text.endswith("...TRUNCATED")


def test_methods_that_are_not_offered(server):
    calls = {
        "Classify": classification_pb2.ClassificationRequest(),
        "Regress": regression_pb2.RegressionRequest(),
        "MultiInference": inference_pb2.MultiInferenceRequest(),
    }
    for name, request in calls.items():
        with pytest.raises(grpc.RpcError) as caught:
            getattr(server.stub, name)(request)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
    assert server.post({}, "half:classify")[0] == 501


def test_metadata(server):
    request = get_model_metadata_pb2.GetModelMetadataRequest()

    def refused():
        with pytest.raises(grpc.RpcError) as caught:
            server.stub.GetModelMetadata(request)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        return caught.value.details()

    assert refused() == "Missing ModelSpec"
    request.model_spec.name = "half"
    assert refused() == "GetModelMetadataRequest must specify at least one metadata_field"
    request.metadata_field.append("other")
    assert refused() == "Metadata field other is not supported"
    request.metadata_field[:] = ["signature_def"]
    response = server.stub.GetModelMetadata(request)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["two"].inputs["a"].dtype == tf.int64.as_datatype_enum
    status, document = server.get("/v1/models/half/metadata")
    assert status == 200
    assert document["model_spec"] == {"name": "half", "signature_name": "", "version": "1"}
    x = document["metadata"]["signature_def"]["signature_def"]["serving_default"]["inputs"]["x"]
    assert x == {
        "dtype": "DT_FLOAT",
        "tensor_shape": {"dim": [{"size": "-1", "name": ""}], "unknown_rank": False},
        "name": "serving_default_x:0",
    }


@pytest.mark.parametrize(
    ("method", "path", "status", "said"),
    [
        ("PUT", "/v1/models/half:predict", 400, "Malformed request: PUT /v1/models/half:predict"),
        ("DELETE", "/v1/models/half", 400, "Malformed request: DELETE /v1/models/half"),
        ("POST", "/v1/models/half", 400, "Malformed request: POST /v1/models/half"),
        ("POST", "/v1/models/half:guess", 400, "Malformed request: POST /v1/models/half:guess"),
        ("GET", "/v1/models/half:predict", 400, "Malformed request: GET /v1/models/half:predict"),
        ("GET", "/v1/models/half/versions/x", 400, "Malformed request: GET /v1/models/half/versions/x"),
        ("GET", "/v1/models/half/versions/99999999999999999999", 400, "Failed to convert version: 9"),
        ("GET", f"/v1/models/half/versions/{'9' * 5000}", 400, "Failed to convert version: 9"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("GET", "/v2", 404, "Not found"),
        ("GET", "/../etc/passwd", 404, "Not found"),
        ("POST", "/", 404, "Not found"),
        ("POST", "/v1/models/no%0Ane:predict", 404, "Servable not found for request: Latest(no\nne)"),
    ],
)
def test_paths(server, method, path, status, said):
    request = requests.Request(method, server.url + path, data="{}" if "no%0A" not in path else '{"instances": [1]}')
    prepared = request.prepare()
    prepared.url = server.url + path  # as it is, dots included
    answer = requests.Session().send(prepared)
    assert answer.status_code == status
    assert answer.json()["error"].startswith(said)


def test_paths_are_read_as_the_server_does(server):
    row = {"instances": [1.0]}
    assert server.post(row, "ha%6cf/versions/1:predict")[0] == 200
    assert server.post(row, f"half/versions/{'0' * 5000}1:predict")[0] == 200
    assert requests.post(f"{server.url}/V1/MODELS/half:predict", json=row).status_code == 200
    for end in ("half:PREDICT", "half:predict?x=1"):
        assert server.post(row, end) == (400, {"error": f"Malformed request: POST /v1/models/{end}"})
    assert server.get("/v1/models/half?x=1") == (404, {"error": "Could not find any versions of model half?x=1"})
    assert server.get("/v1/models/half/metadata?x=1")[0] == 400
    assert "model_version_status" in server.get("/v1/models/half/METADATA")[1]
    assert requests.get(f"{server.url}/?model=half").status_code == 200  # the page is no part of the protocol
    whole = f"GET {server.url}/v1/models/half HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"  # a proxy's
    assert raw(server, whole.encode(), shut=False).startswith(b"HTTP/1.1 200")


# -- bounds


def test_a_body_that_is_too_large(server, monkeypatch):
    monkeypatch.setattr(limits, "MESSAGE_BYTES", 1000)
    for body in (b" " * 1001, (b" " * 500 for _ in range(3))):  # with a length, and in chunks
        answer = requests.post(f"{server.url}/v1/models/half:predict", data=body)
        assert answer.status_code == 413
        assert "larger than 1000 bytes" in answer.json()["error"]
    assert server.post(b'{"instances": [1.0]' + b" " * 980 + b"}")[0] == 200


def test_bodies_that_are_zipped(server, monkeypatch):
    headers = {"Content-Encoding": "gzip"}
    body = b'{"instances": [4.0]}'
    assert server.post(gzip.compress(body), headers=headers) == (200, {"predictions": [4.0]})
    assert server.post(body, headers=headers)[0] == 400
    assert server.post(gzip.compress(body)[:-9], headers=headers)[0] == 400
    monkeypatch.setattr(limits, "MESSAGE_BYTES", 1000)
    bomb = gzip.compress(body + b" " * 100_000)
    assert len(bomb) < 1000
    status, document = server.post(bomb, headers=headers)
    assert status == 413
    assert "larger than 1000 bytes" in document["error"]


@pytest.mark.parametrize("batches", [False, True])
def test_refused_requests_are_not_kept(base, batches):
    """Exceptions in a circle with a frame wait for the collector, and the frame's request with them."""
    with Asking(base, enable_batching=batches) as server:

        def refuse():
            assert server.predict("positive", x=np.float32([-1]))[0] == "INVALID_ARGUMENT"
            assert server.predict(x=np.float32([1]), z=np.float32([1]))[0] == "INVALID_ARGUMENT"
            assert server.post({"signature_name": "positive", "instances": [-1.0]})[0] == 400
            assert server.post({"instances": ["x"]})[0] == 400

        def alive():
            return [each for each in gc.get_objects() if isinstance(each, Refusal | predict_pb2.PredictRequest)]

        refuse()
        gc.collect()
        others = alive()  # of other tests
        gc.disable()
        try:
            refuse()
            end = time.monotonic() + 10
            while (kept := len(alive()) - len(others)) and time.monotonic() < end:  # until threads leave their frames
                time.sleep(0.05)
        finally:
            gc.enable()
        assert kept == 0


def test_inputs_that_the_signature_lacks_are_not_unpacked(server, monkeypatch):
    unpacked = []

    def watched(proto, *bound):
        unpacked.append(proto)
        return array_of(proto, *bound)

    monkeypatch.setattr("ganzoo.serving.standin.servable.array_of", watched)
    large = tensor_pb2.TensorProto(dtype=1, tensor_shape={"dim": [{"size": limits.TENSOR_BYTES // 4}]})
    code, text = server.predict(**{f"z{number}": large for number in range(8)})
    assert (code, text[:37]) == ("INVALID_ARGUMENT", "input size does not match signature: ")
    assert not unpacked
    a = tensor_pb2.TensorProto(dtype=9, tensor_shape={"dim": [{"size": limits.TENSOR_BYTES // 8}]})
    assert server.predict("two", a=a, b=large) == ("INVALID_ARGUMENT", "tensor parsing error: b")  # together too much


def test_a_message_that_is_too_large(server):
    blob = np.zeros(limits.MESSAGE_BYTES // 4 + 1, np.float32)
    assert server.predict(x=blob)[0] == "RESOURCE_EXHAUSTED"


def test_too_many_rows(server):
    text = f"{limits.ROWS + 1} rows"
    code, said = server.predict(x=np.zeros(limits.ROWS + 1, np.float32))
    assert code == "INVALID_ARGUMENT"
    assert text in said
    status, document = server.post({"inputs": [0.5] * (limits.ROWS + 1)})
    assert status == 400
    assert text in document["error"]
    assert len(server.predict(x=np.zeros(limits.ROWS, np.float32))["y"]) == limits.ROWS


@pytest.mark.parametrize(
    "data",
    [
        b"\x00\xff\x16\x03\x01",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/models/half:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /v1/models/half:predict HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 2 * limits.HEADER_BYTES + b"\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X: a\r\n" * 20_000 + b"\r\n",
    ],
    ids=["bytes", "version", "length", "chunk", "line", "headers"],
)  # fmt: skip
def test_what_is_no_http(server, data):
    try:
        answer = raw(server, data)
    except OSError:  # cut off while it sent too much
        return
    assert not answer or answer.startswith(b"HTTP/1.1 400")
    assert b"Traceback" not in answer


def test_a_truncated_request(server):
    head = b"POST /v1/models/half:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.server.rest_port)) as connection:
        connection.sendall(head + b'{"instances"')
    assert server.y() == 2


def test_slow_clients_wait_alone(server):
    slow = [socket.create_connection(("127.0.0.1", server.server.rest_port)) for _ in range(50)]
    for connection in slow[:25]:
        connection.sendall(b"POST /v1/models/half:pre")
    for connection in slow[25:]:
        connection.sendall(b"POST /v1/models/half:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    assert server.post({"instances": [4.0]}) == (200, {"predictions": [4.0]})
    for connection in slow:
        connection.close()


def test_clients_that_never_say_all(base, monkeypatch):
    monkeypatch.setattr(limits, "HEADER_SECONDS", 0.3)
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.3)
    with Asking(base) as server:
        assert raw(server, b"GET / HT", shut=False) == b""
        assert raw(server, b"", shut=False) == b""
        head = b"POST /v1/models/half:predict HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{"
        answer = raw(server, head, shut=False)
        assert answer.startswith(b"HTTP/1.1 408")
        assert b"did not arrive within" in answer


def test_a_client_that_does_not_read(base, monkeypatch):
    monkeypatch.setattr(limits, "HEADER_SECONDS", 0.2)
    monkeypatch.setattr(limits, "BODY_SECONDS", 0.2)
    monkeypatch.setattr(rest, "_page", lambda: rest.Response(b"x" * (64 << 20)))
    with Asking(base) as server, socket.create_connection(("127.0.0.1", server.server.rest_port)) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connections = server.server._rest._server.server_state.connections
        eventually(lambda: connections)
        eventually(lambda: not connections)


def test_connections_are_bounded(base, monkeypatch):
    monkeypatch.setattr(limits, "CONNECTIONS", 2)
    with Asking(base) as server:
        idle = [socket.create_connection(("127.0.0.1", server.server.rest_port)) for _ in range(2)]
        answer = raw(server, b"", shut=False)
        assert answer.startswith(b"HTTP/1.1 503")
        assert "too many connections" in json.loads(answer.split(b"\r\n\r\n")[1])["error"]
        for connection in idle:
            connection.close()
        page = b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n"
        eventually(lambda: raw(server, page, shut=False).startswith(b"HTTP/1.1 200"))


def test_a_request_that_takes_too_long(base):
    with Asking(base, rest_api_timeout_in_ms=1500) as server:
        assert server.post({"signature_name": "slow", "instances": [ENDLESS]}) == (
            504, {"error": "Timed out waiting for notification"}
        )  # fmt: skip
        assert server.predict("slow", n=np.int32([ENDLESS]), timeout=0.2)[0] == "DEADLINE_EXCEEDED"
        (version,) = server.server._models.available()["half"]
        eventually(lambda: not version.requests)  # what nobody waits for is given up: no thread stays with it
        assert server.y() == 2


def test_other_sites_are_kept_out(server):
    for headers in ({"Host": "evil.example"}, {"Host": "["}, {"Origin": "http://evil.example"}, {"Origin": "null"}):
        assert server.post({"instances": [1.0]}, headers=headers)[0] == 403
    for headers in ({"Host": "localhost:1"}, {"Origin": f"http://localhost:{server.server.rest_port}"}):
        assert server.post({"instances": [1.0]}, headers=headers)[0] == 200
    answer = requests.get(f"{server.url}/v1/models/half")
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_listens_on_this_machine_alone(server):
    for port in (server.server.grpc_port, server.server.rest_port):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", port), timeout=5)


def test_answers_are_not_held_back(server):
    """asyncio turns Nagle's algorithm off only for sockets that say they are TCP's; with it an answer takes 40 ms."""
    assert server.server._rest._socket.proto == socket.IPPROTO_TCP


def test_an_error_inside_is_no_traceback(server, monkeypatch):
    def broken(*_, **__):
        raise ZeroDivisionError("one line")

    monkeypatch.setattr("ganzoo.serving.standin.servable.Servable.predict", broken)
    assert server.predict(x=np.float32([1])) == ("INTERNAL", "ZeroDivisionError: one line")
    assert server.post({"instances": [1.0]}) == (500, {"error": "ZeroDivisionError: one line"})


def test_bytes_that_are_no_message(server):
    call = server.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    whole = predict_pb2.PredictRequest(model_spec={"name": "half"})
    whole.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([1, 2])))
    whole = whole.SerializeToString()
    assert predict_pb2.PredictResponse.FromString(call(whole)).outputs["y"].float_val[:] == [2.5, 3]
    for data in (whole[:-3], b"\xff" * 100):
        with pytest.raises(grpc.RpcError) as caught:
            call(data)
        assert caught.value.code() in (grpc.StatusCode.INTERNAL, grpc.StatusCode.INVALID_ARGUMENT)
        assert "Traceback" not in caught.value.details()
    with pytest.raises(grpc.RpcError) as caught:
        server.channel.unary_unary("/tensorflow.serving.PredictionService/Guess")(whole)
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_many_clients_at_once(server):
    def client(number):
        with requests.Session() as session:
            for i in range(10):
                x = float(number * 100 + i)
                answer = session.post(f"{server.url}/v1/models/half:predict", json={"instances": [x]})
                assert answer.json() == {"predictions": [x / 2 + 2]}
                assert server.y(x) == x / 2 + 2
        return True

    assert all(together(*(lambda n=n: client(n) for n in range(16))))


# -- settings


def test_raw_bytes_if_told(base):
    with Asking(base, enable_serialization_as_tensor_content=True) as server:
        request = predict_pb2.PredictRequest(model_spec={"name": "half"})
        request.inputs["x"].CopyFrom(tf.make_tensor_proto(np.float32([1, 2])))
        y = server.stub.Predict(request).outputs["y"]
        assert (list(y.float_val), y.tensor_content) == ([], np.float32([2.5, 3]).tobytes())
        assert server.post({"instances": [1.0]}) == (200, {"predictions": [2.5]})


def test_ports(base):
    with Asking(base, rest_api_port=0) as server:
        assert server.server.rest_port is None
        assert server.y() == 2
        with pytest.raises(InputError, match=rf"port {server.server.grpc_port} cannot be listened on"):
            Asking(base, port=server.server.grpc_port).server.start()
        with pytest.raises(InputError, match=rf"port {server.server.grpc_port} cannot be listened on"):
            Asking(base, rest_api_port=server.server.grpc_port).server.start()
    with pytest.raises(InputError, match="both 8500; give two"):
        Asking(base, port=8500, rest_api_port=8500)
    with pytest.raises(InputError, match="the highest is 65535"):
        Asking(base, port=65536)
    with pytest.raises(InputError, match="no model is given"):
        Asking()


def test_settings_that_contradict_each_other(base, tmp_path):
    for settings, said in (
        ({"model_config_file": tmp_path / "c"}, "both say what is served; give one"),
        ({"model_config_file_poll_wait_seconds": 1}, "without model_config_file"),
        ({"enable_per_model_batching_parameters": True}, "without enable_batching"),
    ):
        with pytest.raises(InputError, match=said):
            Asking(base, **settings)


def test_bad_input_is_told_as_such():
    failure = as_refusal(InputError("x is 3; give 4"))
    assert (failure.code, failure.text) == (grpc.StatusCode.INVALID_ARGUMENT, "x is 3; give 4")


def test_the_extra_is_named_where_it_is_missing(base, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "uvicorn" else object())
    with pytest.raises(InputError, match=r"needs uvicorn, which is not installed: pip install ganzoo\[serving\]"):
        Asking(base)


def test_stop_does_not_wait_for_a_graph_without_end(base):
    with Asking(base) as server:
        request = predict_pb2.PredictRequest(model_spec={"name": "half", "signature_name": "slow"})
        request.inputs["n"].CopyFrom(tf.make_tensor_proto(np.int32([ENDLESS])))
        answer = server.stub.Predict.future(request, timeout=15)  # after that the graph ends, and this process may
        (version,) = server.server._models.available()["half"]
        eventually(lambda: version.requests)
        server.server.stop(0.5)
        assert version.requests
        assert answer.exception().code() in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)


def test_a_server_that_ends_is_unavailable(base):
    with Asking(base) as server:
        server.server._grpc._ends.set()
        assert server.y() == ("UNAVAILABLE", "this development server ends")


# -- the page


def test_models_for_the_page(tmp_path):
    folder = write_halves(tmp_path, 4)
    (folder / "assets.extra/scores").mkdir(parents=True)
    manifest = folder / "assets.extra/ganzoo.json"
    manifest.write_text('{"variant": "dcgan", "image_shape": [8, 8, 1]}')
    record = '{"scores": [{"metric": "fid", "value": %s}]}'
    (folder / "assets.extra/scores/last.json").write_text(record % "NaN")
    (tmp_path / "4.fid.json").write_text(record % "2")
    (tmp_path / "3.fid.json").write_text(record % "3")
    for number, other in enumerate(("{", "[1]", '{"note": "x"}', '{"scores": [1]}', '{"scores": {"fid": 1}}', "null")):
        (tmp_path / f"4.other{number}.json").write_text(other)
    with Asking(tmp_path) as server:
        status, document = server.get("/ganzoo/models")
        assert status == 200
        assert document == [
            {
                "name": "half",
                "version": 4,
                "versions": [4],
                "manifest": {"variant": "dcgan", "image_shape": [8, 8, 1]},
                "signatures": [
                    "echo", "longer", "narrow", "positive", "scalar", "serving_default", "slow", "two", "until",
                ],
                "scores": [{"scores": [{"metric": "fid", "value": value}]} for value in (None, 2)],
            }
        ]  # fmt: skip
        for other in ('{"variant": "dcgan"}', "[]", "3"):
            manifest.write_text(other)
            assert server.get("/ganzoo/models")[1][0]["manifest"] is None


def test_the_page(server, tmp_path, monkeypatch):
    monkeypatch.setattr(rest, "PAGE", tmp_path / "index.html")
    assert server.get("/")[0] == 404
    (tmp_path / "index.html").write_text("<p>hello")
    answer = requests.get(f"{server.url}/")
    assert (answer.status_code, answer.text) == (200, "<p>hello")
    assert answer.headers["content-type"].startswith("text/html")


# -- a generator


def test_an_export_over_both_roads(build_tiny, tmp_path):
    gan = build_tiny("dcgan")
    ganzoo.export(gan, tmp_path)
    expected = gan.generate(3, seed=5)
    rows = {"seed": np.int64([5] * 3), "index": np.arange(3), "truncation": np.full(3, np.inf, np.float32)}
    with Asking(tmp_path) as server:
        np.testing.assert_array_equal(server.predict("sample", **rows)["images"], expected)
        instances = [{name: value.tolist()[i] for name, value in rows.items()} for i in range(3)]
        body = json.dumps({"signature_name": "sample", "instances": instances})
        status, document = server.post(body)
        assert status == 200
        np.testing.assert_array_equal(np.array(document["predictions"]), expected)
        (model,) = server.get("/ganzoo/models")[1]
        assert model["manifest"]["variant"] == "dcgan"
        code, text = server.predict("generate", seed=np.int64(1), n=np.int32(-1))
        assert code == "INVALID_ARGUMENT"
        assert "n must be 1 to" in text


# -- the tool


class Tool:
    """`tools/serve.py` in a process of its own."""

    def __init__(self, *flags):
        self.process = subprocess.Popen(
            [sys.executable, str(ROOT / "tools/serve.py"), "--port=0", "--rest_api_port=-1", *flags],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"},
        )  # fmt: skip

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()

    def lines_to(self, last):
        lines = []
        while not lines or lines[-1] != last:
            line = self.process.stdout.readline()
            assert line, self.process.stderr.read()
            lines.append(line.rstrip("\n"))
        return lines

    def end(self, number):
        self.process.send_signal(number)
        rest, errors = self.process.communicate(timeout=60)
        return self.process.returncode, rest, errors


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
def test_the_tool_answers_what_is_in_work_before_it_ends(base, number):
    with Tool(f"--model_base_path={base}", "--model_name=half") as tool:
        first = tool.lines_to("ready")[0]
        assert first.startswith("development server, not TensorFlow Serving: ")
        assert f"half ({base})" in first
        grpc_port, rest_port = (int(found) for found in re.findall(r"127\.0\.0\.1:(\d+)", first))
        url = f"http://127.0.0.1:{rest_port}/v1/models/half"
        assert requests.get(url).status_code == 200
        answers = {}

        def over_rest():
            body = {"signature_name": "slow", "instances": [250_000]}
            answers["rest"] = requests.post(f"{url}:predict", json=body).json()

        def over_grpc():
            request = predict_pb2.PredictRequest(model_spec={"name": "half", "signature_name": "slow"})
            request.inputs["n"].CopyFrom(tf.make_tensor_proto(np.int32([250_000])))
            with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
                stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
                answers["grpc"] = list(stub.Predict(request).outputs["n"].int_val)

        threads = [threading.Thread(target=over_rest), threading.Thread(target=over_grpc)]
        for thread in threads:
            thread.start()
        threading.Event().wait(0.4)
        assert not answers, "too quick to be in work: the test shows nothing"
        code, rest_of_output, errors = tool.end(number)
        for thread in threads:
            thread.join(30)
        assert answers == {"rest": {"predictions": [250_000]}, "grpc": [250_000]}
        assert code == 0, errors
        assert "Traceback" not in errors + rest_of_output
        with pytest.raises(requests.ConnectionError):
            requests.get(url)


@pytest.mark.long
def test_the_tool_ends_at_once_if_told_twice(base):
    with Tool(f"--model_base_path={base}", "--model_name=half") as tool:
        (grpc_port, _) = (int(found) for found in re.findall(r"127\.0\.0\.1:(\d+)", tool.lines_to("ready")[0]))
        request = predict_pb2.PredictRequest(model_spec={"name": "half", "signature_name": "slow"})
        request.inputs["n"].CopyFrom(tf.make_tensor_proto(np.int32([ENDLESS])))
        with grpc.insecure_channel(f"127.0.0.1:{grpc_port}") as channel:
            answer = prediction_service_pb2_grpc.PredictionServiceStub(channel).Predict.future(request)
            threading.Event().wait(1)
            tool.process.send_signal(signal.SIGTERM)
            tool.lines_to("ends: answers what is in work")
            assert tool.process.poll() is None
            code, _, errors = tool.end(signal.SIGTERM)
            assert code == 1
            assert "Traceback" not in errors
            assert answer.exception(30)


@pytest.mark.long
def test_the_tool_ends_while_it_still_loads(tmp_path):
    (write_halves(tmp_path, 1) / "saved_model.pb").write_bytes(b"\xff" * 50)
    with Tool(f"--model_base_path={tmp_path}", "--model_name=half") as tool:
        while "tries again in 60 s, 5 more" not in tool.process.stdout.readline():
            pass
        code, _, errors = tool.end(signal.SIGTERM)
        assert code == 0
        assert "Traceback" not in errors


@pytest.mark.long
def test_the_tool_says_mistakes_in_a_line(tmp_path):
    with Tool(f"--model_base_path={tmp_path}") as tool:
        output, errors = tool.process.communicate(timeout=60)
        assert tool.process.returncode == 1
        assert output.startswith("development server, not TensorFlow Serving")
        assert "ganzoo serve: Could not find a version of servable default" in errors
        assert "Traceback" not in errors


def test_errors_have_the_codes_of_http():
    expected = {
        "INVALID_ARGUMENT": 400, "FAILED_PRECONDITION": 400, "OUT_OF_RANGE": 400, "UNAUTHENTICATED": 401,
        "PERMISSION_DENIED": 403, "NOT_FOUND": 404, "ALREADY_EXISTS": 409, "ABORTED": 409, "RESOURCE_EXHAUSTED": 429,
        "CANCELLED": 499, "UNIMPLEMENTED": 501, "UNAVAILABLE": 503, "DEADLINE_EXCEEDED": 504, "UNKNOWN": 500,
        "INTERNAL": 500, "DATA_LOSS": 500,
    }  # fmt: skip
    assert {name: Refusal(getattr(grpc.StatusCode, name), "").http for name in expected} == expected
