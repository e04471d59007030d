"""What the players minimise, as pairs of pure functions on scores (unbounded outputs, float32 [B, 1]).

With p the data density, q the generator's and s the sigmoid: a score a is the logit of D = s(a);
-log s(a) = softplus(-a) and -log(1 - s(a)) = softplus(a).
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

Scores = tf.Tensor


class Objective(NamedTuple):
    """A pair of losses to minimise.

    Args:
        discriminator: (real scores, fake scores) -> scalar.
        generator: fake scores -> scalar.
        curvature: fake scores -> f*''(T) (dT/da)^2, what noise on them costs the discriminator, which
            `regularized_fgan` charges for; None where that is nothing or not known.
    """

    discriminator: Callable[[Scores, Scores], tf.Tensor]
    generator: Callable[[Scores], tf.Tensor]
    curvature: Callable[[Scores], tf.Tensor] | None = None


def cross_entropy(real: Scores, fake: Scores) -> tf.Tensor:
    """Returns -E[log D(x)] - E[log(1 - D(G(z)))] (Goodfellow et al. 2014, arXiv:1406.2661, eq. 1)."""
    return tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))


def minimax(fake: Scores) -> tf.Tensor:
    """Returns E[log(1 - D(G(z)))], whose gradient vanishes where D wins (Goodfellow et al. 2014, eq. 1)."""
    return -tf.reduce_mean(tf.nn.softplus(fake))


def non_saturating(fake: Scores) -> tf.Tensor:
    """Returns -E[log D(G(z))] (Goodfellow et al. 2014, section 3)."""
    return tf.reduce_mean(tf.nn.softplus(-fake))


def hinge(real: Scores, fake: Scores) -> tf.Tensor:
    """Returns E[max(0, 1 - a(x))] + E[max(0, 1 + a(G(z)))] (Lim & Ye 2017, arXiv:1705.02894)."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(tf.nn.relu(1.0 + fake))


def wasserstein(real: Scores, fake: Scores) -> tf.Tensor:
    """Returns E[a(G(z))] - E[a(x)] (Arjovsky et al. 2017, arXiv:1701.07875, eq. 2); needs a critic of bounded slope."""
    return tf.reduce_mean(fake) - tf.reduce_mean(real)


def linear(fake: Scores) -> tf.Tensor:
    """Returns -E[a(G(z))]."""
    return -tf.reduce_mean(fake)


def least_squares(fake_code: float, real_code: float, target: float) -> Objective:
    """Returns the losses that draw scores to codes (Mao et al. 2016, arXiv:1611.04076).

    D: E[(a(x) - real_code)^2] / 2 + E[(a(G(z)) - fake_code)^2] / 2. G: E[(a(G(z)) - target)^2] / 2, which at the
    optimal D is a Pearson chi-square divergence where real_code - target = 1 and real_code - fake_code = 2.
    """

    def to(code: float, scores: Scores) -> tf.Tensor:
        return tf.reduce_mean(tf.square(scores - code)) / 2.0

    return Objective(lambda real, fake: to(real_code, real) + to(fake_code, fake), lambda fake: to(target, fake))


def _exp(scores: Scores) -> tf.Tensor:
    """Returns e^a up to a = 30, then its tangent: it cannot overflow, and its gradient does not vanish."""
    return tf.exp(tf.minimum(scores, 30.0)) * (1.0 + tf.nn.relu(scores - 30.0))


class Divergence(NamedTuple):
    """An f-divergence D_f(p || q) = E_q[f(p/q)], as functions of a score (Nowozin et al. 2016, arXiv:1606.00709).

    Args:
        output: g_f, rising (table 2): T = g_f(a) lies where f* is finite, and says "real" above f'(1).
        conjugate: f*(g_f(a)), simplified: no logarithm of an exponential is taken.
        curvature: as in `Objective`.
    """

    output: Callable[[Scores], tf.Tensor]
    conjugate: Callable[[Scores], tf.Tensor]
    curvature: Callable[[Scores], tf.Tensor] | None

    def objective(self, saddle: bool = False) -> Objective:
        """Returns the game on F = E[T(x)] - E[f*(T(G(z)))], whose maximum over D is D_f.

        D maximises F. G maximises E[T(G(z))] (section 3.2), or with `saddle` minimises F.
        """
        generator = self.conjugate if saddle else self.output
        return Objective(
            lambda real, fake: tf.reduce_mean(self.conjugate(fake)) - tf.reduce_mean(self.output(real)),
            lambda fake: -tf.reduce_mean(generator(fake)),
            self.curvature,
        )


LOG_2 = math.log(2.0)
# f is u log u; -log u; (u - 1)^2; (sqrt(u) - 1)^2; |u - 1| / 2; u log u - (u + 1) log((u + 1) / 2).
# One lambda a line: AutoGraph finds a lambda by its line and arguments, and warns of a second.
DIVERGENCES = {
    "forward_kl": Divergence(
        output=tf.identity,
        conjugate=lambda a: _exp(a - 1.0),
        curvature=lambda a: _exp(a - 1.0),
    ),
    "reverse_kl": Divergence(
        output=lambda a: -_exp(-a),
        conjugate=lambda a: a - 1.0,
        curvature=tf.ones_like,
    ),
    "pearson": Divergence(
        output=tf.identity,
        conjugate=lambda a: tf.square(a) / 4.0 + a,
        curvature=lambda a: 0.5 * tf.ones_like(a),
    ),
    "squared_hellinger": Divergence(
        output=lambda a: 1.0 - _exp(-a),
        conjugate=lambda a: _exp(a) - 1.0,
        curvature=lambda a: 2.0 * _exp(a),
    ),
    "total_variation": Divergence(
        output=lambda a: 0.5 * tf.tanh(a),
        conjugate=lambda a: 0.5 * tf.tanh(a),
        curvature=None,  # f* is linear: noise costs nothing
    ),
    "js": Divergence(
        output=lambda a: LOG_2 - tf.nn.softplus(-a),
        conjugate=lambda a: tf.nn.softplus(a) - LOG_2,
        curvature=tf.sigmoid,
    ),
}

OBJECTIVES = {
    "minimax": Objective(cross_entropy, minimax, tf.sigmoid),
    "non_saturating": Objective(cross_entropy, non_saturating, tf.sigmoid),
    "hinge": Objective(hinge, linear),
    "wasserstein": Objective(wasserstein, linear),
    "least_squares": least_squares(-1.0, 1.0, 0.0),
    "least_squares_binary": least_squares(0.0, 1.0, 1.0),
    **{name: divergence.objective() for name, divergence in DIVERGENCES.items()},
    **{f"{name}_saddle": divergence.objective(saddle=True) for name, divergence in DIVERGENCES.items()},
}
