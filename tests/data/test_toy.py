import numpy as np
import pytest
from sklearn.datasets import make_swiss_roll

from ganzoo.data import Density, load
from ganzoo.errors import InputError

NAMES = ("ring8", "grid25", "swiss_roll", "gaussians1d")


@pytest.mark.parametrize("name", NAMES)
def test_samples_are_a_function_of_the_seed(name):
    density = load(name)
    assert isinstance(density, Density)
    points = density.sample(500, seed=3)
    assert points.shape == (500, density.dim)
    assert points.dtype == np.float32
    assert density.image_shape == (density.dim,)
    np.testing.assert_array_equal(points, load(name).sample(500, seed=3))
    assert not np.array_equal(points, density.sample(500, seed=4))


@pytest.mark.parametrize(("name", "count", "dim"), [("ring8", 8, 2), ("grid25", 25, 2), ("gaussians1d", 3, 1)])
def test_points_lie_around_every_mode_alike(name, count, dim):
    density = load(name)
    assert density.modes.shape == (count, dim)
    points = density.sample(400 * count, seed=0)
    distances = np.linalg.norm(points[:, None] - density.modes[None], axis=-1)
    nearest = distances.argmin(axis=1)
    assert np.bincount(nearest, minlength=count).min() > 300
    spread = (points - density.modes[nearest]).std()
    assert spread == pytest.approx(density.standard_deviation, rel=0.03)


def test_the_ring_has_radius_2_and_the_grid_reaches_4():
    np.testing.assert_allclose(np.linalg.norm(load("ring8").modes, axis=1), 2, rtol=1e-6)
    assert sorted(set(load("grid25").modes.ravel().tolist())) == [-4, -2, 0, 2, 4]


def test_the_swiss_roll_is_that_of_scikit_learn():
    ours = load("swiss_roll").sample(20_000, seed=0)
    theirs = make_swiss_roll(20_000, noise=0.25, random_state=0)[0][:, [0, 2]] / 7.5
    shares = np.linspace(0.02, 0.98, 25)
    np.testing.assert_allclose(np.quantile(ours, shares, axis=0), np.quantile(theirs, shares, axis=0), atol=0.05)
    radius = [np.quantile(np.linalg.norm(points, axis=1), shares) for points in (ours, theirs)]
    np.testing.assert_allclose(*radius, atol=0.02)
    assert load("swiss_roll").modes is None


def test_a_density_has_no_parts_and_no_pixels():
    assert load("ring8", "test").name == "ring8"
    with pytest.raises(InputError, match=r"split 'train\[:10%\]': ring8 is a density.*leave split out"):
        load("ring8", "train[:10%]")
    with pytest.raises(InputError, match="ring8 is a density of points"):
        load("ring8", image_size=8)
    with pytest.raises(InputError, match="ring8 is a density of points"):
        load("ring8", channels=1)
    with pytest.raises(InputError, match="seed=-1"):
        load("ring8").sample(5, seed=-1)
