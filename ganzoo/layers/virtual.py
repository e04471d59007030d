"""Virtual batch norm: statistics of a fixed reference batch, which a network carries along."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="ganzoo")
class ReferenceBatch(keras.layers.Layer):
    """Puts a fixed batch, drawn once from N(0, I), before its own rows: [n, A] to [size + n, A].

    For `VirtualBatchNormalization`. The batch is a weight, the same on all replicas and in what is exported.
    """

    def __init__(self, size: int, seed: int = 0, **kwargs):
        super().__init__(**kwargs)
        self.size = size
        self.seed = seed

    def build(self, input_shape: tuple) -> None:
        self.reference = self.add_weight(
            name="reference",
            shape=(self.size, *input_shape[1:]),
            initializer=keras.initializers.RandomNormal(stddev=1.0, seed=self.seed),
            trainable=False,
        )

    def call(self, rows: tf.Tensor) -> tf.Tensor:
        return tf.concat([tf.cast(self.reference, rows.dtype), rows], 0)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (None, *input_shape[1:])

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size, "seed": self.seed}


@keras.saving.register_keras_serializable(package="ganzoo")
class WithoutReference(keras.layers.Layer):
    """Leaves out the first `size` rows, which `ReferenceBatch` put there."""

    def __init__(self, size: int, **kwargs):
        super().__init__(**kwargs)
        self.size = size

    def call(self, rows: tf.Tensor) -> tf.Tensor:
        return rows[self.size :]

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (None, *input_shape[1:])

    def get_config(self) -> dict:
        return {**super().get_config(), "size": self.size}


@keras.saving.register_keras_serializable(package="ganzoo")
class VirtualBatchNormalization(keras.layers.Layer):
    """Batch norm by the statistics of a reference batch: its first `reference_size` rows.

    Shapes: [n, ..., C] to the same. A further row is normalised by the mean and variance of the reference and
    itself, in which it weighs 1 / (reference_size + 1); so it depends on no other row. The reference is normalised
    by its own statistics. Training and inference are alike, there are no moving averages. Float32 under any policy.
    Source: Salimans et al. 2016 (arXiv:1606.03498), section 3.5; weights and reference rows as in its authors' code.
    """

    def __init__(self, reference_size: int, epsilon: float = 2e-5, **kwargs):
        super().__init__(**kwargs)
        self.reference_size = reference_size
        self.epsilon = epsilon

    def build(self, input_shape: tuple) -> None:
        shape = (input_shape[-1],)
        self.gamma = self.add_weight(name="gamma", shape=shape, initializer="ones", autocast=False)
        self.beta = self.add_weight(name="beta", shape=shape, initializer="zeros", autocast=False)

    def call(self, rows: tf.Tensor) -> tf.Tensor:
        values, size = tf.cast(rows, tf.float32), self.reference_size
        space = list(range(1, rows.shape.rank - 1))
        mean, variance = tf.nn.moments(values, space, keepdims=True)
        reference_mean, reference_variance = tf.nn.moments(values[:size], [0, *space], keepdims=True)
        weight = tf.cast(tf.range(tf.shape(values)[0]) >= size, tf.float32) / (size + 1)
        weight = tf.reshape(weight, [-1] + [1] * (rows.shape.rank - 1))
        # The moments of a mixture: what the mean of squares less the squared mean is, without its cancellation.
        away = mean - reference_mean
        mean = reference_mean + weight * away
        variance = (1 - weight) * reference_variance + weight * variance + weight * (1 - weight) * tf.square(away)
        scale = tf.math.rsqrt(variance + self.epsilon) * tf.cast(self.gamma, tf.float32)
        return tf.cast((values - mean) * scale + tf.cast(self.beta, tf.float32), rows.dtype)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape

    def get_config(self) -> dict:
        return {**super().get_config(), "reference_size": self.reference_size, "epsilon": self.epsilon}
