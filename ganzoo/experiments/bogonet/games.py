"""Random games: each player's network drawn by itself, and the same game for every training procedure.

The families and their odds are those of Kodali et al. 2018, section 5.3. The paper gives no ranges: those are ours.
"""

import dataclasses
import json
from collections.abc import Mapping

import numpy as np

from ganzoo.config import load_recipe
from ganzoo.gan import GAN
from ganzoo.networks import SHARED_OPTIONS, specification
from ganzoo.registry import variant

# The paper's DCGAN, ResNet and MLP by the names of ganzoo.networks.
FAMILIES = {"strided": 0.6, "resnet": 0.2, "mlp": 0.2}
LATENT_DIMS = (32, 64, 100, 128, 256)
RANGES = {
    "strided": {"width": (32, 64, 128), "depth": (3, 4, 5), "kernel": (3, 4, 5), "normalized": (True, False)},
    "resnet": {"width": (64, 128), "blocks": (1, 2, 3, 4)},
    "mlp": {"width": (128, 256, 512, 1024), "depth": (2, 3, 4, 5)},
}
ACTIVATIONS = {"generator": ("relu", "tanh"), "discriminator": ("leaky_relu", "tanh")}  # of the strided family
SIDE = 32  # of the images that the ranges are for
# What makes some variants' discriminators what they are, and stays when their networks are drawn.
KEPT_OPTIONS = set(SHARED_OPTIONS) - {"activation"}
# Penalises slopes, and its authors kept batch norm.
WITH_BATCH_NORM = ("dragan",)


@dataclasses.dataclass(frozen=True)
class RandomGame:
    """Who plays whom.

    Args:
        number: from which all else follows.
        latent_dim: numbers a latent.
        networks: player -> specification, as recipes have it.
    """

    number: int
    latent_dim: int
    networks: Mapping[str, Mapping]

    @property
    def name(self) -> str:
        """The game in a line."""
        players = (f"{'GD'[player == 'discriminator']} {described(spec)}" for player, spec in self.networks.items())
        return f"z {self.latent_dim}, {', '.join(players)}"


def drawn(number: int) -> RandomGame:
    """Returns the game of a number; neither player's draw depends on the other's."""
    latent_dim = int(np.random.default_rng((number, 0)).choice(LATENT_DIMS))
    players = {"generator": (number, 1), "discriminator": (number, 2)}
    networks = {player: network(player, np.random.default_rng(seed)) for player, seed in players.items()}
    return RandomGame(number, latent_dim, networks)


def network(player: str, random: np.random.Generator) -> dict:
    """Returns a drawn specification of a player's network."""
    family = str(random.choice(list(FAMILIES), p=list(FAMILIES.values())))
    own = {option: random.choice(values).item() for option, values in RANGES[family].items()}
    if family == "strided":
        own["activation"] = str(random.choice(ACTIVATIONS[player]))
    elif family == "mlp":
        own["activation"] = ACTIVATIONS[player][0]
    elif player == "discriminator":
        own["pooled"] = True  # that of WGAN-GP's own code
    return {"architecture": family, **own}


def scaled(game: RandomGame, divisor: int, side: int) -> RandomGame:
    """Returns the game on images of another side: widths by `divisor`, strided layers less by the halvings lacking."""
    lacking = round(np.log2(SIDE / side))

    def smaller(spec: Mapping) -> dict:
        less = {"width": spec["width"] // divisor}
        if spec["architecture"] == "strided":
            less["depth"] = max(1, spec["depth"] - lacking)
        return {**spec, **less}

    return dataclasses.replace(game, networks={player: smaller(spec) for player, spec in game.networks.items()})


def changes(game: RandomGame, recipe: str) -> tuple[str, ...]:
    """Returns what makes a recipe's variant play a game: all its discriminators are of the one specification.

    Its own networks go; minibatch discrimination, say, stays, and batch norm stays out of discriminators whose
    gradients are penalised, where it would make the penalty one of whole batches.
    """
    loaded = load_recipe(recipe)
    cls, given = variant(loaded.variant), loaded.gan.get("networks", {})
    lines = [f"gan.latent_dim={game.latent_dim}", "gan.prior=normal"]
    for player in ("generator", *cls.opponents):
        own = specification(cls.default_networks[player], given.get(player, {}))
        spec = dict(game.networks["generator" if player == "generator" else "discriminator"])
        if player != "generator" and "normalized" in spec:
            spec["normalized"] = spec["normalized"] and bears_batch_norm(cls)
        kept = {option: value for option, value in own.items() if option in KEPT_OPTIONS}
        lines.append(f"gan.networks.{player}={toml(spec | kept)}")
    return tuple(lines)


def bears_batch_norm(cls: type[GAN]) -> bool:
    """Returns whether a variant's discriminators are played with batch norm where it is drawn."""
    return cls.variant in WITH_BATCH_NORM or not (cls.penalty or cls.own_penalty or cls.second_order)


def toml(table: Mapping) -> str:
    """Returns a table of numbers, strings and truth values as TOML spells it in a line."""
    return f"{{{', '.join(f'{key} = {json.dumps(value)}' for key, value in table.items())}}}"


def described(spec: Mapping) -> str:
    """Returns a specification in a few words."""
    words = [f"{option} {value}" for option, value in spec.items() if option in ("width", "depth", "kernel", "blocks")]
    words += ["batch norm"] if spec.get("normalized") else []
    return " ".join([spec["architecture"], *words, *filter(None, [spec.get("activation")])])
