"""Several networks, each with an optimizer of its own, as one Keras model: what Keras asks of a game."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

import keras
import numpy as np
import pydantic
import tensorflow as tf

from ganzoo import composition, data, precision, settings
from ganzoo.callbacks import check_callbacks, together
from ganzoo.errors import InputError, did_you_mean
from ganzoo.faults import GRADIENT, Faults
from ganzoo.networks import builder, network, specification
from ganzoo.noise import ROLLBACK_STRIDE
from ganzoo.optimizers import optimizers_of
from ganzoo.settings import ImageShape, PositiveInt, Seed
from ganzoo.strategies import check_strategy, in_step, several_workers, shared_out

DEFAULT_BATCH_SIZE = 64
HELD_OUT_BATCHES = 16  # of a density, in `evaluate`


def _networks(given: Mapping[str, Any]) -> Mapping[str, Any]:
    for player, spec in given.items():
        if not isinstance(spec, Mapping | keras.Model):
            raise ValueError(f"networks.{player}={spec!r}: give a table of options, or a Keras model")
    return given


Networks = Annotated[Mapping[str, Any], pydantic.AfterValidator(_networks)]


class Players(keras.Model):
    """Builds, compiles, fits, saves and loads networks that have an optimizer each; `GAN` says how they play.

    `dtype` is the policy of the networks that are built; weights are float32, and so is the averaged generator.

    Settings are the annotated attributes of a class and of those it inherits from: their values are the
    defaults, the constructor takes each by name, pydantic checks it, the config keeps it.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible.
    """

    image_shape: ImageShape | None = None
    latent_dim: PositiveInt = 128
    networks: Networks | None = None
    discriminator_steps: PositiveInt = 1
    seed: Seed = 0

    variant: ClassVar[str] = "gan"  # the registered name
    default_networks: ClassVar[Mapping[str, Mapping]] = {}

    def __init__(self, *, name=None, dtype=None, trainable=True, **given):
        # Networks cast what they take, and the one that samples is float32, so latents must not be cast before.
        policy = precision.policy_of(dtype)
        super().__init__(name=name or self.variant, dtype=policy, trainable=trainable, autocast=False)
        for key, value in settings.validated(type(self), Players, given).items():
            setattr(self, key, MappingProxyType(value) if isinstance(value, dict) else value)
        for player in set(self.networks or ()) - set(self.players):
            raise InputError(f"networks.{player}: no such player; {did_you_mean(player, self.players)}")
        for player in self.players:
            self.specification_of(player)
        self.optimizers = {}
        self.step = self.add_weight(
            name="step", shape=(), dtype="int64", initializer="zeros", trainable=False,
            aggregation="only_first_replica",
        )  # fmt: skip
        self.rollbacks = self.add_weight(
            name="rollbacks", shape=(), dtype="int64", initializer="zeros", trainable=False,
            aggregation="only_first_replica",
        )  # fmt: skip
        names = {player: [f"{player}/{term}" for term in self.term_names(player)] for player in self.players}
        self.trackers = [keras.metrics.Mean(name=name) for player in names for name in names[player]]
        self.faults = Faults([name for player in names for name in (*names[player], f"{player}/{GRADIENT}")])
        self.check()
        if self.image_shape:
            self.build((None, *self.image_shape))

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls.__signature__ = settings.signature(cls, Players)

    @property
    def players(self) -> tuple[str, ...]:
        """The players' names, which are those of their networks."""
        raise NotImplementedError

    def check(self) -> None:
        """Refuses settings that do not go together.

        Raises:
            InputError: with both, the reason and the cure.
        """
        composition.refuse(self)

    @property
    def batch_multiple(self) -> int:
        """Of what a replica's batch must be a multiple."""
        return 1

    def term_names(self, player: str) -> tuple[str, ...]:
        """Returns the names of what `player` minimises; logged as `player/name`."""
        raise NotImplementedError

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The mean of every term over the epoch."""
        return self.trackers

    def build(self, input_shape) -> None:
        """Builds networks and optimizers for data of `input_shape` (None, H, W, C) or (None, D).

        Warns where the networks make a setting other than what its paper means.
        """
        self.image_shape = tuple(input_shape[1:])
        with precision.computing(self.dtype_policy):
            for number, player in enumerate(self.players):
                setattr(self, player, self.network_of(player, seed=len(self.players) * self.seed + number))
        generator = self.generator
        with precision.computing(self.variable_dtype):
            config = precision.in_full(generator.get_config())
            self.averaged_generator = type(generator).from_config(config | {"name": "averaged_generator"})
        self.averaged_generator.set_weights(generator.get_weights())
        self.averaged_generator.trainable = False
        self.build_optimizers()
        self.built = True
        self.check()
        composition.warn(self)

    def specification_of(self, player: str) -> Mapping | keras.Model:
        """Returns what a player's network is built from, checked; or the model that was given."""
        given = (self.networks or {}).get(player, {})
        if isinstance(given, keras.Model):
            return given
        spec = specification(self.default_networks[player], given)
        builder(player, spec)
        return spec

    def network_of(self, player: str, seed: int) -> keras.Model:
        """Returns the network of a player, built."""
        spec = self.specification_of(player)
        if not isinstance(spec, keras.Model):
            return network(player, spec, self.input_shape_of(player), self.latent_dim, seed)
        if not spec.built:
            spec.build((None, self.latent_dim) if player == "generator" else (None, *self.input_shape_of(player)))
        precision.check_given(spec, player, self.dtype_policy)
        return spec

    def input_shape_of(self, player: str) -> tuple[int, ...]:
        """Returns the shape of one example that a player's network sees; of the generator, that it makes."""
        return self.image_shape

    def compile(self, optimizers="adam", jit_compile: bool = False, **kwargs) -> None:
        """Configures training.

        Args:
            optimizers: for all players, or player -> for each: a name, a Keras optimizer, or a mapping of
                `name` and its arguments.
            jit_compile: compile the round with XLA.
            **kwargs: `run_eagerly`, `steps_per_execution`: as in `keras.Model.compile`.

        Raises:
            InputError: if a player is unknown or left out, or an optimizer is impossible.
        """
        if "optimizer" in kwargs:
            raise InputError("optimizer=: a GAN has one a player; give optimizers=, for all or by player")
        made = optimizers_of(self.players, optimizers)
        if self.compute_dtype == "float16":
            replicas = self.distribute_strategy.num_replicas_in_sync
            made = {player: precision.loss_scaled(each, replicas) for player, each in made.items()}
        self.optimizers = made
        self._compile_options = dict(jit_compile=jit_compile, **kwargs)
        super().compile(optimizer=None, **self._compile_options)
        if self.built:
            self.build_optimizers()

    def build_optimizers(self) -> None:
        """Creates the optimizers' variables: before tracing, and before any weights are loaded."""
        with self.distribute_strategy.scope():
            for player, player_optimizer in self.optimizers.items():
                player_optimizer.build(getattr(self, player).trainable_variables)

    def fit(
        self,
        x=None,
        y=None,
        batch_size=None,
        epochs=1,
        *,
        validation_data=None,
        callbacks=None,
        shuffle=True,
        **kwargs,
    ) -> keras.callbacks.History:
        """Trains on images or points in any usual form (see `ganzoo.data.adapt`); labels are ignored.

        The rest is as in `keras.Model.fit`; an epoch's steps are rounds.

        Args:
            x: `tf.data.Dataset`, NumPy array, or what `ganzoo.data.load` returns.
            y: labels, not used.
            batch_size: examples an update, for data that is not in batches; 64 if not given.
            epochs: as in Keras.
            validation_data: in any form that `x` may have; gives `val_` terms.
            callbacks: Keras callbacks, but for those that drive `model.optimizer`.
            shuffle: an array is shuffled anew in every epoch; with BackupAndRestore, which starts the shuffles over,
                False makes a resumed run the same as one that was not cut.
            **kwargs: `steps_per_epoch`, `initial_epoch`, `verbose`, ...: as in Keras.

        Raises:
            InputError: if the data or a callback cannot be used; the message says why and what to do.
        """
        check_callbacks(callbacks, x)
        check_strategy(self)
        batches = self.prepared(x, y, batch_size, self.discriminator_steps, shuffle)
        if batches.cardinality() == tf.data.INFINITE_CARDINALITY and not kwargs.get("steps_per_epoch"):
            raise InputError("the data never end: say how many rounds an epoch has with steps_per_epoch=")
        if validation_data is not None:
            pair = validation_data if isinstance(validation_data, tuple) else (validation_data,)
            size = None if isinstance(pair[0], tf.data.Dataset) else batch_size
            validation_data = self.prepared(*pair, batch_size=size, held_out=True)
        if several_workers(self.distribute_strategy):
            steps = kwargs.get("steps_per_epoch")
            batches, kwargs["steps_per_epoch"] = shared_out(batches, self.distribute_strategy, steps)
            callbacks = together(callbacks)
        return super().fit(
            batches,
            epochs=epochs,
            validation_data=validation_data,
            callbacks=callbacks,
            shuffle=False,
            **kwargs,
        )

    def evaluate(self, x=None, y=None, batch_size=None, **kwargs):
        """Returns the terms on held-out data, by name with `return_dict=True`."""
        batches = self.prepared(x, y, batch_size, held_out=True)
        if several_workers(self.distribute_strategy):
            batches, kwargs["steps"] = shared_out(batches, self.distribute_strategy, kwargs.get("steps"))
        return super().evaluate(batches, **kwargs)

    def make_train_function(self, force: bool = False) -> Callable:
        """Returns what plays one round of an iterator's data, traced at the first."""
        if not several_workers(self.distribute_strategy):
            return super().make_train_function(force)
        if self.train_function is None or force:
            self.train_function = in_step(self.train_step, self.distribute_strategy, self.run_eagerly)
        return self.train_function

    def make_test_function(self, force: bool = False) -> Callable:
        """Returns what takes the terms of one held-out batch of an iterator, traced at the first."""
        if not several_workers(self.distribute_strategy):
            return super().make_test_function(force)
        if self.test_function is None or force:
            self.test_function = in_step(self.test_step, self.distribute_strategy, self.run_eagerly)
        return self.test_function

    def prepared(
        self, x, y=None, batch_size=None, batches_per_round: int = 1, shuffle: bool = True, held_out: bool = False
    ) -> tf.data.Dataset:
        """Returns the data as batches of one round, and builds the networks for their shape if there are none.

        Held-out data come once, in order, and need not fill a batch; of a density that is a fixed number of batches.
        """
        strategy = self.distribute_strategy
        shares = strategy.num_replicas_in_sync * self.batch_multiple
        if held_out and isinstance(x, data.Examples):
            x = x.images
        if isinstance(x, data.Examples | data.Density):
            size = batch_size or DEFAULT_BATCH_SIZE
            data.require_divisible(size, shares)
            step = int(self.step.numpy())  # a resumed run goes on in the data, too
            batches = data.training_batches(
                x, size, self.seed, step, batches_per_round, order=ROLLBACK_STRIDE * int(self.rollbacks.numpy())
            )
            batches = batches.take(HELD_OUT_BATCHES) if held_out else batches
        else:
            if held_out and batch_size is None and isinstance(x, np.ndarray) and len(x):
                batch_size = max(1, min(DEFAULT_BATCH_SIZE, len(x)) // shares) * shares
            batches = data.adapt(
                x, y, batch_size=batch_size, batches_per_round=batches_per_round,
                shares=shares, seed=self.seed, shuffle=shuffle and not held_out,
            )  # fmt: skip
        shape = data.image_shape_of(batches, batches_per_round)
        if self.image_shape is None:
            with strategy.scope():
                self.build((None, *shape))
        elif shape != self.image_shape:
            raise InputError(f"images are {shape}, the model is built for {self.image_shape}; resize them")
        return batches

    def get_config(self) -> dict:
        """Returns the settings, with the image shape that the data gave."""
        config = {name: getattr(self, name) for name in settings.declared(type(self), Players)}
        if self.networks:
            models = keras.saving.serialize_keras_object
            config["networks"] = {
                player: models(given) if isinstance(given, keras.Model) else dict(given)
                for player, given in self.networks.items()
            }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config: dict):
        """Returns the model of a config, with networks if it has an image shape."""
        networks = {
            player: keras.saving.deserialize_keras_object(given) if "class_name" in given else given
            for player, given in (config.get("networks") or {}).items()
        }
        return cls(**{**config, "networks": networks or None})

    def get_build_config(self) -> None:
        """Returns nothing: the image shape in the config builds the networks."""

    def get_compile_config(self) -> dict:
        """Returns what `compile` was given, with the optimizers as they are."""
        optimizers = {p: keras.saving.serialize_keras_object(o) for p, o in self.optimizers.items()}
        return {"optimizers": optimizers, **self._compile_options}

    def compile_from_config(self, config: dict) -> None:
        """Compiles as a saved model was."""
        optimizers = {p: keras.saving.deserialize_keras_object(o) for p, o in config["optimizers"].items()}
        self.compile(**{**config, "optimizers": optimizers})
