"""Scores a SavedModel and writes the record.

ganzoo evaluate --model=saved_models/dual_d_selu_digits --output=score.json
"""

from absl import flags

from ganzoo import evaluation

MODEL = flags.DEFINE_string("model", None, "Folder of a SavedModel, or of its versions.", required=True)
DATASET = flags.DEFINE_string("dataset", None, "What to compare with; the model's own if not given.")
SPLIT = flags.DEFINE_string("split", "test", "Held-out real images, as TFDS spells splits.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data sets.")
SAMPLES = flags.DEFINE_integer("samples", 5000, "How many samples to score.")
SEED = flags.DEFINE_integer("seed", 0, "Of the samples.")
OUTPUT = flags.DEFINE_string("output", None, "JSON file for the record.")


def main() -> None:
    """Evaluates."""
    record = evaluation.evaluate(
        MODEL.value, DATASET.value, split=SPLIT.value, data_dir=DATA_DIR.value,
        samples=SAMPLES.value, seed=SEED.value, records_path=OUTPUT.value,
    )  # fmt: skip
    print(evaluation.table([record]))
    if OUTPUT.value:
        print(f"record: {OUTPUT.value}")
