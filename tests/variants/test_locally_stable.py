import numpy as np
import pytest
import tensorflow as tf
from rounds import after_two_rounds

from ganzoo.gan import GAN
from ganzoo.noise import Stream
from ganzoo.variants import LocallyStable

SGD = {"name": "sgd", "learning_rate": 0.05}
DENSE = {
    "generator": {"architecture": "mlp", "width": 4},
    "discriminator": {"architecture": "mlp", "width": 4, "activation": "tanh"},
}
POINTS = np.random.default_rng(0).normal(0, 1, (6, 2)).astype("float32")


def stream() -> Stream:
    return Stream(1, tf.constant(0, tf.int64), "opponents/0")


# On the value xy the discriminator's gradient is x.


@pytest.mark.parametrize("simultaneous", [True, False])
def test_it_converges_where_the_plain_game_does_not(bilinear, path, simultaneous):
    game = bilinear(LocallyStable, rate=0.1, stability_weight=0.5, simultaneous=simultaneous)
    positions = path(game, 400)
    # The iteration's determinant is 1 - 2 eta h = 0.9 alternating, with h^2 more at once.
    determinant = 1 - 0.1 * 2 * 0.5 + (0.1**2 if simultaneous else 0)
    assert np.linalg.norm(positions[-1]) < 4 * determinant**200
    assert np.linalg.norm(positions[-1]) < 1e-8


@pytest.mark.parametrize("weight", [0.25, 0.5, 2.0])
def test_its_gradient_on_the_bilinear_game(bilinear, weight):
    x, y = 0.7, -1.3
    game = bilinear(LocallyStable, start=(x, y), stability_weight=weight)
    gradients, values = game.gradients(game.players, tf.zeros([3, 1]), stream())
    np.testing.assert_allclose(gradients["generator"][0], [[-y + 2 * weight * x]], rtol=1e-6)
    np.testing.assert_allclose(gradients["discriminator"][0], [[x]], rtol=1e-6)
    np.testing.assert_allclose(values["generator/stability"], weight * x**2, rtol=1e-6)


# On networks.


def test_the_term_is_the_squared_norm_of_the_discriminators_gradient():
    game = LocallyStable(image_shape=(2,), latent_dim=3, networks=DENSE, stability_weight=0.3, penalty="real")
    real, fake = tf.constant(POINTS), tf.constant(POINTS[::-1] * 0.5)
    weights = game.discriminator.get_weights()

    def value() -> float:
        """V = E log D(x) + E log(1 - D(G(z)))."""
        a, b = (np.float64(game.discriminator(batch)) for batch in (real, fake))
        return -np.logaddexp(0, -a).mean() - np.logaddexp(0, b).mean()

    h, squares = 1e-2, 0.0
    for number, array in enumerate(weights):
        for index in np.ndindex(array.shape):
            sides = []
            for sign in (1, -1):
                moved = [w.copy() for w in weights]
                moved[number][index] += sign * h
                game.discriminator.set_weights(moved)
                sides.append(value())
            squares += ((sides[0] - sides[1]) / (2 * h)) ** 2
    game.discriminator.set_weights(weights)
    terms = game.generator_terms(real, fake, stream())
    np.testing.assert_allclose(terms["stability"], 0.3 * squares, rtol=1e-3)
    np.testing.assert_allclose(terms["adversarial"], -np.logaddexp(0, game.discriminator(fake)).mean(), rtol=1e-5)


def test_the_discriminator_is_left_alone():
    game = LocallyStable(image_shape=(2,), latent_dim=3, networks=DENSE, stability_weight=50.0)
    plain = GAN(image_shape=(2,), latent_dim=3, networks=DENSE, objective="minimax")
    found = []
    for each in (game, plain):
        each.compile(SGD, run_eagerly=True)
        gradients, _ = each.gradients(each.players, tf.constant(POINTS), stream())
        found.append(gradients)
    for one, other in zip(found[0]["discriminator"], found[1]["discriminator"], strict=True):
        np.testing.assert_array_equal(one, other)
    assert any(np.abs(one - other).max() > 1e-3 for one, other in zip(*(g["generator"] for g in found), strict=True))


def weights_after_two_rounds(cls, **settings) -> np.ndarray:
    game = cls(image_shape=(2,), latent_dim=3, networks=DENSE, objective="minimax", simultaneous=True, **settings)
    return after_two_rounds(game, POINTS)


def test_of_weight_0_it_is_the_plain_game_and_of_little_weight_nearly():
    expected = weights_after_two_rounds(GAN)
    np.testing.assert_array_equal(weights_after_two_rounds(LocallyStable, stability_weight=0.0), expected)
    nearly = weights_after_two_rounds(LocallyStable, stability_weight=1e-5)
    np.testing.assert_allclose(nearly, expected, rtol=1e-5, atol=1e-6)
    assert np.abs(weights_after_two_rounds(LocallyStable) - expected).max() > 1e-4


def test_defaults_are_the_papers_and_warn_of_nothing():
    game = LocallyStable(image_shape=(8, 8, 1), networks={"generator": {"width": 2}, "discriminator": {"width": 2}})
    assert (game.stability_weight, game.objective, game.latent_dim) == (0.5, "minimax", 256)
    assert game.simultaneous
