import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from ganzoo.config import load_recipe
from ganzoo.variants import LSGAN

REAL, FAKE = np.random.default_rng(0).normal(0, 2, (2, 6, 1))
# How often each outcome is in a batch of data and in a batch of fakes: p and q are exact means over batches.
DATA, FAKES = np.array([1, 4, 2, 7, 6]), np.array([5, 3, 9, 1, 2])
P, Q = DATA / DATA.sum(), FAKES / FAKES.sum()


def on_scores(**settings) -> LSGAN:
    """A game whose images are their own scores."""
    game = LSGAN(**settings)
    game.scores = lambda images, opponent="discriminator": images
    return game


@pytest.mark.parametrize(
    ("settings", "fake_code", "real_code", "target"),
    [({}, -1, 1, 0), ({"objective": "least_squares_binary"}, 0, 1, 1)],
)
def test_players_regress_on_their_codes(settings, fake_code, real_code, target):
    game, real, fake = on_scores(**settings), tf.constant(REAL), tf.constant(FAKE)
    expected = np.mean((REAL - real_code) ** 2) / 2 + np.mean((FAKE - fake_code) ** 2) / 2
    np.testing.assert_allclose(game.discriminator_terms(real, fake, None)["adversarial"], expected, rtol=1e-10)
    expected = np.mean((FAKE - target) ** 2) / 2
    np.testing.assert_allclose(game.generator_terms(None, fake, None)["adversarial"], expected, rtol=1e-10)


def test_the_generators_loss_at_the_optimal_discriminator_is_its_part_of_the_pearson_divergence():
    best = (P - Q) / (P + Q)
    scores = tf.constant(np.repeat(best, FAKES)[:, None])
    value = on_scores().generator_terms(None, scores, None)["adversarial"]
    np.testing.assert_allclose(value, np.sum(Q * (P - Q) ** 2 / (P + Q) ** 2) / 2, rtol=1e-10)


def test_a_fake_is_drawn_back_in_proportion_to_its_distance_from_the_target():
    game, fake = on_scores(), tf.constant([[-20.0], [0.0], [3.0]])
    with tf.GradientTape() as tape:
        tape.watch(fake)
        value = game.generator_terms(None, fake, None)["adversarial"]
    np.testing.assert_allclose(tape.gradient(value, fake), [[-20 / 3], [0], [1]], rtol=1e-6)


def test_scores_have_no_sigmoid():
    game = LSGAN(image_shape=(8, 8, 1), networks={"generator": {"width": 2}, "discriminator": {"width": 2}})
    last = game.discriminator.layers[-1]
    assert isinstance(last, layers.Dense)
    assert last.activation.__name__ == "linear"


def test_the_authors_codes_have_a_recipe():
    assert load_recipe("lsgan_binary").gan == {"objective": "least_squares_binary"}
    assert load_recipe("lsgan_binary").variant == "lsgan"
