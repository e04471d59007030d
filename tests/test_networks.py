import inspect
import itertools

import keras
import numpy as np
import pytest
from keras import layers

from ganzoo.errors import InputError
from ganzoo.layers import MinibatchDiscrimination, SpectralConv2D, SpectralDense
from ganzoo.networks import DISCRIMINATORS, GENERATORS, architectures, network, specification
from ganzoo.variants import DCGAN, DRAGAN, DualDSELU

LATENT = 5
SHAPES = [(8, 8, 3), (28, 20, 1), (30, 30, 3), (33, 17, 1)]


def normal(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def generator(image_shape: tuple[int, ...], seed: int = 0, **spec) -> keras.Model:
    return network("generator", {"architecture": "dcgan", "width": 3, **spec}, image_shape, LATENT, seed)


def discriminator(image_shape: tuple[int, ...], seed: int = 0, **spec) -> keras.Model:
    spec = {"architecture": "dcgan", "width": 3, **spec}
    return network("discriminator", spec, image_shape, LATENT, seed)


def of_kind(model: keras.Model, kind: type) -> list:
    return [layer for layer in model.layers if isinstance(layer, kind)]


def kernels(*models: keras.Model) -> list[np.ndarray]:
    """The initial kernels: what is drawn at random."""
    return [w.numpy() for model in models for w in model.weights if w.path.endswith("kernel")]


def beginnings(*models: keras.Model) -> list[np.ndarray]:
    """The first numbers of each kernel, scaled to length 1: one seed shows under any deviation."""
    starts = [kernel.ravel()[:6].astype(np.float64) for kernel in kernels(*models) if kernel.size >= 6]
    return [start / np.linalg.norm(start) for start in starts]


def all_differ(*models: keras.Model) -> bool:
    pairs = itertools.combinations(beginnings(*models), 2)
    return not any(np.allclose(one, other, atol=1e-3) for one, other in pairs)


# Sizes.


def test_generator_has_as_many_weights_as_chainer_gan_libs():
    spec = DualDSELU.default_networks["generator"]
    count = network("generator", spec, (32, 32, 3), 128, 0).count_params()
    batch_norm = 4 * (8192 + 256 + 128 + 64)
    assert count == 128 * 8192 + 16 * (512 * 256 + 256 * 128 + 128 * 64) + 9 * 64 * 3 + 3 + batch_norm
    trained = count - batch_norm // 2
    assert 3.78e6 < trained < count < 3.84e6


def test_first_discriminator_of_dual_d_selu_has_the_weights_of_the_critic_and_its_kernels():
    spec = DualDSELU.default_networks["discriminator"]
    count = network("discriminator", spec, (32, 32, 3), 128, 0).count_params()
    three, four, bias = 9 * 128 * 128, 16 * 128 * 128, 128
    first = (9 * 3 * 128 + bias) + (four + bias) + (16 * 3 * 128 + bias)
    second = (three + bias) + 2 * (four + bias)
    plain = 2 * 2 * (three + bias)
    assert count == first + second + plain + 8192 * 500 + (8192 + 100) + 1
    assert round(count / 1e6, 2) == 5.64


def test_second_discriminator_of_dual_d_selu_has_the_weights_of_chainer_gan_libs():
    spec = DualDSELU.default_networks["second_discriminator"]
    count = network("second_discriminator", spec, (32, 32, 3), 128, 0).count_params()
    assert round(count / 1e6, 2) == 5.86


def test_residual_generator_has_as_many_weights_as_wgan_gps():
    count = network("generator", {"architecture": "resnet"}, (32, 32, 3), 128, 0).count_params()
    batch_norm = 4 * 128  # two of them moving statistics
    block = 2 * (9 * 128 * 128 + batch_norm) + 128 * 128
    assert count == (128 + 1) * 16 * 128 + 3 * block + batch_norm + 9 * 128 * 3 + 3
    assert round(count / 1e6, 2) == 1.21


def test_pooled_residual_critic_has_as_many_weights_as_wgan_gps():
    spec = {"architecture": "resnet", "pooled": True}
    count = network("discriminator", spec, (32, 32, 3), 128, 0).count_params()
    conv = 9 * 128 * 128 + 128
    first = (9 * 3 * 128 + 128) + conv + (3 * 128 + 128)
    assert count == first + (2 * conv + 128 * 128 + 128) + 4 * conv + 129
    assert round(count / 1e6, 2) == 1.05


@pytest.mark.parametrize("width", [4, 16])
@pytest.mark.parametrize("options", [{}, {"activation": "selu"}])
def test_signals_pass_dcgans_networks_without_norm(width, options):
    spec = {"architecture": "dcgan", "width": width, "normalized": False, **options}
    shape, latent_dim = (16, 16, 1), 8
    images = network("generator", spec, shape, latent_dim, 0)(normal(64, latent_dim)).numpy()
    scores = network("discriminator", spec, shape, latent_dim, 0)(normal(64, *shape)).numpy()
    assert images.std(axis=0).mean() > 0.02
    assert 0.02 < scores.std() < 10


@pytest.mark.parametrize("spec", [{"architecture": "strided"}, {"architecture": "dcgan", "normalized": False}])
def test_transposed_convolutions_start_by_their_true_fan_in(spec):
    found = of_kind(network("generator", spec, (32, 32, 3), 128, 0), layers.Conv2DTranspose)
    assert len(found) == (3 if spec["architecture"] == "strided" else 4)
    for layer in found:
        size, _, _, channels = layer.kernel.shape
        variance = 2 * layer.strides[0] ** 2 / (size**2 * channels)  # He: a pixel is a sum over so many weights
        np.testing.assert_allclose(layer.kernel.numpy().var(), variance, rtol=0.1)


def test_ebgans_transposed_convolutions_start_by_keras_count():
    found = of_kind(
        network("discriminator", {"architecture": "autoencoder"}, (32, 32, 3), 0, 0), layers.Conv2DTranspose
    )
    assert len(found) == 4
    for layer in found:
        size, _, filters, _ = layer.kernel.shape
        np.testing.assert_allclose(layer.kernel.numpy().var(), 1 / (size**2 * filters), rtol=0.2)  # LeCun


# Residual blocks.


def skips_alone(model: keras.Model) -> list:
    """Sets 1x1 kernels to 1 and all others to 0; returns the kernels of 3x3 convolutions, in order."""
    for layer in of_kind(model, layers.Conv2D):
        layer.kernel.assign(np.full(layer.kernel.shape, float(layer.kernel_size == (1, 1))))
    return [layer.kernel for layer in of_kind(model, layers.Conv2D) if layer.kernel_size == (3, 3)]


def test_skips_of_the_residual_generator_repeat_each_place_eight_times_a_side():
    model = generator((16, 16, 1), architecture="resnet", width=1, normalized=False)
    skips_alone(model)[-1].assign(np.outer([0, 1, 0], [0, 1, 0])[..., None, None])
    (dense,) = of_kind(model, layers.Dense)
    places = abs(normal(4))
    dense.bias.assign(places)
    expected = np.tanh(np.kron(places.reshape(2, 2), np.ones((8, 8))))
    np.testing.assert_allclose(model(np.zeros((1, LATENT)))[0, :, :, 0], expected, rtol=1e-5)


def test_skips_of_the_pooled_critic_average_over_places():
    model = discriminator((8, 8, 1), architecture="resnet", pooled=True, width=1)
    skips_alone(model)
    model.get_layer("scores").kernel.assign([[2.0]])
    images = normal(3, 8, 8, 1)
    quarters = images.reshape(3, 2, 4, 2, 4).mean(axis=(2, 4))
    np.testing.assert_allclose(model(images)[:, 0], 2 * np.maximum(quarters, 0).mean(axis=(1, 2)), rtol=1e-5)


# Shapes.


@pytest.mark.parametrize("architecture", sorted(GENERATORS.keys() - {"affine_flow"}))
@pytest.mark.parametrize("shape", SHAPES)
def test_generators_make_images_of_any_size(architecture, shape):
    images = generator(shape, architecture=architecture)(100 * normal(4, LATENT)).numpy()
    assert images.shape == (4, *shape)
    assert images.dtype == np.float32
    assert np.abs(images).max() <= 1
    assert images.min() < 0 < images.max()


@pytest.mark.parametrize("architecture", DISCRIMINATORS)
@pytest.mark.parametrize("shape", SHAPES)
def test_discriminators_score_images_of_any_size(architecture, shape):
    model = discriminator(shape, architecture=architecture, activation="selu", minibatch_kernels=2)
    scores = model(normal(4, *shape)).numpy()
    assert scores.shape == (4, 1)
    assert scores.dtype == np.float32
    assert len(np.unique(scores)) == 4


def test_scores_are_unbounded():
    model = discriminator((8, 8, 1), architecture="mlp", width=16, activation="leaky_relu")
    scores = model(1e4 * normal(64, 8, 8, 1)).numpy()
    assert scores.min() < -10
    assert scores.max() > 10


@pytest.mark.parametrize(("shape", "whole"), [((28, 20, 1), (32, 24, 1)), ((33, 17, 3), (40, 24, 3))])
def test_odd_sizes_are_the_middle_of_the_next_multiple_of_8(shape, whole):
    latent = normal(2, LATENT)
    top, left = ((w - s) // 2 for w, s in zip(whole[:2], shape[:2], strict=True))
    middle = generator(whole)(latent)[:, top : top + shape[0], left : left + shape[1]]
    np.testing.assert_allclose(generator(shape)(latent), middle, atol=1e-6)


@pytest.mark.parametrize("role", ["generator", "discriminator", "second_discriminator"])
def test_networks_bear_the_names_of_their_players(role):
    assert network(role, {"architecture": "mlp"}, (2,), LATENT, 0).name == role


# Points.


@pytest.mark.parametrize("architecture", ["dcgan", "resnet"])
def test_points_are_scored_by_an_mlp_that_keeps_activation_and_kernels(architecture):
    model = discriminator((2,), architecture=architecture, activation="selu", minibatch_kernels=7, minibatch_dim=4)
    (layer,) = of_kind(model, MinibatchDiscrimination)
    assert (layer.kernels, layer.kernel_dim) == (7, 4)
    assert [a.activation for a in of_kind(model, layers.Activation)] == [keras.activations.selu]
    assert not of_kind(model, layers.Conv2D)
    assert of_kind(model, layers.Dense)[0].units == 128  # the width of a convolution is not the MLP's
    assert model(normal(4, 2)).shape == (4, 1)


def test_points_are_generated_by_an_mlp_without_bounds():
    model = generator((2,))
    assert not of_kind(model, layers.Conv2DTranspose)
    assert np.abs(model(1e3 * normal(16, LATENT))).max() > 10


def test_options_of_the_mlp_itself_hold_on_points():
    model = discriminator((2,), architecture="mlp", width=9, depth=3)
    assert [layer.units for layer in of_kind(model, layers.Dense)] == [9, 9, 9, 1]


def test_an_option_that_points_do_not_need_is_still_checked():
    with pytest.raises(InputError, match=r"networks\.discriminator\.widht"):
        discriminator((2,), widht=3)


# Initial weights.


@pytest.mark.parametrize("architecture", DISCRIMINATORS)
def test_initial_weights_follow_the_seed(architecture):
    first, again, other = (
        kernels(discriminator((8, 8, 1), seed, architecture=architecture, minibatch_kernels=2)) for seed in (4, 4, 5)
    )
    for one, same, unlike in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert (one != unlike).all()


def test_initial_weights_of_the_generator_follow_the_seed():
    first, again, other = (kernels(generator((8, 8, 1), seed)) for seed in (4, 4, 5))
    for one, same, unlike in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert (one != unlike).all()


@pytest.mark.parametrize(
    "first",
    [{"width": 4, "minibatch_kernels": 3}, {"architecture": "dcgan", "width": 4, "minibatch_kernels": 3}],
)
def test_no_two_layers_of_a_game_start_from_the_same_weights(first):
    second = {"width": 4, "minibatch_kernels": 3, "activation": "leaky_relu"}
    specs = {"generator": {"width": 4}, "discriminator": first, "second_discriminator": second}
    games = [DualDSELU(image_shape=(8, 8, 1), latent_dim=8, networks=specs, seed=seed) for seed in (0, 1)]
    assert all_differ(*(getattr(game, player) for game in games for player in game.players))


@pytest.mark.parametrize("seed", [2**31, 2**40, 2**63 - 1])
def test_the_largest_seeds_build(seed):
    networks = {"discriminator": {"minibatch_kernels": 3}}
    assert DCGAN(image_shape=(2,), latent_dim=2, seed=seed, networks=networks).built


# SELU.


def deviations(model: keras.Model, images: np.ndarray) -> list[float]:
    """The standard deviation after each activation."""
    outputs = [layer.output for layer in of_kind(model, layers.Activation)]
    return [float(np.std(values)) for values in keras.Model(model.input, outputs)(images)]


def test_selu_keeps_the_standard_deviation_through_all_layers():
    model = discriminator((32, 32, 3), width=24, activation="selu", normalized=False)
    kept = deviations(model, normal(16, 32, 32, 3))
    assert len(kept) == 7
    assert all(0.6 < deviation < 1.5 for deviation in kept)
    for number, layer in enumerate(of_kind(model, layers.Conv2D)):
        layer.kernel.assign(0.02 * normal(*layer.kernel.shape, seed=number))
    lost = deviations(model, normal(16, 32, 32, 3))
    assert min(lost) < 0.1


def test_selu_in_residual_blocks_keeps_the_standard_deviation():
    model = discriminator((32, 32, 3), architecture="resnet", width=24, activation="selu")
    kept = deviations(model, normal(16, 32, 32, 3))
    assert all(0.6 < deviation < 1.5 for deviation in kept)


# Spectral normalisation.


@pytest.mark.parametrize(
    ("architecture", "shape"), [*((name, (8, 8, 3)) for name in DISCRIMINATORS if name != "mixture"), ("dcgan", (2,))]
)
def test_spectral_normalises_every_layer_and_changes_no_initial_weight(architecture, shape):
    plain, spectral = (discriminator(shape, architecture=architecture, spectral=given) for given in (False, True))
    assert of_kind(spectral, SpectralDense)
    for layer in of_kind(spectral, (layers.Conv2D, layers.Dense)):
        assert isinstance(layer, (SpectralConv2D, SpectralDense))
    assert not of_kind(plain, (SpectralConv2D, SpectralDense))
    for one, same in zip(kernels(plain), kernels(spectral), strict=True):
        np.testing.assert_array_equal(one, same)


# Specifications.


def test_options_are_laid_over_the_defaults():
    default = {"architecture": "resnet", "width": 128, "minibatch_kernels": 100}
    assert specification(default, {"width": 8}) == {**default, "width": 8}
    assert specification(default, {"architecture": "resnet", "width": 8}) == {**default, "width": 8}


def test_another_architecture_starts_from_its_own_defaults():
    default = {"architecture": "resnet", "width": 128, "minibatch_kernels": 100}
    assert specification(default, {"architecture": "mlp", "depth": 2}) == {"architecture": "mlp", "depth": 2}


@pytest.mark.parametrize("variant", [DCGAN, DRAGAN, DualDSELU])
def test_default_networks_have_known_options(variant):
    for role, spec in variant.default_networks.items():
        assert network(role, spec, (2,), LATENT, 0).output_shape[-1] in (1, 2)


@pytest.mark.parametrize(
    ("role", "spec", "message"),
    [
        ("generator", {"architecture": "dcgn"}, r"networks.generator.architecture='dcgn'.*did you mean 'dcgan'\?"),
        ("generator", {"architecture": "flow"}, r"networks.generator.architecture='flow'.*known: .*dcgan, .*resnet"),
        ("discriminator", {"architecture": "resnt"}, r"did you mean 'resnet'\?"),
        ("discriminator", {}, r"networks.discriminator.architecture=None.*known: .*dcgan, .*resnet"),
        (
            "discriminator",
            {"architecture": "dcgan", "widht": 3},
            r"networks.discriminator.widht: unknown to dcgan; did you mean 'width'\?",
        ),
        ("discriminator", {"architecture": "dcgan", "seed": 3}, "networks.discriminator.seed: unknown to dcgan"),
        ("discriminator", {"architecture": "resnet", "normalized": True}, "normalized: unknown to resnet"),
    ],
)
def test_a_wrong_specification_is_refused(role, spec, message):
    with pytest.raises(InputError, match=message):
        network(role, spec, (8, 8, 1), LATENT, 0)


def test_an_unknown_activation_is_refused():
    with pytest.raises(InputError, match=r"activation='sellu'.*unknown; did you mean 'selu'\?"):
        discriminator((8, 8, 1), activation="sellu")


def test_strided_networks_are_those_of_the_code_they_are_from():
    """WGAN-GP's small ones for CIFAR-10: weights counted by hand."""
    made = network("generator", {"architecture": "strided", "normalized": True}, (32, 32, 3), 128, 0)
    dense, convolutions = 128 * 8192, 25 * (512 * 256 + 256 * 128 + 128 * 3)
    norms = 4 * (8192 + 256 + 128)  # the first one is of the dense layer's units
    assert made.count_params() == dense + convolutions + norms + 3
    made = network("discriminator", {"architecture": "strided"}, (32, 32, 3), 128, 0)
    assert made.count_params() == 25 * (3 * 128 + 128 * 256 + 256 * 512) + 128 + 256 + 512 + 8192 + 1


@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_constant_filters_and_depth(role):
    for depth, constant in ((3, False), (4, False), (4, True)):
        spec = {"architecture": "strided", "width": 4, "depth": depth, "constant": constant, "normalized": False}
        found = [layer.filters for layer in network(role, spec, (16, 16, 1), LATENT, 0).layers if "conv" in layer.name]
        widths = [4] * depth if constant else [4 * 2**level for level in range(depth)]
        assert found == (widths if role == "discriminator" else [*widths[-2::-1], 1])


@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_blocks_of_each_scale(role):
    def sums(blocks):
        found = network(role, {"architecture": "resnet", "width": 2, "blocks": blocks}, (16, 16, 1), LATENT, 0)
        return sum(isinstance(layer, layers.Add) for layer in found.layers)

    scales = {"generator": 3, "discriminator": 2}[role]
    assert [sums(blocks) - sums(1) for blocks in (1, 2, 4)] == [0, scales, 3 * scales]


@pytest.mark.parametrize("player", ["generator", "discriminator", "denoiser"])
def test_synchronized_is_for_every_batch_norm(player):
    for architecture, function in architectures(player).items():
        if "synchronized" not in inspect.signature(function).parameters:
            continue
        shape, flags = (8,) if player == "denoiser" else (8, 8, 1), {}
        for synchronized in (False, True):
            spec = {"architecture": architecture, "width": 2, "synchronized": synchronized}
            spec |= {"normalized": True} if "normalized" in inspect.signature(function).parameters else {}
            found = network(player, spec, shape, 4, 0)._flatten_layers()
            norms = [layer for layer in found if isinstance(layer, layers.BatchNormalization)]
            flags[synchronized] = [norm.synchronized for norm in norms]
        assert len(flags[True]) > 1
        assert all(flags[True])
        assert not any(flags[False])
