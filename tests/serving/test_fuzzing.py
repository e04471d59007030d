"""Nonsense on both ports: the server answers or closes, and lives on with the right pixels; seeded, to be replayed."""

import contextlib
import copy
import json
import random
import socket

import grpc
import models
import numpy as np
import pytest
import requests
import tensorflow as tf
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from ganzoo.serving import Client

NAME = models.NAME
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\x00\x00\x00\x04\x00\x00\x00\x00\x00"  # and an empty SETTINGS frame
PREDICT = "/tensorflow.serving.PredictionService/Predict"
METHODS = (
    PREDICT,
    "/tensorflow.serving.PredictionService/GetModelMetadata",
    "/tensorflow.serving.ModelService/GetModelStatus",
    "/tensorflow.serving.PredictionService/Classify",
    "/no.such.Service/Method",
)
ANSWERED = {200, 400, 404, 405, 408, 411, 413, 414, 415, 417, 429, 431, 501, 503, 504, 505}


@pytest.fixture(autouse=True)
def lives_on(target, gans):
    """Asserts after each test that the same process still answers, rightly, on both roads."""
    expected = gans[max(gans)].generate(64, seed=77)
    yield
    for address in (target.grpc, target.rest):
        with Client(address, NAME) as client:
            apart = np.abs(client.sample(64, seed=77).astype(int) - expected)
            assert apart.max() <= (0 if target.pid else 1)


def whole_request():
    """Returns a valid PredictRequest, as bytes."""
    message = PredictRequest()
    message.model_spec.name, message.model_spec.signature_name = NAME, "sample"
    for name, value in (("seed", np.arange(3)), ("index", np.arange(3)), ("truncation", np.ones(3, np.float32))):
        message.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return message.SerializeToString()


def flipped(data, chance, bits=4):
    """Returns bytes with some bits turned over."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, bits)):
        changed[chance.randrange(len(changed))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def exchanged(target, port, data):
    """Returns what a server says to bytes on a connection of their own, until it closes or has nothing to say."""
    with socket.create_connection((target.host, port), timeout=10) as connection:
        said = b""
        with contextlib.suppress(OSError):  # closed on us
            connection.sendall(data)
            connection.settimeout(0.2)
            with contextlib.suppress(TimeoutError):
                said = connection.recv(1 << 16)
            connection.shutdown(socket.SHUT_WR)  # no more will come: a server that waits for it may give up
            connection.settimeout(1)
            while piece := connection.recv(1 << 16):
                said += piece
    return said


def test_bytes_on_both_ports(target):
    chance = random.Random(1)
    for number in range(30):
        noise = chance.randbytes(chance.choice([1, 7, 100, 3000]))
        exchanged(target, target.grpc_port, noise if number % 2 else PREFACE + noise)
        said = exchanged(target, target.rest_port, noise)
        assert not said or said.startswith(b"HTTP/1."), said[:100]


def test_http_requests_with_bits_turned(target):
    chance = random.Random(2)
    body = json.dumps({"signature_name": "generate", "inputs": {"seed": 1, "n": 1}}).encode()
    head = f"POST /v1/models/{NAME}:predict HTTP/1.1\r\nHost: {target.host}\r\nContent-Length: {len(body)}\r\n"
    head += f"X-Padding: {'a' * 200}\r\n\r\n"  # where a bit may turn without harm
    whole, statuses = head.encode() + body, set()
    for number in range(80):
        data = flipped(whole, chance) if number % 4 else whole[: chance.randrange(len(whole))]
        said = exchanged(target, target.rest_port, data)
        assert not said or said.startswith(b"HTTP/1."), said[:100]
        statuses.add(said[9:12])
    assert {b"200", b"400"} <= statuses


@pytest.mark.parametrize(
    "head",
    [
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 99999999999999\r\n\r\n",
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: -5\r\n\r\n",
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Length: ten\r\n\r\n",
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\n\r\nZZ\r\n",
        "POST {path} HTTP/1.1\r\nHost: {host}\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        "GET /v1/models/%ff%00%zz HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET /{long} HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET /../../../../etc/passwd HTTP/1.1\r\nHost: {host}\r\n\r\n",
        "GET {path} HTTP/1.1\r\nHost: {host}\r\nX: {long}\r\n\r\n",
    ],
)
def test_heads_that_lie(target, head):
    data = head.format(host=target.host, path=f"/v1/models/{NAME}:predict", long="a" * 200_000).encode()
    said = exchanged(target, target.rest_port, data)
    assert not said or int(said.split(b" ")[1]) in ANSWERED, said[:200]
    assert b"root:" not in said


def test_messages_with_bits_turned(target):
    """Whatever a message says, it gets an answer or a status, in time."""
    chance, whole = random.Random(3), whole_request()
    with grpc.insecure_channel(f"{target.host}:{target.grpc_port}") as channel:
        codes = set()
        for number in range(200):
            data = flipped(whole, chance)
            if number % 5 == 0:
                data = whole[: chance.randrange(len(whole))]
            if number % 5 == 1:
                data = chance.randbytes(chance.randrange(1, 300))
            try:
                channel.unary_unary(PREDICT if number % 3 else chance.choice(METHODS))(data, timeout=20)
                codes.add("OK")
            except grpc.RpcError as error:
                codes.add(error.code().name)
    assert not codes & {"DEADLINE_EXCEEDED", "UNAVAILABLE", "UNKNOWN"}, codes
    assert {"OK", "INVALID_ARGUMENT"} <= codes


VALUES = [
    None, True, False, 0, -1, 1.5, 2**31, 2**63, 2**64, -(2**63) - 1, 10**400, 1e308, float("nan"), float("inf"), "",
    "seed", "\ud800", "\x00", [], [[]], [None], {}, {"b64": "!!"}, {"b64": "AAAA"}, {"b64": 3}, [[1], [1, 2]],
    {"seed": {"seed": 1}}, [0] * 40, "x" * 5000,
]  # fmt: skip
SEEDS = [
    {"signature_name": "sample", "instances": [{"seed": 1, "index": 2, "truncation": 1.0}] * 2},
    {"signature_name": "sample_png", "inputs": {"seed": [1, 2], "index": [3, 4], "truncation": [1.0, 2.0]}},
    {"signature_name": "interpolate", "instances": [{"seed_from": 1, "seed_to": 2, "fraction": 0.5}]},
    {"signature_name": "generate", "inputs": {"seed": 1, "n": 2}},
    {"instances": [[0.1] * models.LATENT_DIM] * 2},
]


def mutated(value, chance):
    """Returns JSON with one place of it changed: a value put in, taken out, wrapped, doubled or misnamed."""
    places = list(within(value))
    holder, key = chance.choice(places)
    what = chance.randrange(6)
    if what == 0 and isinstance(holder, dict):
        holder[f"{key}{chance.choice(['', '_', chr(0)])}2"] = holder.pop(key)
    elif what == 1:
        del holder[key]
    elif what == 2:
        holder[key] = [holder[key]] if chance.random() < 0.5 else {"instances": holder[key]}
    elif what == 3 and isinstance(holder, list):
        holder.append(copy.deepcopy(chance.choice([chance.choice(VALUES), holder[key]])))
    else:
        holder[key] = copy.deepcopy(chance.choice(VALUES))


def within(value):
    """Yields each (container, key) in a JSON value."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in list(items):
        yield value, key
        yield from within(each)


def test_json_of_every_shape(target):
    chance, statuses = random.Random(4), set()
    with requests.Session() as session:
        for _ in range(250):
            body = copy.deepcopy(chance.choice(SEEDS))
            for _ in range(chance.randint(1, 3)):
                if list(within(body)):
                    mutated(body, chance)
            answer = session.post(f"{target.rest}/v1/models/{NAME}:predict", data=json.dumps(body), timeout=30)
            said = answer.json()
            assert answer.status_code in ANSWERED, (body, said)
            assert list(said) == {200: list(said)}.get(answer.status_code, ["error"])
            statuses.add(answer.status_code)
    assert {200, 400} <= statuses
    assert not statuses & {503, 504}


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"instances":' * 50_000,
        '{"instances": ' + "[" * 5_000 + "]" * 5_000 + "}",
        '{"instances": [' + "1" * 100_000 + "]}",
        '{"instances": [1e999999999]}',
        '{"signature_name": "sample", "signature_name": "generate", "inputs": {"seed": 1, "n": 1}}',
        '{"inputs": {"latent": ' + "[" * 200 + "0" + "]" * 200 + "}}",
        "\ufeff{}",
        '{"instances": [1]} trailing',
        "{'instances': [1]}",
        '{"instances": [0x10]}',
        '{"instances": [NaN, Infinity, -Infinity]}',
        "nul",
    ],
)
def test_json_that_is_hard_to_read(target, text):
    answer = requests.post(f"{target.rest}/v1/models/{NAME}:predict", data=text.encode(), timeout=30)
    assert answer.status_code in ANSWERED
    assert answer.json().keys() & {"error", "outputs", "predictions"}


def test_a_small_message_that_names_a_large_tensor(target):
    """A TensorProto's last value stands for all that follow: thirty bytes may mean gigabytes."""
    if not target.pid:
        pytest.skip("not against a server that is not ours")
    message = PredictRequest.FromString(whole_request())
    for size in (2**20, 2**40, 2**62, -1):
        for proto in message.inputs.values():
            proto.tensor_shape.dim[0].size = size
            proto.ClearField("tensor_content")
        with (
            grpc.insecure_channel(f"{target.host}:{target.grpc_port}") as channel,
            pytest.raises(grpc.RpcError) as caught,
        ):
            channel.unary_unary(PREDICT)(message.SerializeToString(), timeout=30)
        assert caught.value.code().name in ("INVALID_ARGUMENT", "RESOURCE_EXHAUSTED")


def test_connections_that_say_nothing(target):
    idle = [
        socket.create_connection((target.host, port), timeout=5)
        for port in (target.grpc_port, target.rest_port)
        for _ in range(50)
    ]
    try:
        with Client(target.rest, NAME) as client:
            assert client.generate(1).shape == (1, *models.IMAGE_SHAPE)
    finally:
        for each in idle:
            each.close()
