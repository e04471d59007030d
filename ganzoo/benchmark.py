"""Rounds a second of a recipe, what `fit` costs over a bare loop, and what a round costs over another game's."""

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from ganzoo import config, data
from ganzoo.gan import GAN
from ganzoo.progress import shown

IMAGE_SHAPE = (32, 32, 3)


@dataclass(frozen=True)
class Benchmark:
    """Medians over interleaved repeats, in one process.

    Args:
        rounds_per_second: of `fit`.
        images_per_second: real images that `fit` takes in.
        bare_rounds_per_second: of a loop over the same data that calls the compiled `train_step`.
        fit_over_bare: seconds of `fit` by seconds of the bare loop, median of the pairs.
    """

    rounds_per_second: float
    images_per_second: float
    bare_rounds_per_second: float
    fit_over_bare: float


def benchmark(recipe: config.Recipe, rounds: int = 20, repeats: int = 5) -> Benchmark:
    """Returns the speed of a recipe's rounds, on random images of its shape (32x32x3 if it says none).

    Args:
        recipe: the recipe; `gan.image_shape` or `data.image_size` give the shape.
        rounds: in each repeat.
        repeats: how often `fit` and the bare loop take turns.
    """
    gan = config.build(recipe, image_shape=image_shape_of(recipe))
    batch_size = recipe.data.batch_size
    source = _random_examples(gan, batch_size)
    step = tf.function(gan.train_step, jit_compile=recipe.train.jit_compile)
    batches = data.training_batches(source, batch_size, gan.seed, 0, gan.discriminator_steps).take(rounds)

    def fit_seconds() -> float:
        start = time.perf_counter()
        gan.fit(source, batch_size=batch_size, epochs=1, steps_per_epoch=rounds, verbose=0)
        return time.perf_counter() - start

    def bare_seconds() -> float:
        start = time.perf_counter()
        for batch in batches:
            logs = step(batch)
        logs["loss"].numpy()
        return time.perf_counter() - start

    fit_seconds(), bare_seconds()  # tracing
    pairs = [(fit_seconds(), bare_seconds()) for _ in shown(range(repeats), "benchmark", repeats)]
    fit, bare = (statistics.median(each) / rounds for each in zip(*pairs, strict=True))
    return Benchmark(
        rounds_per_second=1 / fit,
        images_per_second=batch_size * gan.discriminator_steps / fit,
        bare_rounds_per_second=1 / bare,
        fit_over_bare=statistics.median(f / b for f, b in pairs),
    )


def round_over(gan: GAN, base: GAN, batch_size: int = 32, repeats: int = 20) -> float:
    """Returns the time of a round of one game over that of another: median of the ratios of alternate rounds.

    Args:
        gan: a compiled game, with networks.
        base: another, for data of the same shape.
        batch_size: examples an update.
        repeats: rounds of each, after one that traces.
    """

    def rounds(game: GAN) -> Callable[[], float]:
        step, examples = tf.function(game.train_step), _random_examples(game, batch_size)
        (batch,) = data.training_batches(examples, batch_size, game.seed, 0, game.discriminator_steps).take(1)

        def seconds() -> float:
            start = time.perf_counter()
            step(batch)["loss"].numpy()
            return time.perf_counter() - start

        return seconds

    ours, theirs = rounds(gan), rounds(base)
    ours(), theirs()  # tracing
    return statistics.median(ours() / theirs() for _ in range(repeats))


def _random_examples(gan: GAN, batch_size: int) -> data.Examples:
    random, shape = np.random.default_rng(0), (2 * batch_size * gan.discriminator_steps, *gan.image_shape)
    values = random.integers(0, 256, shape, np.uint8) if len(shape) == 4 else random.normal(size=shape)
    return data.Examples("random", "train", values if len(shape) == 4 else values.astype("float32"))


def image_shape_of(recipe: config.Recipe) -> tuple[int, ...]:
    """Returns the shape of a recipe's images, 32x32x3 if it says none."""
    if shape := recipe.gan.get("image_shape"):
        return tuple(shape)
    size = recipe.data.image_size or IMAGE_SHAPE[:2]
    height, width = (size, size) if isinstance(size, int) else size
    return (height, width, recipe.data.channels or IMAGE_SHAPE[2])
