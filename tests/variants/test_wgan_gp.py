import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from ganzoo.config import load_recipe
from ganzoo.noise import Stream
from ganzoo.optimizers import optimizer
from ganzoo.variants import WGANGP

TINY = {"generator": {"width": 2}, "discriminator": {"width": 3}}
POINTS = np.random.default_rng(0).uniform(-1, 1, (8, 3)).astype("float32")


def weights_after_a_round(**settings) -> np.ndarray:
    game = WGANGP(image_shape=(3,), discriminator_steps=2, **settings)
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    game.fit(POINTS, batch_size=4, shuffle=False, verbose=0)
    return np.concatenate([w.numpy().ravel() for p in game.players for w in getattr(game, p).weights])


def noise(number: int = 0) -> Stream:
    return Stream(1, tf.constant(0, tf.int64), f"opponents/{number}")


def between_two_points(distance: float, penalty_weight: float) -> WGANGP:
    """A game whose critic is a line, whose fakes are at 0."""
    line = keras.Sequential([layers.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")])
    game = WGANGP(image_shape=(1,), latent_dim=2, networks={"discriminator": line}, penalty_weight=penalty_weight)
    game.compile({"name": "sgd", "learning_rate": 0.2 / penalty_weight}, run_eagerly=True)
    game.make_fake = lambda count, noise: tf.zeros([count, 1])
    return game


def test_the_default_is_the_papers():
    game = WGANGP()
    settings = game.objective, game.penalty, game.penalty_form, game.penalty_weight, game.penalty_target
    assert settings == ("wasserstein", "interpolates", "two_sided", 10.0, 1.0)
    assert (game.discriminator_steps, game.prior, game.latent_dim) == (5, "normal", 128)


def test_both_rates_fall_to_0_over_all_rounds():
    recipe = load_recipe("wgan_gp")
    for player, updates in (("generator", 1), ("discriminator", 5)):
        rate = optimizer(recipe.optimizer_of(player)).get_config()["learning_rate"]["config"]
        schedule = keras.optimizers.schedules.PolynomialDecay.from_config(rate)
        for share, expected in ((0.0, 2e-4), (0.5, 1e-4), (1.0, 0.0)):
            np.testing.assert_allclose(schedule(int(share * updates * recipe.train.steps)), expected, atol=1e-9)


def test_the_critic_has_no_batch_norm_and_the_generator_has():
    game = WGANGP(image_shape=(8, 8, 1), networks=TINY)
    assert not [layer for layer in game.discriminator.layers if isinstance(layer, layers.BatchNormalization)]
    assert len([layer for layer in game.generator.layers if isinstance(layer, layers.BatchNormalization)]) == 7


@pytest.mark.parametrize("penalty_weight", [0.1, 10.0])
@pytest.mark.parametrize("distance", [0.5, 3.0])
def test_two_points_are_told_apart_by_the_known_slope_and_overestimated_distance(distance, penalty_weight):
    game = between_two_points(distance, penalty_weight)
    for number in range(30):
        terms = game.update(("discriminator",), tf.fill([4, 1], distance), noise(number))
    slope = 1 + distance / (2 * penalty_weight)
    np.testing.assert_allclose(game.discriminator.weights[0], [[slope]], rtol=1e-5)
    value = -sum(float(term) for term in terms.values())
    np.testing.assert_allclose(value, distance + distance**2 / (4 * penalty_weight), rtol=1e-5)


def test_the_penalty_is_taken_between_each_real_and_its_own_fake():
    """Of a score x^2 / 2 the slope is the point itself, so the penalty says where it was taken."""
    game = WGANGP(penalty_weight=1.0, penalty_form="plain")
    game.scores = lambda points, opponent="discriminator": points**2 / 2
    real, fake = tf.constant([[1.0], [10.0], [100.0]]), tf.constant([[2.0], [20.0], [200.0]])
    shares = noise().uniform("penalty/fraction", (3, 1)).numpy()
    points = np.array([[1.0], [10.0], [100.0]]) * (1 + shares)
    assert len(np.unique(shares)) == 3
    terms = game.penalty_terms("discriminator", real, fake, noise())
    np.testing.assert_allclose(terms["penalty"], np.mean(points**2), rtol=1e-5)


def test_the_norm_is_one_of_each_example():
    """Slopes 0 and 2 are each 1 away; a norm over the batch would be another number."""
    game = WGANGP(penalty_weight=1.0)
    game.scores = lambda points, opponent="discriminator": tf.nn.relu(2 * points)
    points = tf.constant([[-1.0], [1.0]])
    np.testing.assert_allclose(game.penalty_terms("discriminator", points, points, noise())["penalty"], 1, rtol=1e-5)


def test_a_penalty_of_weight_0_is_the_plain_game_and_one_of_little_weight_nearly():
    plain = weights_after_a_round(penalty=None)
    np.testing.assert_array_equal(weights_after_a_round(penalty_weight=0.0), plain)
    np.testing.assert_allclose(weights_after_a_round(penalty_weight=1e-6), plain, rtol=1e-5, atol=1e-7)
    assert np.abs(weights_after_a_round() - plain).max() > 1e-3
