"""Layers of the zoo's networks that Keras lacks."""

import keras
import tensorflow as tf

from ganzoo.distribution import gathered, replica_id


def plain_kernel_sums(rows: tf.Tensor, others: tf.Tensor, first: tf.Tensor | int) -> tf.Tensor:
    """Returns `kernel_sums`, written plainly: any derivative, with all pairs in memory."""
    # Far enough for exp(-distance) = 0. To subtract the row's own 1 from the sum instead would round it.
    itself = 1e9 * tf.one_hot(first + tf.range(tf.shape(rows)[0]), tf.shape(others)[0], axis=0, dtype=rows.dtype)
    distances = itself[:, :, None]
    for row, other in zip(tf.unstack(rows, axis=2), tf.unstack(others, axis=2), strict=True):
        distances += tf.abs(row - other[:, None])  # [n, m, B]
    return tf.reduce_sum(tf.exp(-distances), 0)


def _plain_gradients(
    rows: tf.Tensor, others: tf.Tensor, upstream: tf.Tensor, first: tf.Tensor
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the gradients of `plain_kernel_sums` with respect to the rows and to the others."""
    with tf.GradientTape() as tape:
        tape.watch((rows, others))
        sums = plain_kernel_sums(rows, others, first)
    return tape.gradient(sums, (rows, others), upstream)


# XLA fuses the arithmetic of a pair, so that [n, m, B] tensors are few and [n, m, B, C] there is none.
_fused_sums = tf.function(plain_kernel_sums, jit_compile=True, autograph=False)
_fused_gradients = tf.function(_plain_gradients, jit_compile=True, autograph=False)


@tf.custom_gradient
def _lean_sums(rows: tf.Tensor, others: tf.Tensor, first: tf.Tensor) -> tuple:
    """Returns `kernel_sums`, and its gradient function, which computes the pairs again."""

    def gradient(upstream: tf.Tensor) -> tuple:
        by_rows, by_others = _lean_gradients(rows, others, upstream, first)
        return by_rows, by_others, None

    # `stop_gradient`, or an eager tape keeps the [n, m, B] of the fused function for a gradient of its own.
    return _fused_sums(tf.stop_gradient(rows), tf.stop_gradient(others), first), gradient


@tf.custom_gradient
def _lean_gradients(rows: tf.Tensor, others: tf.Tensor, upstream: tf.Tensor, first: tf.Tensor) -> tuple:
    """Returns the gradients of `kernel_sums`, and their gradient function: that of the plain form."""

    def gradient(*upstreams: tf.Tensor) -> tuple:
        # Copies, as rows and others may be one tensor, whose gradient would then be their sum, twice.
        sources = tf.identity(rows), tf.identity(others), tf.identity(upstream)
        with tf.GradientTape() as tape:
            tape.watch(sources)
            gradients = _plain_gradients(*sources, first)
        by_rows, by_others, by_upstream = tape.gradient(gradients, sources, upstreams)
        return by_rows, by_others, by_upstream, None

    stopped = (tf.stop_gradient(x) for x in (rows, others, upstream))
    return _fused_gradients(*stopped, first), gradient


@tf.autograph.experimental.do_not_convert  # It takes the gradient functions for results.
def kernel_sums(rows: tf.Tensor, others: tf.Tensor, first: tf.Tensor | int = 0) -> tf.Tensor:
    """Returns how near each row is to all but itself: o_ib = sum_{j != first + i} exp(-||r_ib - s_jb||_1).

    Shapes: rows r [m, B, C], others s [n, B, C], where row i is `others[first + i]`; returns [m, B].
    Source: Salimans et al. 2016 (arXiv:1606.03498), section 3.2; its sum is over all j, itself included.
    The gradient keeps only rows and others. A second derivative takes the plain form's time and memory.
    """
    return _lean_sums(rows, others, tf.convert_to_tensor(first, tf.int32))


@keras.saving.register_keras_serializable(package="ganzoo")
class Clipped(keras.layers.Layer):
    """Clips to the range of pixels, [-1, 1], but not in training: there it would stop the gradient."""

    def call(self, images: tf.Tensor, training: bool = False) -> tf.Tensor:
        return images if training else tf.clip_by_value(images, -1.0, 1.0)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return input_shape


@keras.saving.register_keras_serializable(package="ganzoo")
class MinibatchDiscrimination(keras.layers.Layer):
    """Adds to the features of each example how near it is to the rest of the batch, in B learned kernels.

    Shapes: features f [n, A] to [n, A + B]; T is [A, B * C]. Computes in float32 under any dtype policy.
    Source: Salimans et al. 2016 (arXiv:1606.03498), section 3.2; M = f T, and `kernel_sums` of M.
    Deviations: an example is not its own neighbour. The batch is that of all replicas, of equal sizes.
    `normalize` divides by the number of neighbours, so that the sums do not grow with the batch.
    T starts from N(0, 0.02^2), as in chainer-gan-lib; it has no bias, which the differences would cancel.
    """

    def __init__(
        self,
        kernels: int = 100,
        kernel_dim: int = 5,
        kernel_initializer: str | dict | keras.initializers.Initializer | None = None,
        normalize: bool = False,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.kernels = kernels
        self.kernel_dim = kernel_dim
        # Not a default argument: one initializer gives the same numbers to each layer that uses it.
        self.kernel_initializer = keras.initializers.get(
            kernel_initializer or keras.initializers.RandomNormal(stddev=0.02)
        )
        self.normalize = normalize
        self.input_spec = keras.layers.InputSpec(ndim=2)

    def build(self, input_shape: tuple) -> None:
        self.kernel = self.add_weight(
            name="kernel",
            shape=(input_shape[-1], self.kernels * self.kernel_dim),
            initializer=self.kernel_initializer,
            autocast=False,
        )

    def call(self, features: tf.Tensor) -> tf.Tensor:
        projected = tf.cast(features, tf.float32) @ tf.cast(self.kernel, tf.float32)
        rows = tf.reshape(projected, [-1, self.kernels, self.kernel_dim])
        others = gathered(rows)
        sums = kernel_sums(rows, others, replica_id() * tf.shape(rows)[0])
        if self.normalize:
            sums /= tf.cast(tf.maximum(tf.shape(others)[0] - 1, 1), sums.dtype)
        return tf.concat([features, tf.cast(sums, features.dtype)], -1)

    def compute_output_shape(self, input_shape: tuple) -> tuple:
        return (*input_shape[:-1], input_shape[-1] + self.kernels)

    def get_config(self) -> dict:
        return {
            **super().get_config(),
            "kernels": self.kernels,
            "kernel_dim": self.kernel_dim,
            "kernel_initializer": keras.initializers.serialize(self.kernel_initializer),
            "normalize": self.normalize,
        }


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
    Source: Salimans et al. 2016 (arXiv:1606.03498), section 3.4; weights and reference rows as in its authors' code.
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
