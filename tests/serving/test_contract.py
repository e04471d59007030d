"""Every rule of the contract has an export that breaks it, and is found."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import PredictionLog

import ganzoo
from ganzoo import serving
from ganzoo.errors import InputError
from ganzoo.serving import native, static_rules, trial, trial_rules
from ganzoo.serving.saved import Place, SavedSignature, open_saved

ROOT = Path(__file__).parents[2]
RULES = [each.name for each in (*static_rules.RULES, *trial_rules.RULES)]
LATENT = tf.TensorSpec([None, 4], tf.float32, "latent")
SEEDS = [
    tf.TensorSpec([None], tf.int64, "seed"),
    tf.TensorSpec([None], tf.int64, "index"),
    tf.TensorSpec([None], tf.float32, "truncation"),
]
COUNT = [tf.TensorSpec([], tf.int64, "seed"), tf.TensorSpec([], tf.int32, "n")]
WARMUP = "assets.extra/tf_serving_warmup_requests"  # as the server names it


class Painter(tf.Module):
    """A generator of 2 x 2 colour images and what can be wrong with one: each method is a signature."""

    def __init__(self):
        super().__init__()
        weights = np.random.default_rng(0).normal(size=(4, 12)).astype("float32")
        self.weights = tf.Variable(weights)
        self.count = tf.Variable(0.0)

    def images(self, latent):
        return tf.reshape(tf.tanh(latent @ self.weights), [-1, 2, 2, 3])

    def pixels(self, seed, index, truncation):
        row = tf.stack([seed % 7, seed % 5, index % 3, index % 2], axis=1)
        scale = tf.where(tf.math.is_inf(truncation), tf.ones_like(truncation), truncation)
        return tf.cast(tf.round(self.images(tf.cast(row, tf.float32) / 7 * scale[:, None]) * 127.5 + 127.5), tf.uint8)

    def first(self, seed, n):
        index = tf.range(tf.cast(n, tf.int64))
        return self.pixels(tf.zeros_like(index) + seed, index, tf.fill([n], np.float32(np.inf)))

    # As it should be.

    def serving_default(self, latent):
        return {"images": self.images(latent)}

    def sample(self, seed, index, truncation):
        return {"images": self.pixels(seed, index, truncation)}

    def sample_png(self, seed, index, truncation):
        return {"image_bytes": tf.io.encode_png(self.pixels(seed, index, truncation), compression=1)}

    def generate(self, seed, n):
        with tf.control_dependencies([tf.debugging.assert_greater(n, 0), tf.debugging.assert_less_equal(n, 256)]):
            return {"images": self.first(seed, tf.identity(n))}

    def generate_png(self, seed, n):
        return {"image_bytes": tf.io.encode_png(self.generate(seed, n)["images"], compression=1)}

    # Signatures by row that break rules.

    def unnamed(self, latent):
        return self.images(latent)

    def half(self, latent):
        return {"images": tf.cast(self.images(latent), tf.float16)}

    def three_at_once(self, latent):
        return {"images": self.images(latent)}

    def any_size(self, latent):
        return {"images": tf.raw_ops.PlaceholderWithDefault(input=self.images(latent), shape=[None] * 4)}

    def brightness(self, latent):
        return {"mean": tf.reduce_mean(self.images(latent))}

    def centred(self, latent):
        images = self.images(latent)
        return {"images": images - tf.reduce_mean(images, axis=0)}

    def centred_from_four(self, latent):
        images, count = self.images(latent), tf.shape(latent)[0]
        return {"images": tf.where(count < 4, images, images - tf.reduce_mean(images, axis=0))}

    def a_level_by_place(self, seed, index, truncation):
        images = self.pixels(seed, index, truncation)
        return {"images": images ^ tf.cast(tf.range(tf.shape(seed)[0]) > 0, tf.uint8)[:, None, None, None]}

    def counted_rows(self, seed):
        return {"number": tf.where(tf.shape(seed)[0] > 1, 1000000, 1000001) + tf.cast(seed * 0, tf.int32)}

    def not_a_number(self, latent):
        return {"images": self.images(latent) * np.nan}

    def asserting(self, latent):
        tf.debugging.assert_less(latent, 1e9)
        return {"images": self.images(latent)}

    def talkative(self, latent):
        tf.print("painting")
        return {"images": self.images(latent)}

    def by_place(self, latent):
        images = self.images(latent)
        return {"images": images + tf.range(tf.shape(images)[0], dtype=tf.float32)[:, None, None, None]}

    def reversed_rows(self, latent):
        return {"images": self.images(latent)[::-1]}

    def paint(self, seed):
        return {"images": self.pixels(seed[None], seed[None], [1.0])}

    def noisy(self, latent):
        return {"images": self.images(latent) + tf.random.normal([2, 2, 3], seed=3)}

    def counting(self, latent):
        return {"images": self.images(latent) + self.count.assign_add(1.0)}

    def in_python(self, latent):
        images = tf.py_function(lambda x: x, [self.images(latent)], tf.float32)
        return {"images": tf.ensure_shape(images, [None, 2, 2, 3])}

    def in_numpy(self, latent):
        return {
            "images": tf.ensure_shape(tf.numpy_function(np.copy, [self.images(latent)], tf.float32), [None, 2, 2, 3])
        }

    def compiled(self, latent):
        return {"images": tf.function(self.images, jit_compile=True)(latent)}

    def in_pairs(self, latent):
        with tf.control_dependencies([tf.debugging.assert_greater(tf.shape(latent)[0], 1)]):
            return {"images": self.images(tf.identity(latent))}

    def picture(self, seed, index, truncation):
        return {"png": tf.io.encode_png(self.pixels(seed, index, truncation))}

    def no_picture(self, latent):
        return {"image_bytes": tf.strings.as_string(latent[:, 0])}

    def other(self, seed, index, truncation):
        return {"images": 255 - self.pixels(seed, index, truncation)}

    def other_png(self, seed, index, truncation):
        return {"image_bytes": tf.io.encode_png(self.pixels(seed, index, truncation))}

    def bright_twice(self, latent):
        return {"images": tf.repeat(self.images(latent), 2, axis=0)}

    def texts(self, text):
        return {"lengths": tf.strings.length(text)}

    # Signatures that take a number of rows.

    def none_too(self, seed, n):
        with tf.control_dependencies([tf.debugging.assert_less_equal(n, 256)]):
            return {"images": self.first(seed, tf.identity(tf.maximum(n, 0)))}

    def up_to_a_thousand(self, seed, n):
        with tf.control_dependencies([tf.debugging.assert_greater(n, 0), tf.debugging.assert_less_equal(n, 1000)]):
            return {"images": self.first(seed, tf.identity(n))}

    def unlimited(self, seed, n):
        return {"images": self.first(seed, n)}

    def one_by_one(self, seed, n):
        """At a huge n, memory runs out where TensorFlow cannot say so: the process ends."""
        places = tf.TensorArray(tf.uint8, size=n, element_shape=[2, 2, 3]).write(0, tf.zeros([2, 2, 3], tf.uint8))
        return {"images": self.first(seed, tf.minimum(n, 300)) + places.read(0)}

    def shifted(self, seed, n):
        return self.generate(seed + 1, n)


GOOD = {
    "serving_default": [LATENT],
    "sample": SEEDS,
    "sample_png": SEEDS,
    "generate": COUNT,
    "generate_png": COUNT,
}
# Signature -> its inputs, and the rules that it breaks.
BROKEN = {
    "unnamed": ([LATENT], {"names"}),
    "half": ([LATENT], {"types"}),
    "three_at_once": ([tf.TensorSpec([3, 4], tf.float32, "latent")], {"batch_dimension", "outputs"}),
    "any_size": ([LATENT], {"batch_dimension"}),
    "brightness": ([LATENT], {"output_rank", "outputs"}),
    "centred": ([LATENT], {"merged_batch", "row_by_row"}),
    "centred_from_four": ([LATENT], {"merged_batch"}),
    "a_level_by_place": (SEEDS, {"merged_batch", "row_by_row"}),
    "counted_rows": ([tf.TensorSpec([None], tf.int64, "seed")], {"merged_batch"}),
    "not_a_number": ([LATENT], {"finite"}),
    "asserting": ([LATENT], {"no_assertion"}),
    "talkative": ([LATENT], {"no_side_effects"}),
    "by_place": ([LATENT], {"merged_batch", "row_by_row"}),
    "reversed_rows": ([LATENT], {"merged_batch", "row_by_row"}),
    "paint": ([tf.TensorSpec([], tf.int64, "seed")], {"rows", "batch_dimension"}),
    "noisy": ([LATENT], {"no_hidden_state", "repeatable", "merged_batch", "row_by_row"}),
    "counting": ([LATENT], {"no_hidden_state", "repeatable", "merged_batch", "row_by_row"}),
    "in_python": ([LATENT], {"no_python", "runs"}),
    "in_numpy": ([LATENT], {"no_python", "runs"}),
    "compiled": ([LATENT], {"no_xla", "runs"}),
    "in_pairs": ([LATENT], {"runs", "no_assertion"}),
    "picture": (SEEDS, {"bytes_names"}),
    "no_picture": ([LATENT], {"png"}),
    "other_png": (SEEDS, {"png"}),
    "bright_twice": ([LATENT], {"outputs"}),
}


def save(folder, signatures, painter=None):
    """Writes a Painter with some of its signatures, name -> (method, inputs); returns the folder."""
    painter = painter or Painter()
    functions = {}
    for name, (method, specs) in signatures.items():
        functions[name] = tf.function(getattr(painter, method), input_signature=specs)
    tf.saved_model.save(painter, str(folder), signatures=functions)
    return Path(folder)


def request(signature, **inputs):
    given = PredictRequest()
    given.model_spec.signature_name = signature
    for name, value in inputs.items():
        given.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    log = PredictionLog()
    log.predict_log.request.CopyFrom(given)
    return log.SerializeToString()


def write_warmup(folder, *records):
    (folder / "assets.extra").mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(folder / WARMUP)) as writer:
        for record in records:
            writer.write(record)


def write_reference(folder, off=0):
    """Writes what the painter gives, uint8 off by some levels."""
    random, painter = np.random.default_rng(1), Painter()
    latent = random.normal(size=(3, 4)).astype("float32")
    rows = {"seed": np.array([1, 5, 9]), "index": np.array([0, 1, 2]), "truncation": np.full(3, np.inf, np.float32)}
    values = {f"sample.{name}": value for name, value in rows.items()}
    values["sample.images"] = painter.pixels(*rows.values()).numpy() + np.uint8(off)
    values |= {"serving_default.latent": latent, "serving_default.images": painter.images(latent).numpy()}
    (folder / "assets.extra").mkdir(exist_ok=True)
    np.savez(folder / "assets.extra" / "keras_reference.npz", **values)
    return values


@pytest.fixture(scope="session")
def good(tmp_path_factory):
    """Returns an export that keeps every rule; for reading only."""
    folder = save(tmp_path_factory.mktemp("contract") / "1", {name: (name, specs) for name, specs in GOOD.items()})
    write_warmup(
        folder,
        request("serving_default", latent=np.zeros((2, 4), np.float32)),
        request("", latent=np.zeros((1, 4), np.float32)),
        request("sample", seed=np.zeros(2, np.int64), index=np.arange(2), truncation=np.ones(2, np.float32)),
    )
    write_reference(folder)
    (folder / "assets.extra" / "ganzoo.json").write_text("{}")
    return folder


@pytest.fixture
def copy(good, tmp_path):
    return Path(shutil.copytree(good, tmp_path / "model" / "1"))


@pytest.fixture(scope="session")
def broken(tmp_path_factory):
    """Returns the report on an export of which all signatures but one break rules."""
    signatures = {name: (name, specs) for name, (specs, _) in BROKEN.items()}
    signatures |= {"serving_default": ("serving_default", [LATENT]), "other": ("other", SEEDS)}
    return serving.check(save(tmp_path_factory.mktemp("contract_broken") / "1", signatures))


FOUND = set()  # the rules that some export here was seen to break


def rules(report):
    broken = {finding.rule for finding in report.findings}
    FOUND.update(broken)
    return broken


def states(report):
    return {verdict.rule: verdict.state for verdict in report.verdicts}


def static(folder):
    """Returns the report by the files alone: no process is started."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trial, "library", lambda: (_ for _ in ()).throw(static_rules.NotApplicable("not asked for")))
        return serving.check(folder)


def changed(folder, change):
    """Writes saved_model.pb again, the graph changed."""
    path = folder / "saved_model.pb"
    saved = SavedModel.FromString(path.read_bytes())
    change(saved.meta_graphs[0])
    path.write_bytes(saved.SerializeToString())
    return folder


def test_a_good_export_keeps_every_rule(good):
    report = serving.check(good)
    assert report.ok, str(report)
    assert states(report) == dict.fromkeys(RULES, "held")
    assert len(str(report).splitlines()) == len(RULES)


@pytest.mark.parametrize("name", BROKEN)
def test_signature(broken, name):
    found = {f.rule for f in broken.findings if name == f.where.split(",")[0] or f"__inference_{name}_" in f.where}
    assert found == BROKEN[name][1], str(broken)


def test_good_signatures_are_not_blamed(broken):
    assert not [f for f in broken.findings if f.where.split(",")[0] in ("serving_default", "other")]
    assert not rules(broken) - set().union(*(expected for _, expected in BROKEN.values())), str(broken)
    assert broken.untried.keys() == {"half"}


def limits_broken(folder, method):
    """Returns the report on a `generate` whose number of rows has other limits."""
    save(folder, {"serving_default": ("serving_default", [LATENT]), "generate": (method, COUNT)})
    (folder / "assets.extra").mkdir()
    (folder / "assets.extra" / "ganzoo.json").write_text("{}")
    report = serving.check(folder)
    assert rules(report) == {"limits"}, str(report)
    return [f"{finding.where} {finding.wrong}" for finding in report.findings]


def test_other_limits(tmp_path):
    said = limits_broken(tmp_path / "1", "none_too")
    assert said == ["generate, n=0 was answered", "generate, n=-1 was answered"]
    assert limits_broken(tmp_path / "2", "up_to_a_thousand") == ["generate, n=257 was answered"]


@pytest.mark.long
def test_no_limit(tmp_path):
    """Too much memory is no refusal."""
    said = limits_broken(tmp_path / "1", "unlimited")
    assert said[0] == "generate, n=0 was answered"
    assert "n=2147483647" in said[-1]
    assert "code 8" in said[-1]  # RESOURCE_EXHAUSTED


def test_a_number_of_rows_that_ends_the_server(tmp_path):
    first, last = limits_broken(tmp_path / "1", "one_by_one")
    assert first == "generate, n=257 was answered"
    assert last.startswith("generate, n=2147483647 the process ended by SIG")


def test_generate_is_sample(tmp_path):
    signatures = {"serving_default": [LATENT], "sample": SEEDS}
    signatures = {name: (name, specs) for name, specs in signatures.items()}
    report = serving.check(save(tmp_path / "1", {**signatures, "generate": ("shifted", COUNT)}))
    assert rules(report) == {"generate"}, str(report)


@pytest.mark.parametrize("off", [1, 3])
def test_another_model_than_keras_had(copy, off):
    """One level here and there is rounding, one everywhere is not."""
    write_reference(copy, off)
    (finding,) = serving.check(copy).findings
    assert finding.rule == "keras"
    assert finding.where.startswith("sample,")


def test_references_that_cannot_be_used(copy):
    path = copy / "assets.extra" / "keras_reference.npz"
    values = write_reference(copy)
    without = {name: value for name, value in values.items() if name != "sample.seed"}
    stranger = {**values, "paint.images": values["sample.images"]}
    for arrays, said in ((without, "sample.seed"), (stranger, "paint"), ({}, "nothing")):
        np.savez(path, **arrays)
        _, flaw = trial._references(open_saved(copy))
        assert said in flaw
    path.write_bytes(path.read_bytes()[:-30])
    _, flaw = trial._references(open_saved(copy))
    assert flaw
    np.savez(path, **{**values, "sample.seed": np.array([{}], object)})  # pickled: never loaded
    _, flaw = trial._references(open_saved(copy))
    assert "pickle" in flaw


def test_no_default(tmp_path):
    report = static(save(tmp_path / "1", {"sample": ("sample", SEEDS)}))
    assert rules(report) == {"serving_default"}
    assert "['sample']" in report.findings[0].wrong


def test_weights_twice(tmp_path):
    painter = Painter()
    painter.again = tf.Variable(painter.weights)
    report = static(save(tmp_path / "1", {"serving_default": ("serving_default", [LATENT])}, painter))
    assert rules(report) == {"weights_once"}
    assert "the same as" in report.findings[0].wrong


def test_weights_that_nothing_reads(tmp_path):
    painter = Painter()
    painter.optimizer = tf.Variable(tf.random.stateless_normal([100], [1, 2]))
    report = static(save(tmp_path / "1", {"serving_default": ("serving_default", [LATENT])}, painter))
    assert rules(report) == {"weights_once"}
    assert "596 bytes are stored" in report.findings[0].wrong  # 4 x 12 + 100 floats, and the count


def test_weights_in_the_graph_of_each_signature(tmp_path):
    painter = Painter()
    table = np.random.default_rng(0).normal(size=(4, 300)).astype("float32")
    painter.large_rows = lambda latent: {"rows": latent @ tf.constant(table)}
    report = static(
        save(
            tmp_path / "1",
            {name: ("large_rows", [LATENT]) for name in ("serving_default", "again")},
            painter,
        )
    )
    assert rules(report) == {"weights_once"}
    assert "constant" in report.findings[0].where


def test_tag(copy):
    report = static(changed(copy, lambda meta: meta.meta_info_def.tags.append("gpu")))
    assert rules(report) == {"tag"}
    assert states(report)["names"] == "not applicable"


def test_method_name(copy):
    def change(meta):
        meta.signature_def["sample"].method_name = "tensorflow/serving/classify"

    assert rules(static(changed(copy, change))) == {"method_name"}


def test_tensorflow_version(copy):
    assert rules(static(changed(copy, lambda meta: meta.meta_info_def.ClearField("tensorflow_version")))) == {
        "tensorflow_version"
    }


def test_an_op_of_another_library(copy):
    def change(meta):
        function = next(f for f in meta.graph_def.library.function if "__inference_sample_" in f.signature.name)
        function.node_def[0].op = "ZooPaint"

    report = serving.check(changed(copy, change))
    assert rules(report) == {"core_ops", "loads"}, str(report)
    assert any("'ZooPaint'" in finding.wrong for finding in report.findings)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda folder: (folder / "saved_model.pb").unlink(), "no saved_model.pb"),
        (lambda folder: os.truncate(folder / "saved_model.pb", 5000), "cut short"),
        (lambda folder: (folder / "saved_model.pb").write_bytes(b""), "no graph"),
        (lambda folder: shutil.rmtree(folder / "variables"), "no variables/variables.index"),
        (lambda folder: (folder / "variables" / "variables.data-00000-of-00001").unlink(), "cannot be read"),
        (lambda folder: os.truncate(folder / "variables" / "variables.data-00000-of-00001", 100), "cannot be read"),
        (lambda folder: os.truncate(folder / "variables" / "variables.index", 100), "cannot be read"),
        (lambda folder: (folder.parent / "01").mkdir(), "the same version once more"),
    ],
)
def test_half_written(copy, damage, said):
    damage(copy)
    report = static(copy.parent / "1")
    assert rules(report) == {"layout"}, str(report)
    assert said in report.findings[0].wrong


def test_variables_that_do_not_load(copy):
    """What the files show, the library says too."""
    os.truncate(copy / "variables" / "variables.data-00000-of-00001", 100)
    assert rules(serving.check(copy)) == {"layout", "loads"}


def test_a_version_that_is_no_integer(copy):
    assert rules(static(copy.rename(copy.with_name("v1")))) == {"layout"}


def test_the_newest_version_is_looked_at(copy):
    (copy.parent / "10").mkdir()  # half-written: a server would try it
    (copy.parent / ".partial.3.11").mkdir()
    report = static(copy.parent)
    assert report.path == copy.parent / "10"
    assert rules(report) == {"layout"}


def test_no_export(tmp_path):
    file = tmp_path / "file"
    file.touch()
    for path in (tmp_path, file, tmp_path / "none"):
        with pytest.raises(InputError, match="<name>/<version>"):
            serving.check(path)


LATENTS = np.zeros((2, 4), np.float32)


@pytest.mark.parametrize(
    ("records", "said"),
    [
        ([], "no record"),
        ([b"\xff\xff"], "no PredictionLog"),
        ([PredictionLog().SerializeToString()], "predict_log.request"),
        ([request("paint", latent=LATENTS)], "'paint'"),
        ([request("sample", latent=LATENTS)], "['latent']"),
        ([request("serving_default", latent=LATENTS.astype("float64"))], "float64"),
        ([request("serving_default", latent=LATENTS[:, :3])], "(2, 3)"),
        ([request("serving_default", latent=LATENTS)] * 1001, "1000"),
        ([request("generate", seed=np.int64(0), n=np.int32(1))], "['n', 'seed'] are scalars"),
    ],
)  # fmt: skip
def test_warmup(copy, records, said):
    write_warmup(copy, *records)
    report = static(copy)
    assert rules(report) == {"warmup"}
    assert said in report.findings[0].wrong


def test_warmup_cut_short(copy):
    os.truncate(copy / WARMUP, (copy / WARMUP).stat().st_size - 5)
    report = static(copy)
    assert rules(report) == {"warmup"}
    assert "record 2" in report.findings[0].where


def test_warmup_that_fails(tmp_path):
    class Choosy(Painter):
        def serving_default(self, latent):
            return {"images": self.images(latent) + tf.gather([0.0], tf.cast(latent[:, 0] > 1e3, tf.int32))[0]}

    folder = save(tmp_path / "1", {"serving_default": ("serving_default", [LATENT])}, Choosy())
    write_warmup(folder, request("serving_default", latent=LATENTS), request("", latent=LATENTS + 1e4))
    report = serving.check(folder)
    assert rules(report) == {"warmup_runs"}, str(report)


def oversized(shape, dtype="DT_FLOAT"):
    """Returns a request whose tensor says more than it has."""
    log = PredictionLog.FromString(request("serving_default", latent=LATENTS))
    tensor = log.predict_log.request.inputs["latent"]
    tensor.CopyFrom(TensorProto(dtype=dtype, float_val=[1.0]))
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
    return log.SerializeToString()


@pytest.mark.parametrize(
    ("shape", "dtype"), [((1 << 40, 4), "DT_FLOAT"), ((1, 4), "DT_RESOURCE"), ((-2, 4), "DT_FLOAT")]
)
def test_warmup_of_an_impossible_tensor(copy, shape, dtype):
    write_warmup(copy, oversized(shape, dtype))
    report = static(copy)
    assert rules(report) == {"warmup"}
    assert "is no tensor" in report.findings[0].wrong


def test_a_variable_that_does_not_say_its_type(copy):
    def change(meta):
        for node in meta.graph_def.node:
            if node.op == "VarHandleOp":
                del node.attr["dtype"]

    assert static(changed(copy, change)).verdicts


def test_a_size_below_zero():
    """Such a row is not made up, whatever its file says."""
    shape = TensorShapeProto(dim=[TensorShapeProto.Dim(size=size) for size in (-1, -7)])
    place = Place("latent:0", "float32", tf.TensorShape(shape))
    signature = SavedSignature("paint", {"latent": place}, {}, "")
    assert "a size below 0" in trial._obstacle(signature)


def test_inputs_of_any_name_and_size(tmp_path):
    class Wide(Painter):
        def serving_default(self, file):
            return {"images": self.images(file)}

        def wide(self, latent):
            return {"images": self.images(latent[:, :4])}

    signatures = {
        "serving_default": ("serving_default", [tf.TensorSpec([None, 4], tf.float32, "file")]),
        "wide": ("wide", [tf.TensorSpec([None, 10**12], tf.float32, "latent")]),
    }
    report = serving.check(save(tmp_path / "1", signatures, Wide()))
    assert report.ok, str(report)
    assert "more than" in report.untried["wide"]


def test_a_reference_of_another_type(copy):
    values = write_reference(copy)
    values["sample.images"] = values["sample.images"].astype("float32")
    np.savez(copy / "assets.extra" / "keras_reference.npz", **values)
    report = serving.check(copy)
    assert rules(report) == {"keras"}
    assert "uint8 in place of float32" in report.findings[0].wrong


def test_a_wrong_name_of_a_tensor_is_said_once(copy):
    def change(meta):
        meta.signature_def["sample"].outputs["images"].name = "nowhere:0"

    (finding,) = [each for each in serving.check(changed(copy, change)).findings if each.rule == "runs"]
    assert "nowhere" in finding.wrong


def test_what_cannot_be_made_up_is_not_called(tmp_path):
    signatures = {
        "serving_default": ("serving_default", [LATENT]),
        "texts": ("texts", [tf.TensorSpec([None], tf.string, "text")]),
    }
    report = serving.check(save(tmp_path / "1", signatures))
    assert report.ok
    assert report.untried == {"texts": "input 'text' is text"}
    assert "not called: texts" in str(report)


def test_a_call_without_end(tmp_path, monkeypatch):
    class Endless(Painter):
        def serving_default(self, latent):
            return {"images": self.images(tf.while_loop(lambda x: True, lambda x: [x + 1], [latent])[0])}

    folder = save(tmp_path / "1", {"serving_default": ("serving_default", [LATENT])}, Endless())
    monkeypatch.setattr(trial, "CALL_SECONDS", 0.2)
    report = serving.check(folder)
    assert rules(report) == {"runs"}
    assert "0.2 s" in report.findings[0].wrong


def test_a_process_without_end(good, tmp_path, monkeypatch):
    stuck = tmp_path / "stuck.py"
    stuck.write_text("import time\ntime.sleep(600)\n")
    monkeypatch.setattr(native, "__file__", str(stuck))
    report = serving.check(good, timeout=0.5)
    assert rules(report) == {"loads"}
    assert "0.5 s" in report.findings[0].wrong
    assert states(report)["runs"] == "not applicable"


def test_the_process_does_without_keras(good, tmp_path, monkeypatch):
    """A stand-in for it is imported as the process starts; the process sees to it that there is none."""
    (tmp_path / "keras.py").touch()
    (tmp_path / "sitecustomize.py").write_text("import keras\n")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    report = serving.check(good)
    assert rules(report) == {"loads"}
    assert "['keras']" in report.findings[0].wrong


def test_the_end_of_the_process(good, tmp_path, monkeypatch):
    """In the middle of calls: what is known is kept, and what ended it said."""
    source = Path(native.__file__).read_text(encoding="utf-8")
    call = 'answer = session.run(given, call["fetches"])'
    assert call in source
    dying = tmp_path / "dying.py"
    dying.write_text(source.replace(call, f"number == 10 and os.abort(); {call}"))
    monkeypatch.setattr(native, "__file__", str(dying))
    report = serving.check(good)
    assert rules(report) == {"runs"}
    assert "the process ended by SIGABRT" in report.findings[0].wrong
    assert {states(report)[name] for name in ("limits", "warmup_runs")} == {"not applicable"}


def test_an_export_of_this_package(build_tiny, scattered, tmp_path):
    report = serving.check(ganzoo.export(scattered(build_tiny("dcgan", seed=5)), tmp_path))
    assert report.ok, str(report)
    assert states(report) == dict.fromkeys(RULES, "held")


def test_on_the_command_line(copy):
    (copy / "saved_model.pb").unlink()
    command = [sys.executable, str(ROOT / "tools" / "check_export.py"), f"--model={copy.parent}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1 : 1 + len(RULES)]] == RULES
    assert lines[1].split()[1] == "broken"
    assert "Traceback" not in done.stderr


def test_every_rule_is_broken_somewhere_here(request, broken):
    """By a signature above or in a test above, so it stands last."""
    if request.config.option.keyword or any("::" in each for each in request.config.args):
        pytest.skip("only a part of this file is run")
    assert not set(RULES) - FOUND - rules(broken)
