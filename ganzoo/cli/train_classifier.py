"""Trains the classifier of a data set, by which its generators are scored; the same command goes on where it was cut.

ganzoo train_classifier --dataset=mnist

On two CPU cores: digits half a minute, mnist and fashion_mnist five minutes, cifar10 four and a half hours, which on
one H200 GPU (Keras on JAX) took four minutes. Held-out images classified rightly: digits 99.7 %, mnist 99.3 %, cifar10
90.3 % (of a copy that is JPEG-compressed, with --epochs=60). ganzoo ships these, digits also at 16x16 and mnist at
32x32: `ganzoo evaluate` uses them without training.
"""

from absl import flags

from ganzoo.evaluation import classifier_cache

DATASET = flags.DEFINE_string("dataset", None, "Name of a labelled data set with splits train and test.", required=True)
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data sets.")
IMAGE_SIZE = flags.DEFINE_integer("image_size", None, "Height and width; the native ones if not given.", lower_bound=1)
PLAN = flags.DEFINE_string("plan", None, "Network and training: quick, strokes or residual; the data set's own.")
EPOCHS = flags.DEFINE_integer("epochs", None, "Passes over the training images; the plan's.", lower_bound=1)
SEED = flags.DEFINE_integer("seed", 0, "Of the initial weights and of the order.", lower_bound=0)
OUTPUT = flags.DEFINE_string("output", None, "Folder; the cache, where `ganzoo evaluate` looks, if not given.")


def main() -> None:
    """Trains."""
    record, path = classifier_cache.make_classifier(
        DATASET.value, data_dir=DATA_DIR.value, image_size=IMAGE_SIZE.value, plan=PLAN.value,
        seed=SEED.value, epochs=EPOCHS.value, output=OUTPUT.value,
    )  # fmt: skip
    print(f"accuracy: {record.accuracy:.2%} of {record.test.images:,} held-out images")
    print(f"classifier: {path} (.weights.h5, .json, and versions of a SavedModel)")
