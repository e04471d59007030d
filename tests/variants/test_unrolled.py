import keras
import numpy as np
import pytest
import tensorflow as tf
from rounds import after_two_rounds

from ganzoo.errors import InputError
from ganzoo.gan import GAN
from ganzoo.noise import Stream
from ganzoo.variants import Unrolled

SGD = {"name": "sgd", "learning_rate": 0.05}
DENSE = {
    "generator": {"architecture": "mlp", "width": 4},
    "discriminator": {"architecture": "mlp", "width": 4, "activation": "tanh"},
}
POINTS = np.random.default_rng(0).normal(0, 1, (6, 2)).astype("float32")


def stream() -> Stream:
    return Stream(1, tf.constant(0, tf.int64), "opponents/0")


# On the value xy, D minimising it: y_K = y - K eta x, and G minimises -x y_K.


@pytest.mark.parametrize("steps", [0, 1, 2, 5, 10])
def test_its_gradients_on_the_bilinear_game(bilinear, steps):
    x, y, rate = 0.7, -1.3, 0.2
    for through, reached in ((True, 2 * steps * rate * x), (False, steps * rate * x)):
        game = bilinear(Unrolled, start=(x, y), unroll_steps=steps, unroll_rate=rate, unroll_gradient=through)
        gradients, values = game.gradients(game.players, tf.zeros([3, 1]), stream())
        np.testing.assert_allclose(gradients["generator"][0], [[-y + reached]], rtol=1e-5)
        np.testing.assert_allclose(gradients["discriminator"][0], [[x]], rtol=1e-6)
        np.testing.assert_allclose(values["generator/adversarial"], -x * (y - steps * rate * x), rtol=1e-5)


@pytest.mark.parametrize(("steps", "converges"), [(0, False), (5, True)])
def test_it_converges_where_the_plain_game_diverges(bilinear, path, steps, converges):
    game = bilinear(Unrolled, rate=0.1, unroll_steps=steps, unroll_rate=0.1)
    positions = path(game, 400 if converges else 100)
    distances = np.linalg.norm(positions, axis=1)
    if converges:
        assert distances[-1] < 1e-8
    else:
        np.testing.assert_allclose(distances[1:] / distances[:-1], np.sqrt(1 + 0.1**2), rtol=1e-5)


# On a linear score a = w u + c among points u, everything can be written down.


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


@pytest.mark.parametrize(
    ("objective", "loss"),
    [
        ("minimax", lambda a, b: -np.logaddexp(0, -a).mean() - np.logaddexp(0, b).mean()),
        ("js_saddle", lambda a, b: 2 * np.log(2) - np.logaddexp(0, -a).mean() - np.logaddexp(0, b).mean()),
        ("non_saturating", lambda a, b: np.logaddexp(0, -b).mean()),
    ],
)
def test_the_loss_is_that_of_the_unrolled_discriminator_and_so_is_its_gradient(objective, loss):
    networks = {**DENSE, "discriminator": {"architecture": "mlp", "depth": 0}}
    game = Unrolled(
        image_shape=(1,), latent_dim=2, networks=networks, objective=objective, unroll_steps=3, unroll_rate=0.5
    )
    real, fake = np.array([[1.0], [2.0], [-0.5]]), np.array([[0.3], [-1.0]])
    kernel, bias = (w.astype("float64") for w in game.discriminator.get_weights())

    def expected(fake):
        w, c = kernel.copy(), bias.copy()
        u, v = real / 4, fake / 4  # points are divided by 4 first
        for _ in range(3):
            on_real, on_fake = -sigmoid(-(u @ w + c)) / len(u), sigmoid(v @ w + c) / len(v)
            w, c = w - 0.5 * (u.T @ on_real + v.T @ on_fake), c - 0.5 * (on_real.sum(0) + on_fake.sum(0))
        return loss(u @ w + c, v @ w + c)

    points = tf.constant(fake, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(points)
        term = game.generator_terms(tf.constant(real, tf.float32), points, stream())["adversarial"]
    np.testing.assert_allclose(term, expected(fake), rtol=1e-5)
    steps = 1e-5 * np.eye(2)[:, :, None]
    slopes = [(expected(fake + step) - expected(fake - step)) / 2e-5 for step in steps]
    np.testing.assert_allclose(tape.gradient(term, points)[:, 0], slopes, rtol=1e-4)


def test_a_penalty_counts_in_the_unrolled_steps(bilinear):
    """With the score yu a penalty rho y^2 at data: y_1 = y - eta (x + 2 rho y)."""
    x, y, rate, weight = 0.7, -1.3, 0.2, 0.4
    game = bilinear(
        Unrolled, start=(x, y), unroll_steps=1, unroll_rate=rate,
        penalty="real", penalty_form="plain", penalty_weight=weight,
    )  # fmt: skip
    gradients, values = game.gradients(game.players, tf.zeros([3, 1]), stream())
    reached = y - rate * (x + 2 * weight * y)
    np.testing.assert_allclose(values["generator/adversarial"], -x * reached, rtol=1e-5)
    np.testing.assert_allclose(gradients["generator"][0], [[-reached + x * rate]], rtol=1e-5)


def weights_after_two_rounds(cls, objective="minimax", **settings) -> np.ndarray:
    game = cls(image_shape=(2,), latent_dim=3, networks=DENSE, objective=objective, simultaneous=True, **settings)
    return after_two_rounds(game, POINTS)


@pytest.mark.parametrize("objective", ["minimax", "non_saturating", "hinge", "wasserstein"])
def test_without_steps_it_is_the_plain_game(objective):
    expected = weights_after_two_rounds(GAN, objective)
    np.testing.assert_array_equal(weights_after_two_rounds(Unrolled, objective, unroll_steps=0), expected)
    unrolled = weights_after_two_rounds(Unrolled, objective, unroll_steps=3, unroll_rate=0.1)
    assert np.abs(unrolled - expected).max() > 1e-5


def test_of_rate_0_it_is_the_plain_game_and_of_a_small_one_nearly():
    expected = weights_after_two_rounds(GAN)
    np.testing.assert_array_equal(weights_after_two_rounds(Unrolled, unroll_rate=0.0), expected)
    np.testing.assert_allclose(weights_after_two_rounds(Unrolled, unroll_rate=1e-5), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:unrolled. batch norm")
def test_the_unrolled_steps_leave_the_discriminator_as_it_is():
    networks = {"generator": {"width": 2}, "discriminator": {"width": 2, "normalized": True}}
    game = Unrolled(image_shape=(8, 8, 1), latent_dim=3, networks=networks, unroll_steps=2)
    before = game.discriminator.get_weights()
    images = tf.random.stateless_uniform([4, 8, 8, 1], [1, 2], -1, 1)
    game.generator_terms(images, -images, stream())
    for old, new in zip(before, game.discriminator.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


def test_five_steps_of_the_default_rate_lower_the_loss_of_the_papers_discriminator():
    """A rate above 2 over the loss's largest curvature would raise it: 0.01 does from the first step, 0.1 to NaN."""
    game = Unrolled(image_shape=(32, 32, 3))
    weights = game.discriminator.trainable_variables
    real = tf.random.stateless_uniform([4, 32, 32, 3], [1, 2], -1, 1)
    fake = game.make_fake(4, stream())
    values, losses = [tf.convert_to_tensor(weight) for weight in weights], []
    for _ in range(6):
        with keras.StatelessScope(list(zip(weights, values, strict=True))):
            scores = [game.scores(images).numpy().astype("float64") for images in (real, fake)]
        losses.append(np.logaddexp(0, -scores[0]).mean() + np.logaddexp(0, scores[1]).mean())
        values = game.unrolled(values, real, fake, stream())
    assert (np.diff(losses) < 0).all(), losses


def test_several_discriminator_steps_are_refused():
    with pytest.raises(InputError, match=r"discriminator_steps=2: the unrolled steps already look ahead; leave it"):
        Unrolled(discriminator_steps=2)


def test_defaults_are_the_papers_and_warn_of_nothing():
    game = Unrolled(image_shape=(8, 8, 1), networks={"generator": {"width": 2}, "discriminator": {"width": 2}})
    assert (game.unroll_steps, game.unroll_rate, game.objective, game.latent_dim) == (5, 1e-3, "minimax", 256)
    assert game.simultaneous
    assert game.unroll_gradient
