"""Writes the generator of a run's newest checkpoint, or of its best one, as the next version of a SavedModel.

ganzoo export --model_dir=runs/digits --output=saved_models/digits
"""

from absl import flags

from ganzoo import exporting

MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder of the run.", required=True)
OUTPUT = flags.DEFINE_string("output", None, "Folder of the model; saved_models/<recipe> if not given.")
AVERAGED = flags.DEFINE_bool("averaged", True, "The averaged generator, or (--noaveraged) the last weights.")
CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "last", ["last", "best"], "The newest, or the one with the best score: a chosen one."
)


def main() -> None:
    """Exports."""
    path = exporting.export_run(MODEL_DIR.value, OUTPUT.value, averaged=AVERAGED.value, checkpoint=CHECKPOINT.value)
    print(f"SavedModel: {path}")
