import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.noise import Stream
from ganzoo.variants import LossSensitiveGAN

RANDOM = np.random.default_rng(0)
REAL, FAKE = RANDOM.normal(0, 1, (2, 16, 5))


def with_losses(losses, **settings) -> LossSensitiveGAN:
    """A game on points with a given function as the loss."""
    game = LossSensitiveGAN(**settings)
    game.losses = losses
    return game


def linear(slope: np.ndarray):
    return lambda points: points @ tf.constant(slope)[:, None]


def hinge(game: LossSensitiveGAN, real=REAL, fake=FAKE) -> float:
    return float(game.discriminator_terms(tf.constant(real), tf.constant(fake), None)["hinge"])


# The margin.


def test_the_loss_that_is_the_margin_itself_satisfies_every_pair():
    real = np.repeat(REAL[:1], 16, 0)
    game = with_losses(lambda x: 0.7 * tf.reduce_mean(tf.abs(x - real[:1]), 1, keepdims=True), margin_weight=0.7)
    assert hinge(game, real) == 0.0


def test_a_linear_loss_of_small_slope_leaves_every_pair_short():
    slope = RANDOM.uniform(-0.7, 0.7, 5) / 5
    game = with_losses(linear(slope), margin_weight=0.7)
    expected = 0.7 * np.abs(REAL - FAKE).mean() + slope @ (REAL - FAKE).mean(0)
    np.testing.assert_allclose(hinge(game), expected, rtol=1e-10)


@pytest.mark.parametrize("leak", [0.0, 0.2, 1.0])
def test_the_hinge_of_any_loss_and_slope(leak):
    slope = RANDOM.normal(0, 1, 5)
    short = 0.7 * np.abs(REAL - FAKE).mean(1) + (REAL - FAKE) @ slope
    assert short.min() < 0 < short.max()
    expected = np.mean(np.where(short > 0, short, leak * short))
    np.testing.assert_allclose(hinge(with_losses(linear(slope), margin_weight=0.7, leak=leak)), expected, rtol=1e-10)


def test_without_a_margin_a_slope_of_1_is_the_wasserstein_critic():
    slope = RANDOM.normal(0, 1, 5)
    game = with_losses(linear(slope), margin_weight=0.0, leak=1.0)
    np.testing.assert_allclose(hinge(game), slope @ (REAL - FAKE).mean(0), rtol=1e-10)


def test_pairs_are_by_position():
    slope = 3 * RANDOM.normal(0, 1, 5)
    game = with_losses(linear(slope), margin_weight=0.7)
    assert abs(hinge(game) - hinge(game, REAL, FAKE[::-1])) > 1e-3
    np.testing.assert_allclose(hinge(game), hinge(game, REAL[::-1], FAKE[::-1]), rtol=1e-10)


def test_the_margin_is_a_constant():
    game = with_losses(lambda x: tf.zeros([x.shape[0], 1], tf.float64))
    fake = tf.Variable(FAKE)
    with tf.GradientTape() as tape:
        loss = game.discriminator_terms(tf.constant(REAL), fake, None)["hinge"]
    gradient = tape.gradient(loss, fake)
    assert gradient is None or not np.any(gradient)
    assert float(loss) > 0


@pytest.mark.parametrize(("weight", "shape"), [(2e-4, (64, 64, 3)), (8e-4, (32, 32, 3))])
def test_the_default_margin_is_that_of_the_authors_code(weight, shape):
    real, fake = RANDOM.uniform(-1, 1, (2, 3, *shape))
    game = with_losses(lambda x: tf.zeros([x.shape[0], 1], tf.float64))
    np.testing.assert_allclose(hinge(game, real, fake), weight * np.abs(real - fake).sum((1, 2, 3)).mean(), rtol=1e-6)


# The loss.


def test_the_loss_is_not_negative_unless_it_may_be():
    outputs = tf.constant([[-2.0], [0.0], [3.0]])
    for nonnegative, expected in ((True, [[0.0], [0.0], [3.0]]), (False, [[-2.0], [0.0], [3.0]])):
        game = LossSensitiveGAN(nonnegative=nonnegative)
        game.discriminator = lambda images, training: images
        np.testing.assert_array_equal(game.losses(outputs), expected)
        np.testing.assert_array_equal(game.scores(outputs), -np.array(expected))
        np.testing.assert_allclose(game.generator_terms(None, outputs, None)["adversarial"], np.mean(expected))


@pytest.mark.parametrize("weight", [0.0, 0.5])
def test_the_data_have_a_loss_of_their_own_if_it_has_weight(weight):
    game = with_losses(linear(np.ones(5)), real_weight=weight)
    term = game.discriminator_terms(tf.constant(REAL), tf.constant(FAKE), None)["real"]
    np.testing.assert_allclose(term, weight * REAL.sum(1).mean(), rtol=1e-10)


def test_a_penalty_is_one_of_the_loss():
    game = with_losses(linear(np.array([3.0, 4.0])), penalty="interpolates", penalty_weight=0.5)
    noise = Stream(1, tf.constant(0, tf.int64), "opponents/0")
    real, fake = (tf.constant(values[:, :2], tf.float32) for values in (REAL, FAKE))
    game.losses = lambda x: x @ tf.constant([[3.0], [4.0]])
    terms = game.penalty_terms("discriminator", real, fake, noise)
    np.testing.assert_allclose(terms["penalty"], 0.5 * (5 - 1) ** 2, rtol=1e-5)


def test_a_slope_above_1_is_refused():
    with pytest.raises(InputError, match=r"leak=1\.5: input should be"):
        LossSensitiveGAN(leak=1.5)
