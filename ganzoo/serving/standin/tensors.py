"""TensorProto <-> NumPy, without a Python loop over the values."""

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2, types_pb2

from ganzoo.serving.standin import limits
from ganzoo.serving.standin.statuses import invalid

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


def array_of(proto: tensor_pb2.TensorProto, name: str) -> np.ndarray:
    """Returns the tensor as an array; strings as bytes in an object array.

    As in TensorFlow, of fewer values than the shape has the last one repeats, and of none all are zero.

    Args:
        proto: what a client sent.
        name: of the input, for the error.

    Raises:
        ServingError: If it is no tensor of a known type and shape, or too large a one.
    """
    failed = invalid(f"tensor parsing error: {name}")
    if proto.dtype not in _FIELDS or proto.tensor_shape.unknown_rank:
        raise failed
    dtype = tf.as_dtype(proto.dtype).as_numpy_dtype
    shape = [dim.size for dim in proto.tensor_shape.dim]
    if len(shape) > limits.DEPTH or min(shape, default=0) < 0:
        raise failed
    size = math.prod(shape)
    if size * np.dtype(dtype).itemsize > limits.TENSOR_BYTES:
        raise failed
    if proto.tensor_content:
        if dtype is object or len(proto.tensor_content) != size * np.dtype(dtype).itemsize:
            raise failed
        return np.frombuffer(proto.tensor_content, dtype).reshape(shape)
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
