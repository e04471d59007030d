import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.variants import SelfContrastive

POINTS = np.random.default_rng(0).normal(2.0, 3.0, (9, 1)).astype("float32")


def gaussian(scale: float = 1.5, mean: float = 0.4, **settings) -> SelfContrastive:
    """A game whose density is N(mean, scale^2)."""
    game = SelfContrastive(image_shape=(1,), networks={"generator": {"depth": 0}}, **settings)
    game.generator.kernel.assign([[np.log(scale)]])
    game.generator.bias.assign([mean])
    return game


def gradients(game: SelfContrastive, real, fake, variables) -> tuple[float, list[np.ndarray]]:
    with tf.GradientTape() as tape:
        (term,) = game.generator_terms(tf.constant(real), tf.constant(fake), None).values()
    return float(term), [tf.convert_to_tensor(g).numpy() for g in tape.gradient(term, variables)]


def log_likelihood_gradient(points: np.ndarray, scale: float, mean: float) -> tuple[float, float]:
    """d/d(log scale) and d/d(mean) of the mean of log N(points; mean, scale^2)."""
    standard = (points.astype(np.float64) - mean) / scale
    return np.mean(standard**2) - 1, np.mean(standard) / scale


def both(gradient: list[np.ndarray]) -> np.ndarray:
    return np.array([gradient[0][0, 0], gradient[1][0]])


def test_the_gradient_is_half_that_of_maximum_likelihood():
    game = gaussian()
    # On these two samples, mean and variance are those of the density: their part is 0, as it is in expectation.
    fake = np.array([[0.4 - 1.5], [0.4 + 1.5]], "float32")
    _, found = gradients(game, POINTS, fake, game.generator.trainable_variables)
    np.testing.assert_allclose(both(found), -0.5 * np.array(log_likelihood_gradient(POINTS, 1.5, 0.4)), atol=1e-6)


def test_samples_push_as_examples_do_the_other_way():
    game, fake = gaussian(), POINTS[:4] - 1
    _, found = gradients(game, POINTS, fake, game.generator.trainable_variables)
    real, made = (np.array(log_likelihood_gradient(points, 1.5, 0.4)) for points in (POINTS, fake))
    np.testing.assert_allclose(both(found), 0.5 * (made - real), atol=1e-6)


def test_samples_that_are_the_data_leave_nothing_to_learn():
    game = gaussian()
    _, found = gradients(game, POINTS, POINTS, game.generator.trainable_variables)
    np.testing.assert_allclose(both(found), 0, atol=1e-7)


class Categorical:
    """A density of outcomes 0 to 3, by the softmax of its logits."""

    def __init__(self, weights):
        self.logits = tf.Variable(np.log(weights))

    def log_density(self, outcomes):
        return tf.gather(tf.nn.log_softmax(self.logits), outcomes)


def test_of_a_softmax_it_is_half_that_of_maximum_likelihood():
    game, model = SelfContrastive(), np.array([4, 2, 1, 1]) / 8
    game.generator = Categorical(model)
    fake, real = np.repeat(np.arange(4), [4, 2, 1, 1]), np.array([0, 1, 1, 3, 3, 3, 2, 3, 1, 0])
    _, (found,) = gradients(game, real, fake, [game.generator.logits])
    data = np.bincount(real) / len(real)
    np.testing.assert_allclose(found, 0.5 * (model - data), atol=1e-9)


def test_its_value_is_that_of_a_discriminator_that_cannot_tell():
    value, _ = gradients(gaussian(), POINTS, POINTS[:3], [])
    assert value == pytest.approx(2 * np.log(2), abs=1e-6)


def test_the_samples_have_no_gradient():
    game = gaussian()
    fake = tf.Variable(POINTS)
    with tf.GradientTape() as tape:
        term = game.generator_terms(tf.constant(POINTS), 1.0 * fake, None)["contrastive"]
    assert tape.gradient(term, fake) is None


def test_mle_is_the_negative_log_likelihood():
    game = gaussian(generator_objective="mle")
    value, found = gradients(game, POINTS, POINTS[:3], game.generator.trainable_variables)
    expected = np.mean((POINTS - 0.4) ** 2) / (2 * 1.5**2) + np.log(1.5 * np.sqrt(2 * np.pi))
    assert value == pytest.approx(expected, rel=1e-5)
    np.testing.assert_allclose(both(found), -np.array(log_likelihood_gradient(POINTS, 1.5, 0.4)), atol=1e-5)
    assert [metric.name for metric in game.metrics] == ["generator/mle"]


@pytest.mark.parametrize("objective", ["contrastive", "mle"])
def test_a_gaussian_finds_mean_and_deviation(objective):
    game = gaussian(scale=1.0, mean=0.0, generator_objective=objective)
    game.compile({"name": "adam", "learning_rate": 0.1})
    data = np.random.default_rng(0).normal(3, 0.5, (512, 1)).astype("float32")
    game.fit(data, batch_size=512, epochs=120, verbose=0)
    assert game.generator.bias.numpy()[0] == pytest.approx(data.mean(), abs=0.15)
    assert np.exp(game.generator.kernel.numpy()[0, 0]) == pytest.approx(data.std(), abs=0.15)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"image_shape": (8, 8, 1)}, "makes points"),
        ({"image_shape": (3,)}, "latent_dim=2: .*give 3"),
        ({"prior": "uniform"}, "prior='uniform': unknown"),
        ({"discriminator_steps": 2}, "self_contrastive has none"),
        ({"penalty": "real"}, "penalty='real': this game has its own"),
        ({"objective": "hinge"}, "objective='hinge': this game has its own"),
        ({"generator_objective": "ml"}, "did you mean 'mle'"),
    ],
)
def test_what_has_no_meaning_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        SelfContrastive(**settings)
