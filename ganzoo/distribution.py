"""What one replica knows of the others under `tf.distribute`; without a strategy there is one replica."""

import tensorflow as tf


def replica_count() -> int:
    """Returns how many replicas train in step."""
    return tf.distribute.get_strategy().num_replicas_in_sync


def replica_id() -> tf.Tensor | int:
    """Returns the number of this replica, 0 to `replica_count() - 1`; 0 outside of a replica."""
    context = tf.distribute.get_replica_context()
    return 0 if context is None or replica_count() == 1 else context.replica_id_in_sync_group


def gathered(rows: tf.Tensor) -> tf.Tensor:
    """Returns the rows of all replicas in order, [replicas * n, ...]; differentiable, also twice."""
    count, context = replica_count(), tf.distribute.get_replica_context()
    if count == 1 or context is None:
        return rows
    # `all_gather` has no second derivative: rows put into zeros, then summed, have.
    places = tf.one_hot(replica_id(), count, dtype=rows.dtype)
    placed = tf.reshape(places, [count] + [1] * rows.shape.rank) * rows[None]
    total = context.all_reduce(tf.distribute.ReduceOp.SUM, placed)
    return tf.reshape(total, tf.concat([[-1], tf.shape(rows)[1:]], 0))


def summed(values: list[tf.Tensor]) -> list[tf.Tensor]:
    """Returns the sums of `values` over the replicas, the same on each; differentiable, also twice."""
    context = tf.distribute.get_replica_context()
    if replica_count() == 1 or context is None:
        return values
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)


def averaged(value: tf.Tensor) -> tf.Tensor:
    """Returns the mean of `value` over the replicas, the same on each; differentiable, also twice."""
    return summed([value])[0] / replica_count() if tf.distribute.get_replica_context() else value


def deviation(rows: tf.Tensor, axis: int | None = None) -> tf.Tensor:
    """Returns the standard deviation over the rows of all replicas, of equal numbers; with lengths 1 where summed."""
    mean = averaged(tf.reduce_mean(rows, axis, keepdims=True))
    return tf.sqrt(averaged(tf.reduce_mean(tf.square(rows - mean), axis, keepdims=True)))


def squared_norm(gradients: list[tf.Tensor]) -> tf.Tensor:
    """Returns the squared norm of the global batch's gradient, to which each replica gives an addend.

    Squares of the addends would hold the variance between replicas, too.
    """
    return tf.add_n([tf.reduce_sum(tf.square(gradient)) for gradient in summed(gradients)])
