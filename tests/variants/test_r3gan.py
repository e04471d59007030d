import keras
import numpy as np
import pytest
import tensorflow as tf
from rounds import after_two_rounds

from ganzoo.errors import InputError
from ganzoo.variants import R3GAN

REAL, FAKE = np.random.default_rng(0).normal(0, 3, (2, 9, 1))
PLAYERS = ("discriminator", "generator")
POINTS = np.random.default_rng(0).normal(0, 1, (6, 2)).astype("float32")
DENSE = {player: {"architecture": "mlp", "width": 4, "activation": "tanh"} for player in PLAYERS}


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def loss(player: str, real, fake) -> float:
    """A player's loss where the scores are given."""
    game = R3GAN()
    game.scores = lambda images, opponent="discriminator": images
    terms = getattr(game, f"{player}_terms")(tf.constant(real), tf.constant(fake), None)
    return float(terms["adversarial"])


def test_losses_are_logistic_in_the_difference_of_each_pair():
    np.testing.assert_allclose(loss("discriminator", REAL, FAKE), softplus(-(REAL - FAKE)).mean(), rtol=1e-12)
    np.testing.assert_allclose(loss("generator", REAL, FAKE), softplus(-(FAKE - REAL)).mean(), rtol=1e-12)


@pytest.mark.parametrize("player", PLAYERS)
def test_equal_scores_say_nothing_and_a_constant_changes_nothing(player):
    np.testing.assert_allclose(loss(player, REAL, REAL), np.log(2), rtol=1e-12)
    np.testing.assert_allclose(loss(player, REAL + 50, FAKE + 50), loss(player, REAL, FAKE), rtol=1e-10)


def test_pairs_are_by_position():
    assert abs(loss("discriminator", REAL, FAKE[::-1]) - loss("discriminator", REAL, FAKE)) > 1e-3


def test_the_penalty_is_half_gamma_times_r1_plus_r2():
    game = R3GAN(penalty_weight=3.0)
    game.scores = lambda x, opponent="discriminator": tf.reduce_sum(x**2, 1, keepdims=True) / 2
    real, fake = np.random.default_rng(1).normal(0, 1, (2, 5, 2)).astype("float32") * [[[1.0]], [[2.0]]]
    terms = game.penalty_terms("discriminator", tf.constant(real), tf.constant(fake), None)
    r1, r2 = ((x**2).sum(axis=1).mean() for x in (real, fake))
    np.testing.assert_allclose(terms["penalty"], 3 / 2 * (r1 + r2), rtol=1e-5)


def weights_after_two_rounds(**settings) -> np.ndarray:
    game = R3GAN(image_shape=(2,), latent_dim=4, networks=DENSE, **settings)
    return after_two_rounds(game, POINTS)


def test_weight_0_is_the_game_without_a_penalty_and_little_weight_nearly():
    plain = weights_after_two_rounds(penalty=None)
    np.testing.assert_array_equal(weights_after_two_rounds(penalty_weight=0.0), plain)
    np.testing.assert_allclose(weights_after_two_rounds(penalty_weight=1e-6), plain, rtol=1e-5, atol=1e-6)
    assert np.abs(weights_after_two_rounds(penalty_weight=2.0) - plain).max() > 1e-4


def after(game: R3GAN, rounds: int) -> float:
    """How far the Dirac game is from its equilibrium after so many rounds: data at 0, one fake, a linear D."""
    psi, theta = tf.Variable(1.0), tf.Variable(1.0)
    game.scores = lambda x, opponent="discriminator": psi * x

    @tf.function
    def play():
        with tf.GradientTape(persistent=True) as tape:
            real, fake = tf.zeros([1, 1]), tf.reshape(theta, [1, 1])
            terms = game.discriminator_terms(real, fake, None)
            terms |= game.penalty_terms("discriminator", real, tf.stop_gradient(fake), None)
            losses = tf.add_n(list(terms.values())), game.generator_terms(real, fake, None)["adversarial"]
        steps = tape.gradient(losses[0], psi), tape.gradient(losses[1], theta)
        psi.assign_sub(0.1 * steps[0])
        theta.assign_sub(0.1 * steps[1])

    for _ in range(rounds):
        play()
    return float(tf.sqrt(psi**2 + theta**2))


def test_the_penalty_makes_the_dirac_game_converge_quickly():
    assert after(R3GAN(penalty=None), 300) > 0.3
    assert after(R3GAN(penalty_weight=0.5), 300) < 1e-3


def test_neither_network_is_normalised():
    game = R3GAN(image_shape=(8, 8, 1), networks={"generator": {"width": 2}, "discriminator": {"width": 2}})
    for player in PLAYERS:
        assert not [x for x in getattr(game, player).layers if isinstance(x, keras.layers.BatchNormalization)]
    assert [x for x in game.discriminator.layers if isinstance(x, keras.layers.Add)]


def test_the_loss_cannot_be_changed():
    with pytest.raises(InputError, match="objective='hinge': this game has its own"):
        R3GAN(objective="hinge")
