"""The engine: a GAN is a game of named players; each has a network, an optimizer and terms to minimise."""

import functools
import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

import keras
import numpy as np
import tensorflow as tf

from ganzoo.augment import AUGMENTATIONS
from ganzoo.distribution import replica_count
from ganzoo.errors import InputError
from ganzoo.faults import GRADIENT, total
from ganzoo.noise import PRIORS, ROLLBACK_STRIDE, Stream
from ganzoo.objectives import OBJECTIVES
from ganzoo.penalties import FORMS, POINTS, squared_gradient_norms
from ganzoo.players import Players
from ganzoo.sampling import samples
from ganzoo.settings import Momentum, Names, NonNegativeFloat, NonNegativeInt, each_of, one_of
from ganzoo.signatures import Signatures

Terms = dict[str, tf.Tensor]


class GAN(Players):
    """A game between a generator and its opponents, trained by `fit` as any Keras model.

    One `train_step` is one round: `discriminator_steps` updates of the opponents, each on a fresh batch, then
    one of the generator. A variant overrides the lowest rung that differs: class defaults, `<player>_terms`,
    `make_fake`, `opponents`, `train_step`.

    Args:
        image_shape: (H, W, C), or (D,) for points; `fit` takes it from the data if not given.
        latent_dim: numbers a latent.
        prior: of the latents: `"normal"`, N(0, I), or `"uniform"`, U(-1, 1).
        networks: player -> options laid over the class's `default_networks`, or player -> a Keras model.
        objective: a name in `ganzoo.objectives.OBJECTIVES`.
        penalty: where opponents' gradients are penalised, a name in `ganzoo.penalties.POINTS`; None: nowhere.
        penalty_form: what is asked of their norm, a name in `ganzoo.penalties.FORMS`.
        penalty_weight: factor of the penalty.
        penalty_target: the norm asked for; its square, for the form `"one_sided"`.
        penalty_noise_scale: reach of the rules that add noise, in their units; None: their own.
        discriminator_steps: opponents' updates a round, each on a fresh batch.
        simultaneous: take every player's gradient before applying the first.
        instance_noise: standard deviation of Gaussian noise on all that opponents see (arXiv:1701.04862).
        instance_noise_steps: rounds in which it falls to 0 linearly; 0: it stays.
        augment: random operations on all that opponents see, names in `ganzoo.augment.AUGMENTATIONS`.
        ema_momentum: of the averaged generator, which samples; 0: the last weights sample.
        seed: of initial weights and of all noise.
        name, trainable: of `keras.Model`.
        dtype: policy of the networks that are built, `"mixed_bfloat16"` say; None: Keras' global one. Weights, scores,
            terms and averages are float32 under each, and what samples computes in float32. Networks given as Keras
            models keep their own.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.
    """

    prior: Annotated[str, one_of(PRIORS)] = "normal"
    objective: Annotated[str, one_of(OBJECTIVES)] = "non_saturating"
    penalty: Annotated[str, one_of(POINTS)] | None = None
    penalty_form: Annotated[str, one_of(FORMS)] = "two_sided"
    penalty_weight: NonNegativeFloat = 10.0
    penalty_target: NonNegativeFloat = 1.0
    penalty_noise_scale: NonNegativeFloat | None = None
    simultaneous: bool = False
    instance_noise: NonNegativeFloat = 0.0
    instance_noise_steps: NonNegativeInt = 0
    augment: Annotated[Names, each_of(AUGMENTATIONS)] = ()
    ema_momentum: Momentum = 0.999

    opponents: ClassVar[tuple[str, ...]] = ("discriminator",)
    # Updated with the opponents, but without scores: an encoder, say.
    partners: ClassVar[tuple[str, ...]] = ()
    default_networks: ClassVar[Mapping[str, Mapping]] = {
        "generator": {"architecture": "dcgan"},
        "discriminator": {"architecture": "dcgan"},
    }
    # The keys that each player's hook returns.
    terms: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "discriminator": ("adversarial",),
        "generator": ("adversarial",),
    }

    # Players whose gradients are differentiated other than by a penalty.
    second_order: ClassVar[tuple[str, ...]] = ()
    # Whether the terms have a gradient penalty other than `penalty`.
    own_penalty: ClassVar[bool] = False

    # The players.

    @property
    def players(self) -> tuple[str, ...]:
        """Opponents, partners, and the generator; each trains the network of its name."""
        return (*self.opponents, *self.partners, "generator")

    def term_names(self, player: str) -> tuple[str, ...]:
        """Returns the names of what `player` minimises; logged as `player/name`."""
        penalised = self.penalty and player in self.opponents
        return (*self.terms[player], "penalty") if penalised else tuple(self.terms[player])

    def discriminator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns what the discriminator minimises: named, weighted scalars."""
        loss = OBJECTIVES[self.objective].discriminator(self.scores(real), self.scores(fake))
        return {"adversarial": loss}

    def generator_terms(self, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns what the generator minimises: named, weighted scalars."""
        return {"adversarial": OBJECTIVES[self.objective].generator(self.scores(fake))}

    def penalty_terms(self, opponent: str, real: tf.Tensor, fake: tf.Tensor, noise: Stream) -> Terms:
        """Returns the weighted gradient penalty of an opponent; nothing if there is no penalty."""
        if not self.penalty or opponent not in self.opponents:
            return {}
        points = POINTS[self.penalty](real, fake, noise, self.penalty_noise_scale)
        norms = squared_gradient_norms(lambda x: self.scores(x, opponent), points)
        return {"penalty": self.penalty_weight * FORMS[self.penalty_form](norms, self.penalty_target)}

    def scores(self, images: tf.Tensor, opponent: str = "discriminator") -> tf.Tensor:
        """Returns an opponent's scores, float32 [B, 1], unbounded."""
        return getattr(self, opponent)(images, training=True)

    def make_fake(self, count: tf.Tensor, noise: Stream) -> tf.Tensor:
        """Returns what counts as fake, [count, H, W, C] in [-1, 1]."""
        return self.generator(noise.latents(count, self.latent_dim, self.prior), training=True)

    def seen(self, images: tf.Tensor, noise: Stream, purpose: str) -> tf.Tensor:
        """Returns `images` as opponents see them: augmented, and under instance noise, if there is any."""
        for name in self.augment:
            images = AUGMENTATIONS[name].function(images, noise, f"{purpose}/{name}")
        if not self.instance_noise:
            return images
        level = self.instance_noise
        if self.instance_noise_steps:
            level *= tf.nn.relu(1.0 - tf.cast(self.step.value, tf.float32) / self.instance_noise_steps)
        return images + level * noise.normal(purpose, (tf.shape(images)[0], *images.shape[1:]))

    # The round.

    def train_step(self, batch) -> dict[str, tf.Tensor]:
        """Plays one round; returns the epoch's mean of every term so far."""
        real = self.rounds(batch)
        step = self.noise_round()
        for number in range(self.discriminator_steps):
            last = number == self.discriminator_steps - 1
            players = self.players if self.simultaneous and last else self.players[:-1]
            self.update(players, real[:, number], Stream(self.seed, step, f"opponents/{number}"))
        if not self.simultaneous:
            self.update(("generator",), real[:, -1], Stream(self.seed, step, "generator"))
        self.average_generator()
        self.step.assign_add(1)
        return self.logs()

    def test_step(self, batch) -> dict[str, tf.Tensor]:
        """Returns the terms on held-out data; of what training changes, nothing changes."""
        real = self.rounds(batch)[:, 0]
        batches = self.trackers[0].count.value
        with keras.StatelessScope():
            values = self.gradients(self.players, real, Stream(self.seed, batches, "test"))[1]
        self.track(values)
        return self.epoch_means()

    def noise_round(self) -> tf.Tensor:
        """Returns the round as noise is keyed by it, int64: another one after every rollback, never one that was."""
        return self.step.value + ROLLBACK_STRIDE * self.rollbacks.value

    def rounds(self, batch) -> tf.Tensor:
        """Returns the images of a batch as [B, discriminator_steps, ...]."""
        images = keras.utils.unpack_x_y_sample_weight(batch)[0]
        return images if images.shape.rank == len(self.image_shape) + 2 else images[:, None]

    def update(self, players: tuple[str, ...], real: tf.Tensor, noise: Stream) -> Terms:
        """Takes one optimizer step for each of `players` on one batch, from the same weights; returns their terms."""
        gradients, values = self.gradients(players, real, noise)
        sums = {f"{player}/{GRADIENT}": total(each, self.optimizers[player]) for player, each in gradients.items()}
        self.faults.update_state({**values, **sums})
        self.apply(gradients)
        self.track(values)
        return values

    def gradients(self, players: tuple[str, ...], real: tf.Tensor, noise: Stream) -> tuple[dict, Terms]:
        """Returns player -> gradients of its summed terms, and the terms as `player/name`."""
        count = tf.shape(real)[0]
        real = self.seen(real, noise, "real")
        if set(players) - {"generator"}:
            fake = self.seen(self.make_fake(count, noise), noise, "fake")
        gradients, values = {}, {}
        for player in players:
            with tf.GradientTape() as tape:
                if player == "generator":
                    fake = self.seen(self.make_fake(count, noise), noise, "fake")
                terms = getattr(self, f"{player}_terms")(real, fake, noise)
                terms |= self.penalty_terms(player, real, fake, noise)
                # Optimizers sum gradients over replicas, of which each has the mean over its own rows.
                loss = self.optimizers[player].scale_loss(tf.add_n(list(terms.values())) / replica_count())
            gradients[player] = tape.gradient(loss, getattr(self, player).trainable_variables)
            values |= {f"{player}/{name}": value for name, value in terms.items()}
        return gradients, values

    def apply(self, gradients: Mapping[str, list]) -> None:
        """Applies player -> gradients, after the last of them is complete."""
        # Without the barrier TensorFlow's graph optimizer may let a write overtake a read of a penalty.
        with tf.control_dependencies([g for player in gradients.values() for g in player if g is not None]):
            gradients = tf.nest.map_structure(lambda g: g if g is None else tf.identity(g), dict(gradients))
        for player, values in gradients.items():
            self.optimizers[player].apply(values, getattr(self, player).trainable_variables)

    def track(self, values: Terms) -> None:
        """Adds the terms of one update to the epoch's means."""
        for tracker in self.trackers:
            if tracker.name in values:
                tracker.update_state(values[tracker.name])

    def epoch_means(self) -> Terms:
        """Returns the epoch's means so far, and as `loss` their sum."""
        means = {tracker.name: tracker.result() for tracker in self.trackers}
        return {**means, "loss": tf.add_n([*means.values()])}

    def logs(self) -> Terms:
        """Returns the means, for callbacks that watch for NaN.

        `loss` is NaN from the update on in which a term or a gradient was not finite, until the next `fit`.
        """
        means = self.epoch_means()
        return {**means, "loss": means["loss"] + self.faults.result()}

    def average_generator(self) -> None:
        """Moves the averaged generator towards the generator; the momentum warms up over the first rounds."""
        step = tf.cast(self.step.value, tf.float32)
        momentum = tf.minimum(self.ema_momentum, (1.0 + step) / (10.0 + step))
        for average, weight in zip(self.averaged_generator.weights, self.generator.weights, strict=True):
            average.assign(weight + momentum * (average - weight))

    def call(self, latents: tf.Tensor) -> tf.Tensor:
        """Returns images [B, H, W, C] in [-1, 1] of the averaged generator for latents [B, latent_dim]."""
        return self.averaged_generator(latents, training=False)

    @functools.cached_property
    def _signatures(self) -> dict[bool, Signatures]:
        return {}

    def signatures(self, averaged: bool = True) -> Signatures:
        """Returns the functions by which the averaged generator, or that of the last weights, is asked for images.

        Raises:
            InputError: if the model has no networks yet.
        """
        if self.image_shape is None:
            raise InputError("the model has no networks yet: fit it, or build it with image_shape=")
        if averaged not in self._signatures:
            network = self.averaged_generator if averaged else self.generator
            self._signatures[averaged] = Signatures(network, self.latent_dim, self.prior, self.image_shape)
        return self._signatures[averaged]

    def generate(self, n: int, seed: int = 0, *, truncation: float = math.inf, averaged: bool = True) -> np.ndarray:
        """Returns the images 0 to n - 1 of `seed`, uint8 [n, H, W, C] (points float32 [n, D]).

        Args:
            n: how many; image i is the same whatever n is.
            seed: any int64.
            truncation: standard deviations at which the latents are cut; less is safer and more alike.
            averaged: from the averaged generator, else from the last weights.

        Raises:
            InputError: if the model has no networks yet, or an argument is impossible.
        """
        return samples(self.signatures(averaged).sample, n, seed, truncation=truncation)
