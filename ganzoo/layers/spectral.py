"""Spectral normalisation: layers whose kernel has the largest singular value 1."""

import keras
import tensorflow as tf


def spectrally_normalized(kernel: tf.Tensor, direction: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns W / sigma(W), and the direction u after one power iteration, from which the next one starts.

    W is the kernel as a matrix [inputs, outputs], sigma(W) = v^T W u its largest singular value, as nearly as u and v
    have come to be the singular vectors.
    Source: Miyato et al. 2018 (arXiv:1802.05957), algorithm 1; the gradient flows through sigma with u and v held
    fixed, eq. 12.
    """
    matrix = tf.reshape(kernel, [-1, kernel.shape[-1]])
    frozen = tf.stop_gradient(matrix)
    left = tf.math.l2_normalize(tf.linalg.matvec(frozen, direction), epsilon=1e-24)
    right = tf.math.l2_normalize(tf.linalg.matvec(frozen, left, transpose_a=True), epsilon=1e-24)
    sigma = tf.tensordot(left, tf.linalg.matvec(matrix, right), 1)
    return kernel / sigma, right


class _SpectrallyNormalized(keras.layers.Layer):
    """Stands before a layer with a kernel: the layer uses W / sigma(W), training moves W.

    Every call in training takes one power iteration; inference takes one, too, and does not keep it.
    Keras' `SpectralNormalization` writes W / sigma(W) over W wherever a score is taken in training, so that the
    generator's update would move the discriminator's weights, and their gradient knows nothing of sigma.
    """

    def add_weight(self, *args, **kwargs):
        return super().add_weight(*args, **{"autocast": False, **kwargs})  # sigma is for float32

    def build(self, input_shape: tuple) -> None:
        super().build(input_shape)
        self.direction = self.add_weight(
            name="direction",
            shape=(self.kernel.shape[-1],),
            initializer=keras.initializers.RandomNormal(stddev=1.0, seed=0),  # the kernel is random itself
            trainable=False,
        )

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        kernel, direction = spectrally_normalized(self.kernel.value, self.direction.value)
        if training:
            self.direction.assign(direction)
        outputs = self.apply_kernel(inputs, tf.cast(kernel, inputs.dtype))
        if self.use_bias:
            outputs += tf.cast(self.bias, outputs.dtype)
        return outputs if self.activation is None else self.activation(outputs)

    # Keras' own know kernel and bias alone.

    def save_own_variables(self, store: dict) -> None:
        keras.layers.Layer.save_own_variables(self, store)

    def load_own_variables(self, store: dict) -> None:
        keras.layers.Layer.load_own_variables(self, store)


@keras.saving.register_keras_serializable(package="ganzoo")
class SpectralConv2D(_SpectrallyNormalized, keras.layers.Conv2D):
    """A convolution whose kernel, as a matrix [height * width * inputs, outputs], has the largest singular value 1."""

    def apply_kernel(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Returns the convolution with `kernel`."""
        return self.convolution_op(inputs, kernel)


@keras.saving.register_keras_serializable(package="ganzoo")
class SpectralDense(_SpectrallyNormalized, keras.layers.Dense):
    """A dense layer whose kernel has the largest singular value 1."""

    def apply_kernel(self, inputs: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        """Returns the product with `kernel`."""
        return tf.matmul(inputs, kernel)
