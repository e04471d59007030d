import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.networks import network


def flow(dim: int, seed: int = 1, **options):
    """A flow whose every weight matters."""
    model = network("generator", {"architecture": "affine_flow", "width": 5, **options}, (dim,), dim, seed)
    random = np.random.default_rng(seed)
    for weight in model.weights:
        weight.assign(random.normal(0, 0.6, weight.shape))
    return model


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


@pytest.mark.parametrize("dim", [1, 2, 3, 5])
def test_the_inverse_gives_the_latents_back(dim):
    model, latents = flow(dim), normal(6, dim)
    found, _ = model.latents(model(latents))
    np.testing.assert_allclose(found, latents, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("dim", [1, 2, 3])
def test_the_density_is_that_of_the_latents_over_the_determinant(dim):
    model, latents = flow(dim), tf.constant(normal(6, dim))
    with tf.GradientTape() as tape:
        tape.watch(latents)
        points = model(latents)
    jacobians = tape.batch_jacobian(points, latents).numpy().astype(np.float64)
    expected = -0.5 * (latents.numpy() ** 2 + np.log(2 * np.pi)).sum(1) - np.linalg.slogdet(jacobians)[1]
    np.testing.assert_allclose(model.log_density(points), expected, rtol=1e-3, atol=1e-4)


def test_without_couplings_it_is_a_gaussian():
    model, points = flow(2, depth=0), normal(6, 2)
    kernel, bias = model.kernel.numpy(), model.bias.numpy()
    factor = np.array([[np.exp(kernel[0, 0]), 0], [kernel[1, 0], np.exp(kernel[1, 1])]])
    covariance = factor @ factor.T
    offsets = points - bias
    quadratic = np.einsum("nd,de,ne->n", offsets, np.linalg.inv(covariance), offsets)
    expected = -0.5 * (quadratic + np.linalg.slogdet(2 * np.pi * covariance)[1])
    np.testing.assert_allclose(model.log_density(points), expected, rtol=1e-4)
    np.testing.assert_allclose(model(points), bias + points @ factor.T, rtol=1e-4, atol=1e-5)


def test_the_density_sums_to_one():
    axis = np.arange(-12, 12, 0.1, dtype="float32")
    points = np.stack(np.meshgrid(axis, axis), -1).reshape(-1, 2)
    assert np.exp(flow(2).log_density(points)).sum() * 0.01 == pytest.approx(1, abs=0.02)


def test_every_coordinate_depends_on_every_latent():
    model, latents = flow(3), tf.constant(normal(6, 3))
    with tf.GradientTape() as tape:
        tape.watch(latents)
        points = model(latents)
    assert (np.abs(tape.batch_jacobian(points, latents)).max(0) > 1e-3).all()


def test_numbers_beyond_the_points_are_not_used():
    model = network("generator", {"architecture": "affine_flow"}, (2,), 5, 0)
    np.testing.assert_array_equal(model(normal(4, 5)), model(normal(4, 5)[:, :2]))


def test_a_copy_has_weights_of_its_own():
    model = flow(2)
    copy = type(model).from_config(model.get_config() | {"name": "copy"})
    copy.set_weights(model.get_weights())
    points = normal(4, 2)
    np.testing.assert_array_equal(copy.log_density(points), model.log_density(points))
    copy.bias.assign_add([1.0, 1.0])
    assert (copy.log_density(points).numpy() != model.log_density(points).numpy()).all()


@pytest.mark.parametrize(
    ("shape", "latent_dim", "message"),
    [((8, 8, 1), 64, r"makes points \(D,\), not images"), ((3,), 2, "latent_dim=2: .*give 3")],
)
def test_refuses_what_has_no_such_density(shape, latent_dim, message):
    with pytest.raises(InputError, match=message):
        network("generator", {"architecture": "affine_flow"}, shape, latent_dim, 0)
