import numpy as np
import pytest
import tensorflow as tf
from rounds import after_two_rounds

import ganzoo
from ganzoo.errors import InputError
from ganzoo.noise import Stream
from ganzoo.variants import DCGAN, PacGAN

IMAGES = np.random.default_rng(0).uniform(-1, 1, (6, 8, 8, 2)).astype("float32")
TINY = {"generator": {"width": 2}, "discriminator": {"width": 2, "normalized": False, "activation": "selu"}}


def noise() -> Stream:
    return Stream(1, tf.constant(0, tf.int64), "opponents/0")


def tiny(cls=PacGAN, **settings):
    game = cls(image_shape=(8, 8, 2), latent_dim=4, networks=TINY, **settings)
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    return game


def on_points(pack_size: int, slope: list[float], **settings) -> PacGAN:
    """A game on points [B, 2] whose score of a pack is linear; `asked` has the packs that were scored."""
    game = PacGAN(pack_size=pack_size, **settings)
    game.image_shape, game.asked = (2,), []

    def discriminator(packs, training):
        game.asked.append(packs.numpy())
        return packs @ tf.constant(slope)[:, None]

    game.discriminator = discriminator
    return game


def test_the_discriminator_sees_images_side_by_side_in_channels():
    game = tiny(pack_size=3)
    packs = game.packed(tf.constant(IMAGES)).numpy()
    assert packs.shape == (2, 8, 8, 6)
    for pack, rows in zip(packs, IMAGES.reshape(2, 3, 8, 8, 2), strict=True):
        np.testing.assert_array_equal(pack, np.concatenate(list(rows), axis=-1))
    assert game.discriminator.input_shape == (None, 8, 8, 6)
    assert game.generator.output_shape == (None, 8, 8, 2)
    assert game.scores(IMAGES).shape == (2, 1)


def test_points_are_packed_along_their_last_axis():
    game = on_points(2, [1.0, 10.0, 100.0, 1000.0])
    scores = game.scores(tf.constant([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0], [7.0, 8.0]]))
    np.testing.assert_array_equal(scores, [[4321.0], [8765.0]])


def test_permuting_packs_permutes_scores_and_permuting_inside_a_pack_changes_them():
    game = tiny(pack_size=2)
    scores = game.scores(IMAGES).numpy()
    np.testing.assert_allclose(game.scores(IMAGES[[4, 5, 0, 1, 2, 3]]), scores[[2, 0, 1]], rtol=1e-5)
    swapped = game.scores(IMAGES[[1, 0, 3, 2, 5, 4]]).numpy()
    assert np.abs(swapped - scores).min() > 1e-4


def test_the_terms_are_means_over_packs_of_one_kind():
    game = on_points(2, [1.0, -2.0, 0.5, 3.0])
    real, fake = np.random.default_rng(1).normal(size=(2, 6, 2)).astype("float32")
    terms = game.discriminator_terms(tf.constant(real), tf.constant(fake), noise())
    a, b = (batch.reshape(3, 4) @ [1.0, -2.0, 0.5, 3.0] for batch in (real, fake))
    np.testing.assert_allclose(terms["adversarial"], np.logaddexp(0, -a).mean() + np.logaddexp(0, b).mean(), rtol=1e-5)
    terms = game.generator_terms(None, tf.constant(fake), noise())
    np.testing.assert_allclose(terms["adversarial"], np.logaddexp(0, -b).mean(), rtol=1e-5)
    np.testing.assert_array_equal(np.concatenate(game.asked[:2]), np.concatenate([real, fake]).reshape(6, 4))


def test_a_penalty_is_one_of_packs():
    game = on_points(2, [2.0, 4.0, 5.0, 6.0], penalty="interpolates", penalty_weight=0.5)
    real, fake = (tf.random.stateless_normal([8, 2], [seed, 0]) for seed in (1, 2))
    penalty = game.penalty_terms("discriminator", real, fake, noise())["penalty"]
    np.testing.assert_allclose(penalty, 0.5 * (9 - 1) ** 2, rtol=1e-5)  # 9 = |(2, 4, 5, 6)|
    (points,) = game.asked
    packs = [tf.reshape(batch, [4, 4]).numpy() for batch in (real, fake)]
    fractions = (points - packs[0]) / (packs[1] - packs[0])
    np.testing.assert_allclose(fractions, np.tile(fractions[:, :1], 4), atol=1e-4)  # one a pack


def weights_after_two_rounds(game) -> np.ndarray:
    return after_two_rounds(game, IMAGES)


@pytest.mark.parametrize("penalty", [None, "interpolates"])
def test_a_pack_of_one_is_the_plain_game(penalty):
    plain, ours = (weights_after_two_rounds(tiny(cls, penalty=penalty, **given)) for cls, given in
                   ((DCGAN, {}), (PacGAN, {"pack_size": 1})))  # fmt: skip
    np.testing.assert_array_equal(ours, plain)


def test_batches_that_leave_a_pack_short_are_refused():
    with pytest.raises(InputError, match="batches of 5 rows cannot be cut into 2 equal shares"):
        tiny(pack_size=2).fit(IMAGES, batch_size=5, verbose=0)
    with pytest.raises(InputError, match="batches of 64 rows cannot be cut into 3 equal shares"):
        PacGAN(pack_size=3).fit(ganzoo.data.load("ring8"), steps_per_epoch=1)


def test_a_last_batch_that_is_short_is_left_out():
    game = tiny(pack_size=2)
    game.fit(IMAGES, batch_size=4, verbose=0)
    assert int(game.step.numpy()) == 1


def test_the_default_is_packs_of_two():
    game = PacGAN()
    assert (game.pack_size, game.batch_multiple) == (2, 2)
    with pytest.raises(InputError, match="pack_size=0"):
        PacGAN(pack_size=0)
