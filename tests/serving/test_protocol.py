"""The contract of TensorFlow Serving, by target: the development server always, the real one where it is named.

The real server is to serve what `python tests/serving/models.py DIR` writes, see there, and is named by the variable
GANZOO_TF_SERVING=host:grpc_port:rest_port. Texts are those of its sources; where TensorFlow itself makes a text, or the
parser of JSON does, the code alone is asked for.
"""

import asyncio
import contextlib
import json

import grpc
import models
import numpy as np
import pytest
import requests
import tensorflow as tf
from google.protobuf import json_format
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub

from ganzoo.data import pixels
from ganzoo.exported import open_generator
from ganzoo.noise import latents, slerp
from ganzoo.serving import AsyncClient, Client, ServingError
from ganzoo.serving.client import decoded
from ganzoo.serving.tensors import array_of

NAME = models.NAME
ROADS = ("grpc", "rest")
NEWEST = max(models.LABELS.values())


@pytest.fixture(scope="module", params=ROADS)
def client(request, target):
    """Returns a client of the newest version, over each road."""
    with Client(getattr(target, request.param), NAME, timeout_seconds=60) as client:
        yield client


@pytest.fixture(scope="module")
def stubs(target):
    """Returns the official stubs of both services, with gRPC's own limits."""
    with grpc.insecure_channel(f"{target.host}:{target.grpc_port}") as channel:
        yield PredictionServiceStub(channel), ModelServiceStub(channel)


@pytest.fixture(scope="module")
def generators(written):
    """Returns version -> the SavedModel in process."""
    return {version: open_generator(written / NAME / str(version)) for version in models.LABELS.values()}


def rows(count, seed=0, first=0, truncation=np.inf):
    index = np.arange(first, first + count)
    return {"seed": np.full_like(index, seed), "index": index, "truncation": np.full(count, truncation, np.float32)}


def in_process(generator, signature, inputs):
    """Returns the output of a SavedModel's signature, computed here."""
    tensors = {name: tf.constant(value) for name, value in inputs.items()}
    (output,) = generator.model.signatures[signature](**tensors).values()
    return output.numpy()


def assert_same(images, expected, target=None):
    """Asserts uint8 images to be equal; where they were computed elsewhere, within a level in 1e-4 of the values."""
    assert images.dtype == expected.dtype == np.uint8
    assert images.shape == expected.shape
    if target is None or target.name == "standin":
        np.testing.assert_array_equal(images, expected)
    else:  # another build of TensorFlow may take other kernels
        assert_near(images, expected)


def assert_near(images, expected):
    """Asserts uint8 images to be within a level, in 1e-4 of the values; in one, of a few images."""
    apart = np.abs(images.astype(int) - expected)
    assert apart.max() <= 1
    assert np.count_nonzero(apart) <= max(1, 1e-4 * apart.size)


@pytest.mark.usefixtures("real")
def test_the_contract_is_checked_against_tensorflow_serving(target):
    assert target


# -- the same pixels everywhere


def test_the_images_are_not_all_alike(gans):
    """Or the rest could not fail."""
    images = gans[NEWEST].generate(4)
    assert len(np.unique(images)) > 100
    assert all(np.abs(images[0].astype(int) - images[i]).max() > 20 for i in (1, 2, 3))
    assert np.abs(images.astype(int) - gans[1].generate(4)).max() > 20


def test_samples_are_those_of_generate(client, target, gans, generators):
    images = gans[NEWEST].generate(130, seed=3)
    assert_same(generators[NEWEST].sample(130, seed=3), images)
    assert_same(client.sample(130, seed=3), images, target)
    assert_same(client.sample(20, seed=3, first=7), images[7:27], target)
    assert_same(decoded(client.sample_png(5, seed=3)), images[:5], target)
    assert_same(client.sample(5, seed=3, truncation=0.5), gans[NEWEST].generate(5, seed=3, truncation=0.5), target)


@pytest.mark.parametrize("count", [1, 3, 64])
def test_samples_at_equal_batch(client, target, generators, count):
    asked = rows(count, seed=-5, first=2**40)
    expected = in_process(generators[NEWEST], "sample", asked)
    assert_same(client.predict("sample", **asked)["images"], expected, target)
    assert_same(decoded(client.predict("sample_png", **asked)["image_bytes"]), expected, target)


def test_batch_one_is_within_a_level_of_batch_64(client, gans):
    images = gans[NEWEST].generate(48, seed=1)
    single = [client.predict("sample_png", **rows(1, 1, index))["image_bytes"] for index in range(48)]
    assert_near(np.concatenate([decoded(each) for each in single]), images)


def test_latents_are_those_of_the_noise(client, gans):
    """`sample` is `serving_default` of the latents that ganzoo draws, rounded."""
    index = np.arange(64)
    latent = latents(index * 0 + 3, index, models.LATENT_DIM, prior=gans[NEWEST].prior).numpy()
    floats = client.images(latent)
    assert floats.dtype == np.float32
    np.testing.assert_allclose(floats, gans[NEWEST](latent).numpy(), atol=1e-5)
    assert_near(pixels(floats).numpy(), client.sample(64, seed=3))


def test_a_walk(client, target, gans, generators):
    fraction = np.linspace(0, 1, 5, dtype=np.float32)
    walk = client.interpolate(11, 12, fraction)
    ends = [client.sample(1, seed)[0] for seed in (11, 12)]
    assert_near(walk[[0, -1]], np.array(ends))
    zero = np.zeros(5, np.int64)
    prior = gans[NEWEST].prior
    ways = slerp(*(latents(zero + seed, zero, models.LATENT_DIM, prior=prior) for seed in (11, 12)), fraction)
    assert_near(walk, pixels(gans[NEWEST](ways)).numpy())
    asked = {"seed_from": zero + 11, "seed_to": zero + 12, "fraction": fraction}
    expected = in_process(generators[NEWEST], "interpolate", asked)
    assert_same(client.predict("interpolate", **asked)["images"], expected, target)


@pytest.mark.parametrize("n", [1, 3, 64, 256])
def test_generate(client, target, generators, n):
    asked = {"seed": np.int64(4), "n": np.int32(n)}
    expected = in_process(generators[NEWEST], "generate", asked)
    assert_same(client.generate(n, seed=4), expected, target)
    assert_same(decoded(client.predict("generate_png", **asked)["image_bytes"]), expected, target)


def test_points(target, written):
    expected = models.toy().generate(70, seed=2)
    for road in ROADS:
        with Client(getattr(target, road), models.POINTS) as client:
            points = client.sample(70, seed=2)
            assert points.dtype == np.float32
            np.testing.assert_allclose(points, expected, atol=1e-5)
            assert client.interpolate(1, 2, [0.5]).shape == (1, 2)
            assert "sample_png" not in client.metadata().signatures


def test_asynchronously(target, gans):
    async def ask():
        async with AsyncClient(target.grpc, NAME) as client:
            assert (await client.metadata()).version == NEWEST
            return await asyncio.gather(*(client.sample(70, seed) for seed in range(3)))

    for seed, images in enumerate(asyncio.run(ask())):
        assert_same(images, gans[NEWEST].generate(70, seed), target)


# -- which model, which version


def test_versions_and_labels(target, gans):
    expected = {version: game.generate(2, seed=8) for version, game in gans.items()}
    for road in ROADS:
        for label, version in models.LABELS.items():
            for which in ({"version": version}, {"label": label}):
                with Client(getattr(target, road), NAME, **which) as client:
                    assert_same(client.sample(2, seed=8), expected[version], target)
                    assert client.metadata().version == version


def test_metadata(client, written):
    metadata = client.metadata()
    assert (metadata.name, metadata.version) == (NAME, NEWEST)
    ours = tf.saved_model.load(str(written / NAME / str(NEWEST))).signatures
    assert set(metadata.signatures) - {"__saved_model_init_op"} == set(ours)
    for name, signature in ours.items():
        served = metadata.signatures[name]
        for theirs, specs in (
            (served.inputs, signature.structured_input_signature[1]),
            (served.outputs, signature.structured_outputs),
        ):
            assert {key: (spec.dtype, spec.shape) for key, spec in theirs.items()} == {
                key: (np.dtype(spec.dtype.as_numpy_dtype), tuple(spec.shape)) for key, spec in specs.items()
            }


def test_status(client):
    states = {each.version: (each.state, each.code, each.message) for each in client.status()}
    assert states == {1: ("AVAILABLE", "OK", ""), 2: ("AVAILABLE", "OK", "")}


def test_status_of_one_version(target):
    for road in ROADS:
        with Client(getattr(target, road), NAME, version=1) as client:
            assert [each.version for each in client.status()] == [1]


def test_both_roads_tell_the_same(target, stubs):
    prediction, model = stubs
    response = prediction.GetModelMetadata(
        GetModelMetadataRequest(model_spec={"name": NAME}, metadata_field=["signature_def"])
    )
    said = requests.get(f"{target.rest}/v1/models/{NAME}/metadata", timeout=60).json()
    signatures = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert json_format.ParseDict(said["metadata"]["signature_def"], SignatureDefMap()) == signatures
    assert said["model_spec"] == {"name": NAME, "signature_name": "", "version": str(NEWEST)}
    status = model.GetModelStatus(GetModelStatusRequest(model_spec={"name": NAME}))
    said = requests.get(f"{target.rest}/v1/models/{NAME}", timeout=60).json()
    order = sorted(said["model_version_status"], key=lambda each: int(each["version"]), reverse=True)
    assert order[0] == {"version": "2", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
    theirs = json_format.ParseDict(said, GetModelStatusResponse()).model_version_status
    assert sorted(map(str, theirs)) == sorted(map(str, status.model_version_status))


# -- refusals over gRPC


def request(signature="sample", inputs=None, name=NAME, version=None, label=None, outputs=()):
    message = PredictRequest(output_filter=outputs)
    message.model_spec.name, message.model_spec.signature_name = name, signature
    if version is not None:
        message.model_spec.version.value = version
    if label is not None:
        message.model_spec.version_label = label
    for key, value in (rows(2) if inputs is None else inputs).items():
        message.inputs[key].CopyFrom(tf.make_tensor_proto(value))
    return message


def without(inputs, *names, **more):
    return {name: value for name, value in inputs.items() if name not in names} | more


LATENT = np.zeros((2, models.LATENT_DIM), np.float32)
GRPC_REFUSALS = {
    "unknown model": (
        request(name="absent"), "NOT_FOUND", "Servable not found for request: Latest(absent)"),
    "unknown version": (
        request(version=9), "NOT_FOUND", f"Servable not found for request: Specific({NAME}, 9)"),
    "unknown label": (
        request(label="absent"), "INVALID_ARGUMENT", "Unrecognized servable version label: absent"),
    "unknown signature": (
        request("absent"), "FAILED_PRECONDITION", 'Serving signature key "absent" not found.'),
    "missing input": (
        request(inputs=without(rows(2), "truncation")), "INVALID_ARGUMENT",
        "input size does not match signature: 2!=3 len({index,seed}) != len({index,seed,truncation}). "
        "Sent extra: {}. Missing but required: {truncation}."),
    "extra input": (
        request(inputs=without(rows(2), label=np.zeros(2, np.int32))), "INVALID_ARGUMENT",
        "input size does not match signature: 4!=3 len({index,label,seed,truncation}) != "
        "len({index,seed,truncation}). Sent extra: {label}. Missing but required: {}."),
    "no input": (
        request(inputs={}), "INVALID_ARGUMENT", "Missing but required: {index,seed,truncation}."),
    "misspelt input": (
        request(inputs=without(rows(2), "seed", sead=np.zeros(2, np.int64))), "INVALID_ARGUMENT", "sead"),
    "wrong dtype": (
        request(inputs=without(rows(2), seed=np.zeros(2, np.float32))), "INVALID_ARGUMENT", ""),
    "int32 for int64": (
        request(inputs=without(rows(2), seed=np.zeros(2, np.int32))), "INVALID_ARGUMENT", ""),
    "strings for numbers": (
        request(inputs=without(rows(2), seed=np.array([b"a", b"b"], object))), "INVALID_ARGUMENT", ""),
    "wrong rank": (
        request("serving_default", {"latent": LATENT[0]}), "INVALID_ARGUMENT", ""),
    "wrong width": (
        request("serving_default", {"latent": LATENT[:, 1:]}), "INVALID_ARGUMENT", ""),
    "unequal rows": (
        request(inputs=without(rows(2), index=np.arange(3))), "INVALID_ARGUMENT", ""),
    "unknown output": (
        request(outputs=["image"]), "INVALID_ARGUMENT",
        "output tensor alias not found in signature: image Outputs expected to be in the set {images}."),
    "an output twice": (
        request(outputs=["images", "images"]), "INVALID_ARGUMENT", "duplicate output tensor alias: images"),
    "negative n": (
        request("generate", {"seed": np.int64(0), "n": np.int32(-1)}), "INVALID_ARGUMENT", "n must be 1 to 256"),
    "n = 0": (
        request("generate", {"seed": np.int64(0), "n": np.int32(0)}), "INVALID_ARGUMENT", "n must be 1 to 256"),
    "n over the limit": (
        request("generate_png", {"seed": np.int64(0), "n": np.int32(257)}), "INVALID_ARGUMENT", "n must be 1 to 256"),
}  # fmt: skip


@contextlib.contextmanager
def refused(code, text=""):
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert caught.value.code().name == code, caught.value.details()
    assert text in caught.value.details()


@pytest.mark.parametrize("case", GRPC_REFUSALS)
def test_grpc_refuses(stubs, case):
    message, code, text = GRPC_REFUSALS[case]
    with refused(code, text):
        stubs[0].Predict(message, timeout=60)


def test_grpc_refuses_other_questions(stubs):
    prediction, model = stubs
    spec = {"name": NAME}
    with refused("INVALID_ARGUMENT", "Missing ModelSpec"):
        prediction.GetModelMetadata(GetModelMetadataRequest(metadata_field=["signature_def"]))
    with refused("INVALID_ARGUMENT", "GetModelMetadataRequest must specify at least one metadata_field"):
        prediction.GetModelMetadata(GetModelMetadataRequest(model_spec=spec))
    with refused("INVALID_ARGUMENT", "is not supported"):
        prediction.GetModelMetadata(GetModelMetadataRequest(model_spec=spec, metadata_field=["weights"]))
    with refused("NOT_FOUND", "Servable not found for request: Latest(absent)"):
        prediction.GetModelMetadata(
            GetModelMetadataRequest(model_spec={"name": "absent"}, metadata_field=["signature_def"])
        )
    with refused("INVALID_ARGUMENT", "Missing ModelSpec"):
        model.GetModelStatus(GetModelStatusRequest())
    with refused("NOT_FOUND", "Could not find any versions of model absent"):
        model.GetModelStatus(GetModelStatusRequest(model_spec={"name": "absent"}))
    with refused("NOT_FOUND", f"Could not find version 9 of model {NAME}"):
        model.GetModelStatus(GetModelStatusRequest(model_spec={"name": NAME, "version": {"value": 9}}))


def test_output_filter(stubs):
    response = stubs[0].Predict(request(outputs=["images"]), timeout=60)
    assert list(response.outputs) == ["images"]
    assert response.model_spec.name == NAME
    assert response.model_spec.version.value == NEWEST
    assert response.model_spec.signature_name == "sample"


def test_the_default_signature_is_the_one_of_that_name(stubs):
    response = stubs[0].Predict(request("", {"latent": LATENT}), timeout=60)
    assert response.model_spec.signature_name == "serving_default"
    assert array_of(response.outputs["images"]).shape == (2, *models.IMAGE_SHAPE)


def test_message_limits(client, stubs):
    """gRPC's own clients stop at 4 MiB."""
    latent = np.zeros((512, models.LATENT_DIM), np.float32)
    with refused("RESOURCE_EXHAUSTED", "larger than max"):
        stubs[0].Predict(request("serving_default", {"latent": latent}), timeout=60)
    if client.address.scheme == "grpc":
        assert client.predict("serving_default", latent=latent)["images"].nbytes > 4 << 20


def test_deadlines(target):
    for road in ROADS:
        address = getattr(target, road)
        with (
            Client(address, NAME, timeout_seconds=1e-4) as client,
            pytest.raises(ServingError, match="DEADLINE_EXCEEDED"),
        ):
            client.generate(256)
        with Client(address, NAME) as client:
            assert client.generate(1).shape == (1, *models.IMAGE_SHAPE)


# -- REST


def post(target, body, which=""):
    """Returns status and JSON of an answer; `body` is text, bytes, or what JSON says."""
    data = body if isinstance(body, str | bytes) else json.dumps(body)
    response = requests.post(f"{target.rest}/v1/models/{NAME}{which}:predict", data=data, timeout=60)
    assert response.headers["Content-Type"].startswith("application/json")
    return response.status_code, response.json()


def instances(count, **more):
    return [{"seed": 3, "index": index, "truncation": 1.5} | more for index in range(count)]


def test_rows_and_columns(target, generators):
    expected = in_process(generators[NEWEST], "sample", rows(3, seed=3, truncation=1.5))
    status, said = post(target, {"signature_name": "sample", "instances": instances(3)})
    assert (status, list(said)) == (200, ["predictions"])
    assert_same(np.array(said["predictions"], np.uint8), expected, target)
    columns = {"seed": [3, 3, 3], "index": [0, 1, 2], "truncation": [1.5, 1.5, 1.5]}
    status, said = post(target, {"signature_name": "sample", "inputs": columns})
    assert (status, list(said)) == (200, ["outputs"])
    assert_same(np.array(said["outputs"], np.uint8), expected, target)
    body = {"signature_name": "sample", "inputs": {"seed": [1], "index": [0], "truncation": [float("inf")]}}
    status, said = post(target, json.dumps(body))  # as the token Infinity
    assert_same(np.array(said["outputs"], np.uint8), in_process(generators[NEWEST], "sample", rows(1, seed=1)), target)


def test_one_input_needs_no_name(target, gans):
    latent = latents(np.arange(2), np.zeros(2, np.int64), models.LATENT_DIM).numpy()
    expected = gans[NEWEST](latent).numpy()
    for form in (
        {"instances": latent.tolist()},
        {"instances": [{"latent": row} for row in latent.tolist()]},
        {"inputs": latent.tolist()},
        {"inputs": {"latent": latent.tolist()}},
        {"signature_name": "serving_default", "instances": latent.tolist()},
    ):
        status, said = post(target, form)
        assert status == 200, said
        np.testing.assert_allclose(*[np.array(*said.values(), np.float32), expected], atol=1e-5)


def test_bytes_are_base64(target):
    status, said = post(target, {"signature_name": "sample_png", "instances": instances(2)})
    assert status == 200
    assert [list(each) for each in said["predictions"]] == [["b64"], ["b64"]]
    status, said = post(target, {"signature_name": "generate_png", "inputs": {"seed": 3, "n": 2}})
    assert [list(each) for each in said["outputs"]] == [["b64"], ["b64"]]


def test_rest_by_version_and_label(target, gans):
    for which, version in (("/versions/1", 1), ("/labels/canary", 2)):
        status, said = post(target, {"signature_name": "generate", "inputs": {"seed": 5, "n": 1}}, which)
        assert status == 200
        assert_near(np.array(said["outputs"], np.uint8), gans[version].generate(1, seed=5))


SAMPLE = {"signature_name": "sample"}
REST_REFUSALS = {
    "unknown version": (
        {}, "/versions/9", 404, f"Servable not found for request: Specific({NAME}, 9)"),
    "unknown label": (
        {}, "/labels/absent", 400, "Unrecognized servable version label: absent"),
    "unknown signature": (
        {"signature_name": "absent", "instances": [1]}, "", 400,
        'Serving signature name: "absent" not found in signature def'),
    "signature is no text": (
        {"signature_name": 1, "instances": [1]}, "", 400, "'signature_name' key must be a string value."),
    "malformed": ('{"instances": [1', "", 400, "JSON Parse error: "),
    "no JSON at all": (b"\xff\xfe\x00", "", 400, "JSON Parse error: "),
    "no body": ("", "", 400, "JSON Parse error: The document is empty"),
    "no object": ("[1, 2]", "", 400, "Is not object"),
    "no rows": (SAMPLE | {"instances": []}, "", 400, "No values in 'instances' array"),
    "rows are no list": (SAMPLE | {"instances": {"seed": 1}}, "", 400, "Excepting 'instances' to be an list/array"),
    "both forms": (
        SAMPLE | {"instances": instances(1), "inputs": {}}, "", 400,
        "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist"),
    "neither form": (SAMPLE, "", 400, "Missing 'inputs' or 'instances' key"),
    "rows without names": (
        SAMPLE | {"instances": [1, 2]}, "", 400,
        "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
        "tensorinfo_map"),
    "columns without names": (
        SAMPLE | {"inputs": [1, 2]}, "", 400,
        "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
        "tensorinfo_map"),
    "a fraction for a seed": (
        SAMPLE | {"instances": instances(1, seed=1.5)}, "", 400, "is not of expected type: int64"),
    "a seed of 65 bits": (
        SAMPLE | {"instances": instances(1, seed=2**64)}, "", 400, "is not of expected type: int64"),
    "a text for a number": (
        SAMPLE | {"instances": instances(1, seed="1")}, "", 400, "is not of expected type: int64"),
    "bytes for several inputs": (
        SAMPLE | {"instances": [{"b64": "AA=="}]}, "", 400, "Type: Object is not of expected type: int64"),
    "a number beyond double": ('{"instances": [1e400]}', "", 400, "JSON Parse error: Number too big to be stored in"),
    "null": (SAMPLE | {"instances": instances(1, truncation=None)}, "", 400, "is not of expected type: float"),
    "missing name in a row": (
        SAMPLE | {"instances": [{"seed": 1, "index": 2}]}, "", 400, "keys must be equal to: index,seed,truncation"),
    "extra name in a row": (
        SAMPLE | {"instances": instances(1, label=1)}, "", 400, "JSON object: does not have named input: label"),
    "missing column": (
        SAMPLE | {"inputs": {"seed": [1], "index": [0]}}, "", 400,
        "Missing named input: truncation in 'inputs' object."),
    "ragged": ({"instances": [[0] * 6, [0] * 5]}, "", 400, "Expecting tensor size: 6 but got: 5"),
    "ragged column": ({"inputs": [[0] * 6, [0] * 5]}, "", 400, "Encountered list at unexpected size: 5 at level: 1"),
    "wrong width": ({"instances": [[0] * 5]}, "", 400, ""),
    "wrong rank": ({"instances": [0.0, 1.0]}, "", 400, ""),
    "n over the limit": (
        {"signature_name": "generate", "inputs": {"seed": 0, "n": 257}}, "", 400, "n must be 1 to 256"),
    "negative n": ({"signature_name": "generate", "inputs": {"seed": 0, "n": -1}}, "", 400, "n must be 1 to 256"),
}  # fmt: skip


@pytest.mark.parametrize("case", REST_REFUSALS)
def test_rest_refuses(target, case):
    body, which, status, text = REST_REFUSALS[case]
    if body == {}:
        body = SAMPLE | {"instances": instances(1)}
    got, said = post(target, body, which)
    assert (got, list(said)) == (status, ["error"]), said
    assert text in said["error"]


@pytest.mark.parametrize(
    ("method", "path", "status", "text"),
    [
        ("POST", "/v1/models/absent:predict", 404, "Servable not found for request: Latest(absent)"),
        ("GET", "/v1/models/absent", 404, "Could not find any versions of model absent"),
        ("GET", f"/v1/models/{NAME}/versions/9", 404, f"Could not find version 9 of model {NAME}"),
        ("GET", "/v1/models/absent/metadata", 404, "Servable not found for request: Latest(absent)"),
        ("GET", "/v1/models", 400, "Missing model name in request."),
        ("POST", f"/v1/models/{NAME}", 400, f"Malformed request: POST /v1/models/{NAME}"),
        ("GET", f"/v1/models/{NAME}:predict", 400, f"Malformed request: GET /v1/models/{NAME}:predict"),
        ("POST", f"/v1/models/{NAME}:draw", 400, f"Malformed request: POST /v1/models/{NAME}:draw"),
    ],
)
def test_rest_paths(target, method, path, status, text):
    body = json.dumps(SAMPLE | {"instances": instances(1)}) if method == "POST" else None
    response = requests.request(method, target.rest + path, data=body, timeout=60)
    assert response.status_code == status, response.text
    assert text in response.json()["error"]


@pytest.mark.parametrize("road", ROADS)
def test_the_client_tells_what_is_wrong(target, road):
    address = getattr(target, road)
    with Client(address, "absent") as client, pytest.raises(ServingError, match="not found for request") as caught:
        client.sample(1)
    assert caught.value.code == "NOT_FOUND"
    with Client(address, NAME) as client:
        with pytest.raises(ServingError, match="absent") as caught:
            client.predict("absent", x=1)
        assert caught.value.code == {"grpc": "FAILED_PRECONDITION", "rest": "INVALID_ARGUMENT"}[road]
        with pytest.raises(ServingError, match="n must be 1 to 256") as caught:
            client.generate(257)
        assert caught.value.code == "INVALID_ARGUMENT"
