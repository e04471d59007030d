import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from ganzoo.errors import InputError
from ganzoo.gan import GAN
from ganzoo.variants import Averaged

DENSE = {player: {"architecture": "mlp", "width": 4} for player in ("generator", "discriminator")}
POINTS = np.random.default_rng(0).normal(0, 1, (6, 2)).astype("float32")


def tiny(cls=Averaged, **settings) -> GAN:
    game = cls(image_shape=(2,), latent_dim=3, networks=DENSE, **settings)
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    return game


# The theorem, on the value xy.


def descent(steps: int, rate: float, box: float = np.inf) -> np.ndarray:
    """Simultaneous ascent of x and descent of y on xy, projected on [-box, box]^2: the iterates, before each step."""
    positions, z = [], np.array([1.0, 1.0])
    for _ in range(steps):
        positions.append(z)
        z = np.clip(z + rate * np.array([z[1], -z[0]]), -box, box)
    return np.array(positions)


def test_the_mean_goes_to_the_equilibrium_from_which_the_iterates_run_away():
    steps = 10_000
    rate = 1 / np.sqrt(steps)
    positions = descent(steps + 1, rate)
    mean = positions[:-1].mean(0)
    distance = np.linalg.norm(positions[-1] - positions[0]) / (rate * steps)
    np.testing.assert_allclose(np.linalg.norm(mean), distance, rtol=1e-9)
    np.testing.assert_allclose(distance, 0.0133, atol=1e-4)
    assert distance <= (1 + np.sqrt(np.e)) * np.sqrt(2 / steps)
    np.testing.assert_allclose(np.linalg.norm(positions[-1]), np.sqrt(2 * np.e), rtol=1e-3)


def test_the_closed_game_is_the_one_that_is_played(bilinear, path):
    np.testing.assert_allclose(path(bilinear(Averaged, rate=0.1), 100), descent(101, 0.1), rtol=1e-4)


def test_the_duality_gap_of_the_mean_is_within_its_bound():
    steps = 10_000
    mean = descent(steps, 1 / np.sqrt(steps), box=1.0).mean(0)
    gap = abs(mean[0]) + abs(mean[1])  # max over y of mean_x y, less min over x of x mean_y
    np.testing.assert_allclose(gap, 0.0050, atol=1e-4)
    # Each regret is at most D^2 / (2 h) + h T L^2 / 2, of a box of diameter D = 2 and slopes L = 1.
    assert gap <= 2 * (4 / 2 + 1 / 2) / np.sqrt(steps)


def test_the_generator_that_samples_is_the_mean_of_its_iterates(bilinear, path):
    rate, steps = 0.1, 100
    game = bilinear(Averaged, rate=rate)
    positions = path(game, steps)
    (mean,) = game.averaged_generator.get_weights()
    np.testing.assert_allclose(mean, [[positions[1:, 0].mean()]], rtol=1e-4)
    # x_t+1 - x_t = h y_t and y_t+1 - y_t = -h x_t: the means telescope.
    telescoped = (positions[1, 1] - (positions[-1, 1] - rate * positions[-1, 0])) / (rate * steps)
    np.testing.assert_allclose(mean, [[telescoped]], rtol=1e-3)
    np.testing.assert_allclose(game.generate(3), np.repeat(mean, 3, 0), rtol=1e-6)


# On networks.


def test_it_is_the_uniform_mean_and_after_one_round_the_first_iterate():
    game, visited = tiny(), []
    for number in range(4):
        game.train_step(tf.constant(POINTS))
        visited.append(game.generator.get_weights())
        expected = [np.mean(weights, axis=0) for weights in zip(*visited, strict=True)]
        for average, mean in zip(game.averaged_generator.get_weights(), expected, strict=True):
            if number == 0:
                np.testing.assert_array_equal(average, mean)
            np.testing.assert_allclose(average, mean, rtol=1e-5, atol=1e-7)


def test_what_is_trained_is_the_plain_game():
    games = tiny(), tiny(GAN, simultaneous=True)
    for game in games:
        for _ in range(2):
            game.train_step(tf.constant(POINTS))
    for player in games[0].players:
        ours, theirs = (getattr(game, player).get_weights() for game in games)
        for one, other in zip(ours, theirs, strict=True):
            np.testing.assert_array_equal(one, other)


def test_a_momentum_is_refused_and_not_needed_to_load():
    with pytest.raises(InputError, match=r"ema_momentum=0.9: this game has its own"):
        Averaged(ema_momentum=0.9)
    game = tiny()
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(game))
    assert again.ema_momentum is None


def test_the_generator_has_no_statistics_to_average():
    game = Averaged(image_shape=(8, 8, 1), networks={"generator": {"width": 2}, "discriminator": {"width": 2}})
    assert not [layer for layer in game.generator.layers if isinstance(layer, layers.BatchNormalization)]
    assert [layer for layer in game.discriminator.layers if isinstance(layer, layers.BatchNormalization)]
