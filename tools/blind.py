"""`ganzoo blind` from a checkout."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from ganzoo.cli import run  # TensorFlow reads the variable when it is imported

if __name__ == "__main__":
    run("blind")
