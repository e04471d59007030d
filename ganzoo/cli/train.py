"""Trains a recipe, or goes on where the run in --model_dir was cut.

ganzoo train --recipe=dual_d_selu_digits --model_dir=runs/digits --set=gan.seed=1
"""

import sys

from absl import flags

from ganzoo import config, strategies, training
from ganzoo.errors import WorkerLost
from ganzoo.precision import POLICIES

RECIPE = flags.DEFINE_string("recipe", None, "Name of a shipped recipe, or path of a .toml file.", required=True)
MODEL_DIR = flags.DEFINE_string("model_dir", None, "Folder of the run; resumed if it holds one.", required=True)
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data sets.")
TENSORBOARD_DIR = flags.DEFINE_string("tensorboard_dir", None, "For TensorBoard: the scores of evaluations.")
ON_NAN = flags.DEFINE_enum("on_nan", None, config.ON_NAN, "What becomes of a run that diverges; short for --set.")
STRATEGY = flags.DEFINE_string("strategy", "default", f"What to train on: {', '.join(strategies.STRATEGIES)}.")
PRECISION = flags.DEFINE_enum("precision", None, POLICIES, "What the networks compute in: train.precision.")
CUT_STATUS = flags.DEFINE_integer(
    "cut_status", None, "Exit status of a run that a signal has ended, or the loss of a worker: else 0, and 1.",
    lower_bound=0, upper_bound=255,
)  # fmt: skip
SET = flags.DEFINE_multi_string("set", [], "section.key=value over the recipe's; may be repeated.")


def main() -> None:
    """Trains; with `--cut_status` a scheduler can tell a run that is to be started again from others."""
    try:
        cut = trained()
    except WorkerLost as error:
        if CUT_STATUS.value is None:
            raise
        print(f"ganzoo train: {error}", file=sys.stderr)
        cut = True
    if cut:
        sys.exit(CUT_STATUS.value)


def trained() -> bool:
    """Trains, and returns whether a signal has cut it."""
    strategy = strategies.strategy(STRATEGY.value)  # before a recipe makes optimizers
    short = {"train.on_nan": ON_NAN.value, "train.precision": PRECISION.value}
    changes = [*SET.value, *(f"{key}={value}" for key, value in short.items() if value)]
    recipe = config.load_recipe(RECIPE.value, changes)
    gan = training.train(
        recipe, MODEL_DIR.value, data_dir=DATA_DIR.value, log_dir=TENSORBOARD_DIR.value, strategy=strategy
    )
    if strategies.is_chief(strategy):
        print(f"run: {MODEL_DIR.value} (checkpoints, history.csv, curves.png, samples/)")
    return gan.cut
