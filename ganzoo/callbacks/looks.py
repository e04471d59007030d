"""What a look at a running game measures: the same few samples and real examples, and what opponents make of them."""

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from ganzoo import data
from ganzoo.errors import InputError
from ganzoo.noise import Stream

# Measures of samples alone; each opponent adds its own.
DIVERSITY, NEAREST, DISTANCE = "diversity", "nearest", "distance"


class Looks:
    """Measures a game on the same latents and the same real examples; of the game nothing changes.

    Networks run as in training, under the round's instance noise and augmentation, inside a `keras.StatelessScope`
    that drops what layers would write.

    Args:
        gan: a built GAN.
        real: float32 [N, H, W, C] in [-1, 1], or points [N, D]; N, also the number of samples, is a multiple of
            the game's `batch_multiple`.
    """

    def __init__(self, gan, real: np.ndarray):
        self.gan = gan
        self.real = tf.constant(real)
        distances = pair_distances(real, real)
        # Data that are one example over and over have neither.
        self.spread = mean_of_pairs(distances) or 1.0
        self.unit = np.median(nearest(distances)) or self.spread
        self._outputs = tf.function(self.outputs)

    def outputs(self) -> tuple[tf.Tensor, dict[str, tuple[tf.Tensor, ...]]]:
        """Returns the samples, and opponent -> scores of real ones, of samples, and their gradient at the samples."""
        gan, count = self.gan, len(self.real)
        noise = Stream(gan.seed, tf.constant(0, tf.int64), "look")
        found = {}
        with keras.StatelessScope():
            # A game may draw more than it is asked for, to choose among them.
            samples = gan.make_fake(count, noise)[:count]
            real = gan.seen(self.real, noise, "real")
            for opponent in gan.opponents:
                with tf.GradientTape() as tape:
                    tape.watch(samples)
                    scores = gan.scores(gan.seen(samples, noise, "fake"), opponent)
                gradient = tape.gradient(scores, samples, unconnected_gradients=tf.UnconnectedGradients.ZERO)
                found[opponent] = (gan.scores(real, opponent), scores, gradient)
        return samples, found

    def measures(self) -> tuple[dict[str, float], np.ndarray]:
        """Returns what is measured by name, and the samples.

        `diversity`: mean distance of two samples, of two real examples 1. `nearest`: a sample's distance from the next
        sample, median, of real ones 1. `distance`: a sample's distance from the next real example, median, in that
        unit. For each opponent `<opponent>/real_over_fake`, the share of pairs in which the real one has the higher
        score; `<opponent>/gap`, mean score of real ones less that of samples; `<opponent>/gradient`, mean norm of the
        score's gradient at a sample.
        """
        samples, found = self._outputs()
        with np.errstate(all="ignore"):  # a game that diverged has rows of infinities
            return {name: float(value) for name, value in self.row(samples, found).items()}, samples.numpy()

    def row(self, samples, found) -> dict[str, float]:
        """Returns what `measures` names, of what `outputs` returned."""
        flat = flattened(samples)
        among, to_real = pair_distances(flat, flat), pair_distances(flat, flattened(self.real))
        row = {
            DIVERSITY: mean_of_pairs(among) / self.spread,
            NEAREST: np.median(nearest(among)) / self.unit,
            DISTANCE: np.median(to_real.min(axis=1)) / self.unit,
        }
        for opponent, (real, fake, gradient) in found.items():
            real, fake = (np.mean(flattened(scores), axis=1) for scores in (real, fake))
            row[f"{opponent}/real_over_fake"] = share_over(real, fake)
            row[f"{opponent}/gap"] = np.mean(real) - np.mean(fake)
            row[f"{opponent}/gradient"] = np.mean(np.linalg.norm(flattened(gradient), axis=1))
        return row


def examples_of(gan, x: Any, count: int) -> np.ndarray:
    """Returns `count` examples spread evenly over data in any form that `fit` takes, as networks see them.

    Of a `tf.data.Dataset`, whose length need not be known, the first; and fewer if there are not as many.

    Raises:
        InputError: if there are fewer than 2.
    """
    if isinstance(x, data.Density):
        x = x.sample(count, gan.seed)
    if isinstance(x, data.Examples):
        x = x.images
    if not isinstance(x, tf.data.Dataset):
        x = np.asarray(x)[np.linspace(0, len(x) - 1, min(count, len(x))).round().astype(int)]
    rows = np.empty((0, *gan.image_shape), np.float32)
    for batch in gan.prepared(x, held_out=True):
        rows = np.concatenate([rows, batch.numpy()])[:count]
        if len(rows) == count:
            break
    rows = rows[: len(rows) // gan.batch_multiple * gan.batch_multiple]
    if len(rows) < 2:
        raise InputError(f"x has {len(rows)} examples to watch with: give at least {max(2, gan.batch_multiple)}")
    return rows


def flattened(rows) -> np.ndarray:
    """Returns rows as float64 [N, values]."""
    return np.asarray(rows, np.float64).reshape(len(rows), -1)


def pair_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Returns the distances between the rows of `a` and those of `b`, [N, M]."""
    a, b = flattened(a), flattened(b)
    squares = np.sum(a * a, axis=1)[:, None] + np.sum(b * b, axis=1) - 2.0 * a @ b.T
    return np.sqrt(np.maximum(squares, 0.0))


def mean_of_pairs(distances: np.ndarray) -> float:
    """Returns the mean distance of two rows that are not the same one."""
    return float(distances.sum() / (len(distances) * (len(distances) - 1)))


def nearest(distances: np.ndarray) -> np.ndarray:
    """Returns each row's distance from the nearest other one."""
    return np.min(distances + np.diag(np.full(len(distances), np.inf)), axis=1)


def share_over(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the share of pairs in which that of `a` is larger; half of those that are alike."""
    difference = a[:, None] - b[None, :]
    return float(np.mean((difference > 0) + 0.5 * (difference == 0)))
