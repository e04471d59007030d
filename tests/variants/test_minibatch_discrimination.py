import numpy as np
import tensorflow as tf

from ganzoo.layers import MinibatchDiscrimination
from ganzoo.networks import network, with_features
from ganzoo.variants import DCGAN, MinibatchDiscriminationGAN

IMAGES = np.random.default_rng(0).uniform(-1, 1, (6, 8, 8, 1)).astype("float32")
KERNELS = 3


def tiny(cls=MinibatchDiscriminationGAN, **first):
    networks = {"generator": {"width": 3}, "discriminator": {"width": 3, **first}}
    game = cls(image_shape=(8, 8, 1), latent_dim=4, simultaneous=True, networks=networks)
    game.compile("sgd", run_eagerly=True)
    return game


def wide_kernels(game) -> MinibatchDiscrimination:
    """Makes the kernels see differences of the order of 1, and the score see the kernels; returns the layer."""
    (layer,) = [x for x in game.discriminator.layers if isinstance(x, MinibatchDiscrimination)]
    layer.kernel.assign(0.3 * layer.kernel / tf.math.reduce_std(layer.kernel))
    return layer


def nearness(game, images) -> np.ndarray:
    """The kernels' sums, which the last layer sees after the features."""
    return with_features(game.discriminator)(images, training=True)[1].numpy()[:, -KERNELS:]


def test_the_setting_is_chainer_gan_libs():
    game = MinibatchDiscriminationGAN()
    assert game.simultaneous
    assert (game.prior, game.latent_dim, game.objective) == ("uniform", 128, "non_saturating")
    model = network("discriminator", game.default_networks["discriminator"], (32, 32, 3), 128, 0)
    (layer,) = [x for x in model.layers if isinstance(x, MinibatchDiscrimination)]
    assert (layer.kernels, layer.kernel_dim, layer.normalize) == (100, 5, False)
    assert layer.kernel.shape == (8192, 500)
    np.testing.assert_allclose(np.std(layer.kernel), 0.02, rtol=0.01)
    assert model.layers[-1].kernel.shape == (8192 + 100, 1)


def test_alike_images_are_as_near_as_can_be_and_others_are_not():
    game = tiny(minibatch_kernels=KERNELS)
    wide_kernels(game)
    alike = np.repeat(IMAGES[:1], 6, 0)
    np.testing.assert_allclose(nearness(game, alike), 5, rtol=1e-5)
    assert nearness(game, IMAGES).max() < 4


def test_permuting_a_batch_permutes_its_scores():
    game, order = tiny(minibatch_kernels=KERNELS), [3, 1, 5, 0, 2, 4]
    wide_kernels(game)
    scores = game.scores(IMAGES).numpy()
    np.testing.assert_allclose(game.scores(IMAGES[order]), scores[order], rtol=1e-4, atol=1e-6)
    assert np.ptp(scores) > 1e-4


def test_data_and_fakes_are_compared_among_themselves():
    game, fake = tiny(minibatch_kernels=KERNELS), 0.5 * IMAGES[::-1]
    wide_kernels(game)
    loss = game.discriminator_terms(tf.constant(IMAGES), tf.constant(fake), None)["adversarial"]
    real, fake = (game.scores(batch).numpy() for batch in (IMAGES, fake))
    np.testing.assert_allclose(loss, np.logaddexp(0, -real).mean() + np.logaddexp(0, fake).mean(), rtol=1e-5)


def test_the_generator_gets_a_gradient_that_parts_alike_fakes():
    """With the score of nearness alone, lower where images are near, descent moves two fakes apart."""
    game = tiny(minibatch_kernels=KERNELS)
    wide_kernels(game)
    last = game.discriminator.layers[-1]
    weight = np.zeros(last.kernel.shape, "float32")
    weight[-KERNELS:] = -1.0
    last.kernel.assign(weight)
    fake = tf.constant(np.concatenate([IMAGES, IMAGES + 0.01 * IMAGES[::-1]]))
    with tf.GradientTape() as tape:
        tape.watch(fake)
        loss = game.generator_terms(None, fake, None)["adversarial"]
    step = fake - 1e-3 * tape.gradient(loss, fake)
    assert nearness(game, step).mean() < nearness(game, fake).mean()


def test_scores_that_leave_the_sums_out_are_dcgans():
    ours, plain = tiny(minibatch_kernels=KERNELS), tiny(DCGAN)
    weights = ours.discriminator.get_weights()
    weights[-2] = weights[-2][:-KERNELS]
    plain.discriminator.set_weights([w for w in weights if w.shape != (24, 5 * KERNELS)])
    kernel = ours.discriminator.layers[-1].kernel
    kernel.assign(tf.concat([kernel[:-KERNELS], tf.zeros([KERNELS, 1])], 0))
    np.testing.assert_allclose(ours.scores(IMAGES), plain.scores(IMAGES), rtol=1e-5)


def test_without_kernels_it_is_dcgan_with_simultaneous_steps():
    games = tiny(minibatch_kernels=0), tiny(DCGAN)
    for game in games:
        game.train_step(tf.constant(IMAGES))
    ours, plain = ([w for player in game.players for w in getattr(game, player).get_weights()] for game in games)
    assert all(map(np.array_equal, ours, plain))
