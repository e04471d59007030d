import numpy as np
import pytest
from PIL import Image

from ganzoo.data import load
from ganzoo.errors import InputError


def save(path, size=(6, 4), colour=(200, 100, 50), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)


def test_files_in_order_of_their_paths_with_other_files_left_out(tmp_path):
    for number, name in enumerate(["c.PNG", "a.bmp", "b.gif", "d.webp"]):
        save(tmp_path / name, colour=(number * 10, 0, 0), **({"lossless": True} if name == "d.webp" else {}))
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "._a.png").write_bytes(b"what macOS leaves behind")
    data = load(f"folder:{tmp_path}")
    assert data.images.shape == (4, 4, 6, 3)
    assert data.images.dtype == np.uint8
    assert data.images[:, 0, 0, 0].tolist() == [10, 20, 0, 30]
    assert data.labels is None
    assert data.name == f"folder:{tmp_path}"
    np.testing.assert_array_equal(load(str(tmp_path)).images, data.images)


def test_sub_folders_are_labels_only_where_every_image_is_in_one(tmp_path):
    save(tmp_path / "dog" / "1.png")
    save(tmp_path / "cat" / "deep" / "1.jpg")
    save(tmp_path / "cat" / "2.jpeg")
    data = load(str(tmp_path))
    assert data.labels.tolist() == [0, 0, 1]
    assert data.labels.dtype == np.int64
    assert load(str(tmp_path), "train[2:]").labels.tolist() == [1]
    save(tmp_path / "loose.png")
    assert load(str(tmp_path)).labels is None


def test_a_part_of_the_folder(tmp_path):
    for number in range(10):
        save(tmp_path / f"{number}.png", colour=(number, 0, 0))
    assert load(str(tmp_path), "train[:30%]").images[:, 0, 0, 0].tolist() == [0, 1, 2]
    with pytest.raises(InputError, match=r"split 'test'.*train \(10 images\)"):
        load(str(tmp_path), "test")


def test_sizes_that_differ_need_image_size(tmp_path):
    save(tmp_path / "a.png", size=(6, 4))
    save(tmp_path / "b.png", size=(8, 8))
    with pytest.raises(InputError, match=r"a\.png is 4x6 and b\.png 8x8: give image_size"):
        load(str(tmp_path))
    assert load(str(tmp_path), image_size=5).images.shape == (2, 5, 5, 3)
    assert load(str(tmp_path), image_size=(2, 3)).images.shape == (2, 2, 3, 3)


def test_grey_files_have_one_channel_and_mixed_ones_three(tmp_path):
    save(tmp_path / "a.png", mode="L", colour=77)
    assert load(str(tmp_path)).images.tolist() == [[[[77]] * 6] * 4]
    save(tmp_path / "b.png")
    assert load(str(tmp_path)).image_shape == (4, 6, 3)
    assert load(str(tmp_path), channels=1).image_shape == (4, 6, 1)


def test_transparency_and_palettes(tmp_path):
    save(tmp_path / "a.png", mode="RGBA", colour=(1, 2, 3, 0))
    palette = Image.new("RGB", (6, 4), (9, 8, 7)).quantize(4)
    palette.save(tmp_path / "b.png", transparency=bytes([0, 255]))
    images = load(str(tmp_path)).images
    assert images[:, 0, 0].tolist() == [[1, 2, 3], [9, 8, 7]]


def test_photographs_are_turned(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    save(tmp_path / "a.jpg", size=(6, 4), exif=exif)
    assert load(str(tmp_path)).image_shape == (6, 4, 3)


@pytest.mark.parametrize("kept", [0, 40, 300])
def test_a_broken_file_is_named(tmp_path, kept):
    noise = np.random.default_rng(0).integers(0, 256, (20, 20, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "good.png")
    Image.fromarray(noise).save(tmp_path / "poor.png")
    (tmp_path / "poor.png").write_bytes((tmp_path / "poor.png").read_bytes()[:kept])
    with pytest.raises(InputError, match=r"poor\.png' cannot be read \(.*\): repair or remove it"):
        load(str(tmp_path))


def test_sixteen_bits_are_refused(tmp_path):
    Image.fromarray(np.zeros((4, 4), np.uint16)).save(tmp_path / "deep.png")
    with pytest.raises(InputError, match=r"deep\.png' has more than 8 bits per channel .*convert it"):
        load(str(tmp_path))


def test_no_images_and_no_folder(tmp_path):
    with pytest.raises(InputError, match=r"holds no image: files ending in \.png"):
        load(str(tmp_path))
    for name in (f"folder:{tmp_path}/nothing", f"{tmp_path}/nothing", "./nothing", "folder:nothing"):
        with pytest.raises(InputError, match=r"there is no folder .*nothing'"):
            load(name)
