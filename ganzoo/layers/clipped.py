"""Values kept in the range of pixels."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="ganzoo")
class Clipped(keras.layers.Layer):
    """Clips to the range of pixels, [-1, 1], but not in training: there it would stop the gradient."""

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        return images if training else tf.clip_by_value(images, -1.0, 1.0)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape
