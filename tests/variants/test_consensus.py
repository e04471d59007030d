import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from rounds import after_two_rounds

from ganzoo.errors import InputError
from ganzoo.gan import GAN
from ganzoo.noise import Stream
from ganzoo.variants import Consensus

SGD = {"name": "sgd", "learning_rate": 0.05}
DENSE = {player: {"architecture": "mlp", "width": 4} for player in ("generator", "discriminator")}
POINTS = np.random.default_rng(0).normal(0, 1, (6, 2)).astype("float32")


def norms(path) -> np.ndarray:
    return np.linalg.norm(path, axis=1)


# On the value xy: g = (y, -x), so the field's half squared norm has the gradient (x, y).


def test_without_consensus_simultaneous_descent_turns_outwards(bilinear, path):
    distances = norms(path(bilinear(GAN, rate=0.1, simultaneous=True), 100))
    np.testing.assert_allclose(distances[1:] / distances[:-1], np.sqrt(1 + 0.1**2), rtol=1e-5)
    np.testing.assert_allclose(distances[-1] / distances[0], 1.645, rtol=1e-3)


@pytest.mark.parametrize("weight", [0.05, 1.0, 3.0])
def test_the_distance_from_equilibrium_shrinks_by_its_factor(bilinear, path, weight):
    rate = 0.1
    distances = norms(path(bilinear(Consensus, rate=rate, consensus_weight=weight), 40))
    factor = np.sqrt((1 - rate * weight) ** 2 + rate**2)
    np.testing.assert_allclose(distances[1:] / distances[:-1], factor, rtol=1e-4)
    assert (distances[-1] < distances[0]) == (rate < 2 * weight / (1 + weight**2))


def test_it_converges_where_the_plain_game_diverges(bilinear, path):
    assert norms(path(bilinear(Consensus, rate=0.1, consensus_weight=1.0), 200))[-1] < 4e-9


# On a small game between dense networks.


def smooth(weight: float, **settings) -> Consensus:
    """A game of float64 networks that can be differentiated as often as one likes."""

    def dense(inputs: int, name: str) -> keras.Model:
        given = keras.Input((inputs,), dtype="float64")
        hidden = layers.Dense(3, "tanh", dtype="float64", kernel_initializer=keras.initializers.GlorotNormal(1))(given)
        out = layers.Dense(
            {"generator": 2, "discriminator": 1}[name], dtype="float64",
            kernel_initializer=keras.initializers.GlorotNormal(2),
        )(hidden)  # fmt: skip
        return keras.Model(given, out, name=name)

    networks = {"generator": dense(2, "generator"), "discriminator": dense(2, "discriminator")}
    game = Consensus(image_shape=(2,), latent_dim=2, networks=networks, consensus_weight=weight, **settings)
    game.compile(SGD, run_eagerly=True)
    return game


def stream() -> Stream:
    return Stream(1, tf.constant(0, tf.int64), "opponents/0")


def plain(game: Consensus) -> dict[str, list]:
    """The players' gradients in the game without consensus, from the engine."""
    return GAN.gradients(game, game.players, tf.constant(POINTS), stream())[0]


def half_squared_norm(game: Consensus) -> float:
    return sum(float(tf.reduce_sum(g**2)) for player in plain(game).values() for g in player) / 2


@pytest.mark.parametrize("player", ["discriminator", "generator"])
@pytest.mark.parametrize("objective", ["non_saturating", "minimax"])
def test_each_player_descends_the_norm_of_both_gradients(player, objective):
    game, weight = smooth(3.0, objective=objective), 3.0
    gradients, values = game.gradients(game.players, tf.constant(POINTS), stream())
    np.testing.assert_allclose(values[f"{player}/consensus"], weight * half_squared_norm(game), rtol=1e-6)
    h = 1e-5
    for variable, own, total in zip(
        getattr(game, player).trainable_variables, plain(game)[player], gradients[player], strict=True
    ):
        start, expected = variable.numpy(), np.zeros(variable.shape)
        for index in np.ndindex(start.shape):
            sides = []
            for sign in (1, -1):
                moved = start.copy()
                moved[index] += sign * h
                variable.assign(moved)
                sides.append(half_squared_norm(game))
            expected[index] = (sides[0] - sides[1]) / (2 * h)
        variable.assign(start)
        np.testing.assert_allclose((total - own) / weight, expected, rtol=1e-4, atol=1e-7)
        assert np.abs(expected).max() > 1e-4


def test_an_update_of_one_player_takes_its_part_of_the_whole_field():
    game = smooth(1.0)
    both = game.gradients(game.players, tf.constant(POINTS), stream())[0]
    for player in game.players:
        alone, values = game.gradients((player,), tf.constant(POINTS), stream())
        assert set(alone) == {player}
        assert set(values) == {f"{player}/adversarial", f"{player}/consensus"}
        for one, other in zip(alone[player], both[player], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-10)


def test_loss_scales_do_not_count_in_the_norm():
    game, scaled = smooth(2.0), smooth(2.0)
    scaled.compile({**SGD, "loss_scale_factor": 64.0}, run_eagerly=True)
    expected, found = (g.gradients(g.players, tf.constant(POINTS), stream())[0] for g in (game, scaled))
    for player in game.players:
        for one, other in zip(expected[player], found[player], strict=True):
            np.testing.assert_allclose(64.0 * one, other, rtol=1e-6, atol=1e-12)


def weights_after_two_rounds(cls, **settings) -> np.ndarray:
    game = cls(image_shape=(2,), latent_dim=3, networks=DENSE, simultaneous=True, **settings)
    return after_two_rounds(game, POINTS)


def test_of_weight_0_it_is_the_plain_game_and_of_little_weight_nearly():
    expected = weights_after_two_rounds(GAN)
    np.testing.assert_array_equal(weights_after_two_rounds(Consensus, consensus_weight=0.0), expected)
    nearly = weights_after_two_rounds(Consensus, consensus_weight=1e-5)
    np.testing.assert_allclose(nearly, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(weights_after_two_rounds(Consensus) - expected).max() > 1e-4


# Its optimizers and networks.


def test_unlike_optimizers_are_refused():
    game = Consensus()
    same = {"name": "rmsprop", "learning_rate": 1e-4}
    game.compile(same)
    game.compile({"discriminator": same, "generator": keras.optimizers.RMSprop(1e-4, name="of_the_generator")})
    for other in ({"name": "rmsprop", "learning_rate": 2e-4}, {"name": "sgd", "learning_rate": 1e-4}):
        with pytest.raises(InputError, match=r"optimizers=.*RMSprop.*they differ.*one field.*give one for both"):
            game.compile({"discriminator": same, "generator": other})


def test_defaults_are_the_papers_and_warn_of_nothing():
    game = Consensus(image_shape=(8, 8, 1), networks={"generator": {"width": 2}, "discriminator": {"width": 2}})
    assert (game.consensus_weight, game.objective, game.latent_dim) == (10.0, "non_saturating", 256)
    assert game.simultaneous
