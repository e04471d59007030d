import numpy as np
import pytest
import tensorflow as tf

from ganzoo.gan import GAN
from ganzoo.noise import Stream
from ganzoo.variants import HistoricalAveraging

SGD = {"name": "sgd", "learning_rate": 0.05}
DENSE = {player: {"architecture": "mlp", "width": 4} for player in ("generator", "discriminator")}
POINTS = np.random.default_rng(0).normal(0, 1, (6, 2)).astype("float32")


def bilinear_path(steps: int, rate: float, weight: float) -> np.ndarray:
    """Simultaneous descent on the value xy, each number drawn to its mean so far; D minimises xy, G minimises -xy."""
    positions = [np.array([1.0, 1.0])]
    mean = positions[0]
    for t in range(steps):
        x, y = positions[-1]
        positions.append(positions[-1] - rate * (np.array([-y, x]) + 2 * weight * (positions[-1] - mean)))
        mean = mean + (positions[-1] - mean) / (t + 2)
    return np.array(positions)


def test_the_closed_game_is_damped_by_a_small_weight_and_held_back_by_a_large_one():
    ends = [np.linalg.norm(bilinear_path(20_000, 0.05, weight)[-1]) for weight in (0.0, 0.1, 1.0)]
    np.testing.assert_allclose(ends, [9.87e10, 4.86e-4, 0.371], rtol=2e-3)


@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
def test_the_game_is_the_closed_one(bilinear, path, weight):
    game = bilinear(HistoricalAveraging, rate=0.05, simultaneous=True, history_weight=weight)
    positions = path(game, 150)
    np.testing.assert_allclose(positions, bilinear_path(150, 0.05, weight), rtol=1e-3, atol=1e-4)


def tiny(cls=HistoricalAveraging, **settings) -> GAN:
    game = cls(image_shape=(2,), latent_dim=3, networks=DENSE, **settings)
    game.compile(SGD, run_eagerly=True)
    return game


def trained(game: GAN, player: str) -> list[np.ndarray]:
    return [v.numpy() for v in getattr(game, player).trainable_variables]


@pytest.mark.parametrize("player", ["discriminator", "generator"])
def test_the_term_is_the_squared_distance_from_the_mean_of_all_rounds(player):
    game = tiny(history_weight=0.3, discriminator_steps=2)
    visited = [trained(game, player)]
    for _ in range(3):
        game.train_step(tf.constant(np.stack([POINTS, POINTS + 1], 1)))
        visited.append(trained(game, player))
    means = [np.mean(weights, axis=0) for weights in zip(*visited[:-1], strict=True)]  # of the last round's beginning
    expected = sum(((w - m) ** 2).sum() for w, m in zip(visited[-1], means, strict=True))
    terms = getattr(game, f"{player}_terms")(
        tf.constant(POINTS), tf.constant(POINTS), Stream(0, tf.constant(0, tf.int64), "test")
    )
    np.testing.assert_allclose(terms["history"], 0.3 * expected, rtol=1e-4)
    assert expected > 1e-6


def test_at_the_beginning_there_is_no_history():
    logs = tiny(simultaneous=True, history_weight=10.0).train_step(tf.constant(POINTS))
    assert float(logs["discriminator/history"]) == float(logs["generator/history"]) == 0


def test_only_trained_weights_have_a_history():
    networks = {"generator": {"width": 2}, "discriminator": {"width": 2}}  # with batch norm
    game = HistoricalAveraging(image_shape=(8, 8, 1), latent_dim=3, networks=networks)
    for player in game.players:
        network = getattr(game, player)
        assert len(game.means[player]) == len(network.trainable_variables) < len(network.weights)


def test_the_means_are_saved_with_the_weights(tmp_path):
    game = tiny()
    for _ in range(2):
        game.train_step(tf.constant(POINTS))
    game.save_weights(tmp_path / "game.weights.h5")
    other = tiny(seed=1)
    other.load_weights(tmp_path / "game.weights.h5")
    for player in game.players:
        for ours, theirs in zip(game.means[player], other.means[player], strict=True):
            np.testing.assert_array_equal(ours.numpy(), theirs.numpy())
        assert any((m.numpy() != w).any() for m, w in zip(game.means[player], trained(game, player), strict=True))


def weights_after_three_rounds(cls, **settings) -> np.ndarray:
    game = tiny(cls, **settings)
    for _ in range(3):
        game.train_step(tf.constant(POINTS))
    return np.concatenate([w.ravel() for p in game.players for w in trained(game, p)])


def test_of_weight_0_it_is_the_plain_game_and_of_little_weight_nearly():
    expected = weights_after_three_rounds(GAN)
    np.testing.assert_array_equal(weights_after_three_rounds(HistoricalAveraging, history_weight=0.0), expected)
    nearly = weights_after_three_rounds(HistoricalAveraging, history_weight=1e-5)
    np.testing.assert_allclose(nearly, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(weights_after_three_rounds(HistoricalAveraging, history_weight=1.0) - expected).max() > 1e-4
