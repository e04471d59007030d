"""Measures a recipe's rounds a second, and what `fit` costs over a bare loop of the same step.

ganzoo benchmark --recipe=dual_d_selu --set=data.batch_size=32

With --against, what a round costs over one of another recipe, on batches of the first one's shape and size:

ganzoo benchmark --recipe=wgan_gp --against=dcgan
"""

import dataclasses

from absl import flags

from ganzoo import benchmark, config

RECIPE = flags.DEFINE_string("recipe", None, "Name of a shipped recipe, or path of a .toml file.", required=True)
ROUNDS = flags.DEFINE_integer("rounds", 20, "Rounds a repeat.", lower_bound=1)
REPEATS = flags.DEFINE_integer("repeats", 5, "How often fit and the bare loop take turns.", lower_bound=1)
AGAINST = flags.DEFINE_string("against", None, "Another recipe, whose round is the measure.")
SET = flags.DEFINE_multi_string("set", [], "section.key=value over the recipe's; may be repeated.")


def main() -> None:
    """Measures."""
    recipe = config.load_recipe(RECIPE.value, SET.value)
    if AGAINST.value:
        gan = config.build(recipe, image_shape=benchmark.image_shape_of(recipe))
        base = config.build(config.load_recipe(AGAINST.value), image_shape=gan.image_shape)
        print(f"round_over_{AGAINST.value} {benchmark.round_over(gan, base, recipe.data.batch_size, ROUNDS.value):.3f}")
        return
    result = benchmark.benchmark(recipe, ROUNDS.value, REPEATS.value)
    for name, value in dataclasses.asdict(result).items():
        print(f"{name:24} {value:10.3f}")
