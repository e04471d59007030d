import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from ganzoo.errors import InputError
from ganzoo.noise import Stream
from ganzoo.variants import IMLE
from ganzoo.variants.imle import nearest


def points(count: int, dim: int = 2, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, dim)).astype("float32")


def noise() -> Stream:
    return Stream(1, tf.constant(0, tf.int64), "generator")


def closest(real: np.ndarray, fake: np.ndarray) -> np.ndarray:
    """The number of the nearest fake, from all differences."""
    real, fake = (x.reshape(len(x), -1).astype(np.float64) for x in (real, fake))
    return np.square(real[:, None] - fake[None]).sum(-1).argmin(1)


def tiny(**settings) -> IMLE:
    networks = {"generator": {"architecture": "mlp", "width": 4}}
    return IMLE(image_shape=(2,), latent_dim=2, networks=networks, **settings)


def distance(game: IMLE, real: np.ndarray) -> float:
    fake = game.make_fake(len(real), noise())
    return float(game.generator_terms(tf.constant(real), fake, noise())["distance"])


class Table:
    """A generator that shows one of the points that it holds, by the first latent's place on the normal."""

    def __init__(self, held):
        self.held = tf.Variable(held)

    def __call__(self, latents, training):
        part = 0.5 * (1 + tf.math.erf(latents[:, 0] / np.sqrt(2))) * len(self.held.numpy())
        return tf.gather(self.held, tf.cast(part, tf.int32))


@pytest.mark.parametrize("shape", [(2,), (3, 4, 1)])
def test_the_nearest_is_the_nearest(shape):
    size = int(np.prod(shape))
    real, fake = points(20, size).reshape(-1, *shape), points(60, size, seed=1).reshape(-1, *shape)
    np.testing.assert_array_equal(nearest(tf.constant(real), tf.constant(fake)), closest(real, fake))


def test_each_example_is_compared_with_its_nearest_sample():
    game, real = tiny(samples_per_example=7), points(5)
    fake = game.make_fake(5, noise()).numpy()
    assert fake.shape == (35, 2)
    expected = np.mean(np.square(real - fake[closest(real, fake)]))
    np.testing.assert_allclose(distance(game, real), expected, rtol=1e-5)


def test_the_gradient_is_that_of_regression_on_the_chosen_latents():
    game, real = IMLE(latent_dim=2, samples_per_example=4), points(6)
    matrix = tf.Variable([[1.0, 0.5], [-0.3, 2.0]])
    game.generator = lambda latents, training: latents @ matrix
    latents = noise().latents(24, 2, "normal").numpy()
    with tf.GradientTape() as tape:
        fake = game.make_fake(6, noise())
        loss = game.generator_terms(tf.constant(real), fake, noise())["distance"]
    chosen = latents[closest(real, latents @ matrix.numpy())]
    expected = 2 * chosen.T @ (chosen @ matrix.numpy() - real) / real.size
    np.testing.assert_allclose(tape.gradient(loss, matrix), expected, rtol=1e-4, atol=1e-6)


def test_no_example_is_left_out():
    """Samples that all lie beside one example go out to the others, each to one; a GAN has no such pull."""
    real, game = tf.constant([[-1.0], [1.0], [5.0]]), IMLE(latent_dim=1, samples_per_example=10)
    game.generator = table = Table([[0.7], [0.8], [0.9]])
    for _ in range(60):
        with tf.GradientTape() as tape:
            loss = game.generator_terms(real, game.make_fake(3, noise()), noise())["distance"]
        table.held.assign_sub(0.5 * tf.convert_to_tensor(tape.gradient(loss, table.held)))
    np.testing.assert_allclose(np.sort(table.held.numpy()[:, 0]), [-1, 1, 5], atol=1e-3)


def test_more_samples_are_never_further():
    few, many = (tiny(samples_per_example=count) for count in (1, 6))
    many.generator.set_weights(few.generator.get_weights())
    assert distance(many, points(5)) < distance(few, points(5))


def test_the_only_sample_is_the_nearest():
    game, real = tiny(samples_per_example=1), points(1)
    only = game.generator(noise().latents(1, 2, "normal")).numpy()
    np.testing.assert_allclose(distance(game, real), np.mean(np.square(real - only)), rtol=1e-5)


def test_there_is_one_player_without_batch_norm():
    game = IMLE(image_shape=(8, 8, 1), latent_dim=3, networks={"generator": {"width": 2}})
    assert game.players == ("generator",)
    assert not [layer for layer in game.generator.layers if isinstance(layer, layers.BatchNormalization)]


@pytest.mark.parametrize(
    ("name", "value"),
    [("augment", ["color"]), ("discriminator_steps", 5), ("instance_noise", 0.1), ("simultaneous", True)],
)
def test_settings_of_opponents_are_refused(name, value):
    with pytest.raises(InputError, match=rf"{name}=.*imle has none"):
        IMLE(**{name: value})
