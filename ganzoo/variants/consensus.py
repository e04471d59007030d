"""Consensus optimisation: the players agree on going where all their gradients are small.

The players' gradients, side by side, are a vector field v on all weights at once. Where its Jacobian has eigenvalues
with a large imaginary part the game turns, and simultaneous gradient descent needs tiny steps or diverges. To descend
||v||^2 as well adds a part that is symmetric: it draws the eigenvalues to the side that converges, and leaves the
points where v = 0 as they are. Alone it would go to any of them, saddle points too; with v the game is still played.
"""

from collections.abc import Mapping
from typing import ClassVar

import tensorflow as tf

from ganzoo.distribution import replica_count, squared_norm
from ganzoo.errors import InputError
from ganzoo.gan import GAN, Terms
from ganzoo.networks import DCGAN_WITHOUT_NORM
from ganzoo.noise import Stream
from ganzoo.registry import register
from ganzoo.settings import NonNegativeFloat


@register("consensus")
class Consensus(GAN):
    """A game whose players also descend the squared norm of all their gradients together.

    Args:
        consensus_weight: the paper's gamma.
        **settings: see `GAN`.

    Raises:
        InputError: if a setting is unknown, of a wrong type, or impossible, or the players' optimizers differ.

    Terms: discriminator/adversarial, discriminator/consensus, generator/adversarial, generator/consensus.

    Equations:
        D: L_D + gamma/2 ||v||^2, L_D = E_x sp(-a(x)) + E_z sp(a(G))
        G: L_G + gamma/2 ||v||^2, L_G = E_z sp(-a(G))
        v = (d L_D / d D, d L_G / d G), both players' weights; each descends its own with respect to its weights

    Source: Mescheder, Nowozin & Geiger 2017, "The numerics of GANs", https://arxiv.org/abs/1705.10461;
        https://github.com/LMescheder/TheNumericsOfGANs.

    Paper: RMSprop 1e-4 over the weights of both players, taken at the same weights, gamma 10 (0.1 in one of the
        published scripts), batch 64, z ~ N(0, I)^256, DCGAN networks without batch norm of 3 or 4 layers and width
        64, 150,000 steps on CIFAR-10.

    Deviation: an optimizer for each player: RMSprop is elementwise, so two with the same settings are the paper's one
        (not so with `global_clipnorm`). The networks are the seven-layer ones of the other recipes. Keras'
        mean square of RMSprop starts at 0, TensorFlow 1's at 1: here the first hundred steps are longer. Without norm
        weights are He uniform: gradients are larger at first, and the consensus term outweighs the game for longer.
    """

    consensus_weight: NonNegativeFloat = 10.0
    latent_dim = 256
    simultaneous = True

    second_order: ClassVar = ("discriminator", "generator")
    default_networks: ClassVar[Mapping[str, Mapping]] = DCGAN_WITHOUT_NORM
    terms: ClassVar = {
        "discriminator": ("adversarial", "consensus"),
        "generator": ("adversarial", "consensus"),
    }

    def compile(self, optimizers="adam", jit_compile: bool = False, **kwargs) -> None:
        """Configures training as in `GAN`, with optimizers that are alike.

        Raises:
            InputError: if a player is unknown or left out, or the optimizers are impossible or differ.
        """
        super().compile(optimizers, jit_compile=jit_compile, **kwargs)
        inner = [getattr(each, "inner_optimizer", each) for each in self.optimizers.values()]
        kinds = [(type(each).__name__, {**each.get_config(), "name": None}) for each in inner]
        if kinds[0] != kinds[1]:
            raise InputError(
                f"optimizers={dict(zip(self.optimizers, kinds, strict=True))}: they differ, but {self.variant} "
                "descends one field over the weights of both players, which steps of two kinds bend; give one for both"
            )

    def gradients(self, players: tuple[str, ...], real: tf.Tensor, noise: Stream) -> tuple[dict, Terms]:
        """Returns player -> gradients of its loss and of the field's squared norm, and the terms as `player/name`."""
        scale = {player: self.optimizers[player].scale_loss(1.0) for player in self.players}
        first = scale[self.players[0]]
        with tf.GradientTape() as tape:
            gradients, values = super().gradients(self.players, real, noise)
            field = [g / scale[player] for player in self.players for g in gradients[player] if g is not None]
            consensus = self.consensus_weight / 2 * squared_norm(field)
            share = consensus / replica_count()  # the same on all replicas, whose gradients optimizers sum
            scaled = first * share
        pulls = tape.gradient(scaled, {player: getattr(self, player).trainable_variables for player in players})
        for player in players:
            pairs = zip(gradients[player], pulls[player], strict=True)
            gradients[player] = [g if pull is None else g + scale[player] / first * pull for g, pull in pairs]
        values = {name: value for name, value in values.items() if name.split("/")[0] in players}
        values |= {f"{player}/consensus": consensus for player in players}
        return {player: gradients[player] for player in players}, values
