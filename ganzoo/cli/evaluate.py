"""Scores a generator, or any set of images, and writes the record; prints tables of records.

ganzoo evaluate --model=saved_models/dual_d_selu_digits
ganzoo evaluate --model=grpc://localhost:8500/digits --dataset=digits
ganzoo evaluate --model=cifar10@test --dataset=cifar10 --split=train --metrics=inception_score,fid,kid
ganzoo evaluate --records=a.json,b.json
"""

from absl import flags

from ganzoo import evaluation
from ganzoo.errors import InputError
from ganzoo.evaluation.metrics import METRICS as KNOWN
from ganzoo.files import require_writable

MODEL = flags.DEFINE_string(
    "model",
    None,
    "SavedModel folder or its versions; grpc://HOST:PORT/MODEL[/VERSION] or http://HOST:PORT/v1/models/MODEL; "
    "folder of images; .npz; NAME@SPLIT.",
)
RECORDS = flags.DEFINE_list("records", None, "Written records to print side by side, in place of a model.")
DATASET = flags.DEFINE_string("dataset", None, "What to compare with; the model's own, which a server does not tell.")
SPLIT = flags.DEFINE_string("split", "test", "Real images to compare with, as TFDS spells splits.")
TRAIN_SPLIT = flags.DEFINE_string("train_split", "train", "Another split, for floors and copies; empty: none.")
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data sets.")
METRICS = flags.DEFINE_list("metrics", None, f"Of {', '.join(KNOWN)}.")
SAMPLES = flags.DEFINE_integer("samples", None, "How many to score; 5000 of a generator, all of a set.")
SEED = flags.DEFINE_integer("seed", 0, "Of the samples.", lower_bound=0)
EVALUATOR = flags.DEFINE_string("evaluator", None, "classifier, of the data set itself, or inception.")
INCEPTION_PATH = flags.DEFINE_string("inception_path", None, "SavedModel folder of the Inception graph.")
RESIZING = flags.DEFINE_string("resizing", "graph", "Who resizes for Inception: graph, bilinear, bicubic.")
ENGINE = flags.DEFINE_string("engine", "ganzoo", "Whose arithmetic: ganzoo's, or tfgan's own.")
OUTPUT = flags.DEFINE_string(
    "output", None, "JSON file for the record; beside a SavedModel by default, of a server here."
)


def main() -> None:
    """Evaluates, or prints records."""
    if (MODEL.value is None) == (RECORDS.value is None):
        raise InputError("give --model=, to evaluate it, or --records=, to print what was written")
    if RECORDS.value:
        show([evaluation.load_record(path) for path in RECORDS.value])
        return
    if OUTPUT.value:
        require_writable(OUTPUT.value)
    record = evaluation.evaluate(
        MODEL.value, DATASET.value, split=SPLIT.value, train_split=TRAIN_SPLIT.value or None, data_dir=DATA_DIR.value,
        metrics=METRICS.value, samples=SAMPLES.value, seed=SEED.value, evaluator=EVALUATOR.value,
        inception_path=INCEPTION_PATH.value, resizing=RESIZING.value, engine=ENGINE.value,
    )  # fmt: skip
    show([record])
    path = OUTPUT.value or evaluation.record_path(MODEL.value, record)
    if path:
        print(f"record: {evaluation.save_record(record, path)}")


def show(records: list[evaluation.ScoreRecord]) -> None:
    """Prints a table of records, what to know of it, and how two like ones differ."""
    print(evaluation.table(records))
    for remark in evaluation.remarks(records):
        print(f"* {remark}")
    if len(records) == 2:
        try:
            differences = evaluation.compare(*records)
        except InputError as error:
            print(f"\n{error}")
        else:
            print("\nfirst less second:")
            print("\n".join(f"  {metric}: {value:+.4g}" for metric, value in differences.items()))
