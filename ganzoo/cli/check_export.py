"""Checks whether TensorFlow Serving can serve an exported generator: a line a rule; exit status 1 if one is broken.

ganzoo check_export --model=saved_models/dual_d_selu_digits
"""

import sys

from absl import flags

from ganzoo import serving

MODEL = flags.DEFINE_string("model", None, "Folder <name>/<version>, or <name> for its newest version.", required=True)


def main() -> None:
    """Checks."""
    report = serving.check(MODEL.value)
    print(f"SavedModel: {report.path}\n{report}")
    if not report.ok:
        sys.exit(1)
