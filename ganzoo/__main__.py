"""`python -m ganzoo <tool> --flags`: the command line, where the script `ganzoo` is not on the path."""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from ganzoo.cli import main  # TensorFlow reads the variable when it is imported

if __name__ == "__main__":
    main()
