"""What the players minimise, as pairs of pure functions on scores (unbounded outputs, float32 [B, 1]).

With p the data density, q the generator's and s the sigmoid: a score a is the logit of D = s(a);
-log s(a) = softplus(-a) and -log(1 - s(a)) = softplus(a).
"""

from collections.abc import Callable
from typing import NamedTuple

import tensorflow as tf

Scores = tf.Tensor


class Objective(NamedTuple):
    """A pair of losses to minimise.

    Args:
        discriminator: (real scores, fake scores) -> scalar.
        generator: fake scores -> scalar.
    """

    discriminator: Callable[[Scores, Scores], tf.Tensor]
    generator: Callable[[Scores], tf.Tensor]


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


OBJECTIVES = {
    "minimax": Objective(cross_entropy, minimax),
    "non_saturating": Objective(cross_entropy, non_saturating),
    "hinge": Objective(hinge, linear),
    "wasserstein": Objective(wasserstein, linear),
}
