"""Arrays as servers take and give them, without a Python loop over the values: protocol buffers, and JSON."""

import base64
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from ganzoo.errors import InputError

_MOST_DIMENSIONS = 32  # NumPy has 64, TensorFlow 254
# The field of a TensorProto that has the values of a type.
_FIELDS = {
    types_pb2.DT_FLOAT: "float_val",
    types_pb2.DT_DOUBLE: "double_val",
    types_pb2.DT_INT64: "int64_val",
    types_pb2.DT_UINT64: "uint64_val",
    types_pb2.DT_UINT32: "uint32_val",
    types_pb2.DT_BOOL: "bool_val",
    types_pb2.DT_STRING: "string_val",
    types_pb2.DT_HALF: "half_val",
    types_pb2.DT_BFLOAT16: "half_val",
    **dict.fromkeys(
        (types_pb2.DT_INT32, types_pb2.DT_INT16, types_pb2.DT_INT8, types_pb2.DT_UINT16, types_pb2.DT_UINT8), "int_val"
    ),
}
# A packed field of fixed-width numbers is, on the wire, a tag, a length and the numbers as they lie in memory.
_PACKED_TAGS = {np.dtype("<f4"): b"\x2a", np.dtype("<f8"): b"\x32"}


@dataclass(frozen=True)
class Spec:
    """What a signature says of an input or output.

    Args:
        dtype: NumPy's; `object` for strings of bytes.
        shape: None where a dimension is free; None as a whole where the rank is.
    """

    dtype: np.dtype
    shape: tuple[int | None, ...] | None


@dataclass(frozen=True)
class Signature:
    """The inputs and outputs of a function that is served, by name."""

    inputs: Mapping[str, Spec]
    outputs: Mapping[str, Spec]


def signature_of(definition: Any) -> Signature:
    """Returns what a `SignatureDef` says, less what has no type: the output of `__saved_model_init_op`."""
    sides = (definition.inputs, definition.outputs)
    return Signature(*({name: _spec(info) for name, info in side.items() if info.dtype} for side in sides))


def _spec(info: Any) -> Spec:
    shape = info.tensor_shape
    sizes = None if shape.unknown_rank else tuple(None if d.size < 0 else d.size for d in shape.dim)
    return Spec(np.dtype(tf.as_dtype(info.dtype).as_numpy_dtype), sizes)


def fitted(value: Any, dtype: np.dtype, name: str) -> np.ndarray:
    """Returns a value as an array of the type that a signature asks for.

    Raises:
        InputError: if the type cannot hold it: a fraction as an integer, a number out of range, a text as a number.
    """
    given = np.asarray(value)
    if given.dtype == dtype:
        return given
    if dtype.kind == "O" and given.dtype.kind in "SU":
        return given.astype(object)
    whole = given.dtype.kind in "iu" and dtype.kind in "iu"
    if whole or (given.dtype.kind in "biuf" and np.can_cast(given.dtype, dtype, "same_kind")):
        with np.errstate(over="ignore"):
            array = given.astype(dtype)
        if np.array_equal(array, given) if whole else np.array_equal(np.isinf(array), np.isinf(given)):
            return array
    raise InputError(f"{name}={value!r} does not fit into {dtype}, which the signature takes; give {dtype} values")


def array_of(proto: tensor_pb2.TensorProto, most_bytes: float = math.inf) -> np.ndarray:
    """Returns the tensor as an array; strings as bytes in an object array.

    As in TensorFlow, of fewer values than the shape has the last one repeats, and of none all are zero. Two hundred
    times faster than `tf.make_ndarray`, which takes a typed field value by value, for a batch of images.

    Args:
        proto: what was sent.
        most_bytes: that the array may take.

    Raises:
        ValueError: If it is no tensor of a known type and shape, or too large a one.
    """
    if proto.dtype not in _FIELDS or proto.tensor_shape.unknown_rank:
        raise ValueError("a tensor of an unknown type or rank")
    dtype = tf.as_dtype(proto.dtype).as_numpy_dtype
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if len(shape) > _MOST_DIMENSIONS or min(shape, default=0) < 0:
        raise ValueError(f"a tensor of shape {shape}")
    size = math.prod(shape)
    if size * np.dtype(dtype).itemsize > most_bytes:
        raise ValueError(f"a tensor of shape {shape}, which takes more than {most_bytes} bytes")
    if proto.tensor_content:
        if dtype is object or len(proto.tensor_content) != size * np.dtype(dtype).itemsize:
            raise ValueError(f"{len(proto.tensor_content)} bytes for a tensor of shape {shape}")
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape).copy()  # bytes cannot be written to
    return _filled(_values(proto, dtype)[:size], dtype, size).reshape(shape)


def _values(proto: tensor_pb2.TensorProto, dtype: type) -> np.ndarray:
    """Returns the typed field's values, 1-D."""
    values = getattr(proto, _FIELDS[proto.dtype])
    if dtype is object:
        return np.fromiter(values, object, len(values))
    if proto.dtype in (types_pb2.DT_HALF, types_pb2.DT_BFLOAT16):
        return np.array(values, np.uint32).astype(np.uint16).view(dtype)
    return np.array(values).astype(dtype)


def _filled(values: np.ndarray, dtype: type, size: int) -> np.ndarray:
    if len(values) == size:
        return values
    filled = np.full(size, b"" if dtype is object else 0, dtype)
    filled[: len(values)] = values
    filled[len(values) :] = values[-1] if len(values) else filled[0]
    return filled


def proto_of(array: np.ndarray, dtype: int, content: bool) -> tensor_pb2.TensorProto:
    """Returns an array as a TensorProto.

    Args:
        array: of any shape; strings as bytes in an object array.
        dtype: TensorFlow's number of its type.
        content: values as raw bytes where the type has a width, else as the typed field, as a server does by default.
    """
    proto = tensor_pb2.TensorProto(dtype=dtype)
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if content and dtype != types_pb2.DT_STRING:
        proto.tensor_content = array.tobytes()
    elif array.dtype in _PACKED_TAGS and array.size:
        proto.MergeFromString(_PACKED_TAGS[array.dtype] + _varint(array.nbytes) + array.tobytes())
    elif dtype in (types_pb2.DT_HALF, types_pb2.DT_BFLOAT16):
        proto.half_val.extend(array.ravel().view(np.uint16).tolist())
    elif dtype in _FIELDS:
        getattr(proto, _FIELDS[dtype]).extend(array.ravel().tolist())
    else:
        proto.CopyFrom(tf.make_tensor_proto(array))
    return proto


def _varint(number: int) -> bytes:
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    return bytes([*encoded, number])


def to_json(array: np.ndarray) -> Any:
    """Returns an array as JSON has it; bytes as {"b64": ...}, infinity as the token `Infinity` once it is written."""
    if array.dtype.kind != "O":
        return array.tolist()
    return _mapped(array.tolist(), _as_b64)


def from_json(value: Any, dtype: np.dtype) -> np.ndarray:
    """Returns a JSON value as an array; strings as bytes objects."""
    return np.array(_mapped(value, _as_bytes) if dtype.kind == "O" else value, dtype)


def _mapped(value: Any, leaf: Any) -> Any:
    return [_mapped(each, leaf) for each in value] if isinstance(value, list) else leaf(value)


def _as_b64(value: bytes | str) -> dict[str, str]:
    return {"b64": base64.b64encode(value if isinstance(value, bytes) else value.encode()).decode()}


def _as_bytes(value: dict[str, str] | str) -> bytes:
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()
