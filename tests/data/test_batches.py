import itertools

import numpy as np
import pytest
import tensorflow as tf

from ganzoo.data import Examples, adapt, load, training_batches, unit_range
from ganzoo.errors import InputError

NUMBERED = Examples("numbered", "train", np.arange(25, dtype=np.uint8).reshape(25, 1, 1, 1))


def first(batches, count):
    return [batch.numpy() for batch in itertools.islice(batches, count)]


def rows(batches):
    """The rows of NUMBERED in the batches."""
    return np.rint((np.concatenate(batches).ravel() + 1) * 127.5).astype(int)


def test_shape_dtype_and_range():
    digits = load("digits", image_size=16)
    batches = training_batches(digits, 32, seed=0)
    assert batches.element_spec == tf.TensorSpec([32, 16, 16, 1], tf.float32)
    assert batches.cardinality() == tf.data.INFINITE_CARDINALITY
    (batch,) = first(batches, 1)
    assert batch.min() == -1
    assert batch.max() <= 1
    assert batch.max() > 0.9
    assert (unit_range(digits.images).numpy() == batch[0]).all(axis=(1, 2, 3)).any()


def test_no_thread_tunes_that_an_end_would_wait_for():
    for batches in (training_batches(NUMBERED, 8, seed=0), adapt(NUMBERED.images, batch_size=8)):
        options = batches.options()
        assert options.autotune.enabled is False
        assert options.deterministic


@pytest.mark.parametrize("start", [1, 2, 3, 4, 7, 3000])
def test_batch_s_is_a_function_of_seed_and_s_alone(start):
    whole = first(training_batches(NUMBERED, 8, seed=5, start_step=start - start % 3), start % 3 + 7)
    later = first(training_batches(NUMBERED, 8, seed=5, start_step=start), 7)
    np.testing.assert_array_equal(whole[start % 3 :], later)


def test_resuming_at_any_step_across_epochs_from_the_beginning():
    whole = first(training_batches(NUMBERED, 8, seed=5), 12)
    for start in (0, 2, 3, 7):
        later = first(training_batches(NUMBERED, 8, seed=5, start_step=start), 5)
        np.testing.assert_array_equal(whole[start : start + 5], later)


def test_an_epoch_is_a_permutation_without_its_remainder_and_epochs_differ():
    batches = first(training_batches(NUMBERED, 8, seed=1), 6)
    epochs = [rows(batches[:3]), rows(batches[3:])]
    for epoch in epochs:
        assert len(set(epoch)) == 24
    assert epochs[0].tolist() != epochs[1].tolist()
    other = rows(first(training_batches(NUMBERED, 8, seed=2), 3))
    assert epochs[0].tolist() != other.tolist()


def test_every_image_is_drawn_in_the_long_run():
    assert set(rows(first(training_batches(NUMBERED, 8, seed=0), 30))) == set(range(25))


def test_global_seeds_do_not_matter():
    tf.random.set_seed(1)
    one = first(training_batches(NUMBERED, 8, seed=0), 4)
    tf.random.set_seed(2)
    np.testing.assert_array_equal(one, first(training_batches(NUMBERED, 8, seed=0), 4))


@pytest.mark.parametrize("name", ["ring8", "grid25", "swiss_roll", "gaussians1d"])
def test_densities(name):
    density = load(name)
    batches = training_batches(density, 100, seed=3)
    assert batches.element_spec == tf.TensorSpec([100, density.dim], tf.float32)
    assert batches.cardinality() == tf.data.INFINITE_CARDINALITY
    whole = first(batches, 6)
    np.testing.assert_array_equal(whole[4:], first(training_batches(density, 100, seed=3, start_step=4), 2))
    assert not np.array_equal(whole[0], whole[1])
    assert not np.array_equal(whole[0], first(training_batches(density, 100, seed=4), 1)[0])
    assert not np.array_equal(whole[0], density.sample(100, seed=3))


def test_fewer_images_than_a_batch_are_refused():
    with pytest.raises(InputError, match=r"batch_size=26: numbered \[train\] has only 25 images: give a smaller"):
        training_batches(NUMBERED, 26, seed=0)
    assert len(first(training_batches(NUMBERED, 25, seed=0), 2)) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"batch_size": 2.0},
        {"batch_size": True},
        {"seed": -1},
        {"seed": 2**63},
        {"seed": None},
        {"start_step": -1},
    ],
)
def test_arguments_out_of_range(arguments):
    ((name, value),) = arguments.items()
    with pytest.raises(InputError, match=f"{name}={value!r}: give a whole number of at least"):
        training_batches(NUMBERED, **{"batch_size": 8, "seed": 0, **arguments})


def test_sources_of_other_types():
    with pytest.raises(InputError, match=r"training_batches of a ndarray: .*ganzoo\.data\.adapt"):
        training_batches(np.zeros((10, 2, 2, 1)), 2, seed=0)
