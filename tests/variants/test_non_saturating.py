import numpy as np
import tensorflow as tf

from ganzoo.variants import DCGAN, NonSaturating

TINY = {"generator": {"width": 2}, "discriminator": {"width": 2}}


def slope(score: float) -> float:
    """The derivative of the generator's loss with respect to the score of its only fake."""
    game = NonSaturating()
    game.scores = lambda images, opponent="discriminator": images
    fake = tf.constant([[score]], tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(fake)
        lost = game.generator_terms(None, fake, None)["adversarial"]
    return float(tape.gradient(lost, fake)[0, 0])


def test_the_gradient_is_largest_where_the_discriminator_is_sure_of_a_fake():
    for score in (-20.0, -1.0, 0.0, 3.0):
        np.testing.assert_allclose(slope(score), -1 / (1 + np.exp(score)), rtol=1e-10)
    assert slope(-20.0) < -0.999


def test_it_is_dcgans_game_bit_for_bit():
    weights = []
    for variant in (DCGAN, NonSaturating):
        game = variant(image_shape=(8, 8, 1), networks=TINY, seed=3)
        game.compile("sgd", run_eagerly=True)
        game.train_step(tf.random.stateless_uniform([4, 8, 8, 1], [1, 2], -1, 1))
        weights.append(np.concatenate([w.numpy().ravel() for w in game.weights]))
    np.testing.assert_array_equal(*weights)
