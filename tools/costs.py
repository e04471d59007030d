"""Measures what a round of every variant costs over one of dcgan at equal networks; writes ganzoo/costs.json.

Networks of width 16 in every player, 32x32x3 images, batches of 32, the variant's own number of discriminator steps;
rounds of the two games alternate in one process. Give names to measure those alone:

python tools/costs.py dragan wgan_gp
"""

import json
import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras

import ganzoo
from ganzoo.benchmark import round_over
from ganzoo.files import write_text
from ganzoo.progress import shown
from ganzoo.registry import variant

COSTS = Path(ganzoo.__file__).parent / "costs.json"
SHAPE = (32, 32, 3)
POINTS = (2,)


def small(name: str, shape: tuple[int, ...]) -> ganzoo.GAN:
    """Returns a compiled game of the class's own networks, of width 16."""
    cls = variant(name)
    gan = cls(image_shape=shape, networks={player: {"width": 16} for player in cls.default_networks})
    gan.compile("adam")
    return gan


def measured(name: str) -> float:
    """Returns the cost of a round over dcgan's; on points where a variant knows points alone."""
    shape = POINTS if "takes_colour_and_odd_sizes" in getattr(variant(name), "exempt", {}) else SHAPE
    return round(round_over(small(name, shape), small("dcgan", shape)), 2)


if __name__ == "__main__":
    names = sys.argv[1:] or ganzoo.list_models()
    costs = json.loads(COSTS.read_text(encoding="utf-8"))["round_over_dcgan"]
    for name in shown(names, "costs", len(names)):
        costs[name] = measured(name)
        kept = {name: costs[name] for name in sorted(costs) if name in ganzoo.list_models()}
        write_text(COSTS, json.dumps({"round_over_dcgan": kept}, indent=1) + "\n")
        keras.backend.clear_session()
