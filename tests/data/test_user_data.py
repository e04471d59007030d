import numpy as np
import pytest
import tensorflow as tf

from ganzoo.data import Examples, adapt, image_shape_of, load, unit_range
from ganzoo.errors import InputError

RNG = np.random.default_rng(0)
COLOUR = RNG.integers(0, 256, (40, 6, 5, 3), np.uint8)
FLOATS = RNG.uniform(-1, 1, (40, 6, 5, 3)).astype(np.float32)


def same_rows(result, expected):
    result, expected = np.concatenate(list(result.as_numpy_iterator())), np.asarray(expected)
    order = [np.lexsort(rows.reshape(len(rows), -1).T) for rows in (result, expected)]
    np.testing.assert_array_equal(result[order[0]], expected[order[1]])


def test_uint8_images_are_scaled_shuffled_and_counted():
    result = adapt(COLOUR, batch_size=16)
    assert result.element_spec == tf.TensorSpec([None, 6, 5, 3], tf.float32)
    assert result.cardinality() == 3
    assert [len(batch) for batch in result] == [16, 16, 8]
    assert image_shape_of(result) == (6, 5, 3)
    same_rows(result, unit_range(COLOUR))


@pytest.mark.parametrize("wrap", [np.asarray, tf.constant, lambda x: x[:, ::-1][:, ::-1]])
def test_arrays_and_tensors(wrap):
    same_rows(adapt(wrap(FLOATS), batch_size=10), FLOATS)


@pytest.mark.parametrize("dtype", [np.float16, np.float64, tf.bfloat16.as_numpy_dtype, ">f4"])
def test_other_floats_become_float32(dtype):
    values = FLOATS.astype(dtype)
    result = adapt(values, batch_size=10)
    assert result.element_spec.dtype == tf.float32
    same_rows(result, values.astype(np.float32))


def test_grey_images_get_their_channel_and_labels_are_not_used():
    grey = RNG.integers(0, 256, (20, 6, 7), np.uint8)
    result = adapt(grey, np.arange(20), batch_size=10)
    assert image_shape_of(result) == (6, 7, 1)
    same_rows(result, unit_range(grey[..., None]))


def test_points_of_any_range():
    points = RNG.normal(0, 100, (30, 2)).astype(np.float32)
    result = adapt(points, batch_size=10)
    assert image_shape_of(result) == (2,)
    same_rows(result, points)


def test_batch_size_is_64_unless_said():
    assert [len(batch) for batch in adapt(np.zeros((100, 2), np.float32))] == [64, 36]


def test_each_epoch_has_an_order_of_its_own_and_the_seed_repeats_them():
    points = np.arange(50, dtype=np.float32)[:, None]

    def two_epochs(seed):
        tf.random.set_seed(7)
        result = adapt(points, batch_size=10, seed=seed)
        return [np.concatenate(list(result.as_numpy_iterator())).ravel().tolist() for _ in range(2)]

    epochs = two_epochs(1)
    assert epochs[0] != epochs[1]
    assert epochs[0] != sorted(epochs[0])
    assert epochs == two_epochs(1)
    assert epochs != two_epochs(2)


def test_grouping_drops_what_does_not_fill_a_round():
    result = adapt(COLOUR, batch_size=6, batches_per_round=3)
    assert result.element_spec == tf.TensorSpec([6, 3, 6, 5, 3], tf.float32)
    assert result.cardinality() == len(list(result)) == 2
    assert image_shape_of(result, 3) == (6, 5, 3)


def test_grouped_slices_are_the_batches_of_the_ungrouped_order():
    alone = [batch.numpy() for batch in adapt(COLOUR, batch_size=6, seed=4)]
    together = [batch.numpy() for batch in adapt(COLOUR, batch_size=6, batches_per_round=3, seed=4)]
    for round_number, batch in enumerate(together):
        for k in range(3):
            np.testing.assert_array_equal(batch[:, k], alone[3 * round_number + k])


def test_replicas_drop_the_remainder():
    result = adapt(COLOUR, batch_size=16, shares=2)
    assert [len(batch) for batch in result] == [16, 16]
    assert result.element_spec.shape[0] == 16
    with pytest.raises(InputError, match=r"batches of 15 rows .*2 equal shares .*: .*such as 16"):
        adapt(COLOUR, batch_size=15, shares=2)


def test_large_arrays_are_read_where_they_are():
    images = np.zeros((64, 4, 4, 1), np.uint8)
    images[0] = 2  # all 0 and 1 would look like masks
    result = adapt(images, batch_size=64)
    images[:] = 255
    assert next(iter(result)).numpy().min() == 1


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (
            np.zeros((40, 4, 5, 3), np.int32),
            r"x is int32; images are uint8 .*if its values are 0\.\.255 cast",
        ),
        (np.zeros((40, 4, 5, 3), np.int8), "x is int8; .*scale it to float"),
        (np.zeros((40, 4, 5, 3), bool), r"x is bool; .*cast masks with x\.astype"),
        (np.zeros((40, 4, 5, 3), np.complex64), "x is complex64; .*as numbers"),
        (np.full((40, 4, 5, 3), "a"), "x is string; "),
        (np.full((40, 4), None), "x is string; |x has elements of type object"),
        (np.zeros((40, 4), "datetime64[s]"), r"x has elements of type datetime64\[s\]: pass a tf\.data"),
        (np.zeros((40, 20), np.uint8), "type uint8: points must be float; images need .*reshape flat rows"),
        (np.zeros(40, np.float32), r"x of shape \(40,\): pass images .*x\[:, None\]"),
        (np.array(1.0), r"x of shape \(\): pass images"),
        (np.zeros((40, 2, 4, 5, 3), np.uint8), r"x of shape \(40, 2, 4, 5, 3\): pass images"),
        (np.zeros((40, 50, 3), np.uint8), r"looks like one image, .*x\[None\]"),
        (np.zeros((40, 3, 32, 32), np.uint8), r"looks like channels first: .*np\.moveaxis\(x, 1, -1\)"),
        (np.zeros((0, 4, 5, 3), np.uint8), "is empty: it must have at least one batch"),
        (np.zeros((40, 0, 5, 3), np.uint8), "is empty: no axis may have length 0"),
        (
            np.zeros((9, 4, 5, 3), np.uint8),
            "x has 9 rows and a training round takes one batch of 10: .*at most 9",
        ),
        (np.ones((40, 4, 5, 3), np.uint8), r"uint8 images in \[1, 1\] .*scale masks by x \* 255"),
        (
            np.linspace(0, 1, 40 * 4 * 5 * 3).reshape(40, 4, 5, 3),
            r"float32 images in \[0, 1\] in the first 4 batches; .*like \[0, 1\]: pass x \* 2 - 1",
        ),
        (
            np.linspace(0, 255, 40 * 4 * 5 * 3).reshape(40, 4, 5, 3),
            r"in \[0, 255\] in the first 4 batches.*pass x / 127\.5 - 1, or pass uint8",
        ),
        (np.linspace(-3, 2, 800).reshape(40, 4, 5, 1), r"images in \[-3, 2\] in .*\(x - lowest\) /"),
        (np.linspace(0, 9999, 800).reshape(40, 4, 5, 1), r"images in \[0, 9999\] in .*\(x - lowest\) /"),
        (np.full((40, 4, 5, 3), np.nan), "NaN or infinite values in the first 4 batches: remove"),
        (np.full((40, 2), np.inf), "NaN or infinite values in the first 4 batches: remove"),
        (np.full((40, 2), 1e300), "NaN or infinite values in the first 4 batches: remove"),
    ],
)
def test_arrays_that_cannot_be_used(x, says):
    with pytest.raises(InputError, match=says):
        adapt(x, batch_size=10)


def test_ranges_within_the_tolerance_are_taken():
    adapt(FLOATS * 1.0009, batch_size=10)
    adapt(-np.abs(FLOATS), batch_size=10)
    adapt(np.zeros_like(FLOATS), batch_size=10)
    with pytest.raises(InputError, match="float images must be in"):
        adapt(FLOATS * 1.1, batch_size=10)


class DataFrame:
    """Stands for pandas' class, which is no dependency."""


@pytest.mark.parametrize(
    ("x", "says"),
    [
        (None, r"x is None: pass a tf\.data\.Dataset, a NumPy array or a tf\.Tensor"),
        ([[1.0]], "x is a list, .*np.stack"),
        ((COLOUR, None), "x is a tuple, .*labels as y"),
        ((row for row in COLOUR), r"x is a generator, .*from_generator"),
        ("photos/", "x is a str, .*ganzoo.data.load"),
        (DataFrame(), r"x is a DataFrame, .*\.to_numpy\(\)"),
        (tf.ragged.constant([[1.0], [1.0, 2.0]]), "x is a RaggedTensor, .*one size"),
        (tf.sparse.from_dense([[1.0]]), r"x is a SparseTensor, .*tf\.sparse\.to_dense"),
        (Examples("a", "train", COLOUR), r"x is a Examples, .*pass its \.images"),
        (load("ring8"), r"x is a Density, .*\.sample"),
        ({"image": COLOUR}, r"x is a dict, .*pass a tf\.data"),
        (3, r"x is a int, .*pass a tf\.data"),
    ],
)
def test_other_types_get_a_cure(x, says):
    with pytest.raises(InputError, match=says):
        adapt(x)


@pytest.mark.parametrize("name", ["batch_size", "batches_per_round", "shares"])
@pytest.mark.parametrize("value", [0, 1.5, "2", True])
def test_arguments_out_of_range(name, value):
    with pytest.raises(InputError, match=f"{name}={value!r}: give a whole number of at least 1"):
        adapt(COLOUR, **{name: value})


def test_a_round_of_more_rows_than_there_are():
    with pytest.raises(InputError, match=r"x has 40 rows and a training round takes 3 batches of 20: .*at most 13"):
        adapt(COLOUR, batch_size=20, batches_per_round=3)
