import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from ganzoo.noise import Stream
from ganzoo.variants import R1

TINY = {"generator": {"width": 2}, "discriminator": {"width": 2}}
POINTS = np.random.default_rng(0).uniform(-1, 1, (8, 3)).astype("float32")
START = (1.0, 1.0)  # theta, psi


@keras.saving.register_keras_serializable("test_r1")
class Point(layers.Layer):
    """The generator of the Dirac-GAN: one number, whatever the latent."""

    def build(self, input_shape):
        self.place = self.add_weight(name="place", shape=(), initializer="ones")

    def call(self, latents):
        return 0 * latents[:, :1] + self.place


def dirac(rate: float, **settings) -> R1:
    """Data at 0, one fake at theta, a discriminator psi x, both players with gradient descent."""
    networks = {
        "generator": keras.Sequential([layers.Input((1,)), Point()]),
        "discriminator": keras.Sequential(
            [layers.Input((1,)), layers.Dense(1, use_bias=False, kernel_initializer="ones")]
        ),
    }
    game = R1(image_shape=(1,), latent_dim=1, networks=networks, **settings)
    game.compile({"name": "sgd", "learning_rate": rate})
    return game


def sigmoid(x: float) -> float:
    return 1 / (1 + np.exp(-x))


def expected(rounds: int, rate: float, gamma: float, simultaneous: bool = False, sign: int = -1) -> np.ndarray:
    """The Dirac-GAN's path in NumPy, (theta, psi) after each round; `sign` 1 is the minimax game."""
    theta, psi = START
    path = []
    for _ in range(rounds):
        before = psi
        psi = psi - rate * (theta * sigmoid(psi * theta) + gamma * psi)
        seen = before if simultaneous else psi
        theta = theta + rate * seen * sigmoid(sign * seen * theta)
        path.append((theta, psi))
    return np.array(path)


def reached(game: R1, rounds: int) -> np.ndarray:
    """(theta, psi) of a game after so many rounds."""
    game.fit(np.zeros((2 * rounds, 1), "float32"), batch_size=2, verbose=0)
    return np.array([float(game.generator.weights[0]), float(game.discriminator.weights[0][0, 0])])


def weights_after_two_rounds(**settings) -> np.ndarray:
    game = R1(image_shape=(3,), **settings)
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    game.fit(POINTS, batch_size=4, shuffle=False, verbose=0)
    return np.concatenate([w.numpy().ravel() for p in game.players for w in getattr(game, p).weights])


def test_the_default_is_half_of_gamma_10_on_the_data():
    game = R1()
    settings = game.objective, game.penalty, game.penalty_form, game.penalty_weight, game.discriminator_steps
    assert settings == ("non_saturating", "real", "plain", 5.0, 1)


@pytest.mark.parametrize("simultaneous", [False, True])
def test_the_dirac_gan_goes_its_known_way_into_the_solution(simultaneous):
    path = expected(150, 0.1, gamma=1, simultaneous=simultaneous)
    place = reached(dirac(0.1, penalty_weight=0.5, simultaneous=simultaneous), 150)
    np.testing.assert_allclose(place, path[-1], rtol=1e-3)
    assert np.linalg.norm(place) < 0.02


def test_without_r1_the_dirac_gan_circles_the_solution():
    path = expected(200, 0.1, gamma=0, sign=1)
    place = reached(dirac(0.1, penalty_weight=0.0, objective="minimax"), 200)
    np.testing.assert_allclose(place, path[-1], rtol=1e-3)
    turns = np.unwrap(np.arctan2(path[:, 1], path[:, 0]))
    assert abs(turns[-1] - turns[0]) > 2 * np.pi
    assert np.linalg.norm(place) > 0.9 * np.linalg.norm(START)


def test_steps_too_long_for_the_penalty_diverge():
    """The penalty alone multiplies psi by 1 - rate * gamma."""
    assert np.abs(expected(60, 0.1, gamma=21)).max() > 100
    assert np.abs(reached(dirac(0.1, penalty_weight=10.5), 60)).max() > 100


@pytest.mark.parametrize("weight", [0.5, 5.0])
def test_the_penalty_of_a_linear_score_is_its_squared_slope(weight):
    game = R1(penalty_weight=weight)
    game.scores = lambda points, opponent="discriminator": points @ tf.constant([[3.0], [4.0]])
    real, fake = (tf.random.stateless_normal([7, 2], [seed, 0]) for seed in (1, 2))
    terms = game.penalty_terms("discriminator", real, fake, None)
    np.testing.assert_allclose(terms["penalty"], weight * 25, rtol=1e-5)


def test_the_penalty_is_taken_at_the_data_and_for_r2_at_the_fakes():
    """Of a score x^2 / 2 the slope is the point itself."""
    real, fake = tf.constant([[1.0], [2.0]]), tf.constant([[3.0], [5.0]])
    for penalty, squares in (("real", (1 + 4) / 2), ("fake", (9 + 25) / 2)):
        game = R1(penalty=penalty, penalty_weight=1.0)
        game.scores = lambda points, opponent="discriminator": points**2 / 2
        noise = Stream(1, tf.constant(0, tf.int64), "opponents/0")
        np.testing.assert_allclose(game.penalty_terms("discriminator", real, fake, noise)["penalty"], squares)


def test_discriminator_has_no_batch_norm():
    model = R1(image_shape=(8, 8, 1), networks=TINY).discriminator
    assert not [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]


def test_a_penalty_of_weight_0_is_the_plain_game_and_one_of_little_weight_nearly():
    plain = weights_after_two_rounds(penalty=None)
    np.testing.assert_array_equal(weights_after_two_rounds(penalty_weight=0.0), plain)
    np.testing.assert_allclose(weights_after_two_rounds(penalty_weight=1e-6), plain, rtol=1e-5, atol=1e-7)
    assert np.abs(weights_after_two_rounds() - plain).max() > 1e-4
