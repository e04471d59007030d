"""Writes RESULTS.md from the records in results/."""

import os
import sys
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from ganzoo.errors import InputError
from ganzoo.experiments import report  # TensorFlow reads the variable when it is imported
from ganzoo.files import write_text

ROOT = Path(__file__).parent.parent

if __name__ == "__main__":
    try:
        write_text(ROOT / "RESULTS.md", report.page(ROOT / "results"))
    except InputError as error:
        sys.exit(f"results: {error}")
