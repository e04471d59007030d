"""The one rule between stored pixels (uint8, 0..255) and what networks see (float32, [-1, 1])."""

import numpy as np
import tensorflow as tf


def unit_range(images: np.ndarray | tf.Tensor) -> tf.Tensor:
    """Returns uint8 images [..., C] of any rank as float32 in [-1, 1]: p / 127.5 - 1."""
    return tf.cast(images, tf.float32) / 127.5 - 1.0


def pixels(images: np.ndarray | tf.Tensor) -> tf.Tensor:
    """Returns float images [..., C] of any rank in [-1, 1] as uint8, rounded, what lies outside clipped.

    The inverse of `unit_range`: `pixels(unit_range(p)) == p` for each of the 256 values.
    """
    levels = tf.round((tf.cast(images, tf.float32) + 1.0) * 127.5)
    return tf.cast(tf.clip_by_value(levels, 0.0, 255.0), tf.uint8)
