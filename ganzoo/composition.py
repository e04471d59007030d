"""What does not go together: refused where it cannot be meant, warned about where it is unsound."""

import warnings
from collections.abc import Iterator

import keras
from keras import layers

from ganzoo.augment import AUGMENTATIONS
from ganzoo.errors import InputError
from ganzoo.layers import MinibatchDiscrimination, ReferenceBatch

RANDOM = (layers.Dropout, layers.AlphaDropout, layers.GaussianDropout, layers.GaussianNoise, layers.SpatialDropout2D)

# Settings that concern opponents alone.
OF_OPPONENTS = ("augment", "discriminator_steps", "instance_noise", "simultaneous")


class UnsoundWarning(UserWarning):
    """A game's networks make a setting other than what its paper means."""


def refuse(game) -> None:
    """Refuses settings that cannot be meant together.

    Raises:
        InputError: naming both, with the reason and the cure.
    """
    if game.augment and game.image_shape and len(game.image_shape) != 3:
        raise InputError(f"augment={list(game.augment)}: for images [B, H, W, C], not for points; leave it out")
    for name in OF_OPPONENTS if not game.opponents else ():
        if (value := getattr(game, name)) != getattr(type(game), name):
            raise InputError(f"{name}={value!r}: it concerns opponents, and {game.variant} has none; leave it out")
    once = [name for name in game.augment if not AUGMENTATIONS[name].twice]
    if once and game.second_order:
        raise InputError(
            f"augment={once}: {game.variant} differentiates gradients, through which TensorFlow has no second "
            f"derivative of it; use {sorted(name for name in AUGMENTATIONS if AUGMENTATIONS[name].twice)}"
        )


def warn(game) -> None:
    """Warns of networks that do not suit a game's settings, with reason and cure."""
    for reason in unsound(game):
        warnings.warn(f"{game.variant}: {reason}", UnsoundWarning, stacklevel=2)


def has(network: keras.Model, kinds: type | tuple[type, ...]) -> bool:
    """Returns whether a network has a layer of these kinds."""
    return any(isinstance(layer, kinds) for layer in network._flatten_layers())


def unsound(game) -> Iterator[str]:
    """Yields the reasons why a game's networks do not suit its settings."""
    for opponent in game.opponents if game.penalty or game.own_penalty else ():
        network = getattr(game, opponent)
        if has(network, layers.BatchNormalization):
            yield (
                f"a gradient penalty with batch norm in the {opponent}: a score then depends on the whole batch, "
                f"and the penalty is not one of single examples; set networks.{opponent}.normalized = false"
            )
        if has(network, MinibatchDiscrimination):
            yield (
                f"a gradient penalty with minibatch discrimination in the {opponent}: the gradient of a score "
                f"has cross terms of the batch; set networks.{opponent}.minibatch_kernels = 0 for the textbook penalty"
            )
    if game.prior != "normal" and has(game.generator, ReferenceBatch):
        yield (
            f"prior={game.prior!r} with virtual batch norm in the generator, whose reference batch is drawn from "
            'N(0, I); set prior = "normal"'
        )
    for player in game.second_order:
        network = getattr(game, player)
        if has(network, layers.BatchNormalization):
            yield (
                f"batch norm in the {player}: its gradient is differentiated here, and with it the statistics of "
                f"the batch; set networks.{player}.normalized = false"
            )
        if has(network, RANDOM):
            yield f"dropout or noise in the {player}: the passes of one update would not see the same; leave it out"
