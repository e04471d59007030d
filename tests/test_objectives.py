import numpy as np
import pytest
import tensorflow as tf

from ganzoo.objectives import OBJECTIVES, cross_entropy, hinge, linear, minimax, non_saturating, wasserstein

REAL, FAKE = np.random.default_rng(0).normal(0, 3, (2, 9, 1))
# How often each outcome is in a batch of data and in a batch of fakes: p and q are exact means over batches.
DATA, FAKES = np.array([1, 4, 2, 7, 6]), np.array([5, 3, 9, 1, 2])
P, Q = DATA / DATA.sum(), FAKES / FAKES.sum()


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.sum(p * np.log(p / q)))


def js(p: np.ndarray, q: np.ndarray) -> float:
    return (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2


def batch(scores: np.ndarray, counts: np.ndarray) -> tf.Tensor:
    """The scores [N, 1] of a batch that holds outcome i counts[i] times."""
    return tf.constant(np.repeat(scores, counts)[:, None])


def one(score: float) -> tf.Tensor:
    return tf.constant([[score]], tf.float64)


def slope(loss, score: float) -> float:
    """The derivative of a generator's loss with respect to the score of its only fake."""
    with tf.GradientTape() as tape:
        fake = one(score)
        tape.watch(fake)
        value = loss(fake)
    return float(tape.gradient(value, fake)[0, 0])


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum()


def finite_differences(value, logits: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """The gradient of value(q) with respect to the logits of q."""
    steps = h * np.eye(len(logits))
    return np.array([(value(softmax(logits + s)) - value(softmax(logits - s))) / (2 * h) for s in steps])


def frozen_gradient(generator_loss, scores: np.ndarray) -> np.ndarray:
    """The gradient of E_q[term(score)] with respect to the logits of q, with the scores held fixed."""
    terms = np.array([float(generator_loss(one(score))) for score in scores])
    return Q * (terms - Q @ terms)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (cross_entropy, softplus(-REAL).mean() + softplus(FAKE).mean()),
        (hinge, np.maximum(0, 1 - REAL).mean() + np.maximum(0, 1 + FAKE).mean()),
    ],
)
def test_discriminator_losses(loss, expected):
    np.testing.assert_allclose(loss(tf.constant(REAL), tf.constant(FAKE)), expected, rtol=1e-12)


@pytest.mark.parametrize(
    ("loss", "expected"),
    [
        (minimax, np.log(1 - sigmoid(FAKE)).mean()),
        (non_saturating, -np.log(sigmoid(FAKE)).mean()),
        (linear, -FAKE.mean()),
    ],
)
def test_generator_losses(loss, expected):
    np.testing.assert_allclose(loss(tf.constant(FAKE)), expected, rtol=1e-12)


def test_real_and_fake_batches_of_unlike_sizes_weigh_the_same():
    expected = softplus(-REAL).mean() + softplus(FAKE[:2]).mean()
    np.testing.assert_allclose(cross_entropy(tf.constant(REAL), tf.constant(FAKE[:2])), expected, rtol=1e-12)


def test_losses_have_their_names():
    expected = {
        "minimax": (cross_entropy, minimax),
        "non_saturating": (cross_entropy, non_saturating),
        "hinge": (hinge, linear),
        "wasserstein": (wasserstein, linear),
    }
    assert dict(OBJECTIVES) == expected


def test_losses_of_an_undecided_discriminator():
    np.testing.assert_allclose(cross_entropy(one(0), one(0)), 2 * np.log(2), rtol=1e-12)
    np.testing.assert_allclose(non_saturating(one(0)), np.log(2), rtol=1e-12)
    np.testing.assert_allclose(minimax(one(0)), -np.log(2), rtol=1e-12)


def test_only_the_minimax_gradient_vanishes_on_a_sure_fake():
    np.testing.assert_allclose(slope(minimax, -10), -sigmoid(-10), rtol=1e-9)
    np.testing.assert_allclose(slope(non_saturating, -10), -sigmoid(10), rtol=1e-9)
    assert abs(slope(minimax, -10)) < 1e-4
    assert slope(non_saturating, -10) < -0.9999


@pytest.mark.parametrize("score", [-1000.0, 1000.0])
def test_sure_scores_give_finite_losses(score):
    fake = tf.constant([[score]])
    for objective in OBJECTIVES.values():
        assert np.isfinite(objective.discriminator(fake, -fake))
        assert np.isfinite(objective.generator(fake))


def test_the_game_at_the_optimal_discriminator_is_the_jensen_shannon_divergence():
    best = np.log(P / Q)
    value = -cross_entropy(batch(best, DATA), batch(best, FAKES))
    np.testing.assert_allclose(value, -np.log(4) + 2 * js(P, Q), rtol=1e-12)


def test_no_discriminator_beats_the_log_ratio():
    best = np.log(P / Q)
    least = cross_entropy(batch(best, DATA), batch(best, FAKES))
    for move in np.random.default_rng(1).normal(0, 0.1, (20, 5)):
        assert cross_entropy(batch(best + move, DATA), batch(best + move, FAKES)) > least


def test_the_minimax_generator_descends_the_jensen_shannon_divergence():
    expected = finite_differences(lambda q: 2 * js(P, q), np.log(Q))
    np.testing.assert_allclose(frozen_gradient(minimax, np.log(P / Q)), expected, atol=1e-8)


def test_the_non_saturating_generator_descends_kl_less_twice_js():
    expected = finite_differences(lambda q: kl(q, P) - 2 * js(P, q), np.log(Q))
    np.testing.assert_allclose(frozen_gradient(non_saturating, np.log(P / Q)), expected, atol=1e-8)


def test_the_hinge_at_its_optimal_discriminator_is_the_overlap():
    best = np.sign(P - Q)
    value = hinge(batch(best, DATA), batch(best, FAKES))
    np.testing.assert_allclose(value, 2 * np.minimum(P, Q).sum(), rtol=1e-12)


def test_no_discriminator_beats_the_sign_under_hinge():
    best = np.sign(P - Q)
    least = hinge(batch(best, DATA), batch(best, FAKES))
    for move in np.random.default_rng(2).normal(0, 0.3, (20, 5)):
        assert hinge(batch(best + move, DATA), batch(best + move, FAKES)) > least
