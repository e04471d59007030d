import numpy as np
import pytest
import tensorflow as tf

from ganzoo.variants import Hinge

# How often each outcome is in a batch of data and in a batch of fakes: p and q are exact means over batches.
DATA, FAKES = np.array([1, 4, 2, 7, 6]), np.array([5, 3, 9, 1, 2])
P, Q = DATA / DATA.sum(), FAKES / FAKES.sum()


def on_scores() -> Hinge:
    """A game whose images are their own scores."""
    game = Hinge()
    game.scores = lambda images, opponent="discriminator": images
    return game


def batch(scores: np.ndarray, counts: np.ndarray) -> tf.Tensor:
    return tf.constant(np.repeat(scores, counts)[:, None])


def test_players_minimise_the_hinge_and_the_raised_score():
    real, fake = np.random.default_rng(0).normal(0, 2, (2, 6, 1))
    terms = on_scores().discriminator_terms(tf.constant(real), tf.constant(fake), None)
    expected = np.maximum(0, 1 - real).mean() + np.maximum(0, 1 + fake).mean()
    np.testing.assert_allclose(terms["adversarial"], expected, rtol=1e-10)
    terms = on_scores().generator_terms(None, tf.constant(fake), None)
    np.testing.assert_allclose(terms["adversarial"], -fake.mean(), rtol=1e-10)


def test_the_game_at_the_optimal_discriminator_is_total_variation():
    best = np.sign(P - Q)
    game, variation = on_scores(), np.abs(P - Q).sum() / 2
    lost = game.discriminator_terms(batch(best, DATA), batch(best, FAKES), None)["adversarial"]
    np.testing.assert_allclose(lost, 2 * (1 - variation), rtol=1e-10)
    won = game.generator_terms(None, batch(best, FAKES), None)["adversarial"]
    np.testing.assert_allclose(won - best @ P * -1, 2 * variation, rtol=1e-10)


@pytest.mark.parametrize(("score", "expected"), [(-3.0, (-1, 0)), (0.9, (-1, 1)), (1.5, (0, 1))])
def test_examples_past_their_margin_teach_the_discriminator_nothing(score, expected):
    scores = [tf.constant([[score]]), tf.constant([[score]])]
    with tf.GradientTape() as tape:
        tape.watch(scores)
        lost = on_scores().discriminator_terms(*scores, None)["adversarial"]
    assert tuple(float(slope[0, 0]) for slope in tape.gradient(lost, scores)) == expected
