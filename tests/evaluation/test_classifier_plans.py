import dataclasses

import keras
import numpy as np
import pytest

from ganzoo.evaluation.classifier_plans import PLANS

PLAIN, FULL = PLANS["quick"], PLANS["residual"]


def shown(plan, images, epochs=4, **options):
    batches = list(plan.batches(images, np.arange(len(images)), epochs, seed=0, **options))
    return np.concatenate([x for x, _ in batches]), np.concatenate([y["logits"] for _, y in batches])


def test_each_epoch_shows_every_image_with_its_label():
    plan = dataclasses.replace(PLAIN, batch_size=10)
    images = np.arange(20, dtype="uint8")[:, None, None, None] * np.ones((12, 12, 3), "uint8")
    x, labels = shown(plan, images)
    assert x.dtype == "float32"
    np.testing.assert_array_equal(x, labels[:, None, None, None] * np.ones((12, 12, 3)))
    for epoch in labels.reshape(4, 20):
        assert sorted(epoch) == list(range(20))
    assert (labels[:20] != labels[20:40]).any()


def test_images_are_moved_by_no_more_than_said_and_not_mirrored():
    ramp = np.tile(np.arange(24, dtype="uint8"), (24, 1))
    image = np.stack([ramp, ramp.T], axis=-1)  # channels: column and row
    x, _ = shown(PLAIN, np.repeat(image[None], 32, axis=0))
    columns, rows = x[:, 0, :, 0], x[:, :, 0, 1]
    for places in (columns, rows):
        moves = places[:, 12] - 12
        assert set(moves) == {-2, -1, 0, 1, 2}  # a twelfth of 24
        np.testing.assert_array_equal(places, np.clip(np.arange(24) + moves[:, None], 0, 23))


def test_half_the_photographs_are_mirrored():
    ramp = np.tile(np.arange(32, dtype="uint8"), (32, 1))[..., None]
    plan = dataclasses.replace(FULL, erased=0.0)
    x, _ = shown(plan, np.repeat(ramp[None], 128, axis=0))
    assert np.mean(x[:, 0, 31, 0] < x[:, 0, 0, 0]) == pytest.approx(0.5, abs=0.1)  # of 512, 4.5 standard deviations
    assert set(np.abs(x[:, 0, 16, 0] - 16)) <= set(range(6))


def test_a_grey_square_hides_a_part_of_a_photograph():
    x, _ = shown(FULL, np.full((128, 32, 32, 3), 7, "uint8"))
    hidden = (x == 127.5).all(axis=-1)
    assert (hidden | (x == 7).all(axis=-1)).all()
    areas = hidden.sum(axis=(1, 2))
    assert areas.max() == 11 * 11  # three eighths of 32 are 12: less than 6 from the centre are 11
    assert areas.min() >= 6 * 6  # a corner
    assert len(set(areas)) > 5


def test_batches_go_on_from_a_step():
    images = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype("uint8")
    plan = dataclasses.replace(FULL, batch_size=16)
    whole, tail = (shown(plan, images, start_step=step) for step in (0, 3))
    for one, other in zip(whole, tail, strict=True):
        np.testing.assert_array_equal(one[3 * 16 :], other)


@pytest.mark.parametrize(("plan", "count", "epochs"), [("quick", 1437, 21), ("quick", 60_000, 3), ("residual", 9, 80)])
def test_epochs(plan, count, epochs):
    assert PLANS[plan].epochs_of(count) == epochs


def test_the_residual_network_is_the_papers():
    model = PLANS["residual"].network((32, 32, 3), 10, seed=0)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert len(convolutions) == 1 + 6 * 2 + 3  # with the shortcuts of three groups
    assert sum(layer.count_params() for layer in convolutions) == 432 + 13_824 + 512 + 18_432 + 55_296 + 2048 + (
        73_728 + 221_184 + 8192 + 294_912
    )
    assert model.output["features"].shape == (None, 128)
    assert model.output["logits"].shape == (None, 10)
    other = PLANS["residual"].network((32, 32, 3), 10, seed=0)
    for one, two in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(one, two)
