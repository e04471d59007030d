"""Noise as a pure function of (seed, index): the same row at any batch size, replica count, or server.

Every row is keyed by itself with the counter-based generator Philox 4x32-10 (Salmon et al. 2011,
"Parallel random numbers: as easy as 1, 2, 3"), written in vectorised integer operations: bit-equal to
TensorFlow's own Philox, also under XLA, where TensorFlow's streams change. There is no state to save.
"""

import math
import zlib
from collections.abc import Callable
from dataclasses import dataclass

import tensorflow as tf

from ganzoo.distribution import replica_id
from ganzoo.errors import InputError, did_you_mean

PRIORS = ("normal", "uniform")
# Rows of one round are numbered below 2**20: a global batch of at most 1,048,576 examples.
ROWS_PER_ROUND_BITS = 20
# What a rollback adds to the round that noise and data are keyed by: more rounds than a run has, so that none is met
# twice, and 31 times as many still fit, with their rows, in 63 bits.
ROLLBACK_STRIDE = 2**38
MOST_ROLLBACKS = 31
_MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
_WEYL = (0x9E3779B9, 0xBB67AE85)
_LANES = 16


# Words are in int64, whose products have the same 64 bits: TPUs document no multiplication of unsigned integers.
def _constant(value: int) -> tf.Tensor:
    return tf.constant(value, tf.int64)


def _low(words: tf.Tensor) -> tf.Tensor:
    return tf.bitwise.bitwise_and(words, _constant(0xFFFFFFFF))


def _high(words: tf.Tensor) -> tf.Tensor:
    return _low(tf.bitwise.right_shift(words, _constant(32)))  # the shift brings in the sign


def philox(counter: tuple[tf.Tensor, ...], key: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
    """Returns four random 32-bit words, each held in int64, for a counter of four words and a key of two."""
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(10):
        first, second = c0 * _constant(_MULTIPLIERS[0]), c2 * _constant(_MULTIPLIERS[1])
        c0, c2 = (
            tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(_high(second), c1), k0),
            tf.bitwise.bitwise_xor(tf.bitwise.bitwise_xor(_high(first), c3), k1),
        )
        c1, c3 = _low(second), _low(first)
        k0, k1 = _low(k0 + _constant(_WEYL[0])), _low(k1 + _constant(_WEYL[1]))
    return c0, c1, c2, c3


def uniforms(seed: tf.Tensor, index: tf.Tensor, count: int, tag: int = 0) -> tf.Tensor:
    """Returns float32 [B, >= count] in the open interval (0, 1), row i from (seed[i], index[i], tag) alone.

    Rows are whole vector lanes long, so that no value takes another code path at another batch size:
    cut them to `count` after the last elementwise operation.

    Args:
        seed: int64 [B].
        index: int64 [B].
        count: numbers a row needs.
        tag: 32-bit number of an independent stream; 0 is the stream of sampling.
    """
    blocks = -(-count // _LANES) * _LANES // 4
    values = _uniforms(seed, index, tf.range(blocks, dtype=tf.int64), _constant(tag))
    values.set_shape([index.shape[0], 4 * blocks])  # the signature has lost it
    return values


# A round draws a dozen times: as a function the hundred operations are traced once.
@tf.function(autograph=False, input_signature=[tf.TensorSpec([None], tf.int64)] * 3 + [tf.TensorSpec([], tf.int64)])
def _uniforms(seed: tf.Tensor, index: tf.Tensor, blocks: tf.Tensor, tag: tf.Tensor) -> tf.Tensor:
    seed, index = seed[:, None], index[:, None]
    block = blocks[None, :] + tf.zeros_like(seed)
    zero = tf.zeros_like(block)
    words = philox(
        (block, zero + tag, zero + _low(index), zero + _high(index)),
        (zero + _low(seed), zero + _high(seed)),
    )
    words = tf.reshape(tf.stack(words, -1), [tf.shape(block)[0], tf.shape(block)[1] * 4])
    bits = tf.cast(tf.bitwise.right_shift(words, _constant(9)), tf.float32)  # 23 bits: exact
    return (bits + 0.5) * 2.0**-23


def normals(uniform: tf.Tensor, truncation: tf.Tensor | float = math.inf) -> tf.Tensor:
    """Returns N(0, 1) cut at +-`truncation` standard deviations, by the inverse distribution function."""
    span = tf.math.erf(tf.cast(truncation, tf.float32) / math.sqrt(2.0))
    return math.sqrt(2.0) * tf.math.erfinv((2.0 * uniform - 1.0) * span)


def latents(
    seed: tf.Tensor,
    index: tf.Tensor,
    latent_dim: int,
    *,
    prior: str = "normal",
    truncation: tf.Tensor | float = math.inf,
    tag: int = 0,
) -> tf.Tensor:
    """Returns latents float32 [B, latent_dim]; row i is a pure function of (seed[i], index[i]).

    Args:
        seed: int64 [B].
        index: int64 [B].
        latent_dim: numbers a latent.
        prior: `"normal"`, N(0, I), or `"uniform"`, U(-1, 1).
        truncation: float32 [B] or a number > 0: the normal is cut at so many standard deviations, the
            uniform's range shrinks to it where it is below 1.
        tag: 32-bit number of an independent stream.

    Raises:
        InputError: if `prior` is unknown.
    """
    if prior not in PRIORS:
        raise InputError(f"prior={prior!r} is unknown; {did_you_mean(prior, PRIORS)}")
    uniform = uniforms(seed, index, latent_dim, tag)
    truncation = tf.reshape(tf.cast(truncation, tf.float32), [-1, 1])
    if prior == "normal":
        values = normals(uniform, truncation)
    else:
        values = (2.0 * uniform - 1.0) * tf.minimum(truncation, 1.0)
    return values[:, :latent_dim]


def slerp(start: tf.Tensor, end: tf.Tensor, fraction: tf.Tensor) -> tf.Tensor:
    """Returns latents float32 [B, latent_dim] on the great circle from start[i] to end[i], lengths blended linearly.

    Rows of one direction, or of opposite ones, between which no great circle is the shortest, go straight
    (White 2016, arXiv:1609.04468).

    Args:
        start: float32 [B, latent_dim].
        end: float32 [B, latent_dim].
        fraction: float32 [B], of the way: 0 gives `start`, 1 `end`.
    """
    start, end = tf.cast(start, tf.float64), tf.cast(end, tf.float64)
    t = tf.cast(fraction, tf.float64)[:, None]
    length, last_length = (tf.norm(vectors, axis=1, keepdims=True) for vectors in (start, end))
    first, last = tf.math.divide_no_nan(start, length), tf.math.divide_no_nan(end, last_length)
    angle = tf.acos(tf.clip_by_value(tf.reduce_sum(first * last, 1, keepdims=True), -1.0, 1.0))
    straight = tf.sin(angle) < 1e-6
    sine = tf.where(straight, tf.ones_like(angle), tf.sin(angle))
    direction = (tf.sin((1.0 - t) * angle) * first + tf.sin(t * angle) * last) / sine
    bent = ((1.0 - t) * length + t * last_length) * direction
    return tf.cast(tf.where(straight, (1.0 - t) * start + t * end, bent), tf.float32)


@dataclass(frozen=True)
class Stream:
    """The random numbers of one update: pure functions of (seed, round, update, purpose, row).

    Rows are numbered over the global batch, so replicas draw different numbers, and as many replicas as
    you like draw what one would.

    Args:
        seed: the run's seed.
        step: int64 scalar, the round.
        update: which update of the round, e.g. `"discriminator/0"`.
    """

    seed: int
    step: tf.Tensor
    update: str

    def _rows(self, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        count = tf.cast(count, tf.int64)
        row = tf.cast(replica_id(), tf.int64) * count + tf.range(count)
        index = tf.cast(self.step, tf.int64) * 2**ROWS_PER_ROUND_BITS + row
        return tf.zeros_like(index) + self.seed, index

    def _tag(self, purpose: str) -> int:
        return zlib.crc32(f"{self.update}/{purpose}".encode()) or 1

    def _draw(self, purpose: str, shape: tf.Tensor | tuple, transform: Callable) -> tf.Tensor:
        count, *sizes = shape
        size = math.prod(sizes)
        values = transform(uniforms(*self._rows(count), size, self._tag(purpose)))
        return tf.reshape(values[:, :size], [-1, *sizes])

    def uniform(self, purpose: str, shape: tf.Tensor | tuple) -> tf.Tensor:
        """Returns U(0, 1) of `shape` [B, ...], whose trailing sizes are static."""
        return self._draw(purpose, shape, tf.identity)

    def normal(self, purpose: str, shape: tf.Tensor | tuple) -> tf.Tensor:
        """Returns N(0, 1) of `shape` [B, ...], whose trailing sizes are static."""
        return self._draw(purpose, shape, normals)

    def latents(self, count: tf.Tensor, latent_dim: int, prior: str) -> tf.Tensor:
        """Returns latents [count, latent_dim] of this update."""
        return latents(*self._rows(count), latent_dim, prior=prior, tag=self._tag("latents"))
