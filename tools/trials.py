"""Trains every variant for 500 rounds on the ring of 8 and on digits; writes docs/trials.json and docs/trials.md.

Give names to try those alone: python tools/trials.py dragan wgan_gp
"""

import json
import math
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

import ganzoo
from ganzoo import config, data
from ganzoo.files import write_text
from ganzoo.progress import shown
from ganzoo.registry import variant

DOCS = Path(__file__).parent.parent / "docs"
ROUNDS = 500
SAMPLES = 2_000
INTRODUCTION = """# Trials: every variant, 500 rounds

A trial asks whether a game runs, not how good it is: 500 rounds are few. On digits (16x16) and on the ring of 8 a
variant plays as its small recipe for them has it; where it has none, as the paper's, with networks of width 16 (dense
ones 128 wide on points) and batches of 32 (64 on points), for which that optimizer was not meant. Seed 0.

Ring: modes with a sample within 3 standard deviations; share of samples within 3 of some mode; reverse KL of the
histogram of modes, in nats. Digits: classifier score over that of held-out digits; FID by the
classifier's features; classes, of ten, that get 1 % of the samples. 2,000 samples. (The scores of
`averaged`, `consensus`, `cramer`, f-GANs, `imle`, `locally_stable`, `r3gan`, `unrolled` and `wgan_gp` are by the
shipped classifier; the others are of before, by one trained where a trial ran: such weights differ a little.)
"""
RING = ("modes_covered", "high_quality_share", "reverse_kl")
DIGITS = ("classifier_score_ratio", "fid", "classes")


def trained(name: str, source: data.Examples | data.Density, dataset: str) -> tuple[ganzoo.GAN, dict]:
    """Returns the game after its rounds, and whether every term was finite.

    Played as the variant's small recipe for `dataset` has it; if there is none, as the paper's, with width 16 (128 on
    points) and batches of 32 (64).
    """
    small = f"{name}_{dataset}" in config.list_recipes()
    recipe = config.load_recipe(f"{name}_{dataset}" if small else name)
    width = 16 if len(source.image_shape) == 3 else 128
    networks = {} if small else {player: {"width": width} for player in variant(name).default_networks}
    gan = config.build(recipe, image_shape=source.image_shape, networks=networks)
    batch_size = recipe.data.batch_size if small else 32 if width == 16 else 64
    history = gan.fit(source, batch_size=batch_size, steps_per_epoch=ROUNDS // 10, epochs=10, verbose=0).history
    finite = all(math.isfinite(value) for values in history.values() for value in values)
    return gan, {"finite": finite, "recipe": recipe.name}


def ring(name: str) -> dict:
    """Returns what came of a variant on the ring of 8."""
    gan, result = trained(name, data.load("ring8"), "ring")
    return result | scored(gan, "ring8", RING)


def digits(name: str) -> dict:
    """Returns what came of a variant on digits."""
    gan, result = trained(name, data.load("digits", "train", image_size=16), "digits")
    return result | scored(gan, "digits", DIGITS, metrics=["classifier_score", "fid", "modes"])


def scored(gan: ganzoo.GAN, dataset: str, names: tuple[str, ...], **options) -> dict[str, float]:
    """Returns the named scores of `SAMPLES` samples; `classes` is how many classes get 1 % of them."""
    record = ganzoo.evaluate(gan, dataset, samples=SAMPLES, **options)
    values = {score.metric.partition("/")[0]: score.value for score in record.scores}
    values["classes"] = sum(value >= 0.01 for metric, value in values.items() if metric.startswith("class_share"))
    return {name: round(float(values[name]), 4) for name in names}


def page(results: dict) -> str:
    """Returns the results as a page."""
    runs = [run for found in results.values() for run in found.values() if run]
    rows = [
        INTRODUCTION,
        f"{sum(run['finite'] for run in runs)} of {len(runs)} runs had nothing but finite terms.\n",
        "| name | modes | near a mode | reverse KL | score | FID | classes |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for name, found in sorted(results.items()):
        cells = [f"`{name}`"]
        for part, metrics in (("ring8", RING), ("digits", DIGITS)):
            of = found.get(part)
            cells += [f"{of[m]:.3g}" for m in metrics] if of else ["-"] * len(metrics)
        rows.append(f"| {' | '.join(cells)} |")
    missing = sorted(set(ganzoo.list_models()) - set(results))
    rows += ["", f"Not tried yet: {', '.join(f'`{name}`' for name in missing)}."] if missing else []
    return "\n".join(rows) + "\n"


if __name__ == "__main__":
    names = sys.argv[1:] or ganzoo.list_models()
    path = DOCS / "trials.json"
    for name in shown(names, "trials", len(names)):
        exempt = getattr(variant(name), "exempt", {})
        found = {"ring8": None if "takes_points" in exempt else ring(name)}
        found["digits"] = None if "takes_colour_and_odd_sizes" in exempt else digits(name)
        # Read again: other names may be tried by another process.
        results = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
        results[name] = found
        write_text(path, json.dumps(results, indent=1, sort_keys=True) + "\n")
        write_text(DOCS / "trials.md", page(results))
        keras.backend.clear_session()
