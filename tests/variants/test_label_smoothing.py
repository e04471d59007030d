import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.variants import LabelSmoothing, NonSaturating

# How often each outcome is in a batch of data and in a batch of fakes: p and q are exact means over batches.
DATA, FAKES = np.array([1, 4, 2, 7, 6]), np.array([5, 3, 9, 1, 2])
P, Q = DATA / DATA.sum(), FAKES / FAKES.sum()


def on_scores(**settings) -> LabelSmoothing:
    """A game whose images are their own scores."""
    game = LabelSmoothing(**settings)
    game.scores = lambda images, opponent="discriminator": images
    return game


def loss(scores: np.ndarray, **settings) -> tuple[float, np.ndarray]:
    """The discriminator's loss where outcome i has scores[i], and its gradient with respect to them."""
    table = tf.Variable(scores)
    with tf.GradientTape() as tape:
        real, fake = (tf.gather(table, np.repeat(np.arange(5), counts))[:, None] for counts in (DATA, FAKES))
        value = on_scores(**settings).discriminator_terms(real, fake, None)["adversarial"]
    return float(value), tf.convert_to_tensor(tape.gradient(value, table)).numpy()


def weights_after_two_rounds(variant: type, **settings) -> np.ndarray:
    game = variant(image_shape=(3,), **settings)
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    for number in range(2):
        game.train_step(tf.random.stateless_uniform([4, 3], [number, 2], -1, 1))
    return np.concatenate([w.numpy().ravel() for w in game.weights])


@pytest.mark.parametrize("alpha", [0.6, 0.9, 1.0])
def test_the_loss_is_cross_entropy_with_the_label_alpha_on_data_alone(alpha):
    real, fake = np.random.default_rng(0).normal(0, 3, (2, 5, 1))
    says = {"real": 1 / (1 + np.exp(-real)), "fake": 1 / (1 + np.exp(-fake))}
    expected = -np.mean(alpha * np.log(says["real"]) + (1 - alpha) * np.log(1 - says["real"]))
    expected -= np.mean(np.log(1 - says["fake"]))
    terms = on_scores(real_label=alpha).discriminator_terms(tf.constant(real), tf.constant(fake), None)
    np.testing.assert_allclose(terms["adversarial"], expected, rtol=1e-10)


@pytest.mark.parametrize("alpha", [0.6, 0.9])
def test_the_optimal_discriminator_is_alpha_times_the_plain_one(alpha):
    best = alpha * P / (P + Q)
    least, gradient = loss(np.log(best / (1 - best)), real_label=alpha)
    np.testing.assert_allclose(gradient, 0, atol=1e-15)
    for move in np.random.default_rng(1).normal(0, 0.1, (20, 5)):
        assert loss(np.log(best / (1 - best)) + move, real_label=alpha)[0] > least


def test_scores_of_sure_data_end_at_the_logit_of_the_label():
    game, score = on_scores(real_label=0.9), tf.Variable([[np.log(9)]])
    for above in (-0.1, 0.0, 0.1):
        with tf.GradientTape() as tape:
            value = game.discriminator_terms(score + above, tf.constant([[-50.0]], tf.float64), None)["adversarial"]
        assert np.sign(np.round(tape.gradient(value, score).numpy(), 12)) == np.sign(above)


def test_the_generators_label_is_not_smoothed():
    fake = np.random.default_rng(2).normal(0, 3, (5, 1))
    for objective, expected in (("non_saturating", np.logaddexp(0, -fake)), ("minimax", -np.logaddexp(0, fake))):
        terms = on_scores(objective=objective).generator_terms(None, tf.constant(fake), None)
        np.testing.assert_allclose(terms["adversarial"], expected.mean(), rtol=1e-10)


def test_a_label_of_1_is_the_plain_game_and_one_near_1_nearly():
    plain = weights_after_two_rounds(NonSaturating)
    np.testing.assert_array_equal(weights_after_two_rounds(LabelSmoothing, real_label=1.0), plain)
    near = weights_after_two_rounds(LabelSmoothing, real_label=1 - 1e-6)
    np.testing.assert_allclose(near, plain, rtol=1e-5, atol=1e-7)
    assert np.abs(weights_after_two_rounds(LabelSmoothing) - plain).max() > 1e-4


@pytest.mark.parametrize("label", [0.5, 1.01, -0.9])
def test_an_impossible_label_is_refused(label):
    with pytest.raises(InputError, match=f"real_label={label}"):
        LabelSmoothing(real_label=label)


def test_an_objective_without_labels_is_refused():
    with pytest.raises(InputError, match="objective='hinge': unknown; known: minimax, non_saturating"):
        LabelSmoothing(objective="hinge")
