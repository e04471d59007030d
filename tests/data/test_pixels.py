import numpy as np
import tensorflow as tf

from ganzoo.data import pixels, unit_range


def test_all_256_values_survive_the_round_trip():
    values = np.arange(256, dtype=np.uint8).reshape(1, 16, 16, 1)
    scaled = unit_range(values)
    assert scaled.dtype == tf.float32
    assert float(tf.reduce_min(scaled)) == -1.0
    assert float(tf.reduce_max(scaled)) == 1.0
    np.testing.assert_array_equal(pixels(scaled), values)


def test_pixels_rounds_and_clips_inside_a_graph():
    graph = tf.function(pixels)
    result = graph(tf.constant([-3.0, -1.0, 0.0, 0.999, 1.0, 2.0]))
    assert result.dtype == tf.uint8
    np.testing.assert_array_equal(result, [0, 0, 128, 255, 255, 255])
