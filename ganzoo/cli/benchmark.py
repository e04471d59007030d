"""Measures a recipe's rounds a second, and what `fit` costs over a bare loop of the same step.

ganzoo benchmark --recipe=dual_d_selu --set=data.batch_size=32

With --against, what a round costs over one of another recipe, on batches of the first one's shape and size:

ganzoo benchmark --recipe=wgan_gp --against=dcgan

With --serving, how soon and how often a model answers in process, over gRPC and over REST, each answer compared with
the image that is due; the development server is started for it:

ganzoo benchmark --serving --model=saved_models/dual_d_selu_digits --seconds=60 --output=load.json
"""

import dataclasses
import json

from absl import flags

from ganzoo import benchmark, config, exported, folders
from ganzoo.errors import InputError
from ganzoo.files import require_writable, write_text

RECIPE = flags.DEFINE_string("recipe", None, "Name of a shipped recipe, or path of a .toml file.")
ROUNDS = flags.DEFINE_integer("rounds", 20, "Rounds a repeat.", lower_bound=1)
REPEATS = flags.DEFINE_integer("repeats", 5, "How often fit and the bare loop take turns.", lower_bound=1)
AGAINST = flags.DEFINE_string("against", None, "Another recipe, whose round is the measure.")
SET = flags.DEFINE_multi_string("set", [], "section.key=value over the recipe's; may be repeated.")
SERVING = flags.DEFINE_bool("serving", False, "Measure a served model in place of a recipe.")
MODEL = flags.DEFINE_string("model", "saved_models/dual_d_selu_digits", "To serve: a SavedModel, or its versions.")
SECONDS = flags.DEFINE_float("seconds", 60.0, "Of load on each road, for each number of clients.", lower_bound=0.1)
CLIENTS = flags.DEFINE_list("clients", ["1", "8", "32"], "How many ask at the same time.")
OUTPUT = flags.DEFINE_string("output", None, "JSON file for what --serving measured.")


def main() -> None:
    """Measures."""
    if SERVING.value == bool(RECIPE.value):
        raise InputError("give --recipe=, to measure its rounds, or --serving and --model=, to measure a served model")
    if SERVING.value:
        serve()
        return
    recipe = config.load_recipe(RECIPE.value, SET.value)
    if AGAINST.value:
        gan = config.build(recipe, image_shape=benchmark.image_shape_of(recipe))
        base = config.build(config.load_recipe(AGAINST.value), image_shape=gan.image_shape)
        print(f"round_over_{AGAINST.value} {benchmark.round_over(gan, base, recipe.data.batch_size, ROUNDS.value):.3f}")
        return
    result = benchmark.benchmark(recipe, ROUNDS.value, REPEATS.value)
    for name, value in dataclasses.asdict(result).items():
        print(f"{name:24} {value:10.3f}")


def serve() -> None:
    """Measures a served model."""
    from ganzoo.serving import load

    if OUTPUT.value:
        require_writable(OUTPUT.value)
    clients = [int(each) for each in CLIENTS.value if each.isdecimal() and int(each)]
    if len(clients) != len(CLIENTS.value) or not clients:
        raise InputError(f"clients={','.join(CLIENTS.value)}: give whole numbers above 0, as in 1,8,32")
    generator = exported.open_generator(MODEL.value)
    assets = generator.path / "assets.extra"
    ratio = None
    if (assets / folders.RECIPE_FILE).exists():
        recipe, image_shape = folders.held_recipe(assets)
        ratio = load.signature_over_keras(generator, config.build(recipe, image_shape=image_shape).averaged_generator)
        print(f"signature_over_keras {ratio:.3f}\n")
    measured = []
    with load.stand_in(generator.path) as served:
        for each in load.load(generator, served, SECONDS.value, clients):
            measured.append(each)
            print(load.table([each]) if len(measured) == 1 else load.table([each]).splitlines()[-1], flush=True)
    if OUTPUT.value:
        said = {
            "model": str(generator.path),
            "cores": load.cores(),
            "seconds": SECONDS.value,
            "signature_over_keras": ratio,
            "measured": [dataclasses.asdict(each) for each in measured],
        }
        write_text(OUTPUT.value, json.dumps(said, indent=2) + "\n")
        print(f"\nfigures: {OUTPUT.value}")
