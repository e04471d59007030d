"""A served model is scored by its address, as its folder is."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import models
import numpy as np
import pytest
import tensorflow as tf

from ganzoo import evaluate
from ganzoo.errors import InputError, ServingError
from ganzoo.evaluation import load_record, open_source, record_path

ROOT = Path(__file__).parent.parent.parent


def addresses(target, name, version):
    return (f"{target.grpc}/{name}/{version}", f"{target.rest}/v1/models/{name}/versions/{version}")


def test_images_have_the_scores_of_the_folder(target, written):
    settings = {"dataset": "digits", "metrics": ["memorisation", "ms_ssim"], "samples": 100, "seed": 4}
    folder = evaluate(written / models.NAME / "1", **settings)
    for address in addresses(target, models.NAME, 1):
        record = evaluate(address, **settings)
        assert record.scores == folder.scores
        assert (record.source, record.name) == ("server", folder.name)
        assert (record.recipe, record.variant, record.trained_on) == (None, None, None)  # a server does not tell
        assert record.dataset_hash == folder.dataset_hash


def test_points_have_the_scores_of_the_folder(target, written):
    folder = evaluate(written / models.POINTS, "ring8", samples=500)
    for address in addresses(target, models.POINTS, 1):
        record = evaluate(address, "ring8", samples=500)
        for ours, theirs in zip(record.scores, folder.scores, strict=True):
            assert ours.metric == theirs.metric
            assert ours.value == pytest.approx(theirs.value, rel=1e-5)


def test_the_newest_version_by_default(target):
    source = open_source(f"{target.grpc}/{models.NAME}")
    assert (source.kind, source.name, source.example_shape) == ("server", "pictures/2", models.IMAGE_SHAPE)
    labelled = open_source(f"{target.grpc}/{models.NAME}/labels/stable")
    assert labelled.name == "pictures/1"
    assert source.count is None


def test_what_it_was_trained_on_is_not_known(target):
    with pytest.raises(InputError, match=r"names no data set that it was trained on; give dataset="):
        evaluate(f"{target.grpc}/{models.NAME}", samples=10)


def test_no_such_model(target):
    with pytest.raises(ServingError, match="NOT_FOUND"):
        open_source(f"{target.grpc}/absent")
    with pytest.raises(InputError, match="names no model"):
        open_source(target.grpc)


def test_the_record_goes_to_the_working_directory(target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    record = evaluate(f"{target.grpc}/{models.POINTS}", "ring8", samples=100)
    path = record_path(f"{target.grpc}/{models.POINTS}", record)
    assert path == Path("points-1.100_test.points.json")
    path.write_text("another")
    assert record_path("", record) == Path("points-1.100_test.points-2.json")


@pytest.mark.long
def test_the_tool(target, tmp_path):
    command = [sys.executable, str(ROOT / "tools" / "evaluate.py"), f"--model={target.grpc}/{models.POINTS}"]
    done = subprocess.run(
        [*command, "--dataset=ring8", "--samples=100"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (path,) = tmp_path.glob("*.json")
    assert load_record(path).source == "server"
    done = subprocess.run([*command[:2], f"--model={target.grpc}/absent"], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "NOT_FOUND: Servable not found for request: Latest(absent)" in done.stderr


class Foreign(tf.Module):
    """A generator that another package exported: latents by another name, and a bias that may be no number."""

    def __init__(self, bias):
        super().__init__()
        self.bias = tf.Variable(np.float32(bias))

    @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, "z")])
    def call(self, z):
        return {"output_0": tf.tanh(tf.reshape(tf.tile(z, [1, 16]), [-1, 8, 8, 1]) + self.bias)}


class FakeClient:
    """Answers from a SavedModel in this process."""

    def __init__(self, module):
        self.module = module

    def __call__(self, address):
        from ganzoo.serving.addresses import parsed

        self.address = parsed(address)
        return self

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def metadata(self):
        from ganzoo.serving.client import Metadata, Signature, Spec

        inputs = {"z": Spec(np.dtype("float32"), (None, 4))}
        signature = Signature(inputs, {"output_0": Spec(np.dtype("float32"), (None, 8, 8, 1))})
        return Metadata("foreign", 3, {"serving_default": signature})

    def predict(self, signature, /, z):
        return {name: value.numpy() for name, value in self.module.call(tf.constant(z)).items()}


def test_a_model_that_ganzoo_did_not_export(monkeypatch):
    monkeypatch.setattr("ganzoo.serving.client.Client", FakeClient(Foreign(0.0)))
    source = open_source("grpc://h:1/foreign")
    assert (source.name, source.example_shape) == ("foreign/3", (8, 8, 1))
    images = np.concatenate(list(source.batches(70, 1)))
    assert images.shape == (70, 8, 8, 1)
    assert len(np.unique(images)) > 50


def test_a_model_that_diverged(monkeypatch):
    """Of whose NaN `sample` would make black pixels."""
    monkeypatch.setattr("ganzoo.serving.client.Client", FakeClient(Foreign(np.nan)))
    with pytest.raises(InputError, match="64 of 64 examples of 'foreign/3' are not finite"):
        open_source("grpc://h:1/foreign")


def test_a_diverged_model_of_ours(monkeypatch):
    from ganzoo.serving.client import Signature, Spec

    fake = FakeClient(Foreign(np.nan))
    metadata = FakeClient.metadata(fake)
    rows = {name: Spec(np.dtype("int64"), (None,)) for name in ("seed", "index")}
    rows["truncation"] = Spec(np.dtype("float32"), (None,))
    sample = Signature(rows, {"images": Spec(np.dtype("uint8"), (None, 8, 8, 1))})
    ours = dataclasses.replace(metadata, signatures={**metadata.signatures, "sample": sample})
    fake.metadata, fake.batches = lambda: ours, lambda n, seed: iter(())
    monkeypatch.setattr("ganzoo.serving.client.Client", fake)
    with pytest.raises(InputError, match="are not finite"):
        open_source("grpc://h:1/ours")
