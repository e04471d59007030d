import math

import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from rounds import after_two_rounds

from ganzoo.noise import Stream
from ganzoo.variants import CramerGAN
from ganzoo.variants.cramer import length

N = 400_000
NETWORKS = {
    "generator": {"architecture": "mlp", "width": 4},
    "discriminator": {"architecture": "mlp", "width": 4, "activation": "tanh", "outputs": 8},
}
IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1)).astype("float32")


class Stub(CramerGAN):
    """A game on points with given fakes, one batch an update, and given features; remembers what it was asked."""

    def __init__(self, features, seconds, **settings):
        super().__init__(**settings)
        self.features, self.seconds, self.points = features, tf.constant(seconds), []

    def scores(self, images, opponent="discriminator"):
        self.points.append(images.numpy())
        return self.features(images)

    def make_fake(self, count, noise):
        assert noise.update.endswith("/second")
        return self.seconds


def noise(update: str = "opponents/0") -> Stream:
    return Stream(1, tf.constant(0, tf.int64), update)


def normal(*shape: int, seed: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, shape).astype("float32")


def mean_length(mean: float, variance: float) -> float:
    """E|X| of a normal X."""
    deviation = math.sqrt(variance)
    flat = deviation * math.sqrt(2 / math.pi) * math.exp(-(mean**2) / (2 * variance))
    return flat + mean * math.erf(mean / (deviation * math.sqrt(2)))


def weights_after_two_rounds(**settings) -> np.ndarray:
    game = CramerGAN(image_shape=(8, 8, 1), latent_dim=4, networks=NETWORKS, discriminator_steps=1, **settings)
    return after_two_rounds(game, IMAGES)


# The distance.


def test_the_generator_minimises_the_energy_distance_of_two_normals():
    real, fake, second = normal(N, 1, seed=1), normal(N, 1, seed=2, mean=1.5), normal(N, 1, seed=3, mean=1.5)
    value = Stub(tf.identity, second).generator_terms(tf.constant(real), tf.constant(fake), noise())["adversarial"]
    expected = 2 * mean_length(1.5, 2) - mean_length(0, 2)
    assert expected == pytest.approx(2.2909, abs=1e-4)
    np.testing.assert_allclose(value, expected, atol=0.01)
    distance = value - np.mean(np.abs(real - np.roll(real, 1)))
    np.testing.assert_allclose(distance, 1.1626, atol=0.01)


def test_the_generators_gradient_is_that_of_the_energy_distance():
    real, fake, second = normal(N, 1, seed=1), normal(N, 1, seed=2), normal(N, 1, seed=3)
    mean = tf.Variable(1.5)
    game = Stub(tf.identity, second)
    game.make_fake = lambda count, noise: mean + second
    with tf.GradientTape() as tape:
        loss = game.generator_terms(tf.constant(real), mean + fake, noise())["adversarial"]
    np.testing.assert_allclose(tape.gradient(loss, mean), 2 * math.erf(0.75), atol=0.01)


def test_the_critics_loss_of_two_normals():
    real, fake, second = normal(N, 1, seed=1), normal(N, 1, seed=2, mean=1.5), normal(N, 1, seed=3, mean=1.5)
    game = Stub(tf.identity, second, penalty=None)
    terms = game.discriminator_terms(tf.constant(real), tf.constant(fake), noise())
    on_fake = mean_length(0, 2) - mean_length(1.5, 1)
    on_real = mean_length(1.5, 2) - mean_length(0, 1)
    assert set(terms) == {"adversarial"}
    np.testing.assert_allclose(terms["adversarial"], on_fake - on_real, atol=0.01)


def test_the_critic_does_not_see_where_all_features_are_one():
    game = Stub(lambda x: tf.ones([len(x), 3]), normal(5, 2, seed=3), penalty=None)
    real, fake = (tf.constant(normal(5, 2, seed=seed)) for seed in (1, 2))
    assert float(game.discriminator_terms(real, fake, noise())["adversarial"]) == 0.0


def test_a_norm_of_0_has_a_finite_gradient():
    vectors = tf.zeros([3, 4])
    with tf.GradientTape() as tape:
        tape.watch(vectors)
        norms = length(vectors)
    np.testing.assert_allclose(norms, 0, atol=1e-5)
    np.testing.assert_array_equal(tape.gradient(norms, vectors), 0.0)


# The penalty.


def f(points: np.ndarray, factor: float, second: np.ndarray) -> np.ndarray:
    return np.linalg.norm(factor * (points - second), axis=1) - np.linalg.norm(factor * points, axis=1)


def expected_penalty(points: np.ndarray, factor: float, second: np.ndarray, h: float = 1e-5) -> float:
    """E (||grad f|| - 1)^2 of features factor * x, by finite differences, in float64."""
    steps = h * np.eye(points.shape[1])
    slopes = [(f(points + step, factor, second) - f(points - step, factor, second)) / (2 * h) for step in steps]
    return float(np.mean((np.linalg.norm(slopes, axis=0) - 1) ** 2))


def test_the_penalty_is_one_of_the_witness_and_moves_all_features():
    real, fake, second = (normal(6, 2, seed=seed) for seed in (1, 2, 3))
    factor = tf.Variable(1.3)
    game = Stub(lambda x: factor * x, second, penalty_weight=0.5)
    with tf.GradientTape() as tape:
        penalty = game.discriminator_terms(tf.constant(real), tf.constant(fake), noise())["penalty"]
    points, second = game.points[-1].astype(np.float64), second.astype(np.float64)
    fractions = (points - real) / (fake - real)
    np.testing.assert_allclose(fractions[:, 0], fractions[:, 1], rtol=1e-3)
    np.testing.assert_allclose(penalty, 0.5 * expected_penalty(points, 1.3, second), rtol=1e-3)
    higher, lower = (expected_penalty(points, 1.3 + step, second) for step in (1e-3, -1e-3))
    np.testing.assert_allclose(tape.gradient(penalty, factor), 0.5 * (higher - lower) / 2e-3, rtol=1e-2)


def test_a_penalty_of_weight_0_is_the_game_without_one():
    plain = weights_after_two_rounds(penalty=None)
    np.testing.assert_array_equal(weights_after_two_rounds(penalty_weight=0.0), plain)
    np.testing.assert_allclose(weights_after_two_rounds(penalty_weight=1e-6), plain, rtol=1e-5, atol=1e-6)
    assert np.abs(weights_after_two_rounds() - plain).max() > 1e-4


# The setting.


def test_the_second_fakes_are_others_in_every_update():
    game = CramerGAN(image_shape=(8, 8, 1), latent_dim=4, networks=NETWORKS)
    batches = []
    for update in ("opponents/0", "opponents/1", "generator"):
        first = game.make_fake(tf.constant(3), noise(update))
        batches += [first, game.second_fake(first, noise(update))]
    values = np.stack(batches).reshape(6, -1)
    distances = np.abs(values[:, None] - values).max(axis=-1)
    assert (distances[~np.eye(6, dtype=bool)] > 1e-5).all()
    np.testing.assert_array_equal(game.second_fake(batches[0], noise()), batches[1])


def test_five_critic_updates_of_256_features_without_batch_norm():
    game = CramerGAN(image_shape=(8, 8, 1), networks={"generator": {"width": 2}, "discriminator": {"width": 2}})
    assert (game.discriminator_steps, game.penalty, game.penalty_weight) == (5, "interpolates", 10.0)
    assert game.discriminator.output_shape == (None, 256)
    assert not [layer for layer in game.discriminator.layers if isinstance(layer, layers.BatchNormalization)]
