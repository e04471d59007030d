import numpy as np
import tensorflow as tf

from ganzoo.variants import Minimax


def on_scores() -> Minimax:
    """A game whose images are their own scores."""
    game = Minimax()
    game.scores = lambda images, opponent="discriminator": images
    return game


def test_the_game_is_zero_sum_but_for_the_term_on_data():
    real, fake = (tf.constant(scores) for scores in np.random.default_rng(0).normal(0, 3, (2, 5, 1)))
    lost = on_scores().discriminator_terms(real, fake, None)["adversarial"]
    won = on_scores().generator_terms(None, fake, None)["adversarial"]
    np.testing.assert_allclose(lost + won, np.logaddexp(0, -real.numpy()).mean(), rtol=1e-10)
    np.testing.assert_allclose(won, -np.logaddexp(0, fake.numpy()).mean(), rtol=1e-10)


def test_two_points_that_do_not_overlap_leave_the_generator_no_gradient():
    """Where D tells data and fakes apart the divergence is flat, at log 2."""
    game = on_scores()
    for certainty, least, most in ((0.0, 0.49, 0.51), (20.0, 0.0, 1e-8)):
        fake = tf.constant([[-certainty]])
        with tf.GradientTape() as tape:
            tape.watch(fake)
            won = game.generator_terms(None, fake, None)["adversarial"]
        assert least <= -float(tape.gradient(won, fake)[0, 0]) <= most
    value = -game.discriminator_terms(-fake, fake, None)["adversarial"]
    np.testing.assert_allclose((value + np.log(4)) / 2, np.log(2), rtol=1e-6)


def test_latents_are_a_hundred_uniform_numbers():
    assert (Minimax().prior, Minimax().latent_dim) == ("uniform", 100)
