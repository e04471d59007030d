import numpy as np
import tensorflow as tf
from keras import layers

from ganzoo.noise import Stream
from ganzoo.variants import DCGAN

TINY = {"generator": {"width": 3}, "discriminator": {"width": 3}}


def kinds(model) -> list[str]:
    """The kinds of a network's layers that compute, in order."""
    plumbing = (layers.InputLayer, layers.Reshape, layers.Flatten)
    return [type(layer).__name__ for layer in model.layers if not isinstance(layer, plumbing)]


def tiny(**settings) -> DCGAN:
    return DCGAN(image_shape=(8, 8, 1), networks=TINY, **settings)


def test_latents_are_a_hundred_uniform_numbers():
    game = DCGAN()
    assert (game.prior, game.latent_dim) == ("uniform", 100)
    game.generator = lambda latents, training: latents
    made = game.make_fake(256, Stream(0, tf.constant(0, tf.int64), "generator")).numpy()
    assert made.shape == (256, 100)
    assert 0.99 < np.abs(made).max() <= 1
    np.testing.assert_allclose(made.std(), 1 / np.sqrt(3), rtol=0.02)


def test_generator_has_batch_norm_everywhere_but_at_its_output():
    normalized = ["Conv2DTranspose", "BatchNormalization", "Activation"]
    expected = ["Dense", *normalized[1:], *3 * normalized, "Conv2DTranspose", "Activation"]
    model = tiny().generator
    assert kinds(model) == expected
    names = [layer.activation.__name__ for layer in model.layers if isinstance(layer, layers.Activation)]
    assert names == ["relu"] * 4 + ["tanh"]


def test_discriminator_has_batch_norm_everywhere_but_at_its_input():
    expected = ["Conv2D", "LeakyReLU", *6 * ["Conv2D", "BatchNormalization", "LeakyReLU"], "Dense"]
    model = tiny().discriminator
    assert kinds(model) == expected
    slopes = [layer.negative_slope for layer in model.layers if isinstance(layer, layers.LeakyReLU)]
    np.testing.assert_allclose(slopes, 0.2)


def test_batch_norm_is_chainers_with_an_offset_only_in_the_discriminator():
    game = tiny()
    for model, scale in ((game.generator, True), (game.discriminator, False)):
        for layer in model.layers:
            if isinstance(layer, layers.BatchNormalization):
                assert (layer.momentum, layer.epsilon, layer.scale, layer.center) == (0.9, 2e-5, scale, True)


def test_data_and_fakes_are_normalised_apart():
    game = tiny()
    real, fake = (tf.random.stateless_uniform([6, 8, 8, 1], [seed, 0], -1, 1) for seed in (1, 2))
    terms = game.discriminator_terms(real, fake, None)
    with_other_fakes = game.discriminator_terms(real, 0.1 * fake, None)
    scores = [game.scores(batch).numpy() for batch in (real, fake, 0.1 * fake)]
    losses = [np.logaddexp(0, sign * s).mean() for sign, s in zip((-1, 1, 1), scores, strict=True)]
    np.testing.assert_allclose(terms["adversarial"], losses[0] + losses[1], rtol=1e-5)
    np.testing.assert_allclose(with_other_fakes["adversarial"], losses[0] + losses[2], rtol=1e-5)


def test_the_game_is_the_non_saturating_one_without_a_penalty():
    game = DCGAN()
    assert {metric.name for metric in game.metrics} == {"discriminator/adversarial", "generator/adversarial"}
    game.scores = lambda images, opponent="discriminator": images
    real, fake = np.random.default_rng(0).normal(0, 3, (2, 5, 1))
    loss = game.discriminator_terms(tf.constant(real), tf.constant(fake), None)["adversarial"]
    np.testing.assert_allclose(loss, np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean(), rtol=1e-10)
    loss = game.generator_terms(None, tf.constant(fake), None)["adversarial"]
    np.testing.assert_allclose(loss, np.logaddexp(0, -fake).mean(), rtol=1e-10)


def test_one_round_gives_finite_terms_and_moves_both_players():
    game = tiny()
    game.compile("sgd", run_eagerly=True)
    before = [game.generator.get_weights(), game.discriminator.get_weights()]
    logs = game.train_step(tf.random.stateless_uniform([4, 8, 8, 1], [1, 2], -1, 1))
    assert all(np.isfinite(value) for value in logs.values())
    for old, model in zip(before, (game.generator, game.discriminator), strict=True):
        assert any((one != other).any() for one, other in zip(old, model.get_weights(), strict=True))
