import itertools

import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from rounds import after_two_rounds

from ganzoo.errors import InputError
from ganzoo.noise import Stream
from ganzoo.variants import DRAGAN

NOISE_RULES = ("author_noise", "gaussian_noise", "chainer_noise", "compare_gan_noise")
FORMS = ("two_sided", "one_sided", "plain")
# SELU's initial weights are large enough for gradients that a penalty can see.
CONVOLUTIONS = {"generator": {"width": 2}, "discriminator": {"width": 2, "activation": "selu"}}
DENSE = {
    "generator": {"architecture": "mlp", "width": 4},
    "discriminator": {"architecture": "mlp", "width": 4, "activation": "tanh"},
}
IMAGES = np.random.default_rng(0).uniform(-1, 1, (6, 8, 8, 1)).astype("float32")


def tiny(networks: dict, **settings) -> DRAGAN:
    game = DRAGAN(image_shape=(8, 8, 1), latent_dim=4, networks=networks, **settings)
    game.compile({"name": "sgd", "learning_rate": 0.05}, run_eagerly=True)
    return game


def weights_after_two_rounds(**settings) -> np.ndarray:
    game = tiny(CONVOLUTIONS, **settings)
    return after_two_rounds(game, IMAGES)


@pytest.fixture(scope="module")
def plain_weights():
    return weights_after_two_rounds(penalty=None)


def noise() -> Stream:
    return Stream(1, tf.constant(0, tf.int64), "opponents/0")


def test_the_default_is_the_authors_noise_with_a_two_sided_penalty_of_10():
    game = DRAGAN()
    settings = game.penalty, game.penalty_form, game.penalty_weight, game.penalty_target, game.objective
    assert settings == ("author_noise", "two_sided", 10.0, 1.0, "non_saturating")
    assert {metric.name for metric in game.metrics} == {
        "discriminator/adversarial",
        "discriminator/penalty",
        "generator/adversarial",
    }


def test_discriminator_has_no_batch_norm():
    model = tiny({"generator": {"width": 2}, "discriminator": {"width": 2}}).discriminator
    assert not [layer for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    assert all(layer.use_bias for layer in model.layers if isinstance(layer, layers.Conv2D))


@pytest.mark.parametrize(("rule", "form"), list(itertools.product(NOISE_RULES, FORMS)))
def test_every_noise_rule_goes_with_every_form(rule, form):
    game = tiny(DENSE, penalty=rule, penalty_form=form)
    before = game.discriminator.get_weights()
    logs = game.train_step(tf.constant(IMAGES))
    assert all(np.isfinite(value) for value in logs.values())
    after = game.discriminator.get_weights()
    assert np.isfinite(np.concatenate([w.ravel() for w in after])).all()
    assert any((old != new).any() for old, new in zip(before, after, strict=True))


@pytest.mark.parametrize(("form", "expected"), [("plain", 25.0), ("one_sided", 24.0), ("two_sided", 16.0)])
@pytest.mark.parametrize("rule", NOISE_RULES)
def test_the_penalty_of_a_linear_score_is_exact_under_any_noise(rule, form, expected):
    game = DRAGAN(penalty=rule, penalty_form=form, penalty_weight=0.5)
    game.scores = lambda points, opponent="discriminator": points @ tf.constant([[3.0], [4.0]])
    real, fake = (tf.random.stateless_normal([7, 2], [seed, 0]) for seed in (1, 2))
    terms = game.penalty_terms("discriminator", real, fake, noise())
    np.testing.assert_allclose(terms["penalty"], 0.5 * expected, rtol=1e-5)


def test_the_penalty_does_not_look_at_the_fakes():
    game = tiny(DENSE)
    real = tf.constant(IMAGES)
    terms = [
        game.penalty_terms("discriminator", real, fake, noise())["penalty"].numpy() for fake in (real, -0.5 * real)
    ]
    assert terms[0] == terms[1] > 0


def test_a_penalty_of_weight_0_is_the_plain_game(plain_weights):
    np.testing.assert_array_equal(weights_after_two_rounds(penalty_weight=0.0), plain_weights)


def test_a_penalty_of_little_weight_is_nearly_the_plain_game(plain_weights):
    weights = weights_after_two_rounds(penalty_weight=1e-6)
    np.testing.assert_allclose(weights, plain_weights, rtol=1e-5, atol=1e-7)


def test_the_penalty_changes_the_game(plain_weights):
    assert np.abs(weights_after_two_rounds() - plain_weights).max() > 1e-4


def test_an_unknown_noise_rule_names_the_nearest():
    with pytest.raises(InputError, match=r"penalty='chainer_nois': unknown; did you mean 'chainer_noise'\?"):
        DRAGAN(penalty="chainer_nois")
