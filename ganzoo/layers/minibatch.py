"""Minibatch discrimination: how near each example is to the rest of its batch."""

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
class MinibatchDiscrimination(keras.layers.Layer):
    """Adds to the features of each example how near it is to the rest of the batch, in B learned kernels.

    Shapes: features f [n, A] to [n, A + B]; T is [A, B * C]. Computes in float32 under any dtype policy.
    Source: Salimans et al. 2016 (arXiv:1606.03498), section 3.2; M = f T, and `kernel_sums` of M.
    Deviations: an example is not its own neighbour. The batch is that of all replicas, of equal sizes; `per_replica`
    takes a replica's own instead, so that its features depend on how many replicas there are.
    `normalize` divides by the number of neighbours, so that the sums do not grow with the batch.
    T starts from N(0, 0.02^2), as in chainer-gan-lib; it has no bias, which the differences would cancel.
    """

    def __init__(
        self,
        kernels: int = 100,
        kernel_dim: int = 5,
        kernel_initializer: str | dict | keras.initializers.Initializer | None = None,
        normalize: bool = False,
        per_replica: bool = False,
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
        self.per_replica = per_replica
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
        others = rows if self.per_replica else gathered(rows)
        first = 0 if self.per_replica else replica_id() * tf.shape(rows)[0]
        sums = kernel_sums(rows, others, first)
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
            "per_replica": self.per_replica,
        }
