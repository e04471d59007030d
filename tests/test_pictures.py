import types

import numpy as np
import pytest
from PIL import Image

from ganzoo import pictures
from ganzoo.errors import InputError
from ganzoo.pictures import draw, grid, save_curves, save_image, save_samples, save_walk


def noise(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def opened(path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def size(path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


@pytest.fixture
def broken_writer(monkeypatch):
    """Makes Pillow write a part of the file and fail."""

    def save(image, path, **kwargs):
        path.write_bytes(b"a part")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Image.Image, "save", save)


# Grids.


@pytest.mark.parametrize("gap", [0, 1, 2])
@pytest.mark.parametrize(("channels", "columns"), [(1, 2), (3, 3), (3, 7), (4, 1)])
def test_a_grid_has_its_images_row_by_row_on_grey(channels, columns, gap):
    images = noise(5, 3, 4, channels)
    rows = -(-5 // columns)
    expected = np.full((rows * (3 + gap) + gap, columns * (4 + gap) + gap, channels), 96)
    for number, image in enumerate(images):
        top, left = gap + (3 + gap) * (number // columns), gap + (4 + gap) * (number % columns)
        expected[top : top + 3, left : left + 4] = image
    whole = grid(images, columns, gap)
    assert whole.dtype == np.uint8
    np.testing.assert_array_equal(whole, expected)


@pytest.mark.parametrize(("count", "rows", "columns"), [(1, 1, 1), (4, 2, 2), (5, 2, 3), (64, 8, 8), (7, 3, 3)])
def test_a_grid_is_nearly_square_by_itself(count, rows, columns):
    assert grid(noise(count, 3, 4, 1), gap=0).shape == (3 * rows, 4 * columns, 1)


# Single images.


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_an_image_is_written_as_it_is(tmp_path, channels, mode):
    image = noise(20, 30, channels)
    save_image(image, tmp_path / "a.png", longer_side=1)
    with Image.open(tmp_path / "a.png") as reopened:
        assert reopened.mode == mode
        assert reopened.size == (30, 20)
        np.testing.assert_array_equal(np.asarray(reopened).reshape(image.shape), image)


def test_a_small_image_is_enlarged_in_whole_pixels(tmp_path):
    image = noise(20, 30, 3)
    save_image(image, tmp_path / "a.png", longer_side=100)
    enlarged = opened(tmp_path / "a.png")
    assert enlarged.shape == (80, 120, 3)
    for row, column in ((0, 0), (3, 3)):
        np.testing.assert_array_equal(enlarged[row::4, column::4], image)


def test_a_large_image_keeps_its_size(tmp_path):
    save_image(noise(40, 600, 1), tmp_path / "a.png")
    assert size(tmp_path / "a.png") == (600, 40)


def test_folders_are_made(tmp_path):
    save_image(noise(4, 4, 1), tmp_path / "new" / "folder" / "a.png")
    assert [path.name for path in (tmp_path / "new" / "folder").iterdir()] == ["a.png"]


@pytest.mark.parametrize("channels", [2, 5])
def test_an_image_that_cannot_be_shown_is_refused_and_nothing_is_left(tmp_path, channels):
    with pytest.raises(InputError, match=f"images of {channels} channels cannot be shown; 1, 3 or 4 can"):
        save_image(noise(4, 4, channels), tmp_path / "a.png")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "save", [lambda path: save_image(noise(4, 4, 3), path), lambda path: save_walk(noise(3, 4, 4, 3), path)]
)
def test_a_writer_that_fails_leaves_the_old_file_alone(tmp_path, broken_writer, save):
    path = tmp_path / "a.gif"
    path.write_bytes(b"the old one")
    with pytest.raises(OSError, match="No space"):
        save(path)
    assert [file.name for file in tmp_path.iterdir()] == ["a.gif"]
    assert path.read_bytes() == b"the old one"


def test_a_figure_has_room_for_its_labels(tmp_path):
    with pictures.figure(tmp_path / "a.png", width=7.0, height=5.1) as figure:
        for panel in figure.subplots(7, 1):
            panel.imshow(np.zeros((28, 280)))
            panel.set(xticks=[], yticks=[])
            panel.set_ylabel("10,000", rotation=0, ha="right", va="center", fontsize=8)
    assert (opened(tmp_path / "a.png")[:, 0] == 255).all()


def test_a_file_appears_only_when_it_is_whole(tmp_path, monkeypatch):
    path, save = tmp_path / "a.png", Image.Image.save
    present = []

    def watched(image, target, **kwargs):
        save(image, target, **kwargs)
        present.append(path.exists())

    monkeypatch.setattr(Image.Image, "save", watched)
    save_image(noise(4, 4, 3), path)
    assert present == [False]
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


# Samples, walks, curves.


def test_samples_of_images_are_a_grid(tmp_path):
    images = noise(5, 200, 300, 3)
    save_samples(images, tmp_path / "a.png")
    np.testing.assert_array_equal(opened(tmp_path / "a.png"), grid(images))
    assert size(tmp_path / "a.png") == (3 * 302 + 2, 2 * 202 + 2)


@pytest.mark.parametrize("dimension", [1, 3])
def test_samples_of_points_are_a_scatter(tmp_path, dimension):
    points = np.random.default_rng(0).normal(size=(50, dimension)).astype("float32")
    save_samples(points, tmp_path / "a.png")
    picture = opened(tmp_path / "a.png")[..., :3].reshape(-1, 3)
    assert size(tmp_path / "a.png") == (840, 600)
    assert len(np.unique(picture, axis=0)) > 10
    assert [file.name for file in tmp_path.iterdir()] == ["a.png"]


@pytest.mark.parametrize("channels", [1, 3])
def test_a_walk_is_an_endless_gif_of_all_frames(tmp_path, channels):
    frames = np.repeat(np.linspace(0, 255, 6).astype(np.uint8), 20 * 30 * channels).reshape(6, 20, 30, channels)
    save_walk(frames, tmp_path / "a.gif", seconds=0.05)
    with Image.open(tmp_path / "a.gif") as walk:
        assert walk.n_frames == 6
        assert walk.size == (30 * 9, 20 * 9)  # the longer side at least 256
        assert walk.info["loop"] == 0
        assert walk.info["duration"] == 50
        for number in range(6):
            walk.seek(number)
            shown = np.asarray(walk.convert("RGB"))
            np.testing.assert_allclose(shown, frames[number, 0, 0, 0], atol=1)


def test_curves_have_a_panel_a_player(tmp_path):
    history = tmp_path / "history.csv"
    rows = ["step,seconds,discriminator/adversarial,discriminator/penalty,generator/adversarial"]
    rows += [f"{step},{step},{1 / step},{2 / step},{step}" for step in (1, 2, 3)]
    history.write_text("\n".join(rows))
    save_curves(history, tmp_path / "two.png")
    history.write_text("\n".join(row.rsplit(",", 1)[0] for row in rows))
    save_curves(history, tmp_path / "one.png")
    two, one = size(tmp_path / "two.png"), size(tmp_path / "one.png")
    assert two == (840, 528)
    assert one == (840, 264)


def test_curves_that_fail_leave_nothing(tmp_path):
    history = tmp_path / "history.csv"
    history.write_text("step,generator/adversarial\n1,not a number\n")
    with pytest.raises(ValueError, match="not a number"):
        save_curves(history, tmp_path / "curves.png")
    assert [file.name for file in tmp_path.iterdir()] == ["history.csv"]


# What is drawn from an exported generator.


@pytest.fixture
def generator():
    """A generator of constant images, whose grey is the first latent or the index."""

    def images(latents):
        greys = np.asarray(latents)[:, 0].astype(np.uint8)
        return np.tile(greys[:, None, None, None], (1, 8, 8, 1))

    return types.SimpleNamespace(
        manifest=types.SimpleNamespace(image_shape=(8, 8, 1)),
        images=images,
        latents=lambda n, seed, truncation: np.float32([[60 + 20 * i, 100] for i in range(n)]),
        sample=lambda n, seed, truncation: images(np.arange(n)[:, None]),
    )


def test_a_png_is_a_grid_of_samples(tmp_path, generator):
    draw(generator, tmp_path / "a.png", 9)
    expected = grid(generator.sample(9, 0, np.inf))[..., 0]
    picture = opened(tmp_path / "a.png")
    factor = len(picture) // len(expected)
    np.testing.assert_array_equal(picture[::factor, ::factor], expected)


def test_a_gif_is_a_walk(tmp_path, generator):
    draw(generator, tmp_path / "a.gif", 3)
    with Image.open(tmp_path / "a.gif") as walk:
        assert 3 < walk.n_frames <= 3 * pictures.WALK_FRAMES


def test_an_npz_is_an_array(tmp_path, generator):
    draw(generator, tmp_path / "a.npz", 5)
    with np.load(tmp_path / "a.npz") as arrays:
        np.testing.assert_array_equal(arrays["samples"][:, 0, 0, 0], range(5))
    assert [file.name for file in tmp_path.iterdir()] == ["a.npz"]


def test_a_folder_has_a_file_an_image(tmp_path, generator):
    draw(generator, tmp_path / "folder", 3)
    assert sorted(file.name for file in (tmp_path / "folder").iterdir()) == [f"00000{i}.png" for i in range(3)]
    np.testing.assert_array_equal(opened(tmp_path / "folder" / "000002.png"), np.full((8, 8), 2))


def test_another_suffix_is_refused(tmp_path, generator):
    with pytest.raises(InputError, match=r"a\.jpg.*give a \.png, \.gif or \.npz file, or a folder"):
        draw(generator, tmp_path / "a.jpg")


def test_a_disk_that_is_full_is_said(tmp_path, generator, broken_writer):
    with pytest.raises(InputError, match=r"a\.png cannot be written: No space left on device"):
        draw(generator, tmp_path / "a.png", 4)
