"""The family on f-divergences; the mathematics is written anew here, from the paper's table of f."""

import inspect

import numpy as np
import pytest
import tensorflow as tf

from ganzoo import variants
from ganzoo.objectives import DIVERGENCES, OBJECTIVES
from ganzoo.registry import list_models, variant

# How often each outcome is in a batch of data and in a batch of fakes: p and q are exact means over batches.
DATA, FAKES = np.array([1, 4, 2, 7, 6]), np.array([5, 3, 9, 1, 2])
P, Q = DATA / DATA.sum(), FAKES / FAKES.sum()
# Scores whose T lies where f* is the formula of the paper's table (Pearson's, for densities, ends at -2).
SCORES = np.linspace(-1.9, 2.5, 45)

F = {
    "forward_kl": lambda u: u * np.log(u),
    "reverse_kl": lambda u: -np.log(u),
    "pearson": lambda u: (u - 1) ** 2,
    "squared_hellinger": lambda u: (np.sqrt(u) - 1) ** 2,
    "total_variation": lambda u: abs(u - 1) / 2,
    "js": lambda u: u * np.log(u) - (u + 1) * np.log((u + 1) / 2),
}
BEST = {
    "forward_kl": lambda r: 1 + np.log(r),
    "reverse_kl": np.log,
    "pearson": lambda r: 2 * (r - 1),
    "squared_hellinger": lambda r: np.log(r) / 2,
    "total_variation": lambda r: 40 * np.sign(r - 1),
    "js": np.log,
}
SLOPE_AT_1 = {
    "forward_kl": 1,
    "reverse_kl": -1,
    "pearson": 0,
    "squared_hellinger": 0,
    "total_variation": 0,
    "js": 0,
}
each = pytest.mark.parametrize("name", F)


def of(function, scores) -> np.ndarray:
    return function(tf.constant(scores, tf.float64)).numpy()


def batch(scores: np.ndarray, counts: np.ndarray) -> tf.Tensor:
    """The scores [N, 1] of a batch that holds outcome i counts[i] times."""
    return tf.constant(np.repeat(scores, counts)[:, None])


def divergence(name: str, q: np.ndarray) -> float:
    return float(np.sum(q * F[name](P / q)))


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum()


@each
def test_the_conjugate_is_the_supremum(name):
    u = np.exp(np.linspace(-6, 6, 60_001))
    t = of(DIVERGENCES[name].output, SCORES)
    expected = [np.max(u * each - F[name](u)) for each in t]
    np.testing.assert_allclose(of(DIVERGENCES[name].conjugate, SCORES), expected, rtol=1e-5, atol=1e-5)


@each
def test_the_discriminators_optimum_is_the_divergence(name):
    best = BEST[name](P / Q)
    loss = OBJECTIVES[name].discriminator
    least = float(loss(batch(best, DATA), batch(best, FAKES)))
    np.testing.assert_allclose(-least, divergence(name, Q), rtol=1e-12)
    for move in np.random.default_rng(1).normal(0, 0.1, (20, 5)):
        # Total variation's best scores are so large that no move matters: other scores in their place.
        moved = 10 * move if name == "total_variation" else best + move
        assert float(loss(batch(moved, DATA), batch(moved, FAKES))) >= least - 1e-15


@each
def test_real_scores_above_fake(name):
    """In all six a larger score is more real, on both sides of what says nothing."""
    at_1 = BEST[name](1.0)
    np.testing.assert_allclose(of(DIVERGENCES[name].output, at_1), SLOPE_AT_1[name], atol=1e-12)
    assert BEST[name](0.5) < at_1 < BEST[name](2.0)
    scores = np.linspace(-15, 15, 200) if name == "total_variation" else np.linspace(-35, 35, 200)
    assert (np.diff(of(DIVERGENCES[name].output, scores)) > 0).all()
    assert OBJECTIVES[name].generator(tf.constant([[1.0]])) < OBJECTIVES[name].generator(tf.constant([[0.0]]))


@each
def test_the_saddle_generator_descends_the_divergence(name):
    if name == "total_variation":
        assert OBJECTIVES[name].generator(batch(SCORES, 1)) == OBJECTIVES["total_variation_saddle"].generator(
            batch(SCORES, 1)
        )
    logits, h = np.log(Q), 1e-5
    steps = h * np.eye(5)
    moved = [(divergence(name, softmax(logits + s)), divergence(name, softmax(logits - s))) for s in steps]
    expected = [(plus - minus) / (2 * h) for plus, minus in moved]
    loss = OBJECTIVES[f"{name}_saddle"].generator
    terms = np.array([float(loss(batch(np.array([a]), 1))) for a in BEST[name](P / Q)])
    np.testing.assert_allclose(Q * (terms - Q @ terms), expected, atol=1e-8)  # D held fixed


@each
def test_the_heuristic_generator_raises_the_output_on_fakes(name):
    output = {
        "forward_kl": SCORES,
        "reverse_kl": -np.exp(-SCORES),
        "pearson": SCORES,
        "squared_hellinger": 1 - np.exp(-SCORES),
        "total_variation": np.tanh(SCORES) / 2,
        "js": np.log(2) - np.logaddexp(0, -SCORES),
    }
    np.testing.assert_allclose(OBJECTIVES[name].generator(batch(SCORES, 1)), -output[name].mean(), rtol=1e-12)


@each
def test_curvatures(name):
    """f*''(T) (dT/da)^2, from f* and g_f as the paper's table 2 has them."""
    a, e = SCORES, np.exp(SCORES)
    s = 1 / (1 + np.exp(-a))
    expected = {
        "forward_kl": np.exp(a - 1),
        "reverse_kl": 1 / np.exp(-a) ** 2 * np.exp(-a) ** 2,
        "pearson": 0.5 + 0 * a,
        "squared_hellinger": 2 / (1 - (1 - 1 / e)) ** 3 / e**2,
        "js": 2 * (2 * s) / (2 - 2 * s) ** 2 * (1 - s) ** 2,
    }
    if name == "total_variation":
        assert DIVERGENCES[name].curvature is None
    else:
        np.testing.assert_allclose(of(DIVERGENCES[name].curvature, a), expected[name], rtol=1e-12)
        assert OBJECTIVES[f"{name}_saddle"].curvature is DIVERGENCES[name].curvature


@each
@pytest.mark.parametrize("score", [-1e4, -31.0, 31.0, 1e4])
def test_sure_scores_are_safe(name, score):
    """Losses and gradients are finite; where a fake scores absurdly high, D still has a gradient to lower it."""
    for suffix in ("", "_saddle"):
        objective = OBJECTIVES[f"{name}{suffix}"]
        scores = tf.Variable([[score]])
        with tf.GradientTape(persistent=True) as tape:
            losses = objective.discriminator(scores, scores), objective.generator(scores)
            fakes = objective.discriminator(tf.zeros([1, 1]), scores)
        assert np.isfinite([float(loss) for loss in losses]).all()
        assert all(np.isfinite(tape.gradient(loss, scores)).all() for loss in losses)
    if score > 0 and name != "total_variation":
        assert tape.gradient(fakes, scores).numpy() > 0.1


def test_exponentials_go_on_as_their_tangent():
    values = of(DIVERGENCES["squared_hellinger"].conjugate, [29.0, 30.0, 32.0])
    np.testing.assert_allclose(values, [np.exp(29) - 1, np.exp(30) - 1, 3 * np.exp(30) - 1], rtol=1e-12)


# The games.


def test_every_divergence_is_a_game_of_one_step():
    games = {name.removeprefix("fgan_"): variant(name) for name in list_models("fgan_*")}
    assert set(games) == set(DIVERGENCES)
    for name, cls in games.items():
        assert (cls.objective, cls.simultaneous) == (name, True)
        assert cls.__name__ in variants.__all__
        said = inspect.getdoc(cls)
        assert f'"{name}_saddle"' in said
        assert "{" not in said


@each
def test_both_players_play_the_divergence(name):
    game = variant(f"fgan_{name}")()
    game.scores = lambda images, opponent="discriminator": images
    best = BEST[name](P / Q)
    real, fake = batch(best, DATA), batch(best, FAKES)
    loss = float(game.discriminator_terms(real, fake, None)["adversarial"])
    np.testing.assert_allclose(-loss, divergence(name, Q), rtol=1e-12)
    expected = OBJECTIVES[name].generator(fake)
    np.testing.assert_array_equal(game.generator_terms(real, fake, None)["adversarial"], expected)


def test_any_game_takes_a_divergence():
    networks = {
        player: {"architecture": "mlp", "width": 4, "activation": "tanh"} for player in ("generator", "discriminator")
    }
    game = variants.DRAGAN(image_shape=(2,), latent_dim=3, objective="pearson", networks=networks)
    game.compile("sgd", run_eagerly=True)
    logs = game.train_step(tf.random.stateless_normal([6, 2], [1, 2]))
    assert all(np.isfinite(value) for value in logs.values())
