"""Writes the generator of a run's newest checkpoint as the next version of a SavedModel.

ganzoo export --model_dir=runs/digits --output=saved_models/digits
"""

from absl import flags

from ganzoo import exporting

MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder of the run.", required=True)
OUTPUT = flags.DEFINE_string("output", None, "Folder of the model; saved_models/<recipe> if not given.")
AVERAGED = flags.DEFINE_bool("averaged", True, "The averaged generator, or (--noaveraged) the last weights.")


def main() -> None:
    """Exports."""
    print(f"SavedModel: {exporting.export_run(MODEL_DIR.value, OUTPUT.value, averaged=AVERAGED.value)}")
