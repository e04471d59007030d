"""The neural net distance of two sets: how well a fresh discriminator of a chosen size learns to tell them apart."""

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ganzoo.data import unit_range
from ganzoo.errors import InputError, did_you_mean
from ganzoo.networks import network


def _log(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    losses = tf.reduce_mean(tf.nn.softplus(-a), -1) + tf.reduce_mean(tf.nn.softplus(b), -1)
    return 2.0 * math.log(2.0) - losses


def _linear(a: tf.Tensor, b: tf.Tensor) -> tf.Tensor:
    # As tanh, which is odd to the last bit, where s(a) is not symmetric about 1/2.
    return 0.5 * (tf.reduce_mean(tf.tanh(0.5 * a), -1) - tf.reduce_mean(tf.tanh(0.5 * b), -1))


# Scores of both sets, [..., N] and [..., M] -> what D = s(a) gains over D = 1/2.
MEASURES = {"linear": _linear, "log": _log}
# Of the scores: 0, where nothing was learned, up to 8, for a network that is too timid yet.
SCALES = np.array([0.0, *2.0 ** np.arange(-6, 4)])[:, None]
# SELU's initial weights hand on signals of size 1 without batch norm, also where the network is narrow.
DISCRIMINATOR = {"architecture": "dcgan", "width": 16, "activation": "selu", "normalized": False}


def neural_net_distance(
    a: np.ndarray,
    b: np.ndarray,
    *,
    measure: str = "log",
    discriminator: Mapping[str, Any] = DISCRIMINATOR,
    steps: int = 200,
    batch_size: int = 64,
    learning_rate: float = 1e-3,
    seed: int = 0,
) -> float:
    """Returns the advantage, on held-out rows, of a discriminator that learned to tell `a` from `b`.

    With the measure `"log"` it estimates sup_D E_a log D + E_b log(1 - D) + 2 log 2, from 0 to 2 log 2: over all D
    that is twice the Jensen-Shannon divergence. With `"linear"`, sup_D E_a D - E_b D, from 0 to 1: over all D the
    total variation. D ranges over one network's weights, so that sets which it cannot tell apart are at 0.

    The network trains on every second row and is measured on the others, since what it learned by heart is no
    distance; there its scores count as much as serves best: their scale is chosen on one half of those rows for the
    other. The network starts at D = 1/2, and each set gives the same batches on either side. So the distance is
    symmetric and 0 from a set to itself; between samples of one distribution it is near 0, on either side. As a
    supremum the linear one keeps the triangle inequality, too, and is a metric; the logarithmic one does not.

    Args:
        a: uint8 images [N, H, W, C], or float points [N, D].
        b: as `a`, [M, ...].
        measure: `"log"` or `"linear"`.
        discriminator: the network, `{"architecture": name, **options}`; the larger, the finer the distance. Batch
            norm would tell the sets apart by their batches.
        steps: of Adam.
        batch_size: rows of each set a step; at most what there is.
        learning_rate: of Adam.
        seed: of initial weights and order.

    Raises:
        InputError: if the sets do not compare, or an argument is unknown.

    Source: Arora et al. 2017, arXiv:1703.00573, with the measuring functions phi = log and phi(t) = t.
    """
    if measure not in MEASURES:
        raise InputError(f"measure={measure!r} is unknown; {did_you_mean(measure, MEASURES)}")
    if a.shape[1:] != b.shape[1:] or a.dtype != b.dtype or min(len(a), len(b)) < 4:
        raise InputError(
            f"sets of {a.dtype} {a.shape} and {b.dtype} {b.shape} do not compare; give both alike, of 4 rows at least"
        )
    a, b = (unit_range(rows) if rows.dtype == np.uint8 else tf.constant(rows, tf.float32) for rows in (a, b))
    advantage = MEASURES[measure]
    model = network("discriminator", discriminator, tuple(a.shape[1:]), 1, seed)
    for weight in model.get_layer("scores").weights:
        weight.assign(tf.zeros_like(weight))
    optimizer = keras.optimizers.Adam(learning_rate)
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(of_a: tf.Tensor, of_b: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            # Two calls, whose gradients are summed in either order alike: one call of all rows would not be symmetric.
            loss = -advantage(*(model(rows, training=True)[:, 0] for rows in (of_a, of_b)))
        optimizer.apply(tape.gradient(loss, model.trainable_variables), model.trainable_variables)

    size = min(batch_size, len(a) // 2, len(b) // 2)
    orders = (batches(-(-len(rows) // 2), size, steps, seed) for rows in (a, b))
    for of_a, of_b in zip(*orders, strict=True):
        step(tf.gather(a, 2 * of_a), tf.gather(b, 2 * of_b))
    return held_out_advantage(*(scores(model, rows[1::2]) for rows in (a, b)), advantage)


def held_out_advantage(a: np.ndarray, b: np.ndarray, advantage: Callable) -> float:
    """Returns the advantage that scores have on each half, scaled as is best on the other half; the mean of both."""
    by_scale = np.array([advantage(SCALES * a[part::2], SCALES * b[part::2]) for part in (0, 1)])
    best = by_scale.argmax(axis=1)
    return float(by_scale[1, best[0]] + by_scale[0, best[1]]) / 2.0


def scores(model: keras.Model, rows: tf.Tensor, size: int = 256) -> np.ndarray:
    """Returns a discriminator's scores, float64 [N]."""
    parts = [model(rows[start : start + size], training=False)[:, 0] for start in range(0, len(rows), size)]
    return np.concatenate(parts).astype(np.float64)


def batches(count: int, size: int, steps: int, seed: int) -> np.ndarray:
    """Returns `steps` batches of numbers below `count`, [steps, size], in passes of a random order each."""
    random = np.random.default_rng(seed)
    passes = -(-steps * size // count)
    order = np.concatenate([random.permutation(count) for _ in range(passes)])
    return order[: steps * size].reshape(steps, size)
