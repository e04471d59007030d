import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo.augment import AUGMENTATIONS
from ganzoo.errors import InputError
from ganzoo.noise import Stream

IMAGES = np.random.default_rng(0).uniform(-1, 1, (64, 8, 12, 3)).astype("float32")


class Drawn:
    """A stream of given numbers."""

    def __init__(self, *rows):
        self.rows = np.array(rows, "float32")

    def uniform(self, purpose, shape):
        return tf.reshape(tf.constant(self.rows), [-1, *shape[1:]])


def stream(step=0):
    return Stream(1, tf.constant(step, tf.int64), "opponents/0")


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_is_a_function_of_the_stream_and_the_purpose(name):
    function = AUGMENTATIONS[name].function
    first, again, other, later = (
        function(tf.constant(IMAGES), stream(step), purpose).numpy()
        for step, purpose in ((0, "real"), (0, "real"), (0, "fake"), (1, "real"))
    )
    assert first.shape == IMAGES.shape
    np.testing.assert_array_equal(first, again)
    for different in (other, later):
        assert (first != different).any(axis=(1, 2, 3)).mean() > 0.8


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_generator_learns_through_it(name):
    images = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(images)
        total = tf.reduce_sum(AUGMENTATIONS[name].function(images, stream(), "fake") ** 2)
    gradient = tape.gradient(total, images).numpy()
    assert (abs(gradient).max(axis=(1, 2, 3)) > 0).all()


@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_twice_is_said_of_what_tensorflow_differentiates_twice(name):
    """d/dx of ||d/dx sum(A(x)^2)||^2, against finite differences."""
    augmentation, x = AUGMENTATIONS[name], tf.constant(IMAGES[:2, :, :8])

    def slope(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            total = tf.reduce_sum(augmentation.function(images, stream(), "fake") ** 3)
        return tf.reduce_sum(tape.gradient(total, images) ** 2)

    def second():
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = slope(x)
        return tape.gradient(value, x).numpy()

    if not augmentation.twice:
        with pytest.raises(LookupError):
            second()
        return
    direction = np.random.default_rng(1).normal(size=x.shape).astype("float32")
    step = 1e-2
    expected = (slope(x + step * direction) - slope(x - step * direction)) / (2 * step)
    np.testing.assert_allclose(np.vdot(second(), direction), expected, rtol=1e-2)


def test_color_is_brightness_saturation_and_contrast():
    x = IMAGES[:1]
    draws = Drawn([0.75, 0.5, 0.5])  # brightness + 0.25, the rest unchanged
    np.testing.assert_allclose(AUGMENTATIONS["color"].function(tf.constant(x), draws, ""), x + 0.25, atol=1e-6)
    grey = AUGMENTATIONS["color"].function(tf.constant(x), Drawn([0.5, 0.0, 0.5]), "").numpy()
    np.testing.assert_allclose(grey, np.repeat(x.mean(3, keepdims=True), 3, 3), atol=1e-6)
    flat = AUGMENTATIONS["color"].function(tf.constant(x), Drawn([0.5, 0.5, 0.0]), "").numpy()
    np.testing.assert_allclose(flat, x.mean() + 0.5 * (x - x.mean()), atol=1e-6)


def test_translation_moves_by_whole_pixels_and_fills_with_grey():
    x = IMAGES[:3]
    # Height 8 reaches one pixel, width 12 two: draws below a third (a fifth) are the least shift.
    moved = (
        AUGMENTATIONS["translation"].function(tf.constant(x), Drawn([0.5, 0.5], [0.0, 0.5], [0.99, 0.99]), "").numpy()
    )
    np.testing.assert_array_equal(moved[0], x[0])
    np.testing.assert_array_equal(moved[1, 1:], x[1, :-1])
    assert not moved[1, 0].any()
    np.testing.assert_array_equal(moved[2, :-1, :-2], x[2, 1:, 2:])
    assert not moved[2, -1].any()
    assert not moved[2, :, -2:].any()


def test_cutout_leaves_a_hole_of_half_the_sides():
    x = np.ones((3, 8, 12, 1), "float32")
    cut = AUGMENTATIONS["cutout"].function(tf.constant(x), Drawn([0.5, 0.5], [0.0, 0.0], [0.99, 0.99]), "").numpy()
    assert (1 - cut[0]).sum() == 4 * 6
    assert not cut[0, 2:6, 3:9].any()
    assert (1 - cut[1]).sum() == 2 * 3  # it reaches over the edge
    assert (1 - cut[2]).sum() == 2 * 3


def test_data_and_fakes_are_augmented_and_the_game_trains():
    gan = ganzoo.build(
        "dcgan", image_shape=(8, 8, 1), latent_dim=4, augment=["color", "translation", "cutout"],
        networks={"generator": {"width": 2}, "discriminator": {"width": 2}},
    )  # fmt: skip
    gan.run_eagerly = True
    seen, scores = [], gan.scores
    gan.scores = lambda images, *opponent: seen.append(images.numpy()) or scores(images, *opponent)
    real = IMAGES[:4, :8, :8, :1]
    gan.fit(real, batch_size=4, shuffle=False, verbose=0)
    assert len(seen) == 3  # data and fakes for the discriminator, fakes for the generator
    assert all((images[:, :, :, 0] == 0).sum() >= 4 * 4 for images in seen)
    assert (seen[0] != real).any()


def test_no_operation_is_the_plain_game():
    plain, empty = (ganzoo.build("dcgan", image_shape=(8, 8, 1), **given) for given in ({}, {"augment": []}))
    assert plain.augment == empty.augment == ()
    assert plain.seen(IMAGES, stream(), "real") is IMAGES


def test_unknown_names_and_points_are_refused():
    with pytest.raises(InputError, match=r"augment=.*unknown; did you mean 'color'"):
        ganzoo.build("dcgan", augment=["colour"])
    with pytest.raises(InputError, match=r"for images .* not for points"):
        ganzoo.build("dcgan", augment=["color"], image_shape=(2,))
