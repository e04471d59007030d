import numpy as np
import pytest
import tensorflow as tf

from ganzoo.noise import Stream
from ganzoo.penalties import FORMS, POINTS, squared_gradient_norms

SLOPE = tf.constant([[3.0], [4.0]])
# Of a linear score of slope (3, 4), whose gradient is 5 long, with target 1.
OF_LENGTH_5 = {"plain": 25.0, "one_sided": 24.0, "two_sided": 16.0}


def noise(update: str = "opponents/0") -> Stream:
    return Stream(1, tf.constant(0, tf.int64), update)


def normal(*shape: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, shape).astype("float32")


def shift(rule: str, real: np.ndarray, scale: float | None = None) -> np.ndarray:
    """How far a noise rule moves the real batch; it must not look at the fakes."""
    fake = np.full_like(real, np.nan)
    return POINTS[rule](tf.constant(real), tf.constant(fake), noise(), scale).numpy() - real


def linear(points: tf.Tensor) -> tf.Tensor:
    return tf.reshape(points, [-1, 2]) @ SLOPE


# What is asked of the norm.


@pytest.mark.parametrize("batch", [7, 14])
@pytest.mark.parametrize("rule", POINTS)
@pytest.mark.parametrize("shape", [(2,), (1, 2, 1)])
def test_a_linear_score_has_the_same_penalty_at_any_points_and_batch(rule, batch, shape):
    real, fake = (tf.constant(normal(batch, *shape, seed=seed)) for seed in (0, 1))
    norms = squared_gradient_norms(linear, POINTS[rule](real, fake, noise()))
    for form, expected in OF_LENGTH_5.items():
        np.testing.assert_allclose(FORMS[form](norms, 1.0), expected, rtol=1e-5)


def test_norms_are_those_of_each_example():
    points = normal(5, 2, 3, 1)
    norms = squared_gradient_norms(lambda x: tf.reduce_sum(x**2, (1, 2, 3)) / 2, tf.constant(points))
    np.testing.assert_allclose(norms, (points**2).sum(axis=(1, 2, 3)), rtol=1e-5)


def test_forms_are_means_over_examples():
    squared = np.array([0.0, 1.0, 4.0, 9.0])
    np.testing.assert_allclose(FORMS["plain"](squared, 2.0), 14 / 4, rtol=1e-6)
    np.testing.assert_allclose(FORMS["one_sided"](squared, 2.0), (2 + 7) / 4, rtol=1e-6)
    np.testing.assert_allclose(FORMS["two_sided"](squared, 2.0), (4 + 1 + 0 + 1) / 4, rtol=1e-5)


@pytest.mark.parametrize("form", FORMS)
def test_a_flat_score_has_finite_gradients(form):
    slope = tf.Variable([[0.0], [0.0]])
    with tf.GradientTape() as tape:
        penalty = FORMS[form](squared_gradient_norms(lambda x: x @ slope, tf.ones([3, 2])), 1.0)
    assert np.isfinite(penalty)
    assert np.isfinite(tape.gradient(penalty, slope)).all()


def test_a_penalty_can_be_differentiated():
    slope = tf.Variable(SLOPE)
    with tf.GradientTape() as tape:
        penalty = FORMS["two_sided"](squared_gradient_norms(lambda x: x @ slope, tf.ones([3, 2])), 1.0)
    np.testing.assert_allclose(tape.gradient(penalty, slope), 2 * (5 - 1) * SLOPE / 5, rtol=1e-5)


# Where the gradient is taken.


@pytest.mark.parametrize(("rule", "chosen"), [("real", 0), ("fake", 1)])
def test_points_of_r1_and_r2_are_the_batches_themselves(rule, chosen):
    batches = normal(4, 3, 3, 1), normal(4, 3, 3, 1, seed=1)
    np.testing.assert_array_equal(POINTS[rule](*map(tf.constant, batches), noise()), batches[chosen])


def test_points_of_both_penalties_are_both_batches():
    real, fake = normal(4, 3, 3, 1), normal(4, 3, 3, 1, seed=1)
    points = POINTS["real_and_fake"](tf.constant(real), tf.constant(fake), noise())
    np.testing.assert_array_equal(points, np.concatenate([real, fake]))


def test_interpolates_lie_between_each_real_and_its_own_fake():
    real = normal(50, 4, 4, 2)
    fake = real + np.random.default_rng(2).uniform(1, 2, real.shape).astype("float32")
    points = POINTS["interpolates"](tf.constant(real), tf.constant(fake), noise()).numpy()
    fractions = ((points - real) / (fake - real)).reshape(50, -1)
    np.testing.assert_allclose(fractions, np.tile(fractions[:, :1], 32), atol=1e-5)
    assert fractions.min() >= 0
    assert fractions.max() <= 1
    assert np.ptp(fractions[:, 0]) > 0.8


@pytest.mark.parametrize("rule", ["author_noise", "chainer_noise", "compare_gan_noise", "gaussian_noise"])
def test_noise_follows_its_stream(rule):
    real = tf.constant(normal(4, 3, 3, 1, scale=0.1))
    first, again, other = (
        POINTS[rule](real, real, noise(update)).numpy() for update in ("opponents/0", "opponents/0", "test")
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).all()


@pytest.mark.parametrize("rule", ["author_noise", "chainer_noise"])
def test_noise_scale_is_a_factor_of_the_reach(rule):
    real = normal(4, 3, 3, 1)
    np.testing.assert_allclose(shift(rule, real, 2.0), 4 * shift(rule, real, 0.5), atol=1e-5)
    np.testing.assert_array_equal(shift(rule, real, 0.5), shift(rule, real))


def test_author_noise_reaches_half_the_deviation_of_the_whole_batch():
    pattern = normal(10, 10, 2)
    real = np.repeat(pattern[None], 200, axis=0)  # no pixel varies over the batch, the batch as a whole does
    moved = shift("author_noise", real) / (0.5 * pattern.std())
    assert moved.min() >= -1e-5
    assert 0.9 < moved.max() <= 1 + 1e-5


def test_author_noise_has_one_fraction_an_example():
    moved = shift("author_noise", normal(100, 20, 20, 2)).reshape(100, -1)
    reach = moved.max(1)
    # U(0, reach) within an example; a fraction for each value would have a mean of a quarter of the largest.
    np.testing.assert_allclose(moved.mean(1) / reach, 0.5, atol=0.06)
    assert reach.min() < 0.1 * reach.max()


def test_chainer_noise_reaches_half_the_deviation_of_each_pixel():
    deviations = np.array([0.0, 0.1, 1.0, 5.0], "float32")
    real = normal(500, 4) * deviations
    moved = shift("chainer_noise", real)
    reach = 0.5 * real.std(axis=0)
    assert (moved >= -1e-5).all()
    assert (moved <= reach + 1e-5).all()
    np.testing.assert_allclose(moved.max(0), reach, rtol=0.05, atol=1e-6)
    np.testing.assert_allclose(moved.mean(0), reach / 2, rtol=0.1, atol=1e-6)


def test_compare_gan_noise_is_centred():
    real = normal(200, 5, 5, 2, scale=0.05)
    moved = shift("compare_gan_noise", real) / real.std()
    assert -0.5 - 1e-4 <= moved.min() < -0.49
    assert 0.49 < moved.max() <= 0.5 + 1e-4
    assert abs(moved.mean()) < 4 * np.sqrt(1 / 12 / moved.size)


def test_compare_gan_noise_clips_images_to_the_range_of_pixels():
    real = np.sign(normal(20, 5, 5, 2))
    moved = real + shift("compare_gan_noise", real)
    assert np.abs(moved).max() == 1
    assert np.abs(moved).min() < 0.6


def test_compare_gan_noise_leaves_points_unclipped():
    real = 10 * np.sign(normal(50, 2))
    assert np.abs(real + shift("compare_gan_noise", real)).max() > 10


@pytest.mark.parametrize("variance", [None, 40.0])
def test_gaussian_noise_has_its_variance_in_squared_grey_levels(variance):
    moved = shift("gaussian_noise", np.zeros((100, 10, 10, 3), "float32"), variance) * 127.5
    expected = variance or 10.0
    assert abs(moved.mean()) < 4 * np.sqrt(expected / moved.size)
    assert abs(moved.var() - expected) < 4 * expected * np.sqrt(2 / moved.size)


def test_gaussian_noise_does_not_depend_on_the_batch():
    narrow, wide = np.zeros((4, 6), "float32"), 100 * normal(4, 6)
    np.testing.assert_allclose(shift("gaussian_noise", wide), shift("gaussian_noise", narrow), atol=1e-4)
