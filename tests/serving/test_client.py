"""The client against servers of a few lines, which fail, wait and answer as they are told."""

import asyncio
import base64
import contextlib
import http.server
import io
import json
import pickle
import threading
import time
from concurrent import futures

import grpc
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow.core.framework import tensor_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from ganzoo.errors import InputError
from ganzoo.serving import AsyncClient, Client, ServingError
from ganzoo.serving.addresses import parsed
from ganzoo.serving.tensors import from_json, to_json

SIGNATURES = {
    "sample": ({"seed": "int64", "index": "int64", "truncation": "float32"}, {"images": "uint8"}),
    "sample_png": ({"seed": "int64", "index": "int64", "truncation": "float32"}, {"image_bytes": "string"}),
    "interpolate": ({"seed_from": "int64", "seed_to": "int64", "fraction": "float32"}, {"images": "uint8"}),
    "serving_default": ({"latent": "float32"}, {"images": "float32"}),
    "generate": ({"seed": "int64", "n": "int32"}, {"images": "uint8"}),
    "generate_png": ({"seed": "int64", "n": "int32"}, {"image_bytes": "string"}),
    "two": ({"latent": "float32"}, {"sums": "float64", "texts": "string"}),
}


def picture(seed, index, truncation=np.inf):
    """Returns an image uint8 [2, 3, 1] that tells seed, index and whether truncation was infinite."""
    head = [seed % 256, index % 256, 255 if np.isinf(truncation) else int(truncation * 10)]
    return np.array([*head, 1, 2, 3], np.uint8).reshape(2, 3, 1)


def png(image):
    file = io.BytesIO()
    Image.fromarray(image[..., 0]).save(file, "png")
    return file.getvalue()


def answer(signature, inputs):
    """Returns what the models of these tests give for arrays by name."""
    if signature in ("sample", "sample_png"):
        images = [picture(*row) for row in zip(inputs["seed"], inputs["index"], inputs["truncation"], strict=True)]
    elif signature in ("generate", "generate_png"):
        images = [picture(inputs["seed"], index) for index in range(inputs["n"])]
    elif signature == "interpolate":
        rows = zip(inputs["seed_from"], inputs["seed_to"], inputs["fraction"], strict=True)
        images = [picture(a, b, fraction) for a, b, fraction in rows]
    elif signature == "two":
        return {
            "sums": inputs["latent"].sum(1).astype("float64"),
            "texts": np.array([b"\xff\x00", b"b"][: len(inputs["latent"])], object),
        }
    else:
        return {"images": inputs["latent"].reshape(-1, 1, 1, 2) / 3}
    if signature.endswith("_png"):
        return {"image_bytes": np.array([png(image) for image in images], object)}
    return {"images": np.array(images)}


def definitions():
    signatures = get_model_metadata_pb2.SignatureDefMap()
    for name, sides in SIGNATURES.items():
        signature = signatures.signature_def[name]
        for types, infos in zip(sides, (signature.inputs, signature.outputs), strict=True):
            for each, dtype in types.items():
                infos[each].dtype = tf.as_dtype(dtype).as_datatype_enum
                infos[each].tensor_shape.dim.add(size=-1)
    # As TensorFlow writes it, without a type, and servers tell it.
    signatures.signature_def["__saved_model_init_op"].outputs["__saved_model_init_op"].name = "NoOp"
    return signatures


class Script:
    """What a server does before it answers: `failures` times it is unavailable, then it waits `delay` seconds."""

    def __init__(self):
        self.failures, self.delay, self.asked, self.content, self.refusal = 0, 0.0, [], False, None


FIELDS = {"uint8": "int_val", "float32": "float_val", "float64": "double_val", "object": "string_val"}


def typed(array, content):
    """Returns a TensorProto with typed fields, as TensorFlow Serving writes them by default, or with its content."""
    if content and array.dtype != object:
        return tf.make_tensor_proto(array, shape=array.shape)
    proto = tensor_pb2.TensorProto(dtype=tf.as_dtype(array.dtype).as_datatype_enum)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    getattr(proto, FIELDS[array.dtype.name]).extend(array.ravel().tolist())
    return proto


class Predictions(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, script):
        self.script = script

    def Predict(self, request, context):
        script = self.script
        script.asked.append(request)
        if script.failures:
            script.failures -= 1
            context.abort(grpc.StatusCode.UNAVAILABLE, "not now")
        if script.refusal:
            context.abort(*script.refusal)
        time.sleep(script.delay)
        inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
        outputs = answer(request.model_spec.signature_name, inputs)
        return predict_pb2.PredictResponse(
            outputs={name: typed(array, script.content) for name, array in outputs.items()}
        )

    def GetModelMetadata(self, request, context):
        if self.script.refusal:
            context.abort(*self.script.refusal)
        response = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
        response.model_spec.version.value = 7
        response.metadata["signature_def"].Pack(definitions())
        return response


class Models(model_service_pb2_grpc.ModelServiceServicer):
    def GetModelStatus(self, request, context):
        response = get_model_status_pb2.GetModelStatusResponse()
        failed = response.model_version_status.add(version=8, state=50)
        failed.status.error_code, failed.status.error_message = 13, "half a file"
        response.model_version_status.add(version=7, state=30)
        return response


class Handler(http.server.BaseHTTPRequestHandler):
    """The REST form, as TensorFlow Serving spells it; `script` is the server's."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        script = self.server.script
        text = self.rfile.read(int(self.headers["Content-Length"]))
        script.asked.append((self.path, text))
        if script.failures:
            script.failures -= 1
            return self.say(503, {"error": "not now"})
        if script.refusal:
            return self.say(*script.refusal)
        time.sleep(script.delay)
        body = json.loads(text)
        inputs = {
            name: np.array(value, SIGNATURES[body["signature_name"]][0][name]) for name, value in body["inputs"].items()
        }
        outputs = {
            name: [{"b64": base64.b64encode(each).decode()} for each in array] if array.dtype == object
            else array.tolist()
            for name, array in answer(body["signature_name"], inputs).items()
        }  # fmt: skip
        (bare,) = outputs.values() if len(outputs) == 1 else [outputs]
        return self.say(200, {"outputs": bare})

    def do_GET(self):
        from google.protobuf import json_format

        if self.server.script.refusal:
            return self.say(*self.server.script.refusal)
        if self.path.endswith("/metadata"):
            signatures = json_format.MessageToDict(definitions(), preserving_proto_field_name=True)
            spec = {"name": "m", "signature_name": "", "version": "7"}
            return self.say(200, {"model_spec": spec, "metadata": {"signature_def": signatures}})
        failed = {"version": "8", "state": "END", "status": {"error_code": "INTERNAL", "error_message": "half a file"}}
        good = {"version": "7", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        return self.say(200, {"model_version_status": [failed, good]})

    def say(self, status, what):
        text = what if isinstance(what, bytes) else json.dumps(what).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        for part in np.array_split(np.frombuffer(text, np.uint8), 8):  # in pieces: a slow server writes slowly
            self.wfile.write(part.tobytes())
            time.sleep(self.server.script.trickle)

    def log_message(self, *_):
        pass


OPTIONS = [("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]


@contextlib.contextmanager
def over_grpc(script, port=0):
    server = grpc.server(
        futures.ThreadPoolExecutor(4), options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", -1)]
    )
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(Predictions(script), server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(Models(), server)
    port = server.add_insecure_port(f"127.0.0.1:{port}")
    server.start()
    try:
        yield f"grpc://127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@contextlib.contextmanager
def over_rest(script, port=0):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.daemon_threads = True
    server.script = script
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


ROADS = {"grpc": over_grpc, "rest": over_rest}


@pytest.fixture
def script():
    script = Script()
    script.trickle = 0
    return script


@pytest.fixture(params=ROADS)
def road(request):
    return request.param


@pytest.fixture
def client(road, script):
    with ROADS[road](script) as address, Client(address, "m", timeout_seconds=5) as client:
        yield client


def pictures(seed, indices, truncation=np.inf):
    return np.array([picture(seed, index, truncation) for index in indices])


@pytest.mark.parametrize("content", [False, True])
def test_images_by_seed_and_index(client, script, content):
    script.content = content
    images = client.sample(70, seed=3)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(images, pictures(3, range(70)))
    np.testing.assert_array_equal(client.sample(2, 4, 1.5, first=-1), pictures(4, [-1, 0], 1.5))
    assert client.sample_png(2, 5) == [png(picture(5, 0)), png(picture(5, 1))]
    np.testing.assert_array_equal(client.generate(3, seed=6), pictures(6, range(3)))
    np.testing.assert_array_equal(
        client.interpolate(3, 9, [0.0, 0.5, 1.0]), [picture(3, 9, 0.0), picture(3, 9, 0.5), picture(3, 9, 1.0)]
    )


def rows_asked(asked):
    """Returns how many rows each request has."""
    if isinstance(asked[0], tuple):
        return [len(json.loads(text)["inputs"]["seed"]) for _, text in asked]
    return [len(tf.make_ndarray(request.inputs["seed"])) for request in asked]


def test_batches_are_whole(client, script):
    """Another batch size takes other kernels, which round differently."""
    client.sample(70)
    assert rows_asked(script.asked) == [64, 64]


def test_floats_are_equal_to_the_bit(client):
    latents = np.random.default_rng(0).normal(size=(130, 2)).astype(np.float32)
    images = client.images(latents)
    assert images.dtype == np.float32
    np.testing.assert_array_equal(images, latents.reshape(-1, 1, 1, 2) / np.float32(3))


def test_several_outputs(client):
    outputs = client.predict("two", latent=[[1, 2], [3, 4]])
    np.testing.assert_array_equal(outputs["sums"], [3.0, 7.0])
    assert (outputs["sums"].dtype, outputs["texts"].tolist()) == (np.float64, [b"\xff\x00", b"b"])


def test_metadata_and_status(client):
    metadata = client.metadata()
    assert (metadata.name, metadata.version) == ("m", 7)
    assert set(metadata.signatures) == {*SIGNATURES, "__saved_model_init_op"}
    assert metadata.signatures["sample"].inputs["seed"].dtype == np.int64
    assert metadata.signatures["sample_png"].outputs["image_bytes"].dtype == object
    assert metadata.signatures["sample"].outputs["images"].shape == (None,)
    failed, good = client.status()
    assert (failed.version, failed.state, failed.code, failed.message) == (8, "END", "INTERNAL", "half a file")
    assert (good.version, good.state, good.code) == (7, "AVAILABLE", "OK")
    assert client.wait_until_available(1).version == 7


@pytest.mark.parametrize("which", [{"version": 3}, {"label": "a b"}, {}])
def test_version_and_label_are_named(road, script, which):
    with ROADS[road](script) as address, Client(address, "m m", **which) as client:
        client.predict("generate", seed=1, n=1)
    (asked,) = script.asked
    if road == "rest":
        end = {"version": "/versions/3", "label": "/labels/a%20b", None: ""}[next(iter(which), None)]
        assert asked[0] == f"/v1/models/m%20m{end}:predict"
    else:
        assert asked.model_spec.name == "m m"
        assert asked.model_spec.version_label == which.get("label", "")
        assert asked.model_spec.HasField("version") == ("version" in which)


def test_unavailable_is_tried_again(client, script):
    client.metadata()
    script.failures = 2
    np.testing.assert_array_equal(client.generate(1, 3), pictures(3, [0]))
    assert len(script.asked) == 3


def test_attempts_end(client, script):
    client.metadata()
    script.failures = 1000
    with pytest.raises(ServingError, match="not now") as caught:
        client.generate(1, 3)
    assert caught.value.code == "UNAVAILABLE"
    assert len(script.asked) == 5


def test_no_retries_where_none_are_wanted(road, script):
    with ROADS[road](script) as address, Client(address, "m", attempts=1) as client:
        client.metadata()
        script.failures = 1
        with pytest.raises(ServingError, match="UNAVAILABLE: not now"):
            client.generate(1)
    assert len(script.asked) == 1


def test_a_refusal_is_not_tried_again(client, script, road):
    client.metadata()
    script.refusal = (grpc.StatusCode.INVALID_ARGUMENT, "n: too many")
    if road == "rest":
        script.refusal = (400, {"error": "n: too many"})
    with pytest.raises(ServingError) as caught:
        client.generate(10**6)
    assert (caught.value.code, caught.value.text) == ("INVALID_ARGUMENT", "n: too many")
    assert str(client.address) in str(caught.value)
    assert len(script.asked) == 1
    copy = pickle.loads(pickle.dumps(caught.value))  # what a process of a pool sends
    assert (copy.code, str(copy)) == ("INVALID_ARGUMENT", str(caught.value))


@pytest.mark.parametrize(
    ("status", "code"),
    [(404, "NOT_FOUND"), (429, "RESOURCE_EXHAUSTED"), (501, "UNIMPLEMENTED"), (302, "UNKNOWN"), (500, "INTERNAL")],
)
def test_http_statuses_have_codes(script, status, code):
    with over_rest(script) as address, Client(address, "m") as client:
        script.refusal = (status, b"<html>")  # not by the model server, but by something before it
        with pytest.raises(ServingError, match="<html>") as caught:
            client.metadata()
    assert caught.value.code == code


@pytest.mark.parametrize("said", [b"", b"nonsense", b"[1]", b"{}", b'{"outputs": [[1, 2], [3]]}', b'{"outputs": 1}'])
def test_an_answer_that_is_none(script, said):
    with over_rest(script) as address, Client(address, "m") as client:
        client.metadata()
        script.refusal = (200, said)
        with pytest.raises(ServingError, match="the answer is not that of a model server") as caught:
            client.predict("generate_png", seed=0, n=1)
        assert caught.value.code == "UNKNOWN"
        with pytest.raises(ServingError, match="the answer is not that of a model server"):
            client.metadata()


def test_the_deadline_holds(road, script):
    with ROADS[road](script) as address, Client(address, "m", timeout_seconds=0.3) as client:
        client.metadata()
        script.delay = 1.0
        start = time.monotonic()
        with pytest.raises(ServingError) as caught:
            client.generate(1)
    assert caught.value.code == "DEADLINE_EXCEEDED"
    assert time.monotonic() - start < 3  # not five attempts of a second, nor for ever
    assert len(script.asked) == 1


@pytest.mark.parametrize("trickle", [0.1, 1.0])
def test_the_deadline_holds_for_what_comes_in_drops(script, trickle):
    """requests' own time-out is one of silence."""
    with over_rest(script) as address, Client(address, "m", timeout_seconds=0.4) as client:
        client.metadata()
        script.trickle = trickle
        with pytest.raises(ServingError, match="no answer within") as caught:
            client.generate(1)
    assert caught.value.code == "DEADLINE_EXCEEDED"


def free_port():
    import socket

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return bound.getsockname()[1]


def test_a_server_that_is_not_there(road):
    scheme = {"grpc": "grpc", "rest": "http"}[road]
    with Client(f"{scheme}://127.0.0.1:{free_port()}", "m", attempts=2) as client:
        with pytest.raises(ServingError, match="UNAVAILABLE"):
            client.sample(1)
        with pytest.raises(ServingError, match="not available after") as caught:
            client.wait_until_available(0.3)
        assert caught.value.code == "DEADLINE_EXCEEDED"


def test_a_server_that_comes_later(road, script):
    scheme, port = {"grpc": "grpc", "rest": "http"}[road], free_port()
    with (
        Client(f"{scheme}://127.0.0.1:{port}", "m") as client,
        futures.ThreadPoolExecutor(1) as pool,
    ):
        waiting = pool.submit(client.wait_until_available, 20)
        time.sleep(0.3)
        with ROADS[road](script, port):
            assert waiting.result().version == 7
        with ROADS[road](script, port):  # stopped and started: the old connection is of no use
            np.testing.assert_array_equal(client.sample(1, 3), pictures(3, [0]))


def test_large_answers(script):
    """gRPC's own limit is 4 MiB."""
    latents = np.zeros((1, 2_200_000), np.float32)
    with over_grpc(script) as address, Client(address, "m") as client:
        assert client.predict("serving_default", latent=latents)["images"].nbytes == latents.nbytes


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({"seed": 1.5, "n": 1}, "seed=1.5 does not fit into int64"),
        ({"seed": 2**63, "n": 1}, "seed=9223372036854775808 does not fit into int64"),
        ({"seed": 1, "n": 2**31}, "n=2147483648 does not fit into int32"),
        ({"seed": "one", "n": 1}, "seed='one' does not fit into int64"),
        ({"seed": None, "n": 1}, "seed=None does not fit into int64"),
    ],
)
def test_what_does_not_fit_is_not_sent(client, script, inputs, said):
    with pytest.raises(InputError, match=said):
        client.predict("generate", **inputs)
    assert not script.asked


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"n": 0}, "n=0: nothing to sample"),
        ({"n": 1, "truncation": -1.0}, "truncation=-1.0: give standard deviations"),
        ({"n": 1, "truncation": float("nan")}, "truncation=nan"),
        ({"n": 1, "seed": 2**63}, "seed=9223372036854775808"),
        ({"n": 1, "first": 2**63 - 1}, "first=9223372036854775807"),
    ],
)
def test_impossible_samples(client, script, arguments, said):
    with pytest.raises(InputError, match=said):
        client.sample(**arguments)
    with pytest.raises(InputError, match="no row is asked for"):
        client.interpolate(1, 2, [])
    assert not script.asked


def test_float32_that_float64_overflows(client):
    with pytest.raises(InputError, match="does not fit into float32"):
        client.predict("serving_default", latent=[[1e300, 0]])


@pytest.mark.parametrize(
    ("text", "arguments", "expected"),
    [
        ("h:8500", {"model": "m"}, "grpc://h:8500/m"),
        ("[::1]:8500", {"model": "m"}, "grpc://[::1]:8500/m"),
        ("grpc://h:1/m/3", {}, "grpc://h:1/m/versions/3"),
        ("grpc://h:1/m", {"label": "x"}, "grpc://h:1/m/labels/x"),
        ("http://h:1", {"model": "m", "version": 0}, "http://h:1/v1/models/m/versions/0"),
        ("http://h:1/v1/models/m%20m/labels/st", {}, "http://h:1/v1/models/m%20m/labels/st"),
        ("https://h/behind/v1/models/m/versions/3", {"version": 3}, "https://h/behind/v1/models/m/versions/3"),
    ],
)
def test_addresses(text, arguments, expected):
    assert str(parsed(text, **arguments)) == expected


@pytest.mark.parametrize(
    ("text", "arguments", "said"),
    [
        ("h", {"model": "m"}, "'h' is no address of a server; give host:port"),
        ("", {"model": "m"}, "'' is no address"),
        ("h:port", {"model": "m"}, "is no address"),
        ("ftp://h:1/m", {}, "is no address"),
        ("http://[::1/v1", {}, "is no address"),
        ("grpc://h:1/m/a/b", {}, "is no address"),
        ("http://h:1/v1/models/m:predict", {}, "is no address"),
        ("grpc://h:1", {}, "names no model"),
        ("http://h:1/v1/models/", {}, "names no model"),
        ("grpc://h:1/m/3", {"version": 2}, "version=2 is not that of the address"),
        ("grpc://h:1/m/3", {"label": "x"}, "give one of them"),
        ("h:1", {"model": "m", "version": -1}, "version=-1"),
        ("h:1", {"model": "m", "timeout_seconds": 0}, "timeout_seconds=0"),
        ("h:1", {"model": "m", "attempts": 0}, "attempts=0"),
    ],
)
def test_impossible_addresses(text, arguments, said):
    with pytest.raises(InputError, match=said.replace("[", r"\[")):
        Client(text, **arguments)


def test_many_at_once(client):
    """A client may be shared by threads: each gets what it asked for."""
    with futures.ThreadPoolExecutor(8) as pool:
        for seed, images in enumerate(pool.map(client.generate, [3] * 40, range(40))):
            np.testing.assert_array_equal(images, pictures(seed, range(3)))


def test_asynchronously(script):
    async def ask(address):
        async with AsyncClient(address, "m", timeout_seconds=5) as client:
            many = await asyncio.gather(*(client.sample(70, seed) for seed in range(4)))
            script.failures = 2
            again = await client.predict("generate", seed=9, n=1)
            script.refusal = (grpc.StatusCode.NOT_FOUND, "no such model")
            with pytest.raises(ServingError, match="NOT_FOUND: no such model"):
                await client.metadata()
            with pytest.raises(InputError, match="n=0"):
                await client.sample(0)
        return many, again

    with over_grpc(script) as address:
        many, again = asyncio.run(ask(address))
    for seed, images in enumerate(many):
        np.testing.assert_array_equal(images, pictures(seed, range(70)))
    np.testing.assert_array_equal(again["images"], pictures(9, [0]))
    with pytest.raises(InputError, match="AsyncClient speaks gRPC"):
        AsyncClient("http://h:1", "m")


def test_many_batches_do_not_share_a_deadline(script):
    """Twelve batches take three seconds where four are answered at once."""
    script.delay = 1.0

    async def ask(address):
        async with AsyncClient(address, "m", timeout_seconds=2.5) as client:
            return await client.sample(12 * 64, 3)

    with over_grpc(script) as address:
        np.testing.assert_array_equal(asyncio.run(ask(address)), pictures(3, range(12 * 64)))
        script.refusal = (grpc.StatusCode.NOT_FOUND, "no such model")
        with pytest.raises(ServingError, match="NOT_FOUND: no such model"):
            asyncio.run(ask(address))


VALUES = {
    "float32": [[1.5, -np.inf], [np.nan, 1e-45]],
    "float64": [1e300],
    "int32": [-(2**31)],
    "int64": [-(2**63), 2**63 - 1],
    "uint8": [[0], [255]],
    "uint64": [2**64 - 1],
    "bool": [True, False],
    "object": [b"\xff\x00", b""],
}


@pytest.mark.parametrize("name", VALUES)
def test_arrays_as_json_and_back(name):
    array = np.array(VALUES[name], name)
    text = json.dumps(to_json(array))
    np.testing.assert_array_equal(from_json(json.loads(text), array.dtype), array)
    assert from_json(json.loads(text), array.dtype).dtype == array.dtype
