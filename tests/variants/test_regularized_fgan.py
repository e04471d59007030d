import numpy as np
import pytest
import tensorflow as tf
from rounds import after_two_rounds

from ganzoo.errors import InputError
from ganzoo.objectives import OBJECTIVES
from ganzoo.variants import DRAGAN, RegularizedFGAN

REAL, FAKE = np.random.default_rng(0).normal(0, 1, (2, 7, 2)).astype("float32")
DENSE = {"architecture": "mlp", "width": 4, "activation": "tanh"}


def sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def game(scores, **settings) -> RegularizedFGAN:
    made = RegularizedFGAN(**settings)
    made.scores = lambda points, opponent="discriminator": scores(points)
    return made


def regularizer(made: RegularizedFGAN, real=REAL, fake=FAKE) -> float:
    return float(made.penalty_terms("discriminator", tf.constant(real), tf.constant(fake), None)["regularizer"])


def bowl(points: tf.Tensor) -> tf.Tensor:
    """A score whose gradient is as long as the point is far: every example has its own."""
    return tf.reduce_sum(points**2, 1, keepdims=True) / 2


def test_the_js_form_weighs_every_gradient_by_how_undecided_the_discriminator_is():
    squares = [(x**2).sum(axis=1) for x in (REAL, FAKE)]
    scores = [square / 2 for square in squares]
    omega = np.mean((1 - sigmoid(scores[0])) ** 2 * squares[0]) + np.mean(sigmoid(scores[1]) ** 2 * squares[1])
    np.testing.assert_allclose(regularizer(game(bowl, regularizer_weight=0.3)), 0.15 * omega, rtol=1e-5)


WEIGHTS = {
    "non_saturating": sigmoid,
    "minimax": sigmoid,
    "js": sigmoid,
    "forward_kl": lambda a: np.exp(a - 1),
    "reverse_kl_saddle": np.ones_like,
    "pearson": lambda a: 0.5 + 0 * a,
    "squared_hellinger_saddle": lambda a: 2 * np.exp(a),
}


@pytest.mark.parametrize("objective", WEIGHTS)
def test_the_fgan_form_weighs_the_gradients_at_fakes_by_the_curvature(objective):
    square = (FAKE**2).sum(axis=1)
    omega = np.mean(WEIGHTS[objective](square / 2) * square)
    made = game(bowl, regularizer_form="fgan", objective=objective, regularizer_weight=0.3)
    np.testing.assert_allclose(regularizer(made), 0.15 * omega, rtol=1e-5)


def test_the_forms_are_equal_at_the_optimal_discriminator_and_nowhere_else():
    points = np.array([[-1.0], [0.0], [1.0]], "float32")
    real, fake = (np.repeat(points, counts, axis=0) for counts in ((1, 2, 4), (4, 2, 1)))
    for slope, equal in ((np.log(4), True), (1.0, False)):  # log p/q is log(4) x
        values = [
            regularizer(game(lambda x, slope=slope: slope * x, regularizer_form=form), real, fake)
            for form in ("js", "fgan")
        ]
        assert np.isclose(*values, rtol=1e-5) == equal


def test_gamma_falls_to_a_hundredth():
    made = game(bowl, regularizer_weight=2.0, regularizer_steps=1000)
    for step, expected in ((0, 2.0), (500, 0.2), (1000, 0.02)):
        made.step.assign(step)
        np.testing.assert_allclose(made.gamma(), expected, rtol=1e-5)
    constant = game(bowl, regularizer_weight=2.0)
    constant.step.assign(1000)
    assert constant.gamma() == 2.0


def test_the_generator_is_not_regularised():
    assert game(bowl).penalty_terms("generator", None, None, None) == {}


# Beside the plain game.


def weights_after_two_rounds(cls, **settings) -> np.ndarray:
    made = cls(image_shape=(2,), latent_dim=4, networks={"generator": DENSE, "discriminator": DENSE}, **settings)
    return after_two_rounds(made, REAL)


def test_weight_0_is_the_plain_game_and_little_weight_nearly():
    plain = weights_after_two_rounds(DRAGAN, penalty=None)
    np.testing.assert_array_equal(weights_after_two_rounds(RegularizedFGAN, regularizer_weight=0.0), plain)
    little = weights_after_two_rounds(RegularizedFGAN, regularizer_weight=1e-5)
    np.testing.assert_allclose(little, plain, rtol=1e-5, atol=1e-6)
    much = weights_after_two_rounds(RegularizedFGAN, regularizer_weight=2.0)
    assert np.abs(much - plain).max() > 1e-4


# What does not go together.


def test_the_js_form_wants_a_logit():
    with pytest.raises(InputError, match=r"objective='pearson' with regularizer_form='js': a score must be a logit"):
        RegularizedFGAN(objective="pearson")


@pytest.mark.parametrize("objective", ["hinge", "total_variation"])
def test_the_fgan_form_wants_a_curved_conjugate(objective):
    with pytest.raises(InputError, match=r"f\* must be curved; use one of minimax, non_saturating, forward_kl"):
        RegularizedFGAN(objective=objective, regularizer_form="fgan")


@pytest.mark.parametrize("objective", [name for name, o in OBJECTIVES.items() if o.curvature])
def test_the_fgan_form_takes_every_objective_with_a_curvature(objective):
    assert RegularizedFGAN(objective=objective, regularizer_form="fgan").objective == objective


def test_settings_of_the_usual_penalty_are_refused():
    with pytest.raises(InputError, match=r"penalty_weight=10\.0: this game has its own"):
        RegularizedFGAN(penalty_weight=10.0)
