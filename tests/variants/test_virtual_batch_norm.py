import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from ganzoo.composition import UnsoundWarning
from ganzoo.layers import ReferenceBatch, VirtualBatchNormalization
from ganzoo.networks import network
from ganzoo.variants import VirtualBatchNorm

SIZE, LATENT = 5, 4
RANDOM = np.random.default_rng(0)
LATENTS = RANDOM.normal(size=(6, LATENT)).astype("float32")
SHAPES = [(SIZE + 3, 4), (SIZE + 3, 2, 3, 4)]  # dense, convolutional


def normal(*shape: int) -> np.ndarray:
    return RANDOM.normal(1, 2, shape).astype("float32")


def built(channels: int, size: int = SIZE) -> VirtualBatchNormalization:
    layer = VirtualBatchNormalization(size)
    layer.build((None, channels))
    layer.gamma.assign(RANDOM.uniform(0.5, 2, channels))
    layer.beta.assign(RANDOM.normal(size=channels))
    return layer


def normalized(layer: VirtualBatchNormalization, values: np.ndarray, mean, square) -> np.ndarray:
    """What the paper's formula gives, from a mean and a mean square."""
    scale = np.sqrt(square - mean**2 + layer.epsilon)
    return layer.gamma.numpy() * (values - mean) / scale + layer.beta.numpy()


def generator(architecture: str, seed: int = 0, shape=(8, 8, 1)) -> keras.Model:
    spec = {"architecture": architecture, "width": 3, "reference_size": SIZE}
    return network("generator", spec, shape, LATENT, seed)


def reference(model: keras.Model) -> np.ndarray:
    (layer,) = [layer for layer in model.layers if isinstance(layer, ReferenceBatch)]
    return layer.reference.numpy()


# The layer.


@pytest.mark.parametrize("shape", SHAPES)
def test_an_example_is_normalised_by_the_reference_and_a_little_by_itself(shape):
    rows, axes = normal(*shape), tuple(range(1, len(shape) - 1))
    layer = built(4)
    output = layer(rows).numpy()
    means, squares = ((rows**power).mean(axes, keepdims=True).astype(np.float64) for power in (1, 2))
    mean, square = means[:SIZE].mean(0), squares[:SIZE].mean(0)
    np.testing.assert_allclose(output[:SIZE], normalized(layer, rows[:SIZE], mean, square), rtol=1e-4, atol=1e-5)
    for i in range(SIZE, len(rows)):
        own = 1 / (SIZE + 1)
        mixed = [own * one[i] + (1 - own) * of for one, of in ((means, mean), (squares, square))]
        np.testing.assert_allclose(output[i], normalized(layer, rows[i], *mixed), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_an_example_does_not_see_the_rest_of_the_batch(shape):
    rows, layer = normal(*shape), built(4)
    others = rows.copy()
    others[SIZE + 1 :] += normal(*others[SIZE + 1 :].shape)
    np.testing.assert_array_equal(layer(others)[: SIZE + 1], layer(rows)[: SIZE + 1])
    others = rows.copy()
    others[0] += 1
    assert np.abs(layer(others) - layer(rows).numpy())[SIZE:].min() > 1e-4


@pytest.mark.parametrize("size", [50, 500])
def test_the_reference_as_examples_is_batch_norm_up_to_one_nth(size):
    rows, layer = normal(size, 4), built(4, size)
    norm = layers.BatchNormalization(epsilon=layer.epsilon)
    norm.build((None, 4))
    norm.set_weights([layer.gamma, layer.beta, *norm.get_weights()[2:]])
    expected = norm(rows, training=True).numpy()
    output = layer(np.concatenate([rows, rows])).numpy()
    np.testing.assert_allclose(output[:size], expected, rtol=1e-4, atol=1e-5)
    # An example z deviations from the mean becomes z sqrt((1 - w) / (1 + w z^2)), w = 1 / (size + 1).
    away = np.abs(rows - rows.mean(0)) / rows.std(0)
    bound = layer.gamma.numpy() * away * (1 + away**2) / size
    error = np.abs(output[size:] - expected)
    assert error.max() > 0.1 / size
    assert (error <= bound + 1e-5).all()


def test_a_large_mean_does_not_cancel():
    rows = normal(8, 4)
    np.testing.assert_allclose(built_plain()(rows + 1000), built_plain()(rows), atol=1e-3)


def built_plain() -> VirtualBatchNormalization:
    layer = VirtualBatchNormalization(SIZE)
    layer.build((None, 4))
    return layer


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_computes_in_float32(policy):
    layer = VirtualBatchNormalization(SIZE, dtype=policy)
    rows = tf.cast(300 * normal(8, 4), layer.compute_dtype)  # squares overflow float16
    output = layer(rows)
    assert output.dtype == layer.compute_dtype
    np.testing.assert_allclose(output, built_plain()(tf.cast(rows, tf.float32)), atol=0.03)


# The generator.


@pytest.mark.parametrize("architecture", ["dcgan", "mlp"])
def test_an_image_depends_on_its_latent_alone_in_training_and_in_sampling(architecture):
    model = generator(architecture)
    together = model(LATENTS, training=True).numpy()
    assert together.shape == (6, 8, 8, 1)
    np.testing.assert_allclose(model(LATENTS, training=False), together, atol=1e-6)
    np.testing.assert_allclose(model(LATENTS[2:3], training=True), together[2:3], atol=1e-5)
    assert len(model.non_trainable_variables) == 1  # the reference, and no moving statistics
    assert np.abs(together[0] - together[1]).max() > 1e-4


@pytest.mark.parametrize("architecture", ["dcgan", "mlp"])
def test_the_reference_is_fixed_standard_normal_and_follows_the_seed(architecture):
    model, again, other = (reference(generator(architecture, seed)) for seed in (0, 0, 1))
    np.testing.assert_array_equal(model, again)
    assert (model != other).all()
    spec = {"architecture": architecture, "width": 2, "reference_size": 2000}
    many = reference(network("generator", spec, (8, 8, 1), LATENT, 0))
    np.testing.assert_allclose([many.mean(), many.std()], [0, 1], atol=0.05)


@pytest.mark.parametrize("architecture", ["dcgan", "mlp"])
def test_gradients_flow_through_the_reference(architecture):
    """Scaled kernels before the norm change nothing, so the gradient has no part along them; but for the epsilon."""
    model = generator(architecture)
    for layer in model.layers:
        if isinstance(layer, VirtualBatchNormalization):
            layer.epsilon = 0.0
    with tf.GradientTape() as tape:
        loss = tf.reduce_mean(model(LATENTS) * normal(6, 8, 8, 1))
    kernel = model.trainable_variables[0]
    gradient = tape.gradient(loss, kernel.value)
    along = abs(float(tf.reduce_sum(gradient * kernel.value)))
    assert along < 1e-3 * float(tf.norm(gradient) * tf.norm(kernel.value))
    assert float(tf.norm(gradient)) > 0


def test_every_hidden_layer_is_normalised_and_the_output_is_not():
    for architecture, count in (("dcgan", 4), ("mlp", 2)):
        kinds = [type(layer).__name__ for layer in generator(architecture).layers]
        assert kinds.count("VirtualBatchNormalization") == count
        assert "BatchNormalization" not in kinds
        last = kinds.index("WithoutReference")
        assert "VirtualBatchNormalization" not in kinds[last:]


def test_points_have_virtual_batch_norm_too():
    model = VirtualBatchNorm(image_shape=(2,), latent_dim=LATENT).generator
    assert reference(model).shape == (64, LATENT)


# The game.


def tiny(**settings) -> VirtualBatchNorm:
    networks = {"generator": {"width": 2, "reference_size": SIZE}, "discriminator": {"width": 2}}
    game = VirtualBatchNorm(image_shape=(8, 8, 1), latent_dim=LATENT, networks=networks, **settings)
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    return game


def test_training_leaves_the_reference_as_it_is_also_in_the_averaged_generator():
    game = tiny()
    before = reference(game.generator)
    game.train_step(tf.constant(RANDOM.uniform(-1, 1, (4, 8, 8, 1)).astype("float32")))
    np.testing.assert_array_equal(reference(game.generator), before)
    np.testing.assert_array_equal(reference(game.averaged_generator), before)


def test_another_prior_than_the_references_warns():
    with pytest.warns(UnsoundWarning, match=r"prior='uniform' with virtual batch norm.*set prior = \"normal\""):
        tiny(prior="uniform")


def test_the_discriminator_keeps_batch_norm():
    assert any(isinstance(layer, layers.BatchNormalization) for layer in tiny().discriminator.layers)
