import warnings

import pytest
from keras import Sequential, layers

import ganzoo
from ganzoo import composition, config, folders
from ganzoo.composition import UnsoundWarning
from ganzoo.errors import InputError
from ganzoo.gan import GAN

SMALL = {"image_shape": (8, 8, 1), "latent_dim": 4}


def tiny(name, **networks):
    return {**SMALL, "networks": {p: {"width": 2, **networks.get(p, {})} for p in ("generator", "discriminator")}}


def test_a_penalty_with_batch_norm_is_warned_about():
    with pytest.warns(UnsoundWarning, match="dcgan: a gradient penalty with batch norm in the discriminator.*normal"):
        ganzoo.build("dcgan", penalty="interpolates", **tiny("dcgan"))
    with pytest.warns(UnsoundWarning, match="regularized_fgan: a gradient penalty with batch norm"):
        ganzoo.build("regularized_fgan", **tiny("regularized_fgan", discriminator={"normalized": True}))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ganzoo.build("dcgan", penalty="interpolates", **tiny("dcgan", discriminator={"normalized": False}))
        ganzoo.build("dcgan", **tiny("dcgan"))


def test_a_run_is_warned_about_once(tmp_path):
    """Not again when it is sampled, exported or measured."""
    width = [f"gan.networks.{player}.width=2" for player in ("generator", "discriminator")]
    recipe = config.load_recipe("dcgan_digits", ["gan.penalty=interpolates", *width])
    with pytest.warns(UnsoundWarning):
        folders.keep_recipe(recipe, config.build(recipe, image_shape=(8, 8, 1)), tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert folders.rebuilt(tmp_path)[0].penalty == "interpolates"


def test_a_penalty_with_minibatch_discrimination_is_warned_about():
    with pytest.warns(UnsoundWarning, match="cross terms of the batch"):
        ganzoo.build("dragan", **tiny("dragan", discriminator={"minibatch_kernels": 2}))


@pytest.mark.parametrize("players", [("discriminator",), ("generator",), ("discriminator", "generator")])
def test_batch_norm_in_players_whose_gradients_are_differentiated_is_warned_about(players):
    class Twice(GAN):
        second_order = players

    with pytest.warns(UnsoundWarning) as caught:
        Twice(**tiny("twice"))
    warned = [str(warning.message).split(" differentiated")[0] for warning in caught]
    assert warned == [f"gan: batch norm in the {player}: its gradient is" for player in players]


def test_an_operation_without_a_second_derivative_is_refused_there():
    class Twice(GAN):
        second_order = ("discriminator",)

    with pytest.raises(InputError, match=r"augment=\['zoom'\].*no second derivative.*'translation'"):
        Twice(augment=["zoom", "color"])


@pytest.mark.parametrize(
    ("name", "value"), [("augment", ["color"]), ("discriminator_steps", 2), ("instance_noise", 0.1)]
)
def test_what_concerns_opponents_is_refused_where_there_are_none(name, value):
    class Alone(GAN):
        opponents = ()
        terms = {"generator": ()}

    Alone()
    with pytest.raises(InputError, match=rf"{name}=.*concerns opponents, and gan has none"):
        Alone(**{name: value})


def test_refusals_come_before_any_network_is_built(monkeypatch):
    monkeypatch.setattr(GAN, "build", lambda *_: pytest.fail("built"))
    with pytest.raises(InputError):
        ganzoo.build("dcgan", augment=["color"], image_shape=(2,))


def test_layers_inside_of_layers_are_found():
    gan = ganzoo.build("dcgan", **tiny("dcgan"))
    nested = Sequential([layers.Input((8, 8, 1)), gan.discriminator])
    assert composition.has(nested, layers.BatchNormalization)
    assert not composition.has(nested, layers.Dropout)
