"""What two rounds make of a game's weights: to compare a game whose extra term has weight 0 with the plain one."""

import numpy as np
import tensorflow as tf


def after_two_rounds(game, data) -> np.ndarray:
    """Returns all players' weights after two eager rounds of gradient descent on `data`, as one vector."""
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    for _ in range(2):
        game.train_step(tf.constant(data))
    return np.concatenate([w.ravel() for player in game.players for w in getattr(game, player).get_weights()])


def after_two_rounds_from_given_weights(game, data) -> np.ndarray:
    """Returns what D and G train in two rounds from kernels that no further player's seed decides, as one vector."""
    start = np.random.default_rng(3)
    variables = [v for player in ("discriminator", "generator") for v in getattr(game, player).trainable_variables]
    for variable in variables:
        if len(variable.shape) > 1:
            variable.assign(start.normal(0, 0.1, variable.shape))
    for _ in range(2):
        game.train_step(tf.constant(data))
    return np.concatenate([v.numpy().ravel() for v in variables])
