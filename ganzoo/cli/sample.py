"""Draws from a SavedModel; needs neither the data nor the recipe.

ganzoo sample --output=samples.png               64 samples in a grid
ganzoo sample --output=walk.gif --n=8            a walk through the latents of 8 samples, and back
ganzoo sample --output=samples.npz --n=5000      an array `samples`
ganzoo sample --output=samples/ --n=100          single PNG files
"""

import math

from absl import flags

from ganzoo import exported, pictures

MODEL = flags.DEFINE_string("model", "saved_models/dual_d_selu_digits", "Folder of a SavedModel, or of its versions.")
OUTPUT = flags.DEFINE_string("output", "samples.png", "A .png, .gif or .npz file, or a folder.")
N = flags.DEFINE_integer("n", None, "How many; 64, of a walk 8.")
SEED = flags.DEFINE_integer("seed", 0, "Image i of a seed is the same image everywhere.")
TRUNCATION = flags.DEFINE_float("truncation", math.inf, "Standard deviations at which latents are cut.")


def main() -> None:
    """Samples."""
    generator = exported.open_generator(MODEL.value)
    pictures.draw(generator, OUTPUT.value, N.value, SEED.value, TRUNCATION.value)
    print(f"samples: {OUTPUT.value}")
