import numpy as np
import pytest
import tensorflow as tf
from rounds import after_two_rounds

from ganzoo.noise import Stream
from ganzoo.variants import DCGAN, InstanceNoise

IMAGES = np.random.default_rng(0).uniform(-1, 1, (6, 8, 8, 1)).astype("float32")
DENSE = {"generator": {"architecture": "mlp", "width": 4}, "discriminator": {"architecture": "mlp", "width": 4}}
DATA, FAKE, LEVEL = 0.4, -0.2, 0.3  # data and fakes are one number each
COUNT = 100_000
# The optimal logit of D is that of two Gaussians: slope * x + offset.
SLOPE, OFFSET = (DATA - FAKE) / LEVEL**2, (FAKE**2 - DATA**2) / (2 * LEVEL**2)


def noise(update: str = "opponents/0") -> Stream:
    return Stream(1, tf.constant(0, tf.int64), update)


def deltas(**settings) -> tuple[InstanceNoise, tf.Tensor, tf.Tensor]:
    """Returns a game on numbers, and what D sees where all data are `DATA` and all fakes are `FAKE`."""
    game = InstanceNoise(instance_noise=LEVEL, **settings)
    real, fake = (game.seen(tf.fill([COUNT, 1], x), noise(), kind) for x, kind in ((DATA, "real"), (FAKE, "fake")))
    return game, real, fake


def quadrature(function, centre: float) -> float:
    """The mean of a function under N(centre, LEVEL^2)."""
    x, weights = np.polynomial.hermite_e.hermegauss(80)
    return float(weights @ function(centre + LEVEL * x) / weights.sum())


def test_data_and_fakes_are_seen_under_noise_of_their_own():
    _, real, fake = deltas()
    real, fake = real.numpy()[:, 0] - DATA, fake.numpy()[:, 0] - FAKE
    for difference in (real, fake):
        np.testing.assert_allclose([difference.mean(), difference.std()], [0, LEVEL], atol=0.005)
    assert abs(np.corrcoef(real, fake)[0, 1]) < 0.02


def test_the_optimal_logit_of_two_points_is_linear():
    game, real, fake = deltas()
    coefficients = tf.Variable([OFFSET, SLOPE, 0.0, 0.0])
    game.scores = lambda x, opponent="discriminator": tf.concat([x**n for n in range(4)], 1) @ coefficients[:, None]
    with tf.GradientTape() as tape:
        loss = game.discriminator_terms(real, fake, noise())["adversarial"]
    np.testing.assert_allclose(tape.gradient(loss, coefficients), np.zeros(4), atol=0.01)

    def logit(x):
        return SLOPE * x + OFFSET

    expected = quadrature(lambda x: np.logaddexp(0, -logit(x)), DATA) + quadrature(
        lambda x: np.logaddexp(0, logit(x)), FAKE
    )
    np.testing.assert_allclose(loss, expected, rtol=0.01)
    jensen_shannon = np.log(2) - float(loss) / 2
    assert 0.1 < jensen_shannon < 0.9 * np.log(2)  # the two overlap: without noise it is log 2


@pytest.mark.parametrize("distance", [1.0, 100.0])
def test_the_generator_is_drawn_to_the_data_from_any_distance(distance):
    game = InstanceNoise(instance_noise=LEVEL)
    slope = distance / LEVEL**2  # of the optimal logit, 0 half way
    game.scores = lambda x, opponent="discriminator": slope * (x - distance / 2)
    fake = tf.Variable([[0.0]])
    with tf.GradientTape() as tape:
        seen = game.seen(tf.tile(fake, [20_000, 1]), noise("generator"), "fake")
        loss = game.generator_terms(None, seen, noise("generator"))["adversarial"]
    expected = -slope * quadrature(lambda x: 1 / (1 + np.exp(slope * (x - distance / 2))), 0.0)
    np.testing.assert_allclose(tape.gradient(loss, fake), [[expected]], rtol=0.01)


@pytest.mark.parametrize(
    ("rounds", "step", "level"), [(100, 0, 0.3), (100, 25, 0.225), (100, 100, 0), (100, 900, 0), (0, 900, 0.3)]
)
def test_noise_fades_linearly_to_nothing(rounds, step, level):
    game = InstanceNoise(instance_noise=0.3, instance_noise_steps=rounds)
    game.step.assign(step)
    seen = game.seen(tf.zeros([5000, 4]), noise(), "real").numpy()
    np.testing.assert_allclose(seen.std(), level, rtol=0.02)


def weights_after_two_rounds(cls, **settings) -> np.ndarray:
    game = cls(image_shape=(8, 8, 1), latent_dim=4, networks=DENSE, **settings)
    return after_two_rounds(game, IMAGES)


def test_no_noise_is_the_plain_game_a_little_nearly_and_the_default_not():
    plain = weights_after_two_rounds(DCGAN)
    np.testing.assert_array_equal(weights_after_two_rounds(InstanceNoise, instance_noise=0.0), plain)
    little = weights_after_two_rounds(InstanceNoise, instance_noise=1e-6)
    np.testing.assert_allclose(little, plain, rtol=1e-4, atol=1e-6)
    assert np.abs(weights_after_two_rounds(InstanceNoise) - plain).max() > 1e-4


def test_the_default_is_a_tenth_that_stays():
    game = InstanceNoise()
    assert (game.instance_noise, game.instance_noise_steps, game.objective) == (0.1, 0, "non_saturating")
