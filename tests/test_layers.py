import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from ganzoo.layers import MinibatchDiscrimination, SpectralConv2D, SpectralDense, kernel_sums, spectrally_normalized

# Of every call below: examples, features, kernels, coordinates of a kernel.
N, A, B, C = 6, 4, 3, 2


def numpy_sums(points: np.ndarray) -> np.ndarray:
    """Returns o [n, B] of points [n, B, C], pair by pair."""
    sums = np.zeros(points.shape[:2])
    for i, point in enumerate(points):
        for j, other in enumerate(points):
            if i != j:
                sums[i] += np.exp(-np.abs(point - other).sum(-1))
    return sums


def naive_sums(points: tf.Tensor) -> tf.Tensor:
    """Returns o [n, B] with tensors [n, n, B, C] and their gradients by TensorFlow."""
    kernels = tf.exp(-tf.reduce_sum(tf.abs(points[:, None] - points[None]), -1))
    return tf.reduce_sum(kernels, 1) - 1.0


def lean_sums(points: tf.Tensor) -> tf.Tensor:
    return kernel_sums(points, points)


def normal(*shape: int, scale: float = 1.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, scale, shape).astype("float32")


def built(**kwargs) -> MinibatchDiscrimination:
    """Returns a layer whose T is wide enough for kernels between 0 and 1."""
    layer = MinibatchDiscrimination(B, C, kernel_initializer=keras.initializers.RandomNormal(0, 0.5, 1), **kwargs)
    layer.build((None, A))
    return layer


def sums_of(layer: MinibatchDiscrimination, features: np.ndarray) -> np.ndarray:
    return layer(features).numpy()[:, features.shape[1] :]


def points_of(layer: MinibatchDiscrimination, features: np.ndarray) -> np.ndarray:
    return (features @ layer.kernel.numpy()).reshape(-1, B, C)


def close(actual, expected) -> None:
    """Asserts equality to 1e-5 of the largest number."""
    for a, e in zip(tf.nest.flatten(actual), tf.nest.flatten(expected), strict=True):
        e = np.asarray(e)
        np.testing.assert_allclose(np.asarray(a), e, rtol=1e-5, atol=1e-5 * np.abs(e).max())


def eager(function):
    return function


def compiled(function):
    return tf.function(function, jit_compile=True)


def unknown_batch(function):
    """Returns the function traced once, before the size of a batch is known."""
    return tf.function(function, input_signature=[tf.TensorSpec([None, B, C])])


def test_concatenates_the_sums_to_the_features():
    layer, features = built(), normal(N, A)
    output = layer(features).numpy()
    assert output.shape == (N, A + B) == layer.compute_output_shape((N, A))
    np.testing.assert_array_equal(output[:, :A], features)
    close(output[:, A:], numpy_sums(points_of(layer, features)))


def test_symbolic_call_knows_its_shape():
    inputs = keras.Input((A,))
    model = keras.Model(inputs, MinibatchDiscrimination(B, C)(inputs))
    assert model.output_shape == (None, A + B)
    assert model.predict(normal(N, A), verbose=0).shape == (N, A + B)


def test_identical_rows_count_each_other():
    np.testing.assert_array_equal(sums_of(built(), np.repeat(normal(1, A), N, 0)), np.full((N, B), N - 1.0))


def test_far_rows_are_not_near():
    far = 1e4 * np.arange(N, dtype="float32")[:, None] * np.ones(A, "float32")
    np.testing.assert_array_equal(sums_of(built(), far), np.zeros((N, B)))


def test_two_rows_are_one_kernel():
    layer, features = built(), normal(2, A)
    projected = (features[0] - features[1]) @ layer.kernel.numpy()
    expected = np.exp(-np.abs(projected).reshape(B, C).sum(1))
    close(sums_of(layer, features), np.stack([expected, expected]))


def test_a_small_kernel_is_not_lost_beside_the_rows_own():
    points = np.float32([[[0.0]], [[20.0]]])
    np.testing.assert_allclose(lean_sums(points), np.full((2, 1), np.exp(-20.0)), rtol=1e-5)


def test_permuted_rows_give_permuted_sums():
    layer, features, order = built(), normal(N, A), np.random.default_rng(1).permutation(N)
    close(sums_of(layer, features[order]), sums_of(layer, features)[order])


@pytest.mark.parametrize("normalize", [False, True])
def test_one_row_has_no_neighbours(normalize):
    layer, features = built(normalize=normalize), tf.constant(normal(1, A))
    with tf.GradientTape() as tape:
        tape.watch(features)
        sums = layer(features)[:, A:]
    np.testing.assert_array_equal(sums, np.zeros((1, B)))
    np.testing.assert_array_equal(tape.gradient(sums, features), np.zeros((1, A)))


def test_normalize_divides_by_the_neighbours():
    layer, features = built(normalize=True), normal(N, A)
    close(sums_of(layer, features), numpy_sums(points_of(layer, features)) / (N - 1))


def test_default_initializer():
    first, second = MinibatchDiscrimination(), MinibatchDiscrimination()
    first.build((None, 200)), second.build((None, 200))
    assert first.kernel.shape == (200, 500)
    assert np.std(first.kernel.numpy()) == pytest.approx(0.02, rel=0.02)
    assert np.abs(first.kernel.numpy() - second.kernel.numpy()).max() > 0.01


def test_rows_among_others_leave_themselves_out():
    points = normal(N, B, C)
    close(kernel_sums(points[2:5], points, 2), numpy_sums(points)[2:5])


@pytest.mark.parametrize("how", [eager, tf.function, compiled, unknown_batch])
def test_first_derivatives_are_the_naive_ones(how):
    points, weights = tf.constant(normal(N, B, C)), normal(N, B, seed=1)
    points = tf.concat([points, points[:2]], 0)  # Ties: there the derivative of |d| is 0.
    weights = tf.concat([weights, weights[:2]], 0)

    def gradients(sums):
        def run(points):
            with tf.GradientTape() as tape:
                tape.watch(points)
                result = sums(points)
            return result, tape.gradient(result, points, weights)

        return run

    close(how(gradients(lean_sums))(points), gradients(naive_sums)(points))


@pytest.mark.parametrize("how", [eager, tf.function, compiled])
def test_gradients_of_the_layer(how):
    layer, features, weights = built(), tf.constant(normal(N, A)), normal(N, A + B, seed=1)

    def gradients(call):
        def run(features):
            with tf.GradientTape() as tape:
                tape.watch(features)
                output = call(features)
            return tape.gradient(output, (features, layer.kernel.value), weights)

        return run

    def naive(features):
        points = tf.reshape(features @ layer.kernel.value, [-1, B, C])
        return tf.concat([features, naive_sums(points)], 1)

    close(how(gradients(layer))(features), gradients(naive)(features))


@pytest.mark.parametrize("how", [eager, tf.function, compiled])
def test_gradient_penalty_is_the_naive_one(how):
    images, first, kernel = (tf.Variable(normal(*s, scale=0.5)) for s in ((N, 5), (5, A), (A, B * C)))
    last = normal(B, 1, seed=1)

    def penalty(sums):
        def run(images):
            with tf.GradientTape() as outer:
                with tf.GradientTape() as inner:
                    inner.watch(images)
                    points = tf.reshape(tf.tanh(images @ first) @ kernel, [-1, B, C])
                    score = tf.sin(sums(points)) @ last
                squares = tf.reduce_sum(tf.square(inner.gradient(score, images)), 1)
                value = tf.reduce_mean(score) + tf.reduce_mean(tf.square(tf.sqrt(squares) - 1))
            return value, outer.gradient(value, (first, kernel))

        return run

    images = tf.constant(images)
    close(how(penalty(lean_sums))(images), penalty(naive_sums)(images))


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_in_float32(policy):
    layer = built(dtype=policy)
    features = tf.cast(normal(N, A), layer.compute_dtype)
    output = layer(features)
    assert (output.dtype, layer.kernel.dtype) == (layer.compute_dtype, "float32")
    exact = numpy_sums(points_of(layer, features.numpy().astype("float32")))
    expected = tf.cast(tf.constant(exact, tf.float32), output.dtype)
    np.testing.assert_array_equal(output[:, A:].numpy(), expected.numpy())


def test_config_round_trip():
    layer = built(normalize=True, name="near")
    config = keras.saving.serialize_keras_object(layer)
    again = keras.saving.deserialize_keras_object(config)
    assert config["registered_name"] == "ganzoo>MinibatchDiscrimination"
    assert again.get_config() == layer.get_config()
    np.testing.assert_array_equal(again.kernel, layer.kernel)  # The initializer is seeded.


def largest(nodes) -> int:
    """Returns how many numbers the largest output of these operations has."""
    shapes = [shape for node in nodes for shape in node.attr["_output_shapes"].list.shape]
    return max(int(np.prod([d.size for d in shape.dim])) for shape in shapes)


def test_nothing_of_all_pairs_and_coordinates_is_made_or_kept():
    n, kernels, dim = 8, 5, 4

    def largest_outputs(sums) -> tuple[int, int]:
        """Returns the largest output, forward or backward: of the graph itself, of the functions it calls."""

        @tf.function(input_signature=[tf.TensorSpec([n, kernels, dim])])
        def step(points):
            with tf.GradientTape() as tape:
                tape.watch(points)
                result = sums(points)
            return tape.gradient(result, points)

        graph = step.get_concrete_function().graph.as_graph_def(add_shapes=True)
        called = [node for function in graph.library.function for node in function.node_def]
        return largest(graph.node), largest(called or graph.node)

    assert largest_outputs(naive_sums)[0] == n * n * kernels * dim
    assert largest_outputs(lean_sums) == (n * kernels * dim, n * n * kernels)


def test_only_the_points_are_kept_for_the_gradient():
    function = tf.function(lean_sums, input_signature=[tf.TensorSpec([8, 5, 4])])
    forward, _ = function.get_concrete_function()._delayed_rewrite_functions.forward_backward()
    # The sums, the points and the scalar place of the first row.
    assert {tuple(o.shape) for o in forward.function_type.flat_outputs} == {(8, 5), (8, 5, 4), ()}


REPLICAS = """
import numpy as np
import tensorflow as tf
from ganzoo.layers import MinibatchDiscrimination

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
features, weights = (np.random.default_rng(0).normal(size=(6, k)).astype("float32") for k in (4, 7))

def step(layer, features, weights):
    # The gradient of a penalty too, for the second derivative through the collectives.
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(features)
            output = layer(features)
            score = tf.reduce_sum(tf.sin(output) * weights)
        slope = inner.gradient(score, features)
        penalty = score + tf.reduce_sum(slope**2)
    return output, slope, outer.gradient(penalty, layer.kernel.value)

def made():
    layer = MinibatchDiscrimination(3, 2, "orthogonal", normalize=True)
    layer.build((None, 4))
    layer.kernel.assign(np.random.default_rng(1).normal(0, 0.5, (4, 6)))
    return layer

alone = [x.numpy() for x in step(made(), tf.constant(features), weights)]
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
with strategy.scope():
    layer = made()

@tf.function
def together(features, weights):
    return strategy.run(step, (layer, features, weights))

def shares(values):
    halves = np.split(values, 2)
    return strategy.experimental_distribute_values_from_function(
        lambda context: tf.constant(halves[context.replica_id_in_sync_group])
    )

results = [[x.numpy() for x in strategy.experimental_local_results(r)]
           for r in together(shares(features), shares(weights))]
for expected, actual in zip(alone, (*map(np.concatenate, results[:2]), sum(results[2]))):
    np.testing.assert_allclose(actual, expected, rtol=1e-5, atol=1e-5 * np.abs(expected).max())
print("equal")
"""


def test_two_replicas_see_one_batch():
    # A process may configure its devices once, and have one MirroredStrategy.
    done = subprocess.run([sys.executable, "-c", REPLICAS], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.strip().endswith("equal")


# Spectral normalisation.


def spectral(kind, shape: tuple, *args, **settings):
    layer = kind(*args, **{"kernel_initializer": keras.initializers.RandomNormal(stddev=0.5, seed=1), **settings})
    layer.build((None, *shape))
    return layer


def dense(**settings) -> SpectralDense:
    return spectral(SpectralDense, (6,), 4, **settings)


def convolution(**settings) -> SpectralConv2D:
    return spectral(SpectralConv2D, (5, 5, 3), 4, 3, **{"strides": 2, "padding": "same", **settings})


def matrix(layer) -> np.ndarray:
    return layer.kernel.numpy().reshape(-1, layer.kernel.shape[-1])


def vectors(layer) -> tuple[np.ndarray, np.ndarray]:
    """The v and u that the next training call will use."""
    left = matrix(layer) @ layer.direction.numpy()
    left /= np.linalg.norm(left)
    right = left @ matrix(layer)
    return left, right / np.linalg.norm(right)


KINDS = pytest.mark.parametrize(("made", "shape"), [(dense, (6,)), (convolution, (5, 5, 3))])


@KINDS
def test_power_iteration_finds_the_largest_singular_value(made, shape):
    layer, inputs = made(), normal(2, *shape)
    for _ in range(100):
        layer(inputs, training=True)
    used, _ = spectrally_normalized(layer.kernel.value, layer.direction.value)
    largest = np.linalg.svd(used.numpy().reshape(-1, 4), compute_uv=False)[0]
    np.testing.assert_allclose(largest, 1, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(layer.direction), 1, rtol=1e-5)


@KINDS
def test_a_spectral_layer_is_the_plain_one_with_its_kernel_divided(made, shape):
    layer, inputs = made(activation="tanh"), normal(2, *shape)
    layer.bias.assign([0.1, 0.2, 0.3, 0.4])
    plain = type(layer).__mro__[2].from_config(layer.get_config())
    plain.build((None, *shape))
    left, right = vectors(layer)
    plain.set_weights([layer.kernel.numpy() / (left @ matrix(layer) @ right), layer.bias.numpy()])
    close(layer(inputs, training=True), plain(inputs))


@KINDS
def test_training_moves_the_direction_alone_and_inference_nothing(made, shape):
    layer, inputs = made(), normal(2, *shape)
    kernel, direction, (_, right) = layer.kernel.numpy(), layer.direction.numpy(), vectors(layer)
    layer(inputs, training=False)
    np.testing.assert_array_equal(layer.direction, direction)
    layer(inputs, training=True)
    close(layer.direction, right)
    np.testing.assert_array_equal(layer.kernel, kernel)
    assert [w.name for w in layer.trainable_weights] == ["kernel", "bias"]


@pytest.mark.parametrize("how", [eager, tf.function, compiled])
@KINDS
def test_the_gradient_sees_the_singular_value(how, made, shape):
    """Miyato et al. 2018, eq. 12: (E[delta h^T] - lambda v u^T) / sigma."""
    layer, inputs = made(use_bias=False), tf.constant(normal(2, *shape))
    weights = normal(*layer(inputs).shape, seed=3)
    left, right = vectors(layer)
    sigma = left @ matrix(layer) @ right
    plain = type(layer).__mro__[2].from_config(layer.get_config())
    plain.build((None, *shape))
    plain.set_weights([layer.kernel.numpy() / sigma])
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(plain(inputs) * weights)
    inner = tape.gradient(value, plain.kernel.value).numpy().reshape(-1, 4)
    expected = (inner - np.sum(inner * matrix(layer) / sigma) * np.outer(left, right)) / sigma

    def gradient(inputs):
        with tf.GradientTape() as tape:
            value = tf.reduce_sum(layer(inputs, training=True) * weights)
        return tape.gradient(value, layer.kernel.value)

    close(how(gradient)(inputs), expected.reshape(layer.kernel.shape))


def test_a_penalty_on_a_spectral_layer_can_be_differentiated():
    """Of a column w the score is x . w / ||w||: its gradient is 1 long whatever w is, which a penalty cannot change."""
    layer, inputs = spectral(SpectralDense, (6,), 1), tf.constant(normal(3, 6))
    with tf.GradientTape() as outer:
        with tf.GradientTape() as inner:
            inner.watch(inputs)
            scores = layer(inputs, training=True)
        squares = tf.reduce_sum(tf.square(inner.gradient(scores, inputs)), 1)
        penalty = tf.reduce_mean(squares)
    np.testing.assert_allclose(squares, 1, rtol=1e-5)
    np.testing.assert_allclose(outer.gradient(penalty, layer.kernel.value), 0, atol=1e-5)


@KINDS
def test_a_spectral_layer_is_saved_with_its_direction(made, shape, tmp_path):
    layer = made(name="spectral")
    model = keras.Sequential([keras.Input(shape), layer])
    model(normal(2, *shape), training=True)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is type(layer)
    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert len(model.weights) == 3


@KINDS
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_the_singular_value_is_computed_in_float32(policy, made, shape):
    layer = made(dtype=policy)
    _, right = vectors(layer)
    outputs = layer(normal(2, *shape), training=True)
    assert (outputs.dtype, layer.kernel.dtype) == (layer.compute_dtype, "float32")
    close(layer.direction, right)
