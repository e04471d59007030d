import numpy as np
import pytest
import tensorflow as tf
from rounds import after_two_rounds_from_given_weights

import ganzoo
from ganzoo.networks import builder
from ganzoo.noise import Stream
from ganzoo.variants import DCGAN, DFM

IMAGES = np.random.default_rng(0).uniform(-1, 1, (6, 8, 8, 1)).astype("float32")
TINY = {"generator": {"width": 2}, "discriminator": {"width": 2}}
DENOISER = {"denoiser": {"width": 5, "depth": 1}}


def noise() -> Stream:
    return Stream(1, tf.constant(0, tf.int64), "opponents/0")


def on_features(denoiser, **settings) -> DFM:
    """A game on points that are their own features and scores, with a function as denoiser."""
    game = DFM(**settings)
    game.__dict__["scores_and_features"] = lambda points, training: (points[:, :1], points)
    game.denoiser = denoiser
    return game


def compiled(game):
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    return game


def tiny(**settings) -> DFM:
    return compiled(DFM(image_shape=(8, 8, 1), latent_dim=4, networks=TINY | DENOISER, **settings))


def test_the_best_linear_denoiser_of_gaussian_features_is_wieners():
    mean, deviation, scale = 1.5, 0.7, 0.5
    gain = deviation**2 / (deviation**2 + scale**2)
    slope, offset = tf.Variable(gain), tf.Variable(mean * (1 - gain))
    game = on_features(lambda features, training: slope * features + offset, noise_scale=scale)
    features = mean + deviation * tf.random.stateless_normal([200_000, 1], [1, 2])
    with tf.GradientTape() as tape:
        loss = game.denoiser_terms(features, None, noise())["reconstruction"]
    np.testing.assert_allclose(tape.gradient(loss, [slope, offset]), [0, 0], atol=0.01)
    np.testing.assert_allclose(loss, deviation**2 * (1 - gain), rtol=0.01)  # what noise leaves unknown


def test_the_denoiser_sees_noisy_features_in_training_and_clean_ones_of_fakes_at_rest():
    calls = []

    def denoiser(features, training):
        calls.append((features.numpy(), training))
        return features

    game = on_features(denoiser, noise_scale=2.0)
    points = tf.zeros([1000, 3])
    game.denoiser_terms(points, None, noise())
    game.generator_terms(None, points, noise())
    (noisy, training), (clean, at_rest) = calls
    np.testing.assert_allclose(noisy.std(), 2.0, rtol=0.05)
    assert training is True
    assert at_rest is False
    assert not clean.any()


def test_the_generators_terms():
    points = np.random.default_rng(1).normal(size=(5, 3)).astype("float32")
    game = on_features(lambda features, training: 3 * features, adversarial_weight=0.5, denoising_weight=0.1)
    terms = game.generator_terms(None, tf.constant(points), noise())
    np.testing.assert_allclose(terms["adversarial"], 0.5 * np.logaddexp(0, -points[:, 0]).mean(), rtol=1e-5)
    np.testing.assert_allclose(terms["denoising"], 0.1 * np.mean((2 * points) ** 2), rtol=1e-5)


def test_the_generator_goes_towards_the_denoised_features_as_if_they_stood_still():
    points = tf.constant([[1.0, -2.0], [0.5, 3.0]])
    game = on_features(lambda features, training: 3 * features, denoising_weight=1.0)
    with tf.GradientTape() as tape:
        tape.watch(points)
        loss = game.generator_terms(None, points, noise())["denoising"]
    np.testing.assert_allclose(tape.gradient(loss, points), 2 * (points - 3 * points) / 4, rtol=1e-6)


def test_no_player_trains_another():
    game = tiny()
    discriminator, denoiser = game.discriminator.trainable_variables, game.denoiser.trainable_variables
    with tf.GradientTape(persistent=True) as tape:
        reconstruction = game.denoiser_terms(tf.constant(IMAGES), None, noise())["reconstruction"]
        denoising = game.generator_terms(None, tf.constant(IMAGES), noise())["denoising"]
    assert all(gradient is None for gradient in tape.gradient(reconstruction, discriminator))
    assert all(gradient is not None for gradient in tape.gradient(reconstruction, denoiser))
    assert all(gradient is None for gradient in tape.gradient(denoising, denoiser))


@pytest.fixture(scope="module")
def plain_weights():
    settings = {"latent_dim": 4, "networks": TINY, "simultaneous": True}
    return after_two_rounds_from_given_weights(compiled(DCGAN(image_shape=(8, 8, 1), **settings)), IMAGES)


def test_weight_0_is_the_plain_game(plain_weights):
    np.testing.assert_array_equal(
        after_two_rounds_from_given_weights(tiny(denoising_weight=0.0), IMAGES), plain_weights
    )


def test_a_little_weight_is_nearly_the_plain_game(plain_weights):
    weights = after_two_rounds_from_given_weights(tiny(denoising_weight=1e-6), IMAGES)
    np.testing.assert_allclose(weights, plain_weights, rtol=1e-5, atol=1e-6)


def test_the_term_changes_the_game(plain_weights):
    assert np.abs(after_two_rounds_from_given_weights(tiny(denoising_weight=1.0), IMAGES) - plain_weights).max() > 1e-5


def test_the_denoiser_is_ten_dense_layers_with_batch_norm_between():
    spec = DFM.default_networks["denoiser"]
    assert (spec["width"], spec["depth"]) == (2048, 9)
    model = builder("denoiser", spec)((7,), width=4, depth=9)
    kinds = [type(layer).__name__ for layer in model.layers[1:]]
    assert kinds == 9 * ["Dense", "BatchNormalization", "LeakyReLU"] + ["Dense"]
    assert model.layers[-1].activation.__name__ == "linear"
    assert model.output_shape == (None, 7)


def test_the_denoiser_fits_the_features():
    game = tiny()
    assert game.denoiser.input_shape == game.denoiser.output_shape == (None, 16)  # one place of 8 * width filters
    assert game.discriminator.get_layer("scores").kernel.shape == (16, 1)
    with pytest.raises(ganzoo.InputError, match=r"networks\.denoiser\.architecture='dcgan' is unknown.*known: mlp"):
        DFM(networks={"denoiser": {"architecture": "dcgan"}})
