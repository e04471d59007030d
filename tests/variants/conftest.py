"""The smallest game, on which the dynamics have closed forms: the value xy of two numbers."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from ganzoo.gan import GAN


def bilinear(cls=GAN, *, rate=0.1, start=(1.0, 1.0), **settings):
    """Returns a game whose generator makes the number x and whose discriminator scores a point u as yu.

    Among data at 0 with the objective "wasserstein" D minimises xy, and G minimises -xy.
    """
    latent, points = keras.Input((1,)), keras.Input((1,))
    one = layers.Rescaling(0.0, 1.0)(latent)
    networks = {
        "generator": keras.Model(latent, layers.Dense(1, use_bias=False)(one), name="generator"),
        "discriminator": keras.Model(points, layers.Dense(1, use_bias=False)(points), name="discriminator"),
    }
    settings = {"objective": "wasserstein", "latent_dim": 1, **settings}
    game = cls(image_shape=(1,), networks=networks, **settings)
    game.compile({"name": "sgd", "learning_rate": rate})
    for network, value in zip((game.generator, game.discriminator), start, strict=True):
        network.set_weights([np.array([[value]])])
    return game


def position(game):
    """Returns (x, y)."""
    return np.array([network.get_weights()[0][0, 0] for network in (game.generator, game.discriminator)], "float64")


def path(game, steps):
    """Plays rounds on data at 0; returns (x, y) before each and after the last, [steps + 1, 2]."""
    play = tf.function(game.train_step, autograph=False)
    positions = [position(game)]
    for _ in range(steps):
        play(tf.zeros([2, 1]))
        positions.append(position(game))
    return np.array(positions)


@pytest.fixture(scope="session", name="bilinear")
def _bilinear():
    return bilinear


@pytest.fixture(scope="session", name="path")
def _path():
    return path
