import numpy as np
import pytest
import tensorflow as tf

from ganzoo.objectives import (
    DIVERGENCES,
    OBJECTIVES,
    cross_entropy,
    hinge,
    least_squares,
    linear,
    minimax,
    non_saturating,
    wasserstein,
)

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
        (wasserstein, FAKE.mean() - REAL.mean()),
        (least_squares(-2, 3, 5).discriminator, ((REAL - 3) ** 2).mean() / 2 + ((FAKE + 2) ** 2).mean() / 2),
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
        (least_squares(-2, 3, 5).generator, ((FAKE - 5) ** 2).mean() / 2),
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
    assert {name: OBJECTIVES[name][:2] for name in expected} == expected
    divergences = {f"{name}{suffix}" for name in DIVERGENCES for suffix in ("", "_saddle")}
    assert set(OBJECTIVES) == {*expected, "least_squares", "least_squares_binary", *divergences}


@pytest.mark.parametrize(
    ("name", "fake_code", "real_code", "target"), [("least_squares", -1, 1, 0), ("least_squares_binary", 0, 1, 1)]
)
def test_least_squares_have_their_codes(name, fake_code, real_code, target):
    objective = OBJECTIVES[name]
    assert objective.discriminator(one(real_code), one(fake_code)) == 0
    assert objective.discriminator(one(fake_code), one(real_code)) == (real_code - fake_code) ** 2
    assert objective.generator(one(target)) == 0
    assert objective.generator(one(target + 2)) == 2


def test_losses_of_an_undecided_discriminator():
    np.testing.assert_allclose(cross_entropy(one(0), one(0)), 2 * np.log(2), rtol=1e-12)
    np.testing.assert_allclose(non_saturating(one(0)), np.log(2), rtol=1e-12)
    np.testing.assert_allclose(minimax(one(0)), -np.log(2), rtol=1e-12)


def test_only_the_minimax_gradient_vanishes_on_a_sure_fake():
    np.testing.assert_allclose(slope(minimax, -10), -sigmoid(-10), rtol=1e-9)
    np.testing.assert_allclose(slope(non_saturating, -10), -sigmoid(10), rtol=1e-9)
    assert abs(slope(minimax, -10)) < 1e-4
    assert slope(non_saturating, -10) < -0.9999


@pytest.mark.parametrize("score", [-1e4, 1e4])
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
    np.testing.assert_allclose(value, 2 * (1 - np.abs(P - Q).sum() / 2), rtol=1e-12)  # 2 (1 - total variation)


def test_no_discriminator_beats_the_sign_under_hinge():
    best = np.sign(P - Q)
    least = hinge(batch(best, DATA), batch(best, FAKES))
    for move in np.random.default_rng(2).normal(0, 0.3, (20, 5)):
        assert hinge(batch(best + move, DATA), batch(best + move, FAKES)) > least


def least_squares_optimum(fake_code: float, real_code: float) -> np.ndarray:
    return (real_code * P + fake_code * Q) / (P + Q)


@pytest.mark.parametrize("codes", [(-1, 1, 0), (0, 2, 1), (0, 1, 1)])
def test_no_discriminator_beats_the_mean_code_under_least_squares(codes):
    loss, best = least_squares(*codes).discriminator, least_squares_optimum(*codes[:2])
    least = loss(batch(best, DATA), batch(best, FAKES))
    for move in np.random.default_rng(3).normal(0, 0.1, (20, 5)):
        assert loss(batch(best + move, DATA), batch(best + move, FAKES)) > least


@pytest.mark.parametrize(("codes", "holds"), [((-1, 1, 0), True), ((0, 2, 1), True), ((0, 1, 1), False)])
def test_least_squares_is_a_pearson_divergence_with_the_codes_of_the_theorem_alone(codes, holds):
    loss, best = least_squares(*codes).generator, least_squares_optimum(*codes[:2])
    value = 2 * (loss(batch(best, DATA)) + loss(batch(best, FAKES)))  # the theorem adds the term on data
    pearson = np.sum((2 * Q - (P + Q)) ** 2 / (P + Q))
    assert np.isclose(value, pearson, rtol=1e-10) == holds


def test_the_least_squares_gradient_does_not_vanish_on_a_sure_fake():
    generator = OBJECTIVES["least_squares_binary"].generator
    np.testing.assert_allclose([slope(generator, score) for score in (-10, 0, 1)], [-11, -1, 0])


@pytest.mark.parametrize("distance", [0.5, 3.0, -2.0])
def test_the_wasserstein_loss_of_two_points_is_their_distance_under_the_steepest_line(distance):
    steepest = np.sign(distance)
    for steepness in (1.0, 0.01):  # of slope c the critic measures c times the distance
        value = wasserstein(one(steepness * steepest * distance), one(0))
        np.testing.assert_allclose(value, -steepness * abs(distance), rtol=1e-12)
    for gentler in np.linspace(-1, 1, 9):
        assert wasserstein(one(gentler * distance), one(0)) >= -abs(distance)


@pytest.mark.parametrize("objective", OBJECTIVES)
def test_autograph_finds_every_function(objective):
    """Where it does not, it warns the user in every training."""
    parts = [*OBJECTIVES[objective], *DIVERGENCES.get(objective, ())]
    for function in parts:
        if getattr(function, "__name__", "") == "<lambda>":
            tf.autograph.to_graph(function)
