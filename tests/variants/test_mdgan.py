import numpy as np
import pytest
import tensorflow as tf
from rounds import after_two_rounds_from_given_weights

from ganzoo.errors import InputError
from ganzoo.noise import Stream
from ganzoo.variants import DCGAN, MDGAN

RANDOM = np.random.default_rng(0)
IMAGES = RANDOM.uniform(-1, 1, (6, 8, 8, 1)).astype("float32")
POINTS = RANDOM.normal(size=(5, 3)).astype("float32")
BASIS = np.linalg.qr(RANDOM.normal(size=(3, 2)))[0].astype("float32")  # of a plane in space
SLOPE = np.array([[1.0], [-2.0], [0.5]], "float32")
TINY = {"generator": {"width": 2}, "discriminator": {"width": 2}}


def noise() -> Stream:
    return Stream(1, tf.constant(0, tf.int64), "generator")


def linear(**settings) -> MDGAN:
    """A game on points whose generator makes a plane, whose encoder projects on it, and whose score is linear."""
    game = MDGAN(**settings)
    game.generator = lambda latents, training: latents @ BASIS.T
    game.encoder = lambda points, training: points @ BASIS
    game.scores = lambda points, opponent="discriminator": points @ SLOPE
    return game


def test_what_the_encoder_minimises():
    terms = linear(distance_weight=0.3, mode_weight=0.7).encoder_terms(tf.constant(POINTS), None, noise())
    rebuilt = POINTS @ BASIS @ BASIS.T
    np.testing.assert_allclose(terms["distance"], 0.3 * np.mean((POINTS - rebuilt) ** 2), rtol=1e-5)
    np.testing.assert_allclose(terms["mode"], 0.7 * np.logaddexp(0, -rebuilt @ SLOPE).mean(), rtol=1e-5)


def test_what_the_generator_minimises():
    game, fake = linear(), RANDOM.normal(size=(5, 3)).astype("float32")
    terms = game.generator_terms(tf.constant(POINTS), tf.constant(fake), noise())
    encoders = game.encoder_terms(tf.constant(POINTS), None, noise())
    assert list(terms) == ["adversarial", "distance", "mode"]
    np.testing.assert_allclose(terms["adversarial"], np.logaddexp(0, -fake @ SLOPE).mean(), rtol=1e-5)
    assert all(terms[name] == encoders[name] for name in ("distance", "mode"))


def test_data_that_the_generator_can_make_are_rebuilt():
    inside = POINTS @ BASIS @ BASIS.T
    assert linear().encoder_terms(tf.constant(inside), None, noise())["distance"] < 1e-12


def test_descent_raises_the_score_of_rebuilt_images():
    game = linear()
    shift = tf.Variable(tf.zeros([2]))
    game.encoder = lambda points, training: points @ BASIS + shift
    with tf.GradientTape() as tape:
        loss = game.encoder_terms(tf.constant(POINTS), None, noise())["mode"]
    step = -tape.gradient(loss, shift).numpy()
    assert (step @ BASIS.T @ SLOPE).item() > 0.01


def test_rebuilt_images_are_scored_under_instance_noise_and_compared_without():
    game, asked = linear(instance_noise=0.5), []
    game.scores = lambda points, opponent="discriminator": asked.append(points.numpy()) or points @ SLOPE
    points = tf.zeros([2000, 3])
    terms = game.encoder_terms(points, None, noise())
    np.testing.assert_allclose(asked[0].std(), 0.5, rtol=0.05)
    assert terms["distance"] == 0


def test_the_discriminator_does_not_see_rebuilt_images():
    game = linear()
    game.encoder = None
    terms = game.discriminator_terms(tf.constant(POINTS), tf.constant(-POINTS), noise())
    scores = POINTS @ SLOPE
    np.testing.assert_allclose(terms["adversarial"], 2 * np.logaddexp(0, -scores).mean(), rtol=1e-5)


def test_augmentation_is_refused():
    with pytest.raises(InputError, match=r"augment=\['color'\]: the generator rebuilds .*leave it out"):
        MDGAN(augment=["color"])


def compiled(game):
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    return game


def tiny(**settings) -> MDGAN:
    networks = TINY | {"encoder": {"width": 2}}
    return compiled(MDGAN(image_shape=(8, 8, 1), latent_dim=4, networks=networks, **settings))


def test_the_encoder_makes_latents():
    game = tiny()
    assert game.encoder(IMAGES).shape == (6, 4)
    assert game.encoder.layers[-1].activation.__name__ == "linear"


@pytest.fixture(scope="module")
def plain_weights():
    settings = {"latent_dim": 4, "networks": TINY, "prior": "normal"}
    return after_two_rounds_from_given_weights(compiled(DCGAN(image_shape=(8, 8, 1), **settings)), IMAGES)


def test_weights_of_0_are_the_plain_game(plain_weights):
    weights = after_two_rounds_from_given_weights(tiny(distance_weight=0.0, mode_weight=0.0), IMAGES)
    np.testing.assert_array_equal(weights, plain_weights)


def test_little_weights_are_nearly_the_plain_game(plain_weights):
    weights = after_two_rounds_from_given_weights(tiny(distance_weight=1e-6, mode_weight=1e-6), IMAGES)
    np.testing.assert_allclose(weights, plain_weights, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["distance_weight", "mode_weight"])
def test_each_term_changes_the_game(name, plain_weights):
    weights = after_two_rounds_from_given_weights(
        tiny(**{"distance_weight": 0.0, "mode_weight": 0.0, name: 0.5}), IMAGES
    )
    assert np.abs(weights - plain_weights).max() > 1e-4
