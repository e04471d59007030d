import json
from datetime import UTC, datetime

import numpy as np
import pytest
import tensorflow as tf

from ganzoo import data
from ganzoo.evaluation import Score, ScoreRecord

MANIFEST = {
    "variant": "dcgan",
    "recipe": "dcgan_digits",
    "dataset": "digits",
    "data_split": "train",
    "image_shape": [16, 16, 1],
    "latent_dim": 8,
    "step": 300,
    "seed": 7,
    "checkpoint": "last",
    "averaged": False,
    "versions": {"ganzoo": "0"},
}


@pytest.fixture(scope="session")
def digits():
    """Returns the digits of both splits, 16 x 16."""
    return tuple(data.load("digits", split, image_size=16) for split in ("train", "test"))


@pytest.fixture(scope="session", autouse=True)
def classifiers(tmp_path_factory):
    """Keeps classifiers in a folder of this test run; returns it."""
    with pytest.MonkeyPatch.context() as patch:
        root = tmp_path_factory.mktemp("cache")
        patch.setenv("GANZOO_CACHE", str(root))
        yield root / "classifiers"


class TableSampler(tf.Module):
    """Obeys the exporter's contract with rows of a table: row `index` + `seed`, whatever the truncation.

    Truncation has a part all the same: a row is zeroed where it is not infinite.
    """

    def __init__(self, table, output):
        super().__init__()
        self.table = tf.Variable(table)
        self.output = output
        inputs = {"seed": tf.int64, "index": tf.int64, "truncation": tf.float32}
        specs = [tf.TensorSpec([None], dtype, name) for name, dtype in inputs.items()]
        self.sample = tf.function(self.rows, input_signature=specs)

    def rows(self, seed, index, truncation):
        rows = tf.gather(self.table, (seed + index) % len(self.table))
        keep = tf.reshape(tf.math.is_inf(truncation), [-1] + [1] * (rows.shape.rank - 1))
        return {self.output: tf.where(keep, rows, tf.zeros_like(rows))}


@pytest.fixture
def export(tmp_path):
    """Returns a function that writes a SavedModel of a table's rows and returns its folder."""

    def write(table, name="model", version=1, signature="sample", manifest=None, **changes):
        sampler = TableSampler(table, "images" if table.ndim == 4 else "points")
        folder = tmp_path / name / str(version)
        tf.saved_model.save(sampler, str(folder), signatures={signature: sampler.sample})
        (folder / "assets.extra").mkdir()
        said = json.dumps(MANIFEST | changes) if manifest is None else manifest
        (folder / "assets.extra" / "ganzoo.json").write_text(said)
        return folder

    return write


@pytest.fixture
def ring():
    return data.load("ring8", "train")


@pytest.fixture
def export_ring(export):
    """Returns `export` for tables of points that a model of the ring made."""

    def write(points, **changes):
        return export(points, **{"dataset": "ring8", "image_shape": [2], "recipe": "dcgan_ring8"} | changes)

    return write


@pytest.fixture
def record():
    return ScoreRecord(
        scores=(
            Score("classifier_score/digits_16x16x1", 8.25, generated=5000, real=0, spread=0.125, spread_of="splits"),
            Score("fid/digits_16x16x1", 3.5, generated=1437, real=360),
        ),
        source="saved_model",
        name="dcgan_digits/1",
        trained_on="train",
        recipe="dcgan_digits",
        variant="dcgan",
        step=300,
        checkpoint="last",
        averaged=True,
        training_seed=7,
        seed=0,
        dataset="digits",
        dataset_hash="d" * 64,
        split="test",
        train_split="train",
        preparation={"resizing": "none", "rounding": "uint8"},
        versions={"ganzoo": "0.1.0"},
        created=datetime(2025, 1, 2, 3, 4, 5, tzinfo=UTC),
        evaluator="digits_16x16x1",
        evaluator_hash="e" * 64,
        evaluator_accuracy=0.99,
    )


@pytest.fixture(scope="session")
def coloured():
    """Returns eighty 8 x 8 colour images of two classes, dark and light, as two splits."""
    random = np.random.default_rng(0)
    labels = np.arange(80) % 2
    images = (random.integers(0, 90, (80, 8, 8, 3)) + 160 * labels[:, None, None, None]).astype("uint8")
    return tuple(
        data.Examples("folder:/some/where", split, images[rows], labels[rows])
        for split, rows in (("train", slice(60)), ("test", slice(60, None)))
    )
