import numpy as np
import pytest
import scipy.signal

from ganzoo.errors import InputError
from ganzoo.evaluation.similarity import image_pairs, ms_ssim, scales_of

WEIGHTS = np.array([0.0448, 0.2856, 0.3001, 0.2363, 0.1333])
C1, C2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2


@pytest.fixture
def random():
    return np.random.default_rng(0)


def halved(channel):
    """Returns the means of 2 x 2 pixels; an odd side is filled up with its last pixels."""
    padded = np.pad(channel, [(0, side % 2) for side in channel.shape], mode="symmetric")
    return padded.reshape(padded.shape[0] // 2, 2, padded.shape[1] // 2, 2).mean(axis=(1, 3))


def by_definition(a, b, scales):
    """Returns the similarity of two images of one channel."""
    line = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(line, line) / line.sum() ** 2

    def local(channel):
        return scipy.signal.convolve2d(channel, window, mode="valid")

    weights = WEIGHTS[:scales] / WEIGHTS[:scales].sum()
    result = 1.0
    for scale in range(scales):
        mean_a, mean_b = local(a), local(b)
        covariance = local(a * b) - mean_a * mean_b
        variances = local(a * a) - mean_a**2 + local(b * b) - mean_b**2
        factor = (2 * covariance + C2) / (variances + C2)
        if scale == scales - 1:
            factor = factor * (2 * mean_a * mean_b + C1) / (mean_a**2 + mean_b**2 + C1)
        result *= factor.mean() ** weights[scale]
        a, b = halved(a), halved(b)
    return result


def noisy_pairs(random, count, height, width, channels):
    """Returns pairs of a smooth image and itself with noise."""
    slopes = random.uniform(-1, 1, (count, 1, 1, 2, channels))
    grid = np.stack(np.meshgrid(np.linspace(0, 9, height), np.linspace(0, 9, width), indexing="ij"), axis=-1)
    image = 127 + 90 * np.sin((grid[None, ..., None] * slopes).sum(axis=3))
    noise = random.normal(0, 30, image.shape)
    return np.stack([image, image + noise], axis=1).clip(0, 255).astype("uint8")


@pytest.mark.parametrize(("height", "width", "scales"), [(11, 20, 1), (32, 32, 2), (21, 28, 2), (161, 170, 5)])
def test_by_the_definition(random, height, width, scales):
    pairs = noisy_pairs(random, 2, height, width, 2)
    expected = np.mean(
        [by_definition(*pair[..., channel].astype("float64"), scales) for pair in pairs for channel in range(2)]
    )
    value, used = ms_ssim(pairs)
    assert used == scales
    assert value == pytest.approx(expected, rel=1e-4)
    assert 0.1 < expected < 0.99


def test_more_pairs_than_a_block(random, monkeypatch):
    pairs = noisy_pairs(random, 5, 16, 16, 1)
    whole, _ = ms_ssim(pairs)
    monkeypatch.setattr("ganzoo.evaluation.arrays.BLOCK_VALUES", 2 * 512)
    assert ms_ssim(pairs)[0] == pytest.approx(whole, rel=1e-6)
    assert whole == pytest.approx(np.mean([ms_ssim(pairs[i : i + 1])[0] for i in range(5)]), rel=1e-6)


def test_copies_are_alike(random):
    image = random.integers(0, 256, (3, 1, 32, 32, 3)).astype("uint8")
    assert ms_ssim(np.repeat(image, 2, axis=1)) == (pytest.approx(1.0, abs=1e-5), 2)


def test_flat_images_differ_by_their_luminance_at_the_last_scale():
    pairs = np.stack([np.full((32, 32, 1), 50), np.full((32, 32, 1), 200)])[None].astype("uint8")
    luminance = (2 * 50 * 200 + C1) / (50**2 + 200**2 + C1)
    expected = luminance ** (WEIGHTS[1] / WEIGHTS[:2].sum())
    assert ms_ssim(pairs)[0] == pytest.approx(expected, rel=1e-3)


def test_negatives_score_nothing():
    board = 255 * (np.indices((16, 16)).sum(axis=0) % 2)[..., None]
    assert ms_ssim(np.stack([board, 255 - board])[None].astype("uint8"))[0] == 0.0


@pytest.mark.parametrize(
    ("side", "scales"), [(11, 1), (20, 1), (21, 2), (64, 3), (128, 4), (160, 4), (161, 5), (999, 5)]
)
def test_scales(side, scales):
    assert scales_of(side, 2 * side) == scales_of(2 * side, side) == scales


def test_unfit_pairs_are_refused():
    with pytest.raises(InputError, match="10 x 32 pixels"):
        ms_ssim(np.zeros((1, 2, 10, 32, 1), "uint8"))
    for pairs in (np.zeros((0, 2, 16, 16, 1), "uint8"), np.zeros((4, 16, 16, 1), "uint8"), np.zeros((1, 2, 16, 16, 1))):
        with pytest.raises(InputError, match="uint8"):
            ms_ssim(pairs)


def test_pairs_are_of_different_images_and_depend_on_the_seed():
    images = np.arange(5).reshape(5, 1, 1, 1)
    pairs = image_pairs(images, 400, seed=3)[:, :, 0, 0, 0]
    assert pairs.shape == (400, 2)
    assert len(np.unique(pairs, axis=0)) == 20  # all there are, in either order, and no image with itself
    assert (pairs[:, 0] != pairs[:, 1]).all()
    np.testing.assert_array_equal(pairs, image_pairs(images, 400, seed=3)[:, :, 0, 0, 0])
    assert (pairs != image_pairs(images, 400, seed=4)[:, :, 0, 0, 0]).any()
    with pytest.raises(InputError, match="1 images make no pair"):
        image_pairs(images[:1], 3, seed=0)
