"""Densities in one and two dimensions, of which everything is known."""

import dataclasses
import math

import numpy as np
import tensorflow as tf

from ganzoo.data.arguments import whole_number

_SWISS_ROLL_SCALE = 7.5


@dataclasses.dataclass(frozen=True, eq=False)
class Density:
    """A density to draw points from without end.

    Attributes:
        name: What `load` takes to get it again.
        modes: float32 [K, D], the centres of equally likely Gaussians; None for the swiss roll.
        standard_deviation: That of the Gaussian noise around the modes, or around the roll, in each
            coordinate.
        dim: D, the coordinates of a point.
    """

    name: str
    modes: np.ndarray | None
    standard_deviation: float
    dim: int

    @property
    def image_shape(self) -> tuple[int]:
        """(D,), where `Examples` say (H, W, C)."""
        return (self.dim,)

    def sample(self, n: int, seed: int) -> np.ndarray:
        """Returns n points, float32 [n, D]: a function of the seed alone.

        Raises:
            InputError: n or seed is no whole number of at least 0.
        """
        n, seed = whole_number("n", n, least=0), whole_number("seed", seed, least=0)
        with tf.device("CPU:0"):  # an accelerator's sine and logarithm differ in the last bits
            # -1 is no step: no training batch of the same seed repeats these points
            return self.draw(n, tf.constant([seed, -1], tf.int64)).numpy()

    def draw(self, n: int, seed: tf.Tensor) -> tf.Tensor:
        """Returns n points as a tensor, float32 [n, D], for use in graphs; `seed` is int64 [2]."""
        # The algorithm is named since XLA and accelerators would choose another: other points
        place, noise = tf.unstack(tf.random.split(seed, 2, alg="philox"))
        spread = self.standard_deviation * tf.random.stateless_normal([n, self.dim], noise, alg="philox")
        return (self._roll(n, place) if self.modes is None else self._centres(n, place)) + spread

    def _centres(self, n: int, seed: tf.Tensor) -> tf.Tensor:
        """Returns one mode for each of n points."""
        last = len(self.modes)
        mode = tf.random.stateless_uniform([n], seed, maxval=last, dtype=tf.int32, alg="philox")
        return tf.gather(tf.constant(self.modes), mode)

    def _roll(self, n: int, seed: tf.Tensor) -> tf.Tensor:
        """Returns n points on scikit-learn's swiss roll, seen from its end."""
        turn = 1.5 * math.pi * (1.0 + 2.0 * tf.random.stateless_uniform([n], seed, alg="philox"))
        return tf.stack([turn * tf.cos(turn), turn * tf.sin(turn)], axis=1) / _SWISS_ROLL_SCALE


def ring8() -> Density:
    """Eight Gaussians on a circle of radius 2, standard deviation 0.02 (points [B, 2])."""
    angle = np.arange(8) * (math.pi / 4)
    modes = 2.0 * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    return Density("ring8", modes.astype(np.float32), standard_deviation=0.02, dim=2)


def grid25() -> Density:
    """Twenty-five Gaussians on a grid, -4, -2, 0, 2, 4 both ways, standard deviation 0.05 (points [B, 2]).

    The code of WGAN-GP divides the same points by 2.828; here they are as they are.
    """
    side = np.arange(-4.0, 5.0, 2.0)
    modes = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    return Density("grid25", modes.astype(np.float32), standard_deviation=0.05, dim=2)


def swiss_roll() -> Density:
    """WGAN-GP's roll (points [B, 2]).

    Coordinates 0 and 2 of scikit-learn's `make_swiss_roll` with noise 0.25, all divided by 7.5.
    """
    return Density("swiss_roll", None, standard_deviation=0.25 / _SWISS_ROLL_SCALE, dim=2)


def gaussians1d() -> Density:
    """Three equally likely Gaussians at -2, 0 and 2, standard deviation 0.2 (points [B, 1])."""
    modes = np.array([[-2.0], [0.0], [2.0]], np.float32)
    return Density("gaussians1d", modes, standard_deviation=0.2, dim=1)


DENSITIES = {make.__name__: make for make in (ring8, grid25, swiss_roll, gaussians1d)}
