import numpy as np
import pytest
import tensorflow as tf
from rounds import after_two_rounds

from ganzoo.errors import InputError
from ganzoo.noise import Stream
from ganzoo.variants import EBGAN, EBGANPT
from ganzoo.variants.ebgan import pull_away, squared_error

# How often each outcome is in a batch of data and in a batch of fakes: p and q are exact means over batches.
DATA, FAKES = np.array([1, 4, 2, 7, 6, 3, 2]), np.array([5, 3, 9, 1, 2, 1, 4])
P, Q = DATA / DATA.sum(), FAKES / FAKES.sum()
NETWORKS = {
    "generator": {"architecture": "mlp", "width": 4},
    "discriminator": {"architecture": "mlp_autoencoder", "width": 4, "code_dim": 3, "activation": "tanh"},
}
IMAGES = np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1)).astype("float32")


class Stub(EBGAN):
    """A game on outcomes 0 to 6, whose energies are a table."""

    def __init__(self, table: np.ndarray, **settings):
        super().__init__(**settings)
        self.table = tf.constant(table)

    def energy(self, images):
        return tf.gather(self.table, images)


def outcomes(counts: np.ndarray) -> tf.Tensor:
    return tf.constant(np.repeat(np.arange(len(counts)), counts))


def loss(table: np.ndarray, margin: float) -> float:
    terms = Stub(table, margin=margin).discriminator_terms(outcomes(DATA), outcomes(FAKES), None)
    return float(terms["real"] + terms["fake"])


def of_zeros(cls, **settings):
    """A game whose autoencoder reconstructs everything as zeros, with the first values as codes."""
    game = cls(**settings)
    game.discriminator = lambda x, training: [0.0 * x, tf.reshape(x, [x.shape[0], -1])[:, :2]]
    return game


def weights_after_two_rounds(cls, **settings) -> np.ndarray:
    game = cls(image_shape=(8, 8, 1), latent_dim=4, networks=NETWORKS, **settings)
    return after_two_rounds(game, IMAGES)


# The energy and its margin.


@pytest.mark.parametrize("shape", [(3,), (2, 4, 3)])
def test_the_energy_is_each_examples_mean_squared_error(shape):
    images = np.random.default_rng(1).normal(0, 1, (5, *shape)).astype("float32")
    energies = of_zeros(EBGAN).energy(tf.constant(images)).numpy()
    np.testing.assert_allclose(energies, [np.mean(image**2) for image in images], rtol=1e-5)
    scores = of_zeros(EBGAN).scores(tf.constant(images)).numpy()
    np.testing.assert_allclose(scores, -energies[:, None], rtol=1e-6)


@pytest.mark.parametrize("margin", [0.7, 3.0])
def test_the_best_discriminator_gives_the_margin_where_fakes_prevail(margin):
    best = margin * (P < Q)
    np.testing.assert_allclose(loss(best, margin), margin * np.minimum(P, Q).sum(), rtol=1e-6)
    for table in np.random.default_rng(0).uniform(0, 1.5 * margin, (20, 7)):
        assert loss(table, margin) >= loss(best, margin)


def test_the_hinge_is_that_of_each_example_and_not_of_the_mean():
    terms = Stub(np.array([0.0, 3.0]), margin=1.0).discriminator_terms(tf.constant([1, 1]), tf.constant([0, 1]), None)
    assert float(terms["fake"]) == 0.5
    assert float(terms["real"]) == 3.0


def test_the_generator_minimises_the_energy_whatever_the_margin():
    table = np.random.default_rng(0).uniform(0, 3, 7)
    terms = Stub(table, margin=1.0).generator_terms(None, outcomes(FAKES), None)
    np.testing.assert_allclose(terms["adversarial"], Q @ table, rtol=1e-6)


def test_a_penalty_is_one_of_the_energy():
    game = of_zeros(EBGAN, penalty="real", penalty_form="plain", penalty_weight=0.5)
    real = np.random.default_rng(0).normal(0, 1, (6, 4)).astype("float32")
    noise = Stream(1, tf.constant(0, tf.int64), "opponents/0")
    terms = game.penalty_terms("discriminator", tf.constant(real), tf.constant(real), noise)
    np.testing.assert_allclose(terms["penalty"], 0.5 * np.mean(np.sum((2 * real / 4) ** 2, 1)), rtol=1e-5)


# The pull-away term.


@pytest.mark.parametrize(
    ("codes", "expected"),
    [
        ([[2.0, 0.0], [0.0, 0.1]], 0.0),
        ([[3.0, 4.0], [0.3, 0.4], [30.0, 40.0]], 1.0),
        ([[3.0, 4.0], [-3.0, -4.0]], 1.0),
        ([[1.0, 0.0], [5.0, 5.0]], 0.5),
        ([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]], (0 + 0.5 + 0.5) / 3),
    ],
)
def test_pull_away_is_the_mean_squared_cosine_of_pairs(codes, expected):
    np.testing.assert_allclose(pull_away(tf.constant(codes)), expected, atol=1e-6)


def test_pull_away_of_any_codes():
    codes = np.random.default_rng(0).normal(0, 2, (9, 4))
    cosines = [a @ b / np.linalg.norm(a) / np.linalg.norm(b) for i, a in enumerate(codes) for b in codes[:i]]
    np.testing.assert_allclose(pull_away(tf.constant(codes)), np.mean(np.square(cosines)), rtol=1e-10)


@pytest.mark.parametrize("codes", [[[3.0, 4.0]], [[0.0, 0.0], [0.0, 0.0]]])
def test_pull_away_of_one_code_or_of_none_is_exactly_0(codes):
    codes = tf.constant(codes)
    with tf.GradientTape() as tape:
        tape.watch(codes)
        value = pull_away(codes)
    assert float(value) == 0.0
    np.testing.assert_array_equal(tape.gradient(value, codes), 0.0)


def test_the_generators_terms_are_the_energy_and_the_weighted_pull_away_term():
    game = of_zeros(EBGANPT, pull_away_weight=0.3)
    fakes = np.array([[1.0, 0.0, 2.0], [5.0, 5.0, 0.0]], "float32")
    terms = game.generator_terms(None, tf.constant(fakes), None)
    np.testing.assert_allclose(terms["adversarial"], (5 / 3 + 50 / 3) / 2, rtol=1e-6)
    np.testing.assert_allclose(terms["pull_away"], 0.3 * 0.5, rtol=1e-6)


def test_without_the_pull_away_term_it_is_ebgan():
    plain = weights_after_two_rounds(EBGAN)
    np.testing.assert_array_equal(weights_after_two_rounds(EBGANPT, pull_away_weight=0.0), plain)
    # The term's gradient grows as codes shrink, and those of a new network are small.
    np.testing.assert_allclose(weights_after_two_rounds(EBGANPT, pull_away_weight=1e-6), plain, rtol=1e-4, atol=1e-4)
    assert np.abs(weights_after_two_rounds(EBGANPT, pull_away_weight=1.0) - plain).max() > 1e-2


# What it refuses.


def test_a_discriminator_that_scores_is_refused():
    with pytest.raises(InputError, match="architecture='dcgan' scores, this game reconstructs; choose autoencoder"):
        EBGAN(networks={"discriminator": {"architecture": "dcgan"}})


def test_another_objective_is_refused():
    with pytest.raises(InputError, match="objective='hinge': this game has its own"):
        EBGANPT(objective="hinge")


def test_the_squared_error_looks_at_all_values_of_an_image():
    images = np.zeros((1, 2, 2, 3), "float32")
    images[0, 1, 0, 2] = 12**0.5
    np.testing.assert_allclose(squared_error(tf.constant(images), tf.zeros([1, 2, 2, 3])), [1.0], rtol=1e-6)
