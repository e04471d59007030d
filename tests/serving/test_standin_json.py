"""JSON of the REST API to tensors and back: the examples of TensorFlow Serving's documentation, and what it refuses."""

import base64
import json
import struct

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf import meta_graph_pb2

from ganzoo.serving.standin import json_tensors, limits
from ganzoo.serving.standin.statuses import Refusal


def infos(**dtypes):
    return {name: meta_graph_pb2.TensorInfo(dtype=dtype.as_datatype_enum) for name, dtype in dtypes.items()}


def read(document, **dtypes):
    return json_tensors.inputs_of(document, infos(**dtypes))


def refused(document, **dtypes):
    with pytest.raises(Refusal) as caught:
        read(document, **dtypes)
    assert caught.value.http == 400 or caught.value.http == 501
    return caught.value.text


def parse_error(body):
    with pytest.raises(Refusal) as caught:
        json_tensors.parse(body)
    assert caught.value.http == 400
    return caught.value.text


def assert_inputs(found, expected):
    inputs, _ = found
    assert set(inputs) == set(expected)
    for name, value in expected.items():
        assert inputs[name].dtype == value.dtype, name
        np.testing.assert_array_equal(inputs[name], value)


# -- the documentation's examples


def test_rows_of_several_inputs():
    rows = [
        {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
        {"tag": "bar", "signal": [3, 4, 1, 2, 5], "sensor": [[4, 5], [6, 8]]},
    ]
    found = read({"instances": rows}, tag=tf.string, signal=tf.float32, sensor=tf.int32)
    assert found[1] == "row"
    assert_inputs(
        found,
        {
            "tag": np.array([b"foo", b"bar"], object),
            "signal": np.array([[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]], np.float32),
            "sensor": np.array([[[1, 2], [3, 4]], [[4, 5], [6, 8]]], np.int32),
        },
    )


def test_rows_of_one_input():
    assert_inputs(
        read({"instances": ["foo", "bar", "baz"]}, x=tf.string), {"x": np.array([b"foo", b"bar", b"baz"], object)}
    )
    named = {"instances": [{"x": [1.5, 2.5]}, {"x": [3.5, 4.5]}]}
    assert_inputs(read(named, x=tf.float32), {"x": np.array([[1.5, 2.5], [3.5, 4.5]], np.float32)})


def test_columns():
    columns = {"tag": ["foo", "bar"], "signal": [[1, 2], [3, 4]], "n": 3}
    found = read({"inputs": columns}, tag=tf.string, signal=tf.float32, n=tf.int32)
    assert found[1] == "column"
    assert_inputs(
        found,
        {
            "tag": np.array([b"foo", b"bar"], object),
            "signal": np.array([[1, 2], [3, 4]], np.float32),
            "n": np.array(3, np.int32),
        },
    )
    assert_inputs(read({"inputs": [[1.0], [2.0]]}, x=tf.float32), {"x": np.array([[1], [2]], np.float32)})


def test_bytes_are_base64():
    blob = b"\x00\xff\x00"
    said = {"b64": base64.b64encode(blob).decode()}
    assert_inputs(read({"instances": [said, said]}, x=tf.string), {"x": np.array([blob, blob], object)})
    assert_inputs(read({"instances": [{"x": said}]}, x=tf.string), {"x": np.array([blob], object)})
    assert_inputs(read({"inputs": said}, x=tf.string), {"x": np.array(blob, object)})
    assert_inputs(read({"instances": [{"b64": "YQ"}]}, x=tf.string), {"x": np.array([b"a"], object)})
    assert "Unable to base64 decode" in refused({"instances": [{"b64": "*"}]}, x=tf.string)
    text = refused({"inputs": {"x": {"b64": 1}}}, x=tf.string)
    assert text.endswith("not formatted correctly for base64 data")


def test_numbers_that_json_lacks_are_taken():
    document = json_tensors.parse(b'{"instances": [NaN, Infinity, -Infinity, Inf, -Inf]}')
    assert_inputs(read(document, x=tf.float32), {"x": np.array([np.nan, *[np.inf, -np.inf] * 2], np.float32)})
    assert json_tensors.parse(b'{"Inf": "a\\" Inf", "b": [Inf]}') == {"Inf": 'a" Inf', "b": [np.inf]}
    assert "closing quotation mark" in parse_error(b'{"Inf": "' + b'\\"' * 100_000)  # in no more than linear time


def test_of_equal_names_the_first_counts():
    assert json_tensors.parse(b'{"a": {"b": 1, "b": 2}, "c": 3, "a": 4}') == {"a": {"b": 1}, "c": 3}


@pytest.mark.parametrize(
    ("dtype", "value"),
    [
        (tf.float64, 0.1), (tf.int64, 2**53 + 1), (tf.uint64, 2**64 - 1), (tf.uint32, 2**32 - 1),
        (tf.int32, -(2**31)), (tf.bool, True), (tf.float32, 2**24 - 1),
    ],
)  # fmt: skip
def test_extreme_values_are_exact(dtype, value):
    inputs, _ = read({"instances": [value]}, x=dtype)
    assert inputs["x"].dtype == dtype.as_numpy_dtype
    assert inputs["x"].tolist() == [value]


# -- what is refused


@pytest.mark.parametrize(
    ("value", "dtype", "said"),
    [
        ("x", tf.float32, 'JSON Value: "x" Type: String is not of expected type: float'),
        (True, tf.float32, "JSON Value: true Type: True is not of expected type: float"),
        (None, tf.int64, "JSON Value: null Type: Null is not of expected type: int64"),
        (1.0, tf.int64, "JSON Value: 1.0 Type: Number is not of expected type: int64"),
        (2**63, tf.int64, f"JSON Value: {2**63} Type: Number is not of expected type: int64"),
        (2**31, tf.int32, f"JSON Value: {2**31} Type: Number is not of expected type: int32"),
        (-1, tf.uint64, "JSON Value: -1 Type: Number is not of expected type: uint64"),
        (1, tf.bool, "JSON Value: 1 Type: Number is not of expected type: bool"),
        (1, tf.string, "JSON Value: 1 Type: Number is not of expected type: string"),
        (2**24 + 1, tf.float32, f"Cannot convert JSON value: {2**24 + 1} to float without loss of precision."),
        (1e39, tf.float32, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        (1, tf.float16, "Conversion of JSON Value: 1 to type: half"),
    ],
)  # fmt: skip
def test_one_value_of_the_wrong_type(value, dtype, said):
    good = {tf.string: "a", tf.bool: True, tf.float32: 0.5}.get(dtype, 1)
    assert refused({"inputs": [value]}, x=dtype) == said
    text = refused({"instances": [value, value]}, x=dtype)
    assert text.startswith("Failed to process element: 0 of 'instances' list. Error: ")
    assert said in text
    if dtype != tf.float16:
        assert "process element: 1 " in refused({"instances": [good, value]}, x=dtype)


def test_ragged_lists():
    assert refused({"inputs": [[[1.0]], 2.0]}, x=tf.float32) == (
        "JSON Value: 2.0 found at incorrect level: 2 in the JSON DOM. Expected at level: 3"
    )
    text = refused({"instances": [[1.0], [2.0, 3.0]]}, x=tf.float32)
    assert text.endswith("Error: INVALID_ARGUMENT: Expecting tensor size: 1 but got: 2")
    text = refused({"instances": [[1.0, 2.0], [[1.0], [2.0]]]}, x=tf.float32)
    assert text.endswith("Expecting shape [2] but got: [2,1]")
    assert refused({"inputs": [[1.0], [2.0, 3.0]]}, x=tf.float32) == (
        "Encountered list at unexpected size: 2 at level: 1 expected size: 1"
    )
    assert refused({"inputs": [1.0, [2.0]]}, x=tf.float32) == "Encountered list at unexpected level: 1 expected < 1"


def test_documents_that_do_not_fit():
    two = {"a": tf.float32, "b": tf.float32}
    assert refused({}, x=tf.float32) == "Missing 'inputs' or 'instances' key"
    assert "only one of 'inputs' or 'instances'" in refused({"inputs": 1, "instances": [1]}, x=tf.float32)
    assert "Excepting 'instances' to be an list/array" in refused({"instances": 1}, x=tf.float32)
    assert "No values in 'instances' array" in refused({"instances": []}, x=tf.float32)
    assert refused({"instances": [1.0]}, **two).startswith("instances is a plain list, but expecting list of objects")
    assert refused({"inputs": [1.0]}, **two).startswith("inputs is a plain value/list, but expecting an object")
    assert refused({"inputs": {"a": [1.0]}}, **two) == "Missing named input: b in 'inputs' object."
    assert refused({"instances": [{"a": 1.0}]}, **two).endswith("keys must be equal to: a,b")
    text = refused({"instances": [{"b64": "AA=="}]}, **two)
    assert text.startswith("Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON Value: {")
    assert text.endswith("} Type: Object is not of expected type: float")
    assert "does not have named input: c" in refused({"instances": [{"a": 1.0, "b": 1.0, "c": 1.0}]}, **two)
    assert refused({"instances": [{"a": 1.0, "b": 1.0}, 3]}, **two) == (
        "Expecting object but got list at item 1 of input list"
    )
    assert refused({"instances": [1.0, {"x": 1.0}]}, x=tf.float32) == (
        "Expecting value/list but got object at item 1 of input list"
    )
    with pytest.raises(Refusal, match="'signature_name' key must be a string value"):
        json_tensors.signature_name({"signature_name": 100})


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "The document is empty"),
        (b"  ", "The document is empty. at offset: 2"),
        (b"{", "Missing a name for object member. at offset: 1"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b'{"a": 1 "b": 2}', "Missing a comma or } after an object member. at offset: 8"),
        (b'{"{": [1 2]}', "Missing a comma or ] after an array element. at offset: 9"),
        (b'{"a": [[1], "]" 2]}', "Missing a comma or ] after an array element. at offset: 16"),
        (b'{"a": x}', "Invalid value. at offset: 6"),
        (b'{"a": "', "Missing a closing quotation mark in string. at offset: 6"),
        (b"{} {}", "The document root must not be followed by other values. at offset: 3"),
        (b'{"a": "\xff"}', "Invalid encoding in string. at offset: 7"),
        (b'{"a": ' + b"9" * 5000 + b"}", "Number too big to be stored in double."),
        (b'{"a": 1e400}', "Number too big to be stored in double."),
        (b'{"a": -1e400}', "Number too big to be stored in double."),
        (b"[" * 100_000, "nested more than"),
    ],
)
def test_what_is_no_json(body, said):
    assert parse_error(body).startswith(f"JSON Parse error: {said}")


def test_the_root_is_an_object():
    assert parse_error(b"[1]") == "JSON Value: [\n    1\n] Is not object"


def test_errors_repeat_little_of_a_large_request():
    assert len(parse_error(b"[" + b"1," * 100_000 + b"1]")) < 2 * limits.ERROR_VALUE_CHARACTERS


def test_depth_and_rows_are_bounded():
    deep = 0.5
    for _ in range(limits.DEPTH + 1):
        deep = [deep]
    assert "levels deep" in refused({"inputs": deep}, x=tf.float32)
    assert f"{limits.ROWS + 1} rows" in refused({"instances": [0.5] * (limits.ROWS + 1)}, x=tf.float32)


# -- answers


def said(outputs, form, **dtypes):
    numbers = {name: dtype.as_datatype_enum for name, dtype in dtypes.items()}
    return json.loads(json_tensors.answer(outputs, numbers, form))


def test_every_float32_survives():
    patterns = np.random.default_rng(0).integers(0, 2**32, 20_000, dtype=np.uint32)
    values = patterns.view(np.float32)
    values = np.concatenate([values[np.isfinite(values)], np.array([0, 1, -0.0, 1e-45, 3.4028235e38], np.float32)])
    answer = said({"y": values}, "row", y=tf.float32)["predictions"]
    np.testing.assert_array_equal(np.array(answer, np.float64).astype(np.float32), values)
    assert all(isinstance(value, float) for value in answer)  # whole ones too: 1.0, not 1
    assert struct.pack("<f", answer[values.tolist().index(0.0)]) == b"\0\0\0\0"


def test_answers_of_the_documentation():
    assert said({"y": np.array([2.5, 3.0, 4.5], np.float32)}, "row", y=tf.float32) == {"predictions": [2.5, 3.0, 4.5]}
    assert said({"y": np.array([2.5], np.float32)}, "column", y=tf.float32) == {"outputs": [2.5]}
    two = {"a": np.array([[1, 2], [3, 4]], np.int64), "b_bytes": np.array([b"\xff", b"x"], object)}
    kinds = {"a": tf.int64, "b_bytes": tf.string}
    assert said(two, "row", **kinds)["predictions"] == [
        {"a": [1, 2], "b_bytes": {"b64": "/w=="}},
        {"a": [3, 4], "b_bytes": {"b64": "eA=="}},
    ]
    assert said(two, "column", **kinds)["outputs"] == {
        "a": [[1, 2], [3, 4]],
        "b_bytes": [{"b64": "/w=="}, {"b64": "eA=="}],
    }


def test_answers_of_all_types():
    assert said({"y": np.array(7, np.uint8)}, "column", y=tf.uint8) == {"outputs": 7}
    assert said({"y": np.array([True])}, "row", y=tf.bool) == {"predictions": [True]}
    assert said({"y": np.array([0.1])}, "row", y=tf.float64) == {"predictions": [0.1]}
    assert said({"y": np.zeros((2, 0), np.float32)}, "row", y=tf.float32) == {"predictions": [[], []]}
    assert said({"y": np.array([b"a", "ä".encode()], object)}, "row", y=tf.string) == {"predictions": ["a", "ä"]}
    missing = said({"y": np.array([np.nan, np.inf, 1], np.float32)}, "row", y=tf.float32)["predictions"]
    assert np.isnan(missing[0])
    assert missing[1:] == [np.inf, 1]


def test_bytes_under_a_name_of_text_go_out_as_they_are():
    """The trap that `*_bytes` avoids."""
    body = json_tensors.answer({"png": np.array([b"\x89PNG"], object)}, {"png": 7}, "row")
    with pytest.raises(UnicodeDecodeError):
        json.loads(body)


def test_answers_that_json_cannot_say():
    for dtype in (tf.float16, tf.bfloat16, tf.uint16):
        array = np.zeros(1, dtype.as_numpy_dtype)
        with pytest.raises(Refusal, match="Failed to write JSON value for tensor type"):
            said({"y": array}, "row", y=dtype)
    with pytest.raises(Refusal, match="Tensor name: y has no shape information"):
        said({"y": np.float32(1)}, "row", y=tf.float32)
    with pytest.raises(Refusal, match="Tensor name: b has inconsistent batch size: 3 expecting: 2"):
        said({"a": np.zeros(2, np.int32), "b": np.zeros(3, np.int32)}, "row", a=tf.int32, b=tf.int32)
