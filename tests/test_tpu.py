"""What can be known of TPUs without one; that every variant's round suits them is among the conformance tests."""

import numpy as np
import pytest
import tensorflow as tf
from tpu_operators import doubts, doubts_of_program

from ganzoo import data
from ganzoo.augment import AUGMENTATIONS
from ganzoo.noise import Stream

FOUR = tf.TensorSpec([4], tf.float32)


def printed(x):
    tf.print(x)
    return x


def checked(x):
    tf.debugging.assert_positive(x)
    return x


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (tf.square, []),
        (lambda x: tf.boolean_mask(x, x > 0), ["operator Where"]),
        (lambda x: tf.unique(x)[0], ["operator Unique"]),
        (lambda x: tf.numpy_function(np.square, [x], tf.float32), ["operator PyFunc"]),
        (lambda x: tf.strings.as_string(x), ["operator AsString", "type string"]),
        (lambda x: tf.cast(x, tf.float64), ["type float64"]),
        (lambda x: tf.bitcast(x, tf.uint32), ["operator Bitcast", "type uint32"]),
        (printed, ["operator PrintV2", "operator StringFormat"]),
        (checked, ["operator Assert", "type string"]),
        (lambda x: tf.random.normal([4]), ["operator RandomStandardNormal"]),
        (lambda x: tf.linalg.svd(x[None], compute_uv=False), ["operator Svd"]),
    ],
)
def test_what_does_not_suit_a_tpu_is_found(function, found):
    assert set(found) <= set(doubts(function, FOUR))
    assert bool(found) == bool(doubts(function, FOUR))


@pytest.mark.parametrize(
    ("function", "found"),
    [
        (lambda x: tf.where(x > 0), ["a dynamic shape"]),
        (lambda x: tf.boolean_mask(x, x > 0), ["a dynamic shape"]),
        (tf.sort, []),
    ],
)
def test_dynamic_shapes_are_found_whatever_the_operators_are(function, found):
    compiled = tf.function(lambda x: function(x), jit_compile=True, autograph=False)
    assert doubts_of_program(compiled.experimental_get_compiler_ir(FOUR)(stage="hlo")) == found


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_augmentations(name):
    def augmented(images):
        return AUGMENTATIONS[name].function(images, Stream(0, tf.constant(3, tf.int64), "update"), "real")

    found = doubts(augmented, tf.TensorSpec([4, 8, 8, 3], tf.float32))
    assert found == (["operator CropAndResize"] if name == "zoom" else [])


@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.parametrize(
    "source",
    [
        data.Examples("noise", "train", np.zeros((50, 8, 8, 1), np.uint8)),
        pytest.param("ring8", id="density"),
    ],
)
def test_batches_of_recipes_have_static_shapes(source, group):
    source = data.load(source, "train") if isinstance(source, str) else source
    batches = data.training_batches(source, 8, 0, 0, group)
    assert batches.element_spec.shape.is_fully_defined()
    sizes = {tuple(batch.shape) for batch in batches.take(7)}  # beyond an epoch, whose rest is dropped
    assert sizes == {tuple(batches.element_spec.shape)}


@pytest.mark.parametrize("group", [1, 3])
@pytest.mark.parametrize("dataset", [False, True])
def test_batches_that_replicas_share_have_static_shapes(dataset, group):
    images = np.zeros((53, 8, 8, 1), np.uint8)
    given = tf.data.Dataset.from_tensor_slices(images) if dataset else images
    batches = data.adapt(given, batch_size=8, batches_per_round=group, shares=8)
    assert batches.element_spec.shape.is_fully_defined()
    assert len(list(batches)) == 53 // (8 * group)


def test_a_round_with_a_penalty_suits_a_tpu(build_tiny):
    gan = build_tiny("dragan", image_shape=(3,), dtype="mixed_bfloat16", discriminator_steps=2)
    assert doubts(gan.train_step, tf.TensorSpec([8, 2, 3], tf.float32)) == []
