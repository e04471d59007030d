import numpy as np
import pytest
import tensorflow as tf

from ganzoo.data import adapt, image_shape_of, unit_range
from ganzoo.errors import InputError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (40, 6, 5, 3), np.uint8)
SCALED = unit_range(IMAGES).numpy()
GREY = RNG.integers(0, 256, (40, 6, 5), np.uint8)
POINTS = RNG.normal(0, 9, (40, 2)).astype(np.float32)
from_slices = tf.data.Dataset.from_tensor_slices


def stacked(result):
    return np.concatenate(list(result.as_numpy_iterator()))


def without_shape(dataset, shape):
    """The same elements, of whose shape tf.data knows only this."""
    spec = tf.TensorSpec(shape, dataset.element_spec.dtype)
    return tf.data.Dataset.from_generator(lambda: iter(dataset), output_signature=spec)


@pytest.mark.parametrize(
    "dataset",
    [
        from_slices(IMAGES).batch(10),
        from_slices((IMAGES, np.arange(40))).batch(10),
        from_slices((IMAGES,)).batch(10),
        from_slices({"image": IMAGES, "label": np.arange(40)}).batch(10),
        from_slices({"picture": IMAGES, "label": np.arange(40)}).batch(10),
        from_slices({"anything": IMAGES}).batch(10),
        from_slices(({"image": IMAGES}, np.arange(40))).batch(10),
        from_slices({"image": IMAGES, "mask": IMAGES}).batch(10),
    ],
    ids=[
        "images",
        "with labels",
        "1-tuples",
        "TFDS",
        "one image-like",
        "one entry",
        "dict in tuple",
        "two images",
    ],
)
def test_elements_of_many_kinds(dataset):
    result = adapt(dataset)
    assert image_shape_of(result) == (6, 5, 3)
    assert result.cardinality() == 4
    np.testing.assert_array_equal(stacked(result), SCALED)


def test_single_images_are_batched_in_their_order():
    result = adapt(from_slices(IMAGES), batch_size=15)
    assert [len(batch) for batch in result] == [15, 15, 10]
    assert result.cardinality() == 3
    np.testing.assert_array_equal(stacked(result), SCALED)
    with pytest.raises(InputError, match=r"40 rows and a training round takes one batch of 64: .*at most 40"):
        adapt(from_slices(IMAGES))


def test_rank_3_is_one_image_or_a_batch_of_grey_ones():
    assert image_shape_of(adapt(from_slices(GREY).batch(10))) == (6, 5, 1)
    np.testing.assert_array_equal(stacked(adapt(from_slices(GREY).batch(10))), unit_range(GREY[..., None]))
    assert image_shape_of(adapt(from_slices(GREY[..., None]), batch_size=10)) == (6, 5, 1)


def test_points_batched_and_single():
    for result in (adapt(from_slices(POINTS).batch(10)), adapt(from_slices(POINTS), batch_size=10)):
        assert image_shape_of(result) == (2,)
        np.testing.assert_array_equal(stacked(result), POINTS)


@pytest.mark.parametrize("shape", [None, (None, None, None, None), (10, None, None, 3)])
def test_shapes_that_are_not_known_are_taken_from_the_first_batches(shape):
    result = adapt(without_shape(from_slices(IMAGES).batch(10), shape))
    assert image_shape_of(result) == (6, 5, 3)
    np.testing.assert_array_equal(stacked(result), SCALED)


def test_single_images_of_unknown_size():
    result = adapt(without_shape(from_slices(IMAGES), (None, None, 3)), batch_size=10)
    assert image_shape_of(result) == (6, 5, 3)
    sizes = [np.zeros((size, 5, 3), np.uint8) for size in (6, 7, 6)]
    mixed = tf.data.Dataset.from_generator(
        lambda: iter(sizes), output_signature=tf.TensorSpec((None, None, 3), tf.uint8)
    )
    with pytest.raises(
        InputError, match=r"different shapes \(\(6, 5, 3\), \(7, 5, 3\)\): .*tf\.image\.resize.*ensure_shape"
    ):
        adapt(mixed, batch_size=2)


def test_floats_are_taken_as_they_are():
    floats = (SCALED * 0.5).astype(np.float64)
    np.testing.assert_array_equal(stacked(adapt(from_slices(floats).batch(10))), SCALED * 0.5)


@pytest.mark.parametrize(
    ("dataset", "says"),
    [
        (from_slices((IMAGES, np.arange(40), np.ones(40))).batch(10), "3 parts: .*sample weights"),
        (from_slices({"a": IMAGES, "b": IMAGES}).batch(10), r"keys 'a', 'b': name the images 'image'.*\.map"),
        (from_slices({"a": POINTS, "b": POINTS}).batch(10), "keys 'a', 'b': name"),
        (from_slices(IMAGES.astype(np.int64)).batch(10), "is int64; images are uint8"),
        (from_slices(IMAGES > 3).batch(10), "is bool; .*cast masks"),
        (from_slices(np.full((40, 3), "a")).batch(10), "is string; .*as numbers"),
        (from_slices(POINTS.astype(np.complex64)).batch(10), "is complex64;"),
        (from_slices(np.arange(40.0)), r"elements of shape \(\): pass batches of images"),
        (from_slices(IMAGES[:, None]).batch(10), r"elements of shape \(10, 1, 6, 5, 3\): pass batches"),
        (from_slices(GREY), r"shape \(6, 5\) and type uint8: points must be float; .*x\[\.\.\., None\]"),
        (from_slices(np.zeros((40, 3, 8, 8), np.uint8)).batch(10), r"channels first: .*tf\.transpose"),
        (
            from_slices(tf.ragged.constant([[1.0], [1.0, 2.0]])),
            "elements of type RaggedTensor: make it dense",
        ),
        (from_slices(IMAGES).take(0).batch(10), "is empty: it must have at least one batch"),
        (
            from_slices(IMAGES / 255).batch(10),
            r"float32 images in \[0, 1\] in the first 4 batches.*x \* 2 - 1",
        ),
        (from_slices(IMAGES / 1.0).batch(20), r"images in \[0, 255\] in the first 2 batches.*x / 127\.5 - 1"),
        (from_slices(IMAGES / 1.0).batch(40), r"in the first batch; float images"),
        (from_slices(IMAGES * np.nan).batch(10), "NaN or infinite values in the first 4 batches"),
        (
            from_slices(POINTS * np.inf).batch(10),
            "NaN or infinite",
        ),
    ],
)
def test_datasets_that_cannot_be_used(dataset, says):
    with pytest.raises(InputError, match=says):
        adapt(dataset)


def test_batch_size_for_a_batched_dataset_and_labels_beside_a_dataset():
    with pytest.raises(InputError, match=r"batch_size=5: .*batched already.*\(None, 6, 5, 3\): leave batch_size out"):
        adapt(from_slices(IMAGES).batch(10), batch_size=5)
    with pytest.raises(InputError, match=r"y is given with a tf\.data\.Dataset: leave y out"):
        adapt(from_slices(IMAGES).batch(10), np.arange(40))
