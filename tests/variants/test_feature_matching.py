import numpy as np
import tensorflow as tf

from ganzoo.variants import FeatureMatching

RANDOM = np.random.default_rng(0)
REAL, FAKE = RANDOM.normal(0, 2, (2, 5, 3)).astype("float32")
IMAGES = RANDOM.uniform(-1, 1, (6, 8, 8, 1)).astype("float32")


def on_features() -> FeatureMatching:
    """A game on points that are their own features."""
    game = FeatureMatching()
    game.__dict__["scores_and_features"] = lambda points, training: (None, points)
    return game


def tiny() -> FeatureMatching:
    networks = {"generator": {"width": 2}, "discriminator": {"width": 2}}
    game = FeatureMatching(image_shape=(8, 8, 1), latent_dim=4, networks=networks)
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    return game


def distance(game: FeatureMatching, real, fake) -> float:
    return float(game.generator_terms(tf.constant(real), tf.constant(fake), None)["features"])


def test_the_generator_minimises_the_squared_norm_of_the_difference_of_means():
    expected = np.sum((REAL.mean(0) - FAKE.mean(0)) ** 2)
    np.testing.assert_allclose(distance(on_features(), REAL, FAKE), expected, rtol=1e-5)


def test_equal_means_cost_nothing_whatever_the_spread():
    spread = REAL.mean(0) + 7 * (REAL - REAL.mean(0))
    assert distance(on_features(), REAL, spread) < 1e-9
    assert distance(on_features(), REAL, REAL + 1) > 2.9


def test_every_fake_has_the_same_gradient():
    fake = tf.constant(FAKE)
    with tf.GradientTape() as tape:
        tape.watch(fake)
        loss = on_features().generator_terms(tf.constant(REAL), fake, None)["features"]
    expected = 2 * (FAKE.mean(0) - REAL.mean(0)) / len(FAKE)
    np.testing.assert_allclose(tape.gradient(loss, fake), np.tile(expected, (len(FAKE), 1)), rtol=1e-4)


def test_features_are_what_the_last_layer_sees():
    game = tiny()
    scores, features = game.scores_and_features(IMAGES, training=True)
    kernel, bias = game.discriminator.get_layer("scores").get_weights()
    np.testing.assert_allclose(scores, game.scores(IMAGES), rtol=1e-6)
    np.testing.assert_allclose(features.numpy() @ kernel + bias, scores, rtol=1e-4, atol=1e-6)


def test_the_score_itself_does_not_move_the_generator():
    game = tiny()
    before = distance(game, IMAGES, -IMAGES)
    game.discriminator.get_layer("scores").kernel.assign_add(tf.ones_like(game.discriminator.layers[-1].kernel))
    assert distance(game, IMAGES, -IMAGES) == before > 0


def test_the_discriminator_minimises_the_cross_entropy():
    game = FeatureMatching()
    game.scores = lambda images, opponent="discriminator": images
    real, fake = RANDOM.normal(0, 3, (2, 5, 1))
    loss = game.discriminator_terms(tf.constant(real), tf.constant(fake), None)["adversarial"]
    np.testing.assert_allclose(loss, np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean(), rtol=1e-10)


def test_the_discriminator_is_saved_once():
    game = tiny()
    before = len(game.weights), len(game.variables)
    assert game.scores_and_features.count_params() == game.discriminator.count_params()
    assert (len(game.weights), len(game.variables)) == before


def test_one_round_moves_both_players():
    game = tiny()
    before = {player: getattr(game, player).get_weights() for player in game.players}
    logs = game.train_step(tf.constant(IMAGES))
    assert all(np.isfinite(value) for value in logs.values())
    for player, weights in before.items():
        moved = zip(weights, getattr(game, player).get_weights(), strict=True)
        assert any((old != new).any() for old, new in moved)
