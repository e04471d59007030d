import math

import keras
import numpy as np
import pytest

from ganzoo.errors import InputError
from ganzoo.networks import network

LATENT = 5


def normal(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype("float32")


def mixture(role: str, shape=(3,), logits=(0.3, -1.0, 0.9), **options) -> keras.Model:
    spec = {"architecture": "mixture", "members": len(logits), "width": 3, **options}
    model = network(role, spec, shape, LATENT, seed=2)
    model.logits.assign(logits)
    return model


def softmax(logits) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum()


def chosen(latents: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The member in whose part of [0, 1] each last number falls under the normal distribution function."""
    places = [0.5 * math.erfc(-number / math.sqrt(2)) for number in latents[:, -1]]
    return np.searchsorted(np.cumsum(weights), places)


@pytest.mark.parametrize("shape", [(3,), (9, 12, 3)])
def test_a_row_is_made_by_the_member_that_its_last_number_chooses(shape):
    model, latents = mixture("generator", shape), normal(40, LATENT)
    members = chosen(latents, softmax([0.3, -1.0, 0.9]))
    assert len(set(members)) == 3
    made = model(latents).numpy()
    for row, number in enumerate(members):
        alone = model.members[number](latents[:, :-1])[row]
        np.testing.assert_allclose(made[row], alone, atol=1e-6)


def test_members_are_chosen_as_often_as_they_weigh():
    choices = mixture("generator").choice(normal(20_000, LATENT)).numpy()
    np.testing.assert_allclose(np.bincount(choices) / 20_000, softmax([0.3, -1.0, 0.9]), atol=0.01)


def test_the_choice_stays_within_the_members():
    latents = np.zeros([4, LATENT], "float32")
    latents[:, -1] = [-40, -3, 3, 40]
    assert mixture("generator").choice(latents).numpy().tolist() == [0, 0, 2, 2]
    assert mixture("generator", logits=[0.0]).choice(latents).numpy().tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("shape", [(3,), (9, 12, 3)])
def test_a_mixture_of_discriminators_gives_the_mean_score(shape):
    model, images = mixture("discriminator", shape, normalized=False), normal(4, *shape)
    expected = sum(w * m(images).numpy() for w, m in zip(softmax([0.3, -1.0, 0.9]), model.members, strict=True))
    assert model(images).shape == (4, 1)
    np.testing.assert_allclose(model(images), expected, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_members_differ_and_weigh_alike_at_first(role):
    model = network(role, {"architecture": "mixture", "members": 3, "width": 3}, (8, 8, 1), LATENT, 0)
    np.testing.assert_allclose(np.exp(model.log_weights()), 1 / 3, rtol=1e-6)
    kernels = [[w.numpy() for w in member.weights if w.path.endswith("kernel")] for member in model.members]
    for one, other in ((0, 1), (0, 2), (1, 2)):
        assert all((a != b).any() for a, b in zip(kernels[one], kernels[other], strict=True))


@pytest.mark.parametrize("role", ["generator", "discriminator"])
def test_a_config_makes_it_anew(role):
    model = mixture(role)
    inputs = normal(4, LATENT if role == "generator" else 3)
    config = keras.saving.serialize_keras_object(model)
    for copy in (
        type(model).from_config(model.get_config() | {"name": "copy"}),
        keras.saving.deserialize_keras_object(config),
    ):
        assert len(copy.trainable_variables) == len(model.trainable_variables)
        assert not {id(v) for v in copy.variables} & {id(v) for v in model.variables}
        copy.set_weights(model.get_weights())
        np.testing.assert_array_equal(copy(inputs), model(inputs))


def test_the_logits_are_trained_as_all_else():
    model = mixture("generator")
    assert any(variable is model.logits for variable in model.trainable_variables)


def test_one_number_cannot_choose_and_be_seen():
    with pytest.raises(InputError, match=r"latent_dim=1: .*give 2 or more"):
        network("generator", {"architecture": "mixture"}, (3,), 1, 0)
