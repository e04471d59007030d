import numpy as np
import pytest
import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.gan import GAN
from ganzoo.noise import Stream
from ganzoo.variants import MixGAN

SHAPE = (8, 8, 1)
IMAGES = np.random.default_rng(0).uniform(-1, 1, (6, *SHAPE)).astype("float32")
ROCK_PAPER_SCISSORS = np.array([[0, 1, -1], [-1, 0, 1], [1, -1, 0]], "float32")


def noise() -> Stream:
    return Stream(1, tf.constant(0, tf.int64), "opponents/0")


def softplus(x) -> np.ndarray:
    return np.logaddexp(0, x)


def softmax(logits) -> np.ndarray:
    return np.exp(logits) / np.exp(logits).sum()


def points(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, 2)).astype("float32")


class Mixed:
    """A mixture of functions; calls are those of `ganzoo.networks.mixtures.Mixture`."""

    def __init__(self, logits, members):
        self.logits, self.members = tf.Variable(logits, dtype="float32"), members

    def log_weights(self):
        return tf.nn.log_softmax(self.logits)

    def each(self, inputs, training):
        return [member(inputs, training) for member in self.members]


SLOPES = np.array([[3.0, 4.0], [0.0, 1.0], [-1.0, 0.5]], "float32")
SHIFTS = np.array([-1.0, 2.0], "float32")


def linear(**settings) -> MixGAN:
    """Two generators that shift the first two latents, three discriminators of linear score."""
    game = MixGAN(latent_dim=3, **settings)
    game.image_shape = (2,)
    game.generator = Mixed([0.2, -0.5], [lambda z, _, s=shift: z[:, :2] + s for shift in SHIFTS])
    game.discriminator = Mixed([1.0, 0.0, -0.4], [lambda x, training=True, s=s: x @ s[:, None] for s in SLOPES])
    return game


def weights_of(game: MixGAN) -> np.ndarray:
    """w_i v_j, [generators, discriminators]."""
    return np.outer(softmax([0.2, -0.5]), softmax([1.0, 0.0, -0.4]))


def test_all_generators_see_the_same_latents_side_by_side():
    game = linear()
    latents = noise().latents(4, 3, "normal").numpy()[:, :2]
    expected = np.stack([latents + shift for shift in SHIFTS], 1).reshape(8, 2)
    np.testing.assert_allclose(game.make_fake(4, noise()), expected, rtol=1e-6)


def test_terms_are_expected_over_pairs():
    game, real = linear(), points(5)
    latents = noise().latents(4, 3, "normal").numpy()[:, :2]
    fake = game.make_fake(4, noise())
    on_real = [real @ slope for slope in SLOPES]
    on_fake = [[(latents + shift) @ slope for slope in SLOPES] for shift in SHIFTS]
    weights = weights_of(game)
    pairs = [(i, j) for i in range(2) for j in range(3)]
    of_d = sum(weights[i, j] * (softplus(-on_real[j]).mean() + softplus(on_fake[i][j]).mean()) for i, j in pairs)
    of_g = sum(weights[i, j] * softplus(-on_fake[i][j]).mean() for i, j in pairs)
    np.testing.assert_allclose(game.discriminator_terms(real, fake, None)["adversarial"], of_d, rtol=1e-5)
    np.testing.assert_allclose(game.generator_terms(real, fake, None)["adversarial"], of_g, rtol=1e-5)


@pytest.mark.parametrize(("form", "penalties"), [("plain", [25, 1, 1.25]), ("one_sided", [24, 0, 0.25])])
def test_the_penalty_is_expected_over_pairs(form, penalties):
    game = linear(penalty="interpolates", penalty_form=form, penalty_weight=0.5)
    terms = game.penalty_terms("discriminator", tf.constant(points(4)), game.make_fake(4, noise()), noise())
    np.testing.assert_allclose(terms["penalty"], 0.5 * softmax([1.0, 0.0, -0.4]) @ penalties, rtol=1e-5)
    assert game.penalty_terms("generator", None, None, noise()) == {}


def test_the_penalty_reaches_the_fakes_of_every_generator():
    seen = []

    def member(x, training):
        seen.append(x.numpy())
        return x[:, :1]

    game = linear(penalty="fake")
    game.discriminator = Mixed([0.0], [member])
    fake = game.make_fake(4, noise())
    game.penalty_terms("discriminator", tf.constant(points(4)), fake, noise())
    np.testing.assert_array_equal(np.stack(seen, 1).reshape(8, 2), fake)


# The entropy term.


@pytest.mark.parametrize("member_count", [1, 3, 5])
def test_entropy_is_least_where_all_weigh_alike(member_count):
    game, mixture = MixGAN(entropy_weight=0.7), Mixed(np.full(member_count, 2.0), [])
    with tf.GradientTape() as tape:
        term = game.entropy(mixture)
    np.testing.assert_allclose(term, 0.7 * np.log(member_count), rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(tape.gradient(term, mixture.logits), 0, atol=1e-7)


def test_entropy_elsewhere():
    logits = [1.0, -2.0, 0.5]
    term = MixGAN().entropy(Mixed(logits, []))
    np.testing.assert_allclose(term, -0.1 * np.mean(np.log(softmax(logits))), rtol=1e-5)
    assert term > 0.1 * np.log(3)


def played(entropy_weight: float, rounds: int, rate: float) -> np.ndarray:
    """The mixing weights of both players of rock, paper, scissors after each round of gradient play."""
    game = MixGAN(entropy_weight=entropy_weight)
    game.generator, game.discriminator = (Mixed(logits, [None] * 3) for logits in ([0.6, 0.0, -0.4], [0.3, -0.2, 0.0]))

    @tf.function
    def play():
        log = tf.TensorArray(tf.float32, rounds)
        for number in tf.range(rounds):
            for player, sign in ((game.discriminator, -1), (game.generator, 1)):
                with tf.GradientTape() as tape:
                    loss = sign * game.mixed(lambda i, j: ROCK_PAPER_SCISSORS[i, j]) + game.entropy(player)
                player.logits.assign_sub(rate * tape.gradient(loss, player.logits))
            log = log.write(number, tf.exp([game.generator.log_weights(), game.discriminator.log_weights()]))
        return log.stack()

    return play().numpy()


def test_rock_paper_scissors_goes_round_its_equilibrium():
    weights = played(0.0, rounds=4_000, rate=0.1)
    np.testing.assert_allclose(weights.mean(0), 1 / 3, atol=0.02)
    assert np.abs(weights[-400:] - 1 / 3).max() > 0.1
    assert (np.diff(np.sign(weights[:, 0, 0] - 1 / 3)) != 0).sum() > 10


def test_with_entropy_rock_paper_scissors_comes_to_rest():
    np.testing.assert_allclose(played(0.1, rounds=4_000, rate=0.1)[-1], 1 / 3, atol=1e-3)


# One member.


def pair(**settings) -> tuple[GAN, MixGAN]:
    """The plain game, and the mixture of one with the same member weights; its latent has one number more."""
    options = {"width": 2, "normalized": "penalty" not in settings}
    plain = GAN(
        image_shape=SHAPE, latent_dim=4, networks=dict.fromkeys(("generator", "discriminator"), options), **settings
    )
    options = {**options, "members": 1}
    mixed = MixGAN(
        image_shape=SHAPE, latent_dim=5, networks=dict.fromkeys(("generator", "discriminator"), options), **settings
    )
    for player in plain.players:
        getattr(mixed, player).members[0].set_weights(getattr(plain, player).get_weights())
    for game in (plain, mixed):
        game.compile({"name": "adam", "learning_rate": 1e-2}, run_eagerly=True)
    return plain, mixed


@pytest.mark.parametrize(
    "settings",
    [{}, {"objective": "hinge", "instance_noise": 0.2}, {"penalty": "interpolates", "penalty_form": "one_sided"}],
)
def test_one_member_is_the_plain_game_bit_for_bit(settings):
    plain, mixed = pair(**settings)
    for _ in range(2):
        logs = [game.train_step(tf.constant(IMAGES)) for game in (plain, mixed)]
    for player in plain.players:
        ours, theirs = (getattr(game, player) for game in (mixed, plain))
        for a, b in zip(ours.members[0].get_weights(), theirs.get_weights(), strict=True):
            np.testing.assert_array_equal(a, b)
        assert ours.logits.numpy() == 0
        assert logs[1][f"{player}/adversarial"] == logs[0][f"{player}/adversarial"]
        assert logs[1][f"{player}/entropy"] == 0


# The rest.


def test_mixing_weights_follow_the_payoff():
    """Of softmax weights w the gradient of w @ losses is w_i (loss_i - mean loss): what loses more loses weight."""
    game = linear(entropy_weight=0.0)
    latents = noise().latents(6, 3, "normal").numpy()[:, :2]
    losses = np.array([[softplus(-(latents + shift) @ slope).mean() for slope in SLOPES] for shift in SHIFTS])
    losses = losses @ softmax([1.0, 0.0, -0.4])
    weights = softmax([0.2, -0.5])
    with tf.GradientTape() as tape:
        loss = game.generator_terms(None, game.make_fake(6, noise()), None)["adversarial"]
    expected = weights * (losses - weights @ losses)
    np.testing.assert_allclose(tape.gradient(loss, game.generator.logits), expected, rtol=1e-4)
    assert expected[1] < 0 < expected[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"networks": {"generator": {"architecture": "dcgan"}}}, "networks.generator: .*architecture = 'mixture'"),
        ({"networks": {"discriminator": {"architecture": "mlp"}}}, "networks.discriminator: .*'mixture'"),
        ({"prior": "uniform"}, "prior='uniform': unknown"),
    ],
)
def test_what_cannot_be_mixed_is_refused(settings, message):
    with pytest.raises(InputError, match=message):
        MixGAN(**settings)


def test_five_members_of_half_the_width():
    for spec in MixGAN.default_networks.values():
        assert spec == {"architecture": "mixture", "members": 5, "width": 32}
