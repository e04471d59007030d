"""TensorProto to arrays and back, against TensorFlow's own conversions."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

from ganzoo.serving.standin import limits
from ganzoo.serving.tensors import array_of, proto_of

NUMBERS = (
    tf.float32, tf.float64, tf.float16, tf.bfloat16, tf.int8, tf.int16, tf.int32, tf.int64, tf.uint8, tf.uint16,
    tf.uint32, tf.uint64, tf.bool,
)  # fmt: skip


def example(dtype, shape=(2, 3)):
    return np.random.default_rng(0).integers(0, 200, shape).astype(dtype.as_numpy_dtype)


def typed(array, dtype):
    """Returns a TensorProto with values in the field of their type: TensorFlow packs arrays as bytes."""
    proto = tf.make_tensor_proto(array.ravel().tolist(), dtype, array.shape)
    assert not proto.tensor_content or array.size == 1
    return proto


@pytest.mark.parametrize("content", [False, True])
@pytest.mark.parametrize("dtype", NUMBERS, ids=lambda dtype: dtype.name)
@pytest.mark.parametrize("shape", [(2, 3), (0, 3), ()])
def test_numbers(dtype, shape, content):
    array = example(dtype, shape)
    proto = proto_of(array, dtype.as_datatype_enum, content)
    assert bool(proto.tensor_content) == (content and array.size > 0)
    for back in (tf.make_ndarray(proto), array_of(proto), array_of(tf.make_tensor_proto(array))):
        assert back.dtype == array.dtype
        np.testing.assert_array_equal(back, array)
    assert array_of(proto).flags.writeable


def test_strings():
    array = np.array([[b"a\0", b""], [b"\xff", b"long" * 100]], object)
    for content in (False, True):
        proto = proto_of(array, tf.string.as_datatype_enum, content)
        np.testing.assert_array_equal(tf.make_ndarray(proto), array)
        np.testing.assert_array_equal(array_of(proto), array)


@pytest.mark.parametrize("values", [[], [3], [3, 5], [3, 5, 7, 9], [3, 5, 7, 9, 11]])
def test_missing_values_are_the_last_one(values):
    proto = tensor_pb2.TensorProto(dtype=tf.int64.as_datatype_enum, int64_val=values)
    proto.tensor_shape.dim.add(size=4)
    expected = {0: [0, 0, 0, 0], 1: [3, 3, 3, 3], 2: [3, 5, 5, 5]}.get(len(values), [3, 5, 7, 9])
    assert array_of(proto).tolist() == expected


def test_what_is_no_tensor():
    def refused(**fields):
        shape = fields.pop("shape", [1])
        proto = tensor_pb2.TensorProto(**fields)
        for size in shape:
            proto.tensor_shape.dim.add(size=size)
        with pytest.raises(ValueError, match="tensor"):
            array_of(proto, limits.TENSOR_BYTES)

    refused(dtype=0)
    refused(dtype=tf.resource.as_datatype_enum)
    refused(dtype=999)
    refused(dtype=1, shape=[-1])
    refused(dtype=1, shape=[1] * (33))
    refused(dtype=1, tensor_content=b"123")
    refused(dtype=1, tensor_content=b"12345678")
    refused(dtype=tf.string.as_datatype_enum, tensor_content=b"1")
    refused(dtype=1, float_val=[1.0], shape=[1 << 40])  # a bomb: four TiB in a few bytes
    refused(dtype=1, shape=[1 << 62, 1 << 62])
    with pytest.raises(ValueError, match="unknown type or rank"):
        array_of(tensor_pb2.TensorProto(dtype=1, tensor_shape={"unknown_rank": True}))
