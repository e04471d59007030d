import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.variants import D2GAN
from ganzoo.variants.d2gan import log_softplus

# How often each outcome is in a batch of data and in a batch of fakes: p and q are exact means over batches.
DATA, FAKES = np.array([1, 4, 2, 7, 6, 3, 2]), np.array([5, 3, 9, 1, 2, 1, 4])
P, Q = DATA / DATA.sum(), FAKES / FAKES.sum()
WEIGHTS = [(1.0, 1.0), (0.2, 0.1), (0.05, 0.7)]


class Stub(D2GAN):
    """A game on outcomes 0 to 6, whose discriminators are tables of scores."""

    def __init__(self, a: np.ndarray, b: np.ndarray, **settings):
        super().__init__(**settings)
        self.tables = {"discriminator": tf.constant(a), "second_discriminator": tf.constant(b)}

    def scores(self, images, opponent="discriminator"):
        return tf.gather(self.tables[opponent], images)[:, None]


def outcomes(counts: np.ndarray) -> tf.Tensor:
    return tf.constant(np.repeat(np.arange(len(counts)), counts))


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.sum(p * np.log(p / q)))


def total(terms: dict) -> float:
    return float(tf.add_n(list(terms.values())))


def optimal(alpha: float, beta: float) -> Stub:
    """The game at d1 = alpha p / q, d2 = beta q / p."""
    a, b = (np.log(np.expm1(d)) for d in (alpha * P / Q, beta * Q / P))
    return Stub(a, b, alpha=alpha, beta=beta)


def losses(game: Stub) -> tuple[float, float]:
    batches = outcomes(DATA), outcomes(FAKES), None
    return total(game.discriminator_terms(*batches)), total(game.second_discriminator_terms(*batches))


@pytest.mark.parametrize(("alpha", "beta"), WEIGHTS)
def test_the_value_of_the_game_at_the_optimal_discriminators(alpha, beta):
    value = alpha * (np.log(alpha) - 1) + beta * (np.log(beta) - 1) + alpha * kl(P, Q) + beta * kl(Q, P)
    np.testing.assert_allclose(-sum(losses(optimal(alpha, beta))), value, rtol=1e-10)


@pytest.mark.parametrize(("alpha", "beta"), WEIGHTS)
def test_no_other_discriminators_do_better(alpha, beta):
    best = optimal(alpha, beta)
    lowest = losses(best)
    for step in np.random.default_rng(0).normal(0, 0.1, (10, 2, 7)):
        a, b = (best.tables[player].numpy() + s for player, s in zip(best.opponents, step, strict=True))
        assert all(np.greater(losses(Stub(a, b, alpha=alpha, beta=beta)), lowest))


@pytest.mark.parametrize(("alpha", "beta"), WEIGHTS)
def test_the_generator_descends_the_weighted_divergences(alpha, beta):
    game = optimal(alpha, beta)
    each = np.array([total(game.generator_terms(None, tf.constant([outcome]), None)) for outcome in range(7)])
    frozen = Q * (each - Q @ each)

    def divergence(step):
        q = np.exp(np.log(Q) + step)
        q /= q.sum()
        return alpha * kl(P, q) + beta * kl(q, P)

    differences = [(divergence(s) - divergence(-s)) / 2e-5 for s in 1e-5 * np.eye(7)]
    np.testing.assert_allclose(frozen, differences, atol=1e-8)


def test_the_terms_at_any_scores():
    a, b = np.random.default_rng(0).normal(0, 3, (2, 7))
    game = Stub(a, b, alpha=0.3, beta=0.6)
    d1, d2 = np.logaddexp(0, a), np.logaddexp(0, b)
    first, second = losses(game)
    np.testing.assert_allclose(first, -0.3 * P @ np.log(d1) + Q @ d1, rtol=1e-10)
    np.testing.assert_allclose(second, P @ d2 - 0.6 * Q @ np.log(d2), rtol=1e-10)
    terms = game.generator_terms(None, outcomes(FAKES), None)
    np.testing.assert_allclose(terms["first"], -Q @ d1, rtol=1e-10)
    np.testing.assert_allclose(terms["second"], 0.6 * Q @ np.log(d2), rtol=1e-10)


def test_the_logarithm_of_softplus_is_exact_and_has_finite_derivatives_everywhere():
    scores = np.array([-1e4, -100, -20.001, -19.999, -5, 0, 5, 100, 1e4], "float32")
    wide = scores.astype(np.float64)
    with np.errstate(divide="ignore"):
        expected = np.where(wide < -30, wide, np.log(np.logaddexp(0, wide)))
    points = tf.constant(scores)
    with tf.GradientTape() as outer:
        outer.watch(points)
        with tf.GradientTape() as inner:
            inner.watch(points)
            values = log_softplus(points)
        slopes = inner.gradient(values, points)
    np.testing.assert_allclose(values, expected, rtol=2e-6)
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
        sigmoid = 1 / (1 + np.exp(-wide))
        expected = np.where(wide < -30, 1.0, sigmoid / np.logaddexp(0, wide))
    np.testing.assert_allclose(slopes, expected, rtol=1e-5)
    assert np.isfinite(outer.gradient(slopes, points)).all()


@pytest.mark.parametrize("setting", ["alpha", "beta"])
@pytest.mark.parametrize("value", [0.0, 1.5])
def test_weights_outside_of_0_to_1_are_refused(setting, value):
    with pytest.raises(InputError, match=f"{setting}={value}: input should be"):
        D2GAN(**{setting: value})
