"""Optimizers from what recipes say: Keras' names and arguments, one a player, with Keras' schedules."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import keras

from ganzoo.errors import InputError, did_you_mean

NAMES = {
    name.lower(): name
    for name in ("Adadelta", "Adafactor", "Adagrad", "Adam", "Adamax", "AdamW", "Ftrl", "Lamb", "Lion", "Nadam",
                 "RMSprop", "SGD")
}  # fmt: skip
SCHEDULES = ("CosineDecay", "CosineDecayRestarts", "ExponentialDecay", "InverseTimeDecay",
             "PiecewiseConstantDecay", "PolynomialDecay")  # fmt: skip


def schedule(spec: Mapping[str, Any]) -> keras.optimizers.schedules.LearningRateSchedule:
    """Returns the schedule `{"schedule": name of a Keras class, **its arguments}`; steps are a player's updates.

    Raises:
        InputError: if the name or an argument is unknown.
    """
    name = spec.get("schedule")
    if name not in SCHEDULES:
        raise InputError(f"schedule={name!r} is unknown; {did_you_mean(str(name), SCHEDULES)}")
    options = {key: value for key, value in spec.items() if key != "schedule"}
    try:
        return getattr(keras.optimizers.schedules, name)(**options)
    except (TypeError, ValueError) as error:
        raise InputError(f"schedule {name} with {options}: {error}; see its Keras documentation") from None


def optimizer(spec: Mapping[str, Any] | str | keras.optimizers.Optimizer) -> keras.optimizers.Optimizer:
    """Returns a new optimizer from a name, from `{"name": name, **arguments}`, or as another one is.

    Raises:
        InputError: if the name or an argument is unknown, or a learning rate is not above 0.
    """
    if isinstance(spec, keras.optimizers.Optimizer):
        return type(spec).from_config(spec.get_config())
    options = {"name": spec} if isinstance(spec, str) else dict(spec)
    name = str(options.pop("name", "adam"))
    if name.lower() not in NAMES:
        raise InputError(f"optimizer name={name!r} is unknown; {did_you_mean(name.lower(), NAMES)}")
    rate = options.get("learning_rate")
    if isinstance(rate, Mapping):
        options["learning_rate"] = schedule(rate)
    elif rate is not None and (not isinstance(rate, int | float) or not 0 < rate < math.inf):
        raise InputError(f"learning_rate={rate!r}: give a number above 0, or a table with a schedule")
    try:
        return getattr(keras.optimizers, NAMES[name.lower()])(**options)
    except (TypeError, ValueError) as error:
        raise InputError(f"optimizer {name} with {options}: {error}; see its Keras documentation") from None


def optimizers_of(players: Sequence[str], specs: Any) -> dict[str, keras.optimizers.Optimizer]:
    """Returns player -> optimizer, from one specification for all or from a mapping of players to theirs.

    Raises:
        InputError: if a player is unknown or left out, or an optimizer is impossible.
    """
    if not (isinstance(specs, Mapping) and set(specs) & set(players)):
        specs = dict.fromkeys(players, specs)
    for player in set(specs) - set(players):
        raise InputError(f"optimizers.{player}: no such player; {did_you_mean(player, players)}")
    for player in set(players) - set(specs):
        raise InputError(f"optimizers.{player} is missing; give one for each of {', '.join(players)}")
    return {player: optimizer(specs[player]) for player in players}
