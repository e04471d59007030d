"""Writes the generator of a run's newest checkpoint, or of its best one, as the next version of a SavedModel.

ganzoo export --model_dir=runs/digits --output=saved_models/digits
ganzoo export --model_dir=runs/digits --serving_config=deploy     also what TensorFlow Serving is started with
"""

from pathlib import Path

from absl import flags

from ganzoo import exporting
from ganzoo.files import require_writable
from ganzoo.serving.configurations import MODELS_FILE, with_model, write_configurations

MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder of the run.", required=True)
OUTPUT = flags.DEFINE_string("output", None, "Folder of the model; saved_models/<recipe> if not given.")
AVERAGED = flags.DEFINE_bool("averaged", True, "The averaged generator, or (--noaveraged) the last weights.")
CHECKPOINT = flags.DEFINE_enum(
    "checkpoint", "last", ["last", "best"], "The newest, or the one with the best score: a chosen one."
)
WARM_UP = flags.DEFINE_bool("warm_up", True, "Add requests that a server plays when it loads the model.")
SERVING_CONFIG = flags.DEFINE_string(
    "serving_config",
    None,
    "Folder for TensorFlow Serving's files: models, batching, monitoring, docker-compose, Kubernetes.",
)


def main() -> None:
    """Exports."""
    if SERVING_CONFIG.value:
        require_writable(Path(SERVING_CONFIG.value) / MODELS_FILE)
        with_model(SERVING_CONFIG.value, exporting.model_folder(MODEL_DIR.value, OUTPUT.value))  # now, not afterwards
    path = exporting.export_run(
        MODEL_DIR.value, OUTPUT.value, averaged=AVERAGED.value, checkpoint=CHECKPOINT.value, warm_up=WARM_UP.value
    )
    print(f"SavedModel: {path}")
    if SERVING_CONFIG.value:
        for written in write_configurations(SERVING_CONFIG.value, path.parent):
            print(f"for TensorFlow Serving: {written}")
