import numpy as np
import pytest
import tensorflow as tf

from ganzoo.variants import Relativistic

REAL, FAKE = np.random.default_rng(0).normal(0, 3, (2, 9, 1))
PLAYERS = ("discriminator", "generator")


def loss(player: str, real, fake, **settings) -> float:
    """A player's loss where the scores are given."""
    game = Relativistic(**settings)
    game.scores = lambda images, opponent="discriminator": images
    terms = getattr(game, f"{player}_terms")(tf.constant(real), tf.constant(fake), None)
    return float(terms["adversarial"])


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def test_losses_are_those_of_relative_scores():
    c, e = REAL - FAKE.mean(), FAKE - REAL.mean()
    np.testing.assert_allclose(loss("discriminator", REAL, FAKE), softplus(-c).mean() + softplus(e).mean(), rtol=1e-12)
    np.testing.assert_allclose(loss("generator", REAL, FAKE), softplus(c).mean() + softplus(-e).mean(), rtol=1e-12)


def test_the_hinge_is_rahingegan():
    c, e = REAL - FAKE.mean(), FAKE - REAL.mean()
    for player, sign in zip(PLAYERS, (1, -1), strict=True):
        expected = np.maximum(0, 1 - sign * c).mean() + np.maximum(0, 1 + sign * e).mean()
        np.testing.assert_allclose(loss(player, REAL, FAKE, objective="hinge"), expected, rtol=1e-12)


@pytest.mark.parametrize("player", PLAYERS)
def test_equal_scores_say_nothing(player):
    equal = np.full((4, 1), 7.0)
    np.testing.assert_allclose(loss(player, equal, equal), 2 * np.log(2), rtol=1e-12)


@pytest.mark.parametrize("player", PLAYERS)
def test_a_constant_on_all_scores_changes_nothing(player):
    np.testing.assert_allclose(loss(player, REAL + 100, FAKE + 100), loss(player, REAL, FAKE), rtol=1e-10)


def test_the_generator_wants_data_less_real():
    """The property that the usual loss lacks: the generator's loss falls where data score lower."""
    assert loss("generator", REAL - 1, FAKE) < loss("generator", REAL, FAKE)


def test_means_are_over_the_whole_batch():
    """Each score is compared with the mean of the other kind, not with its neighbour."""
    order = [3, 1, 5, 0, 2, 4, 8, 7, 6]
    np.testing.assert_allclose(loss("discriminator", REAL, FAKE[order]), loss("discriminator", REAL, FAKE), rtol=1e-12)


def test_one_round_moves_both_players():
    networks = {"generator": {"width": 3}, "discriminator": {"width": 3}}
    game = Relativistic(image_shape=(8, 8, 1), networks=networks)
    game.compile("sgd", run_eagerly=True)
    before = [getattr(game, player).get_weights() for player in PLAYERS]
    logs = game.train_step(tf.random.stateless_uniform([4, 8, 8, 1], [1, 2], -1, 1))
    assert all(np.isfinite(value) for value in logs.values())
    for old, player in zip(before, PLAYERS, strict=True):
        moved = zip(old, getattr(game, player).get_weights(), strict=True)
        assert any((one != other).any() for one, other in moved)
