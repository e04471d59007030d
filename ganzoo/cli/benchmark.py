"""Measures a recipe's rounds a second, and what `fit` costs over a bare loop of the same step.

ganzoo benchmark --recipe=dual_d_selu --set=data.batch_size=32
"""

import dataclasses

from absl import flags

from ganzoo import benchmark, config

RECIPE = flags.DEFINE_string("recipe", None, "Name of a shipped recipe, or path of a .toml file.", required=True)
ROUNDS = flags.DEFINE_integer("rounds", 20, "Rounds a repeat.", lower_bound=1)
REPEATS = flags.DEFINE_integer("repeats", 5, "How often fit and the bare loop take turns.", lower_bound=1)
SET = flags.DEFINE_multi_string("set", [], "section.key=value over the recipe's; may be repeated.")


def main() -> None:
    """Measures."""
    recipe = config.load_recipe(RECIPE.value, SET.value)
    result = benchmark.benchmark(recipe, ROUNDS.value, REPEATS.value)
    for name, value in dataclasses.asdict(result).items():
        print(f"{name:24} {value:10.3f}")
