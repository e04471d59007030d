import itertools

import keras
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


@pytest.mark.parametrize("drop", [True, False])
@pytest.mark.parametrize("images", [IMAGES, GREY, POINTS], ids=["colour", "grey", "points"])
def test_slice_k_is_user_batch_k(images, drop):
    dataset = from_slices(images).batch(6, drop_remainder=drop)
    alone = list(adapt(dataset).as_numpy_iterator())
    result = adapt(dataset, batches_per_round=3)
    assert result.element_spec.shape[:2] == [6, 3]
    assert image_shape_of(result, 3) == alone[0].shape[1:]
    together = list(result.as_numpy_iterator())
    assert len(together) == 2
    for number, batch in enumerate(together):
        for k in range(3):
            np.testing.assert_array_equal(batch[:, k], alone[3 * number + k])


def test_the_number_of_elements_stays_known():
    grouped = adapt(from_slices(IMAGES).batch(6, drop_remainder=True), batches_per_round=3)
    assert grouped.cardinality() == 2
    assert adapt(from_slices(IMAGES), batch_size=6, batches_per_round=3).cardinality() == 2
    assert adapt(from_slices(IMAGES).batch(6)).cardinality() == 7
    for rows, count in ((IMAGES, 2), (IMAGES[:36], 2), (IMAGES[:31], 2), (IMAGES[:30], 1)):
        result = adapt(from_slices(rows).batch(6), batches_per_round=3)
        assert result.cardinality() == len(list(result)) == count
    filtered = from_slices(IMAGES).filter(lambda row: True).batch(6)
    assert adapt(filtered, batches_per_round=3).cardinality() == tf.data.UNKNOWN_CARDINALITY


def test_a_short_last_batch_inside_a_round_is_filled_from_the_beginning():
    (_, last) = adapt(from_slices(IMAGES[:31]).batch(6), batches_per_round=3).as_numpy_iterator()
    np.testing.assert_array_equal(last[:, 2], SCALED[[30, 0, 1, 2, 3, 4]])


def test_short_batches_in_the_middle_do_no_harm():
    result = adapt(from_slices(IMAGES[:7]).batch(6).repeat(6), batches_per_round=2)
    assert result.cardinality() == len(list(result)) == 6


@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("group", [1, 3])
def test_endless_datasets(batched, group):
    dataset = from_slices(IMAGES).repeat()
    result = adapt(dataset.batch(6) if batched else dataset, batch_size=None if batched else 6, batches_per_round=group)
    assert result.cardinality() == tf.data.INFINITE_CARDINALITY
    some = list(itertools.islice(result.as_numpy_iterator(), 20))
    np.testing.assert_array_equal(some[0] if group == 1 else some[0][:, 0], SCALED[:6])


def test_replicas_get_full_batches():
    for drop, count in ((True, 2), (False, 3)):  # a short last batch is not dropped but filled
        result = adapt(from_slices(IMAGES).batch(16, drop_remainder=drop), shares=4)
        assert result.element_spec.shape[0] == 16
        assert result.cardinality() == len(list(result)) == count
    result = adapt(from_slices(IMAGES), batch_size=16, shares=4)
    assert result.element_spec.shape[0] == 16
    assert result.cardinality() == len(list(result)) == 2
    with pytest.raises(InputError, match=r"batches of 10 rows cannot be cut into 4 equal shares .*: .*such as 12"):
        adapt(from_slices(IMAGES).batch(10), shares=4)


@pytest.mark.parametrize("drop", [True, False])
def test_too_few_batches_for_one_round(drop):
    with pytest.raises(InputError, match=r"40 rows and a training round takes 5 batches of 10|too few batches of 10"):
        adapt(from_slices(IMAGES).batch(10, drop_remainder=drop).take(4), batches_per_round=5)
    with pytest.raises(InputError, match=r"20 rows and a training round takes 3 batches of 10: .*at most 6"):
        adapt(from_slices(IMAGES).batch(10, drop_remainder=drop).take(2), batches_per_round=3)


class Mean(keras.Model):
    """Returns the mean of what it is given as its loss."""

    def train_step(self, x):
        return {"mean": tf.reduce_mean(x)}


@pytest.mark.parametrize("group", [1, 2])
def test_keras_trains_on_it_without_a_warning_about_its_length(group):
    model = Mean()
    model.compile()
    for data in (IMAGES, from_slices(IMAGES).batch(15)):
        x = adapt(data, batch_size=15 if data is IMAGES else None, batches_per_round=group)
        # Keras' own default of shuffle=True warns for every tf.data.Dataset
        model.fit(x, epochs=2, verbose=0, shuffle=False)
