"""TensorFlow Serving's JSON of the REST API: requests to arrays, arrays to answers."""

import base64
import binascii
import functools
import json
import math
import re
from collections.abc import Iterable, Mapping
from itertools import chain
from typing import Any, Literal

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import types_pb2
from tensorflow.core.protobuf import meta_graph_pb2

from ganzoo.serving.standin import limits
from ganzoo.serving.standin.statuses import Refusal, invalid, unimplemented

Form = Literal["row", "column"]
Inputs = Mapping[str, meta_graph_pb2.TensorInfo]

# A string, to be left alone, or the other word for infinity that TensorFlow Serving's parser knows.
_SHORT_INFINITY = re.compile(r'("(?:[^"\\]|\\.)*(?:"|\\?\Z))|Inf(?!inity)', re.S)
_PARSE_ERRORS = {
    "Expecting value": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Extra data": "The document root must not be followed by other values.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}
_WHOLE = {
    types_pb2.DT_INT8: np.int32,  # as JSON, TensorFlow Serving takes any int32 for the narrow types
    types_pb2.DT_INT16: np.int32,
    types_pb2.DT_UINT8: np.int32,
    types_pb2.DT_INT32: np.int32,
    types_pb2.DT_INT64: np.int64,
    types_pb2.DT_UINT32: np.uint32,
    types_pb2.DT_UINT64: np.uint64,
}
_DECIMAL = {types_pb2.DT_FLOAT: np.float32, types_pb2.DT_DOUBLE: np.float64}
_WRITABLE = {*_WHOLE, *_DECIMAL, types_pb2.DT_BOOL, types_pb2.DT_STRING}


def parse(body: bytes) -> dict[str, Any]:
    """Returns the JSON object in a request's body.

    Raises:
        Refusal: If it is no JSON, or no object.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        text = body.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise invalid(f"JSON Parse error: Invalid encoding in string. at offset: {error.start}") from None
    if re.search("Inf(?!inity)", text):
        text = _SHORT_INFINITY.sub(lambda found: found[1] or "Infinity", text)
    try:
        document = json.loads(text, parse_float=_finite, object_pairs_hook=_first_wins)
    except json.JSONDecodeError as error:
        raise invalid(f"JSON Parse error: {_parse_error(text, error)} at offset: {error.pos}") from None
    except RecursionError:
        raise invalid(f"JSON Parse error: nested more than {limits.DEPTH} levels deep") from None
    except ValueError:  # `_finite`, or an integer of more digits than Python converts
        raise invalid("JSON Parse error: Number too big to be stored in double.") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {_shown(document)} Is not object")
    return document


def _finite(digits: str) -> float:
    """Returns a number; raises ValueError if it is too large for one."""
    value = float(digits)
    if math.isinf(value):
        raise ValueError(digits)
    return value


def _first_wins(members: list[tuple[str, Any]]) -> dict[str, Any]:
    """Returns a JSON object; of members of the same name the first one counts, as where one is searched for."""
    found = dict(members)
    if len(found) < len(members):
        found.update(reversed(members))
    return found


def _parse_error(text: str, error: json.JSONDecodeError) -> str:
    if not text.strip():
        return "The document is empty."
    if error.msg == "Expecting ',' delimiter":
        outside = re.sub(r'"(?:\\.|[^"\\])*"', "", text[: error.pos])
        closed = 0
        for bracket in re.findall(r"[][{}]", outside)[::-1]:
            closed += 1 if bracket in "]}" else -1
            if closed < 0:
                inside = "} after an object member" if bracket == "{" else "] after an array element"
                return f"Missing a comma or {inside}."
    return _PARSE_ERRORS.get(error.msg, "Invalid value.")


def signature_name(document: dict[str, Any]) -> str:
    """Returns the name of the signature that a request asks for; empty for the default one.

    Raises:
        Refusal: If it is no string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {_shown(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def inputs_of(document: dict[str, Any], inputs: Inputs) -> tuple[dict[str, np.ndarray], Form]:
    """Returns a request's inputs by name, and the form in which the answer is to be.

    Args:
        document: with `instances`, a list of rows, or `inputs`, columns.
        inputs: of the signature.

    Raises:
        Refusal: If the document does not fit the signature.
    """
    if "instances" in document and "inputs" in document:
        raise invalid(
            f"JSON Value: {_shown(document)} Not formatted correctly expecting only one of 'inputs' or 'instances' "
            "keys to exist "
        )
    if "instances" in document:
        rows = document["instances"]
        if not isinstance(rows, list):
            raise invalid(f"JSON Value: {_shown(document)} Excepting 'instances' to be an list/array")
        if not rows:
            raise invalid(f"JSON Value: {_shown(document)} No values in 'instances' array")
        if len(rows) > limits.ROWS:
            raise invalid(
                f"'instances' has {len(rows)} rows: this development server takes {limits.ROWS}; send several"
            )
        return _from_rows(rows, inputs), "row"
    if "inputs" in document:
        return _from_columns(document["inputs"], inputs), "column"
    raise invalid("Missing 'inputs' or 'instances' key")


def _from_rows(rows: list, inputs: Inputs) -> dict[str, np.ndarray]:
    if not isinstance(rows[0], dict) and len(inputs) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    if not _is_named(rows[0]):
        for number, row in enumerate(rows):
            if _is_named(row):
                raise invalid(f"Expecting value/list but got object at item {number} of input list")
        name = min(inputs)  # one object of bytes may come for several inputs: the first is wrong, or the others missing
        return {name: _stacked(rows, inputs[name].dtype, "")}
    names = set(inputs)
    for number, row in enumerate(rows):
        if not _is_named(row):
            raise invalid(f"Expecting object but got list at item {number} of input list")
        for name in row:
            if name not in names:
                raise _row_error(number, f" key: {name}", invalid(f"JSON object: does not have named input: {name}"))
        if set(row) != names:
            raise invalid(
                f"Failed to process element: {number} of 'instances' list. JSON object: {_shown(row)} keys must be "
                f"equal to: {','.join(sorted(names))}"
            )
    return {name: _stacked([row[name] for row in rows], inputs[name].dtype, f" key: {name}") for name in sorted(names)}


def _stacked(rows: list, dtype: int, where: str) -> np.ndarray:
    """Returns rows of equal shapes as one array; which of them is wrong is looked for only if one is."""
    array = _quick(rows, dtype)
    if array is not None:
        return array
    first = None
    values = []
    for number, row in enumerate(rows):
        try:
            value = _careful(row, dtype)
            first = value if first is None else first
            if value.size != first.size:
                raise invalid(f"Expecting tensor size: {first.size} but got: {value.size}")
            if value.shape != first.shape:
                raise invalid(f"Expecting shape {_shape(first)} but got: {_shape(value)}")
        except Refusal as error:
            raise _row_error(number, where, error) from None
        values.append(value)
    return np.stack(values)


def _row_error(number: int, where: str, error: Refusal) -> Refusal:
    return invalid(f"Failed to process element: {number}{where} of 'instances' list. Error: {error.described}")


def _from_columns(value: Any, inputs: Inputs) -> dict[str, np.ndarray]:
    if not _is_named(value):
        if len(inputs) > 1:
            raise invalid(
                "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
                "tensorinfo_map"
            )
        value = dict.fromkeys(inputs, value)
    missing = sorted(set(inputs) - set(value))
    if missing:
        raise invalid(f"Missing named input: {missing[0]} in 'inputs' object.")
    return {name: _tensor(value[name], info.dtype) for name, info in inputs.items()}


def _tensor(value: Any, dtype: int) -> np.ndarray:
    array = _quick(value, dtype)
    return _careful(value, dtype) if array is None else array


def _quick(value: Any, dtype: int) -> np.ndarray | None:
    """Returns nested lists as an array, level by level; None if anything about them is not plain."""
    if not isinstance(value, list):
        return None
    shape, values = [], [value]
    while set(map(type, values)) == {list}:
        sizes = set(map(len, values))
        if len(sizes) != 1 or len(shape) == limits.DEPTH:
            return None
        shape.append(sizes.pop())
        values = list(chain.from_iterable(values))
    kinds = set(map(type, values))
    try:
        if dtype in _DECIMAL and kinds and kinds <= {float, int}:
            return _decimals(values, dtype).reshape(shape)
        if dtype in _WHOLE and kinds == {int}:
            return np.array(values, _WHOLE[dtype]).astype(_numpy(dtype)).reshape(shape)
    except (OverflowError, ValueError):  # a number that the type does not hold
        return None
    if dtype == types_pb2.DT_STRING and kinds == {str}:
        return _objects([text.encode("utf-8", "surrogatepass") for text in values]).reshape(shape)
    return None


def _decimals(values: list[float | int], dtype: int) -> np.ndarray:
    """Returns numbers as the type's; raises OverflowError if one of them is not held, or a whole one not exactly."""
    array = np.array(values, np.float64)
    info = np.finfo(_DECIMAL[dtype])
    large = max((abs(value) for value in values if type(value) is int), default=0) >= 1 << info.nmant + 1
    if large or (np.abs(array[np.isfinite(array)]) > info.max).any():
        raise OverflowError
    return array.astype(_DECIMAL[dtype])


def _careful(value: Any, dtype: int) -> np.ndarray:
    """Returns nested lists as an array, value by value, or says what is wrong with which."""
    shape, first = [], value
    while isinstance(first, list):
        shape.append(len(first))
        if len(shape) > limits.DEPTH:
            raise invalid(f"JSON Value: nested more than {limits.DEPTH} levels deep")
        first = first[0] if first else None
    leaves = []
    _collect(value, 0, shape, dtype, leaves)
    return (_objects(leaves) if dtype == types_pb2.DT_STRING else np.array(leaves, _numpy(dtype))).reshape(shape)


def _collect(value: Any, level: int, shape: list[int], dtype: int, leaves: list) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {_shown(value)} found at incorrect level: {level + 1} in the JSON DOM. "
                f"Expected at level: {len(shape)}"
            )
        leaves.append(_leaf(value, dtype))
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(value) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(value)} at level: {level} expected size: {shape[level]}"
        )
    for each in value:
        _collect(each, level + 1, shape, dtype, leaves)


def _leaf(value: Any, dtype: int) -> Any:
    """Returns one value as the type's, by the rules of the C++ server: no decimal is whole, no bool is a number."""
    wrong = functools.partial(_type_error, value, dtype)
    if dtype == types_pb2.DT_STRING:
        if isinstance(value, dict):
            return _decoded(value)
        if not isinstance(value, str):
            raise wrong()
        return value.encode("utf-8", "surrogatepass")
    if dtype == types_pb2.DT_BOOL:
        if not isinstance(value, bool):
            raise wrong()
        return value
    if dtype in _WHOLE:
        limit = np.iinfo(_WHOLE[dtype])
        if type(value) is not int or not limit.min <= value <= limit.max:
            raise wrong()
        return np.array(value, _WHOLE[dtype]).astype(_numpy(dtype))
    if dtype in _DECIMAL:
        if type(value) not in (int, float):
            raise wrong()
        return _decimal(value, dtype)
    raise unimplemented(f"Conversion of JSON Value: {_shown(value)} to type: {_type_name(dtype)}")


def _decimal(value: int | float, dtype: int) -> np.floating:
    """Returns a number as float32 or float64; an integer must be exact in it."""
    info = np.finfo(_DECIMAL[dtype])
    whole = isinstance(value, int) and -(1 << 63) <= value < 1 << 64
    limit = (1 << info.nmant + 1) - 1 if whole else float(info.max)
    if np.inf != abs(value) > limit:
        name = "float" if dtype == types_pb2.DT_FLOAT else "double"
        raise invalid(f"Cannot convert JSON value: {_shown(value)} to {name} without loss of precision.")
    return _DECIMAL[dtype](value)


def _decoded(value: dict) -> bytes:
    if not _is_base64(value):
        raise invalid(f"JSON Value: {_shown(value)} not formatted correctly for base64 data")
    text = re.sub(r"\s", "", value["b64"])
    try:
        return base64.b64decode(text.rstrip("=") + "=" * (-len(text.rstrip("=")) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def _is_base64(value: Any) -> bool:
    return isinstance(value, dict) and list(value) == ["b64"] and isinstance(value["b64"], str)


def _is_named(value: Any) -> bool:
    """Returns whether a JSON value maps names to tensors."""
    return isinstance(value, dict) and not _is_base64(value)


def _type_error(value: Any, dtype: int) -> Refusal:
    return invalid(
        f"JSON Value: {_shown(value)} Type: {_json_type(value)} is not of expected type: {_type_name(dtype)}"
    )


def _json_type(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "Null", True: "True", False: "False"}[value]
    return {dict: "Object", list: "Array", str: "String"}.get(type(value), "Number")


def _shown(value: Any) -> str:
    """Returns a JSON value as text, no longer than an error should be."""
    text = ""
    try:
        for part in json.JSONEncoder(indent=4, ensure_ascii=False).iterencode(value):
            text += part
            if len(text) > limits.ERROR_VALUE_CHARACTERS:
                break
    except RecursionError:
        text += "..."
    return text if len(text) <= limits.ERROR_VALUE_CHARACTERS else text[: limits.ERROR_VALUE_CHARACTERS] + "..."


def _shape(array: np.ndarray) -> str:
    return f"[{','.join(map(str, array.shape))}]"


def _numpy(dtype: int) -> type:
    return tf.as_dtype(dtype).as_numpy_dtype


def _type_name(dtype: int) -> str:
    """Returns a type's name as C++ prints it: `float`, `half`, `int64`."""
    return types_pb2.DataType.Name(dtype).removeprefix("DT_").lower()


def _objects(values: list[bytes]) -> np.ndarray:
    """Returns bytes as a 1-D array: NumPy's own strings would lose zeros at their ends."""
    return np.fromiter(values, object, len(values))


def answer(outputs: Mapping[str, np.ndarray], dtypes: Mapping[str, int], form: Form) -> bytes:
    """Returns outputs as the body of an answer.

    Args:
        outputs: by name.
        dtypes: TensorFlow's number of each output's type.
        form: `"row"`: a list of what each row gave, which needs equal batch dimensions; `"column"`: as they are.

    Raises:
        Refusal: If JSON cannot say it.
    """
    for name in outputs:
        if dtypes[name] not in _WRITABLE:
            raise invalid(f"Failed to write JSON value for tensor type: {_type_name(dtypes[name])}")
    if form == "column":
        written = {name: _written(name, array) for name, array in outputs.items()}
        return _body("outputs", next(iter(written.values())) if len(written) == 1 else _object(written))
    rows = None
    for name, array in outputs.items():
        if array.ndim == 0:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if rows is not None and len(array) != rows:
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {rows}")
        rows = len(array)
    if len(outputs) == 1:
        ((name, array),) = outputs.items()
        return _body("predictions", _written(name, array))
    each = [_object({name: _written(name, array[i, ...]) for name, array in outputs.items()}) for i in range(rows)]
    return _body("predictions", f"[{','.join(each)}]")


def _body(key: str, text: str) -> bytes:
    return f'{{"{key}":{text}}}'.encode("utf-8", "surrogateescape")  # strings that are no text go out as they are


def _object(written: Mapping[str, str]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{text}" for name, text in written.items()) + "}"


def _written(name: str, array: np.ndarray) -> str:
    """Returns an array as JSON; nine digits tell every float32, in a quarter of the time and half of the bytes."""
    array = np.asarray(array)
    if array.dtype == object:
        return json.dumps(_strings(array.tolist(), name.endswith("_bytes")), ensure_ascii=False)
    if array.dtype == np.float32 and np.isfinite(array).all():
        text = _template("%.9g", array.shape) % tuple(array.ravel().tolist())
        whole = (array == np.trunc(array)).any()
        return re.sub(r"(?<![\d.e+-])(-?\d+)(?=[],]|$)", r"\1.0", text) if whole else text
    if array.dtype.kind in "iu":
        return _template("%d", array.shape) % tuple(array.ravel().tolist())
    return json.dumps(array.tolist())


def _template(each: str, shape: Iterable[int]) -> str:
    """Returns what, filled in with all values, is the JSON of an array of that shape."""
    for size in reversed(tuple(shape)):
        each = f"[{','.join([each] * size)}]"
    return each


def _strings(value: Any, as_bytes: bool) -> Any:
    if isinstance(value, list):
        return [_strings(each, as_bytes) for each in value]
    value = value if isinstance(value, bytes) else str(value).encode()
    if as_bytes:
        return {"b64": base64.b64encode(value).decode("ascii")}
    return value.decode("utf-8", "surrogateescape")
