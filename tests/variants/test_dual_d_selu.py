from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.layers import MinibatchDiscrimination
from ganzoo.noise import Stream
from ganzoo.variants import DualDSELU

# How often each outcome is in a batch of data and in a batch of fakes: p and q are exact means over batches.
DATA, FAKES = np.array([1, 4, 2, 7, 6, 3, 2]), np.array([5, 3, 9, 1, 2, 1, 4])
P, Q = DATA / DATA.sum(), FAKES / FAKES.sum()
M = (P + Q) / 2
BEST = np.log(P / Q)  # the optimal logits of the first discriminator; the second's are the opposite
A, B = np.random.default_rng(0).normal(0, 2, (2, 7))


class Stub(DualDSELU):
    """A game on outcomes 0 to 6, whose discriminators are tables of logits."""

    def __init__(self, a: np.ndarray, b: np.ndarray, **settings):
        super().__init__(**settings)
        self.tables = {"discriminator": tf.constant(a), "second_discriminator": tf.constant(b)}

    def scores(self, images, opponent="discriminator"):
        return tf.gather(self.tables[opponent], images)[:, None]


class Recording(DualDSELU):
    """A game on points with given score functions, that remembers where they were asked."""

    def __init__(self, first: Callable, second: Callable, **settings):
        super().__init__(**settings)
        self.functions = {"discriminator": first, "second_discriminator": second}
        self.seen_points = {"discriminator": [], "second_discriminator": []}

    def scores(self, images, opponent="discriminator"):
        self.seen_points[opponent].append(images.numpy())
        return self.functions[opponent](images)


def softplus(x: np.ndarray) -> np.ndarray:
    return np.logaddexp(0, x)


def kl(p: np.ndarray, q: np.ndarray) -> float:
    return float(np.sum(p * np.log(p / q)))


def js(p: np.ndarray, q: np.ndarray) -> float:
    return (kl(p, (p + q) / 2) + kl(q, (p + q) / 2)) / 2


def softmax(logits: np.ndarray) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum()


def gradient_of(value: Callable, h: float = 1e-5) -> np.ndarray:
    """The gradient of value(q) with respect to the logits of q, by finite differences."""
    steps = h * np.eye(len(Q))
    differences = [value(softmax(np.log(Q) + s)) - value(softmax(np.log(Q) - s)) for s in steps]
    return np.array(differences) / (2 * h)


def outcomes(counts: np.ndarray) -> tf.Tensor:
    return tf.constant(np.repeat(np.arange(len(counts)), counts))


def total(terms: dict) -> float:
    return float(tf.add_n(list(terms.values())))


def generator_loss(game: DualDSELU, fakes: tf.Tensor) -> float:
    return total(game.generator_terms(None, fakes, None))


def frozen_gradient(game: DualDSELU) -> np.ndarray:
    """The gradient of the generator's loss with respect to the logits of q, with both tables held fixed."""
    terms = np.array([generator_loss(game, tf.constant([outcome])) for outcome in range(len(Q))])
    return Q * (terms - Q @ terms)


def optimal(**settings) -> Stub:
    return Stub(BEST, -BEST, **settings)


def noise() -> Stream:
    return Stream(1, tf.constant(0, tf.int64), "opponents/0")


# What the generator minimises.


@pytest.mark.parametrize(
    ("objective", "value"),
    [
        ("kl", kl(Q, P)),
        ("logit", kl(Q, P)),
        ("minimax", 2 * kl(Q, M) - 2 * np.log(2)),
        ("nonsat", 2 * (kl(Q, P) - kl(Q, M) + np.log(2))),
    ],
)
def test_the_generators_loss_at_the_optimal_discriminators(objective, value):
    game = optimal(generator_objective=objective)
    np.testing.assert_allclose(generator_loss(game, outcomes(FAKES)), value, rtol=1e-10)


@pytest.mark.parametrize(
    ("objective", "descended"),
    [
        ("kl", lambda q: kl(q, P)),
        ("logit", lambda q: kl(q, P)),
        ("minimax", lambda q: 4 * js(P, q)),
        ("nonsat", lambda q: 2 * kl(q, P) - 4 * js(P, q)),
    ],
)
def test_the_generator_descends_its_divergence(objective, descended):
    game = optimal(generator_objective=objective)
    np.testing.assert_allclose(frozen_gradient(game), gradient_of(descended), atol=1e-8)


def test_each_discriminator_does_its_part_of_kl():
    terms = optimal().generator_terms(None, outcomes(FAKES), None)
    np.testing.assert_allclose(terms["first"], kl(Q, P) - kl(Q, M) + np.log(2), rtol=1e-10)
    np.testing.assert_allclose(terms["second"], kl(Q, M) - np.log(2), rtol=1e-10)


@pytest.mark.parametrize(
    ("objective", "first", "second"),
    [
        ("kl", softplus(-A), -softplus(-B)),
        ("minimax", -softplus(A), -softplus(-B)),
        ("nonsat", softplus(-A), softplus(B)),
        ("logit", -A, 0 * B),
        ("hinge", -A, B),
    ],
)
def test_the_generators_terms_at_any_logits(objective, first, second):
    terms = Stub(A, B, generator_objective=objective).generator_terms(None, outcomes(FAKES), None)
    np.testing.assert_allclose(terms["first"], Q @ first, rtol=1e-10)
    np.testing.assert_allclose(terms["second"], Q @ second, rtol=1e-10, atol=1e-15)


@pytest.mark.parametrize("objective", ["kl", "logit"])
def test_opposite_discriminators_leave_the_logit(objective):
    game = Stub(A, -A, generator_objective=objective)
    np.testing.assert_allclose(generator_loss(game, outcomes(FAKES)), -Q @ A, rtol=1e-10)


@pytest.mark.parametrize(
    ("settings", "first"),
    [
        ({}, softplus(-A)),
        ({"objective": "hinge"}, -A),
        ({"objective": "hinge", "generator_objective": "kl"}, softplus(-A)),
    ],
)
def test_the_generators_objective_follows_the_discriminators_unless_given(settings, first):
    terms = Stub(A, B, **settings).generator_terms(None, outcomes(FAKES), None)
    np.testing.assert_allclose(terms["first"], Q @ first, rtol=1e-10)


def test_an_unknown_generator_objective_names_the_nearest():
    with pytest.raises(InputError, match=r"generator_objective='nonsatt': unknown; did you mean 'nonsat'\?"):
        DualDSELU(generator_objective="nonsatt")


# What the discriminators minimise.


@pytest.mark.parametrize(
    ("objective", "on_high", "on_low"),
    [
        ("non_saturating", lambda a: softplus(-a), softplus),
        ("hinge", lambda a: np.maximum(0, 1 - a), lambda a: np.maximum(0, 1 + a)),
    ],
)
def test_the_first_discriminator_favours_data_and_the_second_fakes(objective, on_high, on_low):
    game = Stub(A, B, objective=objective)
    first = game.discriminator_terms(outcomes(DATA), outcomes(FAKES), None)
    second = game.second_discriminator_terms(outcomes(DATA), outcomes(FAKES), None)
    np.testing.assert_allclose(total(first), P @ on_high(A) + Q @ on_low(A), rtol=1e-10)
    np.testing.assert_allclose(total(second), Q @ on_high(B) + P @ on_low(B), rtol=1e-10)


@pytest.mark.parametrize("objective", ["non_saturating", "hinge"])
def test_swapping_the_discriminators_and_the_batches_changes_nothing(objective):
    game, swapped = Stub(A, B, objective=objective), Stub(B, A, objective=objective)
    data, fakes = outcomes(DATA), outcomes(FAKES)
    first = swapped.discriminator_terms(fakes, data, None)
    second = swapped.second_discriminator_terms(fakes, data, None)
    assert total(game.discriminator_terms(data, fakes, None)) == total(second)
    assert total(game.second_discriminator_terms(data, fakes, None)) == total(first)


def test_the_game_at_the_optimal_discriminators_is_four_times_js():
    game = optimal()
    batches = outcomes(DATA), outcomes(FAKES), None
    losses = total(game.discriminator_terms(*batches)) + total(game.second_discriminator_terms(*batches))
    np.testing.assert_allclose(-losses, 4 * js(P, Q) - 4 * np.log(2), rtol=1e-10)


# The penalty.


def linear(*slope: float) -> Callable:
    return lambda points: points @ tf.constant(slope)[:, None]


def test_both_discriminators_are_penalised_at_the_same_interpolates():
    game = Recording(linear(3.0, 4.0), linear(0.0, 3.0), penalty="interpolates")
    real, fake = (tf.random.stateless_normal([6, 2], [seed, 0]) for seed in (1, 2))
    first, second = (game.penalty_terms(player, real, fake, noise()) for player in game.opponents)
    np.testing.assert_allclose(first["penalty"], 10 * (5 - 1) ** 2, rtol=1e-5)
    np.testing.assert_allclose(second["penalty"], 10 * (3 - 1) ** 2, rtol=1e-5)
    points, same = (game.seen_points[player][-1] for player in game.opponents)
    np.testing.assert_array_equal(points, same)
    fractions = (points - real) / (fake - real)
    np.testing.assert_allclose(fractions[:, 0], fractions[:, 1], atol=1e-4)


def test_without_a_penalty_there_is_no_term():
    game = optimal()
    for player in game.opponents:
        assert set(getattr(game, f"{player}_terms")(outcomes(DATA), outcomes(FAKES), None)) == {"adversarial"}
        assert game.penalty_terms(player, outcomes(DATA), outcomes(FAKES), None) == {}


@pytest.mark.parametrize("objective", ["wasserstein", "minimax", "pearson"])
def test_scores_that_are_no_logits_are_refused(objective):
    with pytest.raises(InputError, match=f"objective='{objective}'.* known: hinge, non_saturating"):
        DualDSELU(objective=objective)


@pytest.mark.parametrize("penalty", [None, "interpolates"])
def test_terms_are_logged_by_player(penalty):
    penalties = ["discriminator/penalty", "second_discriminator/penalty"] if penalty else []
    adversarial = ["discriminator/adversarial", "second_discriminator/adversarial"]
    names = {metric.name for metric in DualDSELU(penalty=penalty).metrics}
    assert names == {*adversarial, *penalties, "generator/first", "generator/second"}


# The networks.


def tiny(**first) -> DualDSELU:
    networks = {
        "generator": {"width": 3},
        "discriminator": {"width": 4, "minibatch_kernels": 3, **first},
        "second_discriminator": {"width": 3},
    }
    return DualDSELU(image_shape=(8, 8, 1), latent_dim=4, networks=networks)


def wide_kernels(game: DualDSELU) -> MinibatchDiscrimination:
    """Makes the kernels see differences of the order of 1; returns the layer."""
    (layer,) = [x for x in game.discriminator.layers if isinstance(x, MinibatchDiscrimination)]
    layer.kernel.assign(0.3 * layer.kernel / tf.math.reduce_std(layer.kernel))
    return layer


@pytest.mark.parametrize("architecture", ["resnet", "dcgan"])
def test_permuting_a_batch_permutes_its_scores(architecture):
    game = tiny(architecture=architecture)
    wide_kernels(game)
    images = tf.random.stateless_uniform([6, 8, 8, 1], [1, 2], -1, 1)
    order = [3, 1, 5, 0, 2, 4]
    scores = game.scores(images).numpy()
    permuted = game.scores(tf.gather(images, order)).numpy()
    np.testing.assert_allclose(permuted, scores[order], rtol=1e-4, atol=1e-6)
    assert np.ptp(scores) > 1e-4


def test_the_first_discriminator_looks_at_the_batch_and_the_second_does_not():
    game = tiny()
    layer = wide_kernels(game)
    layer.kernel.assign(0.01 * layer.kernel)
    images = tf.random.stateless_uniform([6, 8, 8, 1], [1, 2], -1, 1)
    alike = tf.concat([images[:1]] * 6, 0)
    among_others, among_copies = (game.discriminator(batch)[0, 0].numpy() for batch in (images, alike))
    assert abs(among_others - among_copies) > 1e-5
    among_others, among_copies = (game.second_discriminator(batch)[0, 0].numpy() for batch in (images, alike))
    np.testing.assert_allclose(among_others, among_copies, rtol=1e-4, atol=1e-6)


def test_default_networks_are_the_papers():
    networks = DualDSELU.default_networks
    assert networks["discriminator"] == {"architecture": "resnet", "width": 128, "minibatch_kernels": 100}
    assert networks["second_discriminator"]["activation"] == "selu"
    assert not networks["second_discriminator"]["normalized"]


def test_one_round_moves_every_player_and_gives_finite_terms():
    game = tiny()
    game.compile("sgd", run_eagerly=True)
    before = {player: getattr(game, player).get_weights() for player in game.players}
    images = tf.random.stateless_uniform([4, 8, 8, 1], [1, 2], -1, 1)
    logs = game.train_step(images)
    assert all(np.isfinite(value) for value in logs.values())
    for player, weights in before.items():
        moved = zip(weights, getattr(game, player).get_weights(), strict=True)
        assert any((old != new).any() for old, new in moved)
