import numpy as np
import pytest
import tensorflow as tf

from ganzoo.noise import Stream
from ganzoo.variants import BEGAN

NETWORKS = {
    "generator": {"architecture": "mlp", "width": 4},
    "discriminator": {"architecture": "mlp_autoencoder", "width": 4, "code_dim": 3},
}
IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1)).astype("float32")


def tiny(**settings) -> BEGAN:
    game = BEGAN(image_shape=(8, 8, 1), latent_dim=4, networks=NETWORKS, **settings)
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    return game


def stream(update: str) -> Stream:
    return Stream(0, tf.constant(0, tf.int64), update)


def weights(game: BEGAN) -> np.ndarray:
    return np.concatenate([w.ravel() for p in game.players for w in getattr(game, p).get_weights()])


def errors(game: BEGAN, images) -> float:
    """The mean absolute error, from what the network makes."""
    return float(np.mean(np.abs(game.discriminator(images)[0].numpy() - np.array(images))))


# The terms.


def test_the_error_is_each_examples_mean_absolute_one():
    game = BEGAN()
    game.discriminator = lambda x, training: [0.0 * x, x]
    np.testing.assert_allclose(game.error(tf.constant(IMAGES)), np.abs(IMAGES).mean(axis=(1, 2, 3)), rtol=1e-5)
    scores = game.scores(tf.constant(IMAGES)).numpy()
    np.testing.assert_allclose(scores, -np.abs(IMAGES).mean(axis=(1, 2, 3))[:, None], rtol=1e-5)


@pytest.mark.parametrize("k", [0.0, 0.4])
def test_the_discriminator_raises_the_error_of_fakes_by_k(k):
    game = tiny()
    game.fake_weight.assign(k)
    real, fake = tf.constant(IMAGES), tf.constant(0.3 * IMAGES[::-1])
    terms = game.discriminator_terms(real, fake, None)
    np.testing.assert_allclose(terms["real"], errors(game, real), rtol=1e-5)
    np.testing.assert_allclose(terms["fake"], -k * errors(game, fake), rtol=1e-5)
    np.testing.assert_allclose(game.generator_terms(real, fake, None)["adversarial"], errors(game, fake), rtol=1e-5)


# The balance.


def test_k_and_the_convergence_measure_of_known_errors():
    game = tiny(diversity_ratio=0.5, fake_weight_rate=0.001)
    assert float(game.fake_weight) == 0.0
    game.balance(tf.constant(1.0), tf.constant(0.2))
    np.testing.assert_allclose(float(game.fake_weight), 3e-4, rtol=1e-5)
    assert game.convergence({"discriminator/real": 1.0, "generator/adversarial": 0.2}) == pytest.approx(1.3)
    assert game.convergence({"discriminator/real": 1.0, "generator/adversarial": 0.9}) == pytest.approx(1.4)


@pytest.mark.parametrize(("fake_error", "k"), [(0.0, 1.0), (100.0, 0.0)])
def test_k_stays_between_0_and_1(fake_error, k):
    game = tiny(fake_weight_rate=0.3)
    game.fake_weight.assign(0.9)
    for _ in range(3):
        game.balance(tf.constant(1.0), tf.constant(fake_error))
    assert float(game.fake_weight) == k


def test_a_round_moves_k_by_the_errors_before_its_update():
    game = tiny(diversity_ratio=2.0, fake_weight_rate=0.1)
    fakes = game.make_fake(tf.constant(4), stream("opponents/0"))
    expected = 0.1 * (2.0 * errors(game, IMAGES) - errors(game, fakes))
    game.train_step(tf.constant(IMAGES))
    assert expected > 0.01
    np.testing.assert_allclose(float(game.fake_weight), expected, rtol=1e-5)


@pytest.mark.parametrize("simultaneous", [True, False])
def test_k_moves_once_a_round_however_many_updates_it_has(simultaneous):
    game = tiny(diversity_ratio=2.0, fake_weight_rate=0.1, simultaneous=simultaneous, discriminator_steps=3)
    moves, balance = [], game.balance
    game.balance = lambda *given: (moves.append(1), balance(*given))
    game.train_step(tf.constant(np.stack([IMAGES] * 3, 1)))
    assert len(moves) == 1
    assert float(game.fake_weight) > 0.01


def test_without_k_the_discriminator_is_a_plain_autoencoder():
    games = [tiny(fake_weight_rate=0.0), tiny(fake_weight_rate=1e-6), tiny(diversity_ratio=2.0, fake_weight_rate=1.0)]
    for game in games:
        game.generator.set_weights([0.3 * w for w in game.generator.get_weights()])
        for _ in range(2):
            game.train_step(tf.constant(IMAGES))
    plain, little, much = (weights(game) for game in games)
    assert float(games[0].fake_weight) == 0.0
    np.testing.assert_allclose(little, plain, rtol=1e-4, atol=1e-6)
    assert np.abs(much - plain).max() > 1e-4


def test_evaluation_does_not_move_k():
    game = tiny(diversity_ratio=2.0)
    game.fake_weight.assign(0.5)
    game.evaluate(IMAGES, verbose=0)
    assert float(game.fake_weight) == 0.5


def test_k_is_saved(tmp_path):
    game, other = tiny(), tiny()
    game.fake_weight.assign(0.25)
    game.save_weights(tmp_path / "game.weights.h5")
    other.load_weights(tmp_path / "game.weights.h5")
    assert float(other.fake_weight) == 0.25
    assert any(weight is other.fake_weight for weight in other.non_trainable_weights)
