import keras
import numpy as np
import tensorflow as tf

from ganzoo.layers import SpectralConv2D, SpectralDense, spectrally_normalized
from ganzoo.noise import Stream
from ganzoo.variants import DRAGAN, SNGAN

TINY = {"generator": {"width": 3}, "discriminator": {"width": 3}}
DENSE = {"generator": {"architecture": "mlp", "width": 4}, "discriminator": {"architecture": "mlp", "spectral": True}}
IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1)).astype("float32")


def tiny(networks=TINY, image_shape=(8, 8, 1), **settings) -> SNGAN:
    game = SNGAN(image_shape=image_shape, latent_dim=4, networks=networks, **settings)
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    return game


def normalized_layers(game: SNGAN) -> list:
    return [layer for layer in game.discriminator.layers if isinstance(layer, SpectralConv2D | SpectralDense)]


def update(game: SNGAN, player: str, images: np.ndarray) -> None:
    game.update((player,), tf.constant(images), Stream(0, game.step.value, player))


def directions(game: SNGAN) -> list[np.ndarray]:
    return [layer.direction.numpy() for layer in normalized_layers(game)]


def trained(game: SNGAN) -> list[np.ndarray]:
    return [variable.numpy() for variable in game.discriminator.trainable_variables]


def test_every_layer_of_the_discriminator_is_normalised_and_none_of_the_generator():
    game = tiny()
    weighted = [layer for layer in game.discriminator.layers if layer.trainable_variables]
    assert len(weighted) == 8
    assert weighted == normalized_layers(game)
    assert not [x for x in game.generator.layers if isinstance(x, SpectralConv2D | SpectralDense)]
    assert game.objective == "hinge"


def test_after_many_scores_no_layer_stretches():
    game = tiny()
    score = tf.function(game.scores)
    for _ in range(500):  # random kernels have a second value almost as large
        score(IMAGES)
    for layer in normalized_layers(game):
        used, _ = spectrally_normalized(layer.kernel.value, layer.direction.value)
        largest = np.linalg.svd(used.numpy().reshape(-1, used.shape[-1]), compute_uv=False)[0]
        np.testing.assert_allclose(largest, 1, atol=1e-3)


def test_a_dense_discriminator_is_lipschitz():
    game = tiny(DENSE, (2,))
    for variable in game.discriminator.trainable_variables:
        variable.assign(10 * variable + 1)  # far from 1-Lipschitz by itself
    points = tf.constant(np.random.default_rng(1).normal(0, 4, (200, 2)).astype("float32"))
    score = tf.function(game.scores)
    for _ in range(50):
        score(points)
    scores = score(points).numpy()[:, 0]
    slopes = abs(scores[1:] - scores[:-1]) / np.linalg.norm(points[1:] - points[:-1], axis=1)
    assert 0 < slopes.max() <= 1.001 / 4  # the network divides points by 4


def test_an_update_of_the_generator_moves_the_directions_alone():
    """Keras' own layer would write the normalised kernels over the trained ones here."""
    game = tiny()
    weights, before = trained(game), directions(game)
    update(game, "generator", IMAGES)
    assert all(map(np.array_equal, weights, trained(game)))
    assert not any(map(np.array_equal, before, directions(game)))
    update(game, "discriminator", IMAGES)
    assert not any(map(np.array_equal, weights[::2], trained(game)[::2]))


def test_held_out_data_move_no_direction():
    game = tiny()
    before = directions(game)
    game.evaluate(IMAGES, batch_size=4, verbose=0)
    assert all(map(np.array_equal, before, directions(game)))


def test_a_run_goes_on_after_saving(tmp_path):
    game = tiny(DENSE, (2,))
    points = IMAGES.reshape(-1, 2)[:8]
    game.train_step(tf.constant(points))
    game.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for each in (game, again):
        each.train_step(tf.constant(points))
    for ours, theirs in zip(game.weights, again.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_the_option_goes_with_a_penalty():
    networks = {**DENSE, "discriminator": {"architecture": "mlp", "spectral": True, "activation": "tanh"}}
    game = DRAGAN(image_shape=(2,), latent_dim=4, networks=networks)
    game.compile("sgd", run_eagerly=True)
    logs = game.train_step(tf.constant(IMAGES.reshape(-1, 2)[:8]))
    assert all(np.isfinite(value) for value in logs.values())
    assert logs["discriminator/penalty"] > 0
