import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from ganzoo.errors import InputError
from ganzoo.noise import Stream
from ganzoo.variants import WGAN

TINY = {"generator": {"width": 2}, "discriminator": {"width": 2}}
IMAGES = np.random.default_rng(0).uniform(-1, 1, (8, 8, 8, 1)).astype("float32")


def tiny(**settings) -> WGAN:
    game = WGAN(image_shape=(8, 8, 1), latent_dim=4, networks=TINY, discriminator_steps=2, **settings)
    game.compile({"name": "rmsprop", "learning_rate": 0.05}, run_eagerly=True)
    return game


def trained(game: WGAN) -> WGAN:
    game.fit(IMAGES, batch_size=4, shuffle=False, verbose=0)
    return game


def largest(weights: list) -> float:
    return max(float(abs(w.numpy()).max()) for w in weights)


def noise(number: int = 0) -> Stream:
    return Stream(1, tf.constant(0, tf.int64), f"opponents/{number}")


def test_the_default_is_five_critic_steps_and_weights_up_to_a_hundredth():
    game = WGAN()
    assert (game.discriminator_steps, game.clip_value, game.objective) == (5, 0.01, "wasserstein")
    assert (game.prior, game.latent_dim) == ("normal", 100)


@pytest.mark.parametrize("simultaneous", [False, True])
def test_after_a_step_no_trainable_weight_of_the_critic_is_above_the_bound(simultaneous):
    game = tiny(simultaneous=simultaneous)
    assert largest(game.discriminator.trainable_variables) > 0.02
    trained(game)
    assert largest(game.discriminator.trainable_variables) == np.float32(0.01)


def test_neither_statistics_nor_the_generator_are_clipped():
    game = trained(tiny())
    variances = [w for w in game.discriminator.weights if w.path.endswith("moving_variance")]
    assert largest(variances) > 0.1
    assert largest(game.generator.trainable_variables) > 0.05


def test_only_who_steps_is_clipped():
    game = tiny()
    before = [w.numpy() for w in game.discriminator.trainable_variables]
    game.update(("generator",), tf.constant(IMAGES), noise())
    after = [w.numpy() for w in game.discriminator.trainable_variables]
    assert all(map(np.array_equal, before, after))


def test_a_bound_that_nothing_reaches_is_the_game_without_clipping(monkeypatch):
    def weights(**settings):
        game = WGAN(image_shape=(3,), discriminator_steps=2, **settings)
        game.compile({"name": "rmsprop", "learning_rate": 0.05}, run_eagerly=True)
        game.fit(IMAGES[:, 0, :3, 0], batch_size=4, shuffle=False, verbose=0)
        return [w.numpy() for w in game.weights]

    wide, clipped = weights(clip_value=1e6), weights()
    monkeypatch.delattr(WGAN, "apply")
    free = weights()
    assert all(map(np.array_equal, wide, free))
    assert not all(map(np.array_equal, clipped, free))


@pytest.mark.parametrize("distance", [3.0, -0.5])
def test_a_line_between_two_points_measures_the_bound_times_their_distance(distance):
    line = keras.Sequential([layers.Input((1,)), layers.Dense(1, use_bias=False)])
    game = WGAN(image_shape=(1,), latent_dim=2, networks={"discriminator": line})
    game.compile({"name": "sgd", "learning_rate": 0.1}, run_eagerly=True)
    game.make_fake = lambda count, noise: tf.zeros([count, 1])
    for number in range(20):
        terms = game.update(("discriminator",), tf.fill([4, 1], distance), noise(number))
    np.testing.assert_allclose(line.weights[0].numpy(), [[0.01 * np.sign(distance)]], rtol=1e-6)
    np.testing.assert_allclose(terms["discriminator/adversarial"], -0.01 * abs(distance), rtol=1e-5)


def test_a_penalty_beside_clipping_is_refused():
    with pytest.raises(InputError, match=r"penalty='interpolates' beside clip_value=0.01: .*take wgan_gp"):
        WGAN(penalty="interpolates")


@pytest.mark.parametrize("bound", [0.0, -0.01])
def test_an_impossible_bound_is_refused(bound):
    with pytest.raises(InputError, match=f"clip_value={bound}"):
        WGAN(clip_value=bound)
