import keras
import numpy as np
import pytest
from keras import layers

from ganzoo.errors import InputError
from ganzoo.layers import Clipped
from ganzoo.networks import AUTOENCODERS, network, specification

SHAPES = [(8, 8, 3), (28, 20, 1), (9, 12, 3), (33, 17, 1), (5, 7, 1)]


def autoencoder(architecture: str, image_shape: tuple[int, ...], seed: int = 0, **options) -> keras.Model:
    spec = {"architecture": architecture, "width": 3, "code_dim": 5, **options}
    return network("discriminator", spec, image_shape, 4, seed)


def generator(image_shape: tuple[int, ...], width: int = 3) -> keras.Model:
    return network("generator", {"architecture": "began", "width": width}, image_shape, 5, 0)


def images(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, shape).astype("float32")


def of_kind(model: keras.Model, kind: type) -> list:
    return [layer for layer in model.layers if isinstance(layer, kind)]


@pytest.mark.parametrize("architecture", AUTOENCODERS)
@pytest.mark.parametrize("shape", SHAPES)
def test_reconstructions_have_the_shape_of_the_images(architecture, shape):
    reconstructions, codes = autoencoder(architecture, shape, width=8)(images(4, *shape))
    assert reconstructions.shape == (4, *shape)
    assert codes.shape == (4, 5)
    assert reconstructions.dtype == codes.dtype == "float32"
    assert len(np.unique(codes, axis=0)) == 4


@pytest.mark.parametrize("architecture", AUTOENCODERS)
def test_reconstructions_are_unbounded_and_seen_through_the_code(architecture):
    model = autoencoder(architecture, (8, 8, 1))
    assert np.abs(model(1e4 * images(2, 8, 8, 1))[0]).max() > 1
    model.get_layer("code").kernel.assign(0 * model.get_layer("code").kernel)
    first, second = model(images(2, 8, 8, 1))[0].numpy()
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("architecture", AUTOENCODERS)
def test_an_example_is_reconstructed_whatever_the_batch(architecture):
    model, batch = autoencoder(architecture, (9, 12, 3)), images(4, 9, 12, 3)
    alone, together = (model(batch[:n], training=True)[0][0] for n in (1, 4))
    np.testing.assert_allclose(alone, together, rtol=1e-4, atol=1e-7)
    assert not of_kind(model, layers.BatchNormalization)


@pytest.mark.parametrize("architecture", AUTOENCODERS)
def test_initial_weights_follow_the_seed(architecture):
    first, again, other = (autoencoder(architecture, (8, 8, 1), seed).get_weights() for seed in (4, 4, 5))
    for one, same, unlike in zip(first, again, other, strict=True):
        np.testing.assert_array_equal(one, same)
        assert one.ndim == 1 or (one != unlike).all()


@pytest.mark.parametrize("architecture", AUTOENCODERS)
def test_points_are_reconstructed_by_dense_layers_with_the_code_asked_for(architecture):
    model = autoencoder(architecture, (2,))
    assert [out.shape for out in model(images(4, 2))] == [(4, 2), (4, 5)]
    assert not of_kind(model, layers.Conv2D)


# BEGAN's networks.


@pytest.mark.parametrize(
    ("shape", "start"),
    [((8, 8, 1), (8, 8)), ((16, 16, 1), (8, 8)), ((32, 32, 3), (8, 8)), ((64, 64, 3), (8, 8)), ((28, 20, 1), (7, 5))],
)
def test_began_halves_images_down_to_8(shape, start):
    model = autoencoder("began_autoencoder", shape)
    halvings = round(np.log2(shape[0] / start[0]))
    assert of_kind(model, layers.Reshape)[0].target_shape == (*start, 3)
    strides = [layer.strides[0] for layer in of_kind(model, layers.Conv2D)]
    assert strides.count(2) == len(of_kind(model, layers.UpSampling2D)) == halvings
    assert all(layer.interpolation == "nearest" for layer in of_kind(model, layers.UpSampling2D))
    filters = [layer.filters for layer in of_kind(model, layers.Conv2D) if layer.strides[0] == 2]
    assert filters == [3 * (level + 1) for level in range(halvings)]


def test_began_has_elu_everywhere_but_at_code_and_output():
    model = autoencoder("began_autoencoder", (32, 32, 3))
    names = [layer.activation.__name__ for layer in of_kind(model, layers.Activation)]
    assert names == ["elu"] * (len(of_kind(model, layers.Conv2D)) - 1) + ["linear"]


def test_began_generates_by_the_decoder_of_its_autoencoder():
    shapes = [w.shape for w in generator((32, 32, 3)).weights]
    assert shapes == [w.shape for w in autoencoder("began_autoencoder", (32, 32, 3)).weights][-len(shapes) :]


def test_began_generates_unbounded_values_in_training_and_pixels_elsewhere():
    model, latent = generator((9, 12, 3)), 100 * images(2, 5)
    made, pixels = (model(latent, training=training).numpy() for training in (True, False))
    assert made.shape == (2, 9, 12, 3)
    assert np.abs(made).max() > 2
    np.testing.assert_array_equal(pixels, np.clip(made, -1, 1))


def test_clipping_is_saved():
    layer = Clipped.from_config(Clipped(name="clip").get_config())
    np.testing.assert_array_equal(layer(np.array([-3.0, 0.5, 3.0], "float32")), [-1.0, 0.5, 1.0])


# Which game takes which.


@pytest.mark.parametrize(
    ("own", "given", "message"),
    [
        ("dcgan", "autoencoder", "reconstructs images, for which this game has no use"),
        ("autoencoder", "resnet", "scores, this game reconstructs; choose autoencoder or"),
        ("began_autoencoder", "mlp", "scores, this game reconstructs; choose autoencoder or"),
    ],
)
def test_a_discriminator_of_the_wrong_kind_is_refused(own, given, message):
    with pytest.raises(InputError, match=f"architecture='{given}' {message}"):
        specification({"architecture": own}, {"architecture": given})


def test_one_autoencoder_may_stand_for_another():
    assert specification({"architecture": "autoencoder", "width": 9}, {"architecture": "mlp_autoencoder"}) == {
        "architecture": "mlp_autoencoder"
    }
