import hashlib
import io
import json
import os
import subprocess

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from tensorflow_serving.apis import prediction_log_pb2

import ganzoo
from ganzoo import config, exporting, files, folders
from ganzoo.errors import InputError
from ganzoo.exported import version_folder
from ganzoo.noise import latents
from ganzoo.signatures import MOST_GENERATED


@pytest.fixture(scope="module")
def gan(build_tiny, examples, scattered):
    """Returns a model whose averaged and last weights differ much; for reading only."""
    gan = build_tiny("dcgan", seed=5)
    gan.run_eagerly = True
    gan.fit(examples(8), batch_size=4, verbose=0)
    return scattered(gan)


@pytest.fixture(scope="module")
def folder(gan, tmp_path_factory):
    return ganzoo.export(gan, tmp_path_factory.mktemp("models") / "tiny", about={"recipe": "mine"})


@pytest.fixture(scope="module")
def loaded(folder):
    return tf.saved_model.load(str(folder))


def sampled(loaded, index, seed=0, truncation=np.inf):
    index = tf.constant(index, tf.int64)
    arguments = {"seed": tf.zeros_like(index) + seed, "index": index}
    truncation = tf.fill(index.shape, tf.cast(truncation, tf.float32))
    (output,) = loaded.signatures["sample"](**arguments, truncation=truncation).values()
    return output.numpy()


def specs(signature):
    (inputs,) = [s for s in signature.structured_input_signature if s]
    both = (inputs, signature.structured_outputs)
    return [{name: (spec.dtype.name, spec.shape.as_list()) for name, spec in each.items()} for each in both]


ROWS = {"seed": ("int64", [None]), "index": ("int64", [None]), "truncation": ("float32", [None])}
WAY = {"seed_from": ("int64", [None]), "seed_to": ("int64", [None]), "fraction": ("float32", [None])}
COUNT = {"seed": ("int64", []), "n": ("int32", [])}


def test_signatures(loaded):
    pixels, png = {"images": ("uint8", [None, 8, 8, 1])}, {"image_bytes": ("string", [None])}
    assert {name: specs(signature) for name, signature in loaded.signatures.items()} == {
        "serving_default": [{"latent": ("float32", [None, 6])}, {"images": ("float32", [None, 8, 8, 1])}],
        "sample": [ROWS, pixels],
        "sample_png": [ROWS, png],
        "interpolate": [WAY, pixels],
        "generate": [COUNT, pixels],
        "generate_png": [COUNT, png],
    }


def test_png_are_lossless(loaded):
    index = tf.range(5, dtype=tf.int64)
    rows = {"seed": index * 0 + 3, "index": index, "truncation": tf.fill([5], np.float32(np.inf))}
    files = loaded.signatures["sample_png"](**rows)["image_bytes"].numpy()
    decoded = [np.asarray(Image.open(io.BytesIO(file)))[..., None] for file in files]
    np.testing.assert_array_equal(decoded, loaded.signatures["sample"](**rows)["images"])


@pytest.mark.parametrize("n", [1, 3, 64, MOST_GENERATED])
def test_generate_gives_the_first_images_of_a_seed(loaded, n):
    seed, count = tf.constant(7, tf.int64), tf.constant(n)
    images = loaded.signatures["generate"](seed=seed, n=count)["images"].numpy()
    np.testing.assert_array_equal(images, sampled(loaded, range(n), seed=7))
    files = loaded.signatures["generate_png"](seed=seed, n=count)["image_bytes"].numpy()
    assert len(files) == n
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(files[-1])))[..., None], images[-1])


@pytest.mark.parametrize("n", [0, -1, MOST_GENERATED + 1, 2**31 - 1])
def test_generate_is_bounded(loaded, n):
    with pytest.raises(tf.errors.InvalidArgumentError, match="n must be 1 to 256"):
        loaded.signatures["generate"](seed=tf.constant(0, tf.int64), n=tf.constant(n))


def interpolated(loaded, seed_from, seed_to, fraction):
    seeds = {"seed_from": tf.constant(seed_from, tf.int64), "seed_to": tf.constant(seed_to, tf.int64)}
    return loaded.signatures["interpolate"](**seeds, fraction=tf.constant(fraction, tf.float32))["images"].numpy()


def test_a_walk_leads_from_one_seed_to_the_other(gan, loaded):
    walk = interpolated(loaded, [4, 4, 4, 9], [9, 9, 9, 4], [0, 0.25, 1, 0.75]).astype(int)
    ends = [sampled(loaded, [0], seed=seed)[0] for seed in (4, 9)]
    assert abs(walk[0] - ends[0]).max() <= 1
    assert abs(walk[2] - ends[1]).max() <= 1
    assert abs(walk[3] - walk[1]).max() <= 1  # there and back
    assert abs(walk[1] - ends[0]).max() > 5
    zero = np.zeros(1, np.int64)
    start, end = (latents(zero + seed, zero, 6, prior="uniform").numpy()[0].astype(float) for seed in (4, 9))
    lengths = np.linalg.norm(start), np.linalg.norm(end)
    angle = np.arccos(start @ end / lengths[0] / lengths[1])
    parts = np.sin(0.75 * angle) * start / lengths[0] + np.sin(0.25 * angle) * end / lengths[1]
    quarter = parts / np.sin(angle) * (0.75 * lengths[0] + 0.25 * lengths[1])
    images = gan(quarter[None].astype("float32")).numpy()
    assert abs(walk[1] - np.round((images[0] + 1) * 127.5)).max() <= 1


@pytest.mark.parametrize("truncation", [0.0, -2.0, np.nan])
def test_a_truncation_that_is_none_spoils_no_other_row(gan, loaded, truncation):
    rows = {"seed": tf.constant([0, 0], tf.int64), "index": tf.constant([1, 1], tf.int64)}
    values = tf.constant([np.inf, truncation], tf.float32)
    images = loaded.signatures["sample"](**rows, truncation=values)["images"].numpy().astype(int)
    assert abs(images[0] - sampled(loaded, [1])[0]).max() <= 1
    middle = np.round((gan(np.zeros((1, 6), "float32")).numpy()[0] + 1) * 127.5)
    assert abs(images[1] - middle).max() <= 1


def test_a_walk_stays_between_its_ends(loaded):
    outside = interpolated(loaded, [4] * 5, [9] * 5, [-0.5, np.nan, -np.inf, 1.5, np.inf])
    ends = interpolated(loaded, [4] * 5, [9] * 5, [0, 0, 0, 1, 1])
    np.testing.assert_array_equal(outside, ends)


def test_samples_are_those_of_generate(gan, loaded):
    np.testing.assert_array_equal(sampled(loaded, range(64), seed=3), gan.generate(64, seed=3))
    np.testing.assert_array_equal(
        sampled(loaded, range(64), seed=3, truncation=0.5), gan.generate(64, seed=3, truncation=0.5)
    )


def test_served_latents_are_those_of_the_model(gan, loaded, examples):
    latents = examples(4, (6,))
    images = loaded.signatures["serving_default"](latent=tf.constant(latents))["images"]
    np.testing.assert_allclose(images, gan(latents), atol=1e-6)


def test_rows_do_not_depend_on_each_other(loaded):
    """Pixels may round by one level at another batch size, latents not at all."""
    whole = sampled(loaded, range(8)).astype(int)
    shuffled = sampled(loaded, [5, 0, 7, 7, 1, 2, 3, 4]).astype(int)
    np.testing.assert_array_equal(shuffled, whole[[5, 0, 7, 7, 1, 2, 3, 4]])
    alone = np.concatenate([sampled(loaded, [index]) for index in range(8)]).astype(int)
    assert abs(alone - whole).max() <= 1
    mixed = loaded.signatures["sample"](
        seed=tf.constant([0, 9, 0], tf.int64),
        index=tf.constant([1, 1, 2], tf.int64),
        truncation=tf.constant([np.inf, 1.0, 0.1], tf.float32),
    )["images"].numpy()
    assert abs(mixed[0].astype(int) - whole[1]).max() <= 1
    assert abs(mixed[1].astype(int) - sampled(loaded, [1], 9, 1.0)[0]).max() <= 1
    assert abs(mixed[2].astype(int) - sampled(loaded, [2], 0, 0.1)[0]).max() <= 1


def test_needs_neither_keras_nor_this_package(gan, folder, in_process):
    own = hashlib.sha256(gan.generate(64).tobytes()).hexdigest()
    assert in_process("conftest", "served", {"tiny": str(folder)}) == {"tiny": own}


def test_variables_are_stored_once(gan, build_tiny, tmp_path):
    wide = build_tiny("dcgan", width=16)
    folder = ganzoo.export(wide, tmp_path)
    stored = sum(path.stat().st_size for path in (folder / "variables").iterdir())
    weights = sum(4 * int(np.prod(weight.shape)) for weight in wide.generator.weights)
    assert weights <= stored < 1.2 * weights
    # No weights among the constants of the graph either.
    assert (folder / "saved_model.pb").stat().st_size < weights


def test_averaged_or_last_weights(gan, tmp_path):
    ours = [tf.saved_model.load(str(ganzoo.export(gan, tmp_path, averaged=a))) for a in (True, False)]
    for averaged, loaded in zip((True, False), ours, strict=True):
        np.testing.assert_array_equal(sampled(loaded, range(64)), gan.generate(64, averaged=averaged))
    assert (gan.generate(64) != gan.generate(64, averaged=False)).any()
    said = [json.loads((tmp_path / v / "assets.extra" / "ganzoo.json").read_text()) for v in "12"]
    assert [each["averaged"] for each in said] == [True, False]


def test_says_what_it_is(gan, folder):
    said = json.loads((folder / "assets.extra" / "ganzoo.json").read_text())
    versions = said.pop("versions")
    assert said == {
        "variant": "dcgan", "image_shape": [8, 8, 1], "latent_dim": 6, "prior": "uniform", "step": 2,
        "seed": 5, "averaged": True, "recipe": "mine",
    }  # fmt: skip
    assert versions["tensorflow"] == tf.__version__
    assert set(versions) == {"ganzoo", "tensorflow", "keras", "numpy"}


def test_what_it_says_is_true(gan, tmp_path, write_nothing):
    folder = ganzoo.export(gan, tmp_path, about={"step": 77, "averaged": False, "note": "mine"})
    said = json.loads((folder / "assets.extra" / "ganzoo.json").read_text())
    assert (said["step"], said["averaged"], said["note"]) == (2, True, "mine")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"about": {"by": object()}}, "no JSON"),
        ({"files": {"recipe.json": "none.json"}}, r"'none\.json', for 'recipe\.json', is no file"),
        ({"files": {"../saved_model.pb": __file__}}, "no path below assets.extra"),
        ({"files": {"/tmp/taken": __file__}}, "no path below assets.extra"),
        ({"files": {"": __file__}}, "no path below assets.extra"),
        ({"files": {"./ganzoo.json": __file__}}, "what the export itself writes"),
        ({"files": {"keras_reference.npz": __file__}}, "what the export itself writes"),
    ],
)
def test_what_cannot_go_along_is_refused_before_any_work(gan, tmp_path, options, said):
    with pytest.raises(InputError, match=said):
        ganzoo.export(gan, tmp_path / "models", **options)
    assert not (tmp_path / "models").exists()


def test_a_network_that_fails_is_no_full_disk(gan, tmp_path, monkeypatch):
    def fail(*_):
        raise tf.errors.InternalError(None, None, "no kernel")

    monkeypatch.setattr(exporting, "answered", fail)
    with pytest.raises(tf.errors.InternalError):
        ganzoo.export(gan, tmp_path / "models")


@pytest.mark.parametrize(
    ("record", "goes"),
    [
        ({"step": 2, "averaged": True}, True),
        ({"step": 1, "averaged": True}, False),
        ({"step": 2, "averaged": False}, False),
        ([], False),
        (None, False),
    ],
)
def test_a_score_record_goes_along_if_it_is_of_these_weights(gan, tmp_path, monkeypatch, write_nothing, record, goes):
    (tmp_path / "scores").mkdir()
    (tmp_path / "scores" / "last.json").write_text("half" if record is None else json.dumps(record))
    (tmp_path / "recipe.json").write_text("{}")
    monkeypatch.setattr(folders, "restored", lambda *_: (gan, config.load_recipe("dcgan")))
    folder = ganzoo.export_run(tmp_path, tmp_path / "models")
    assert (folder / "assets.extra" / "recipe.json").exists()
    assert (folder / "assets.extra" / "scores" / "last.json").exists() == goes


def requests(folder):
    """Returns the (signature, inputs) of a warm-up file."""
    found = []
    for record in tf.data.TFRecordDataset(str(folder / "assets.extra" / "tf_serving_warmup_requests")):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        assert request.model_spec.name == "tiny"
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        found.append((request.model_spec.signature_name, inputs))
    return found


def test_warm_up_requests_play_what_any_server_takes(folder, loaded):
    """Scalars, or more rows than its largest batch, stop a server that batches from loading the model."""
    asked = requests(folder)
    for name, inputs in asked:
        assert {value.shape[0] for value in inputs.values()} == {1}
        arguments = {key: tf.constant(value) for key, value in inputs.items()}
        (answer,) = loaded.signatures[name](**arguments).values()
        assert len(answer) == 1
    assert sorted(name for name, _ in asked) == ["interpolate", "sample", "sample_png", "serving_default"]


def test_warm_up_is_a_choice(build_tiny, tmp_path):
    folder = ganzoo.export(build_tiny("dcgan"), tmp_path, warm_up=False)
    assert sorted(os.listdir(folder / "assets.extra")) == ["ganzoo.json", "keras_reference.npz"]


def test_what_keras_answered_is_written_beside_it(gan, folder):
    with np.load(folder / "assets.extra" / "keras_reference.npz", allow_pickle=False) as file:
        said = dict(file)
    assert {name.split(".")[0] for name in said} == {"serving_default", "sample", "interpolate"}
    images = gan(said["serving_default.latent"]).numpy()
    np.testing.assert_allclose(said["serving_default.images"], images, atol=1e-6)
    arguments = (said[f"sample.{name}"] for name in ("seed", "index", "truncation"))
    levels = np.round((gan(latents_of(*arguments)).numpy() + 1) * 127.5)
    assert abs(said["sample.images"] - levels).max() <= 1


def latents_of(seed, index, truncation):
    return latents(seed, index, 6, prior="uniform", truncation=truncation)


def test_boundary_is_float32_under_mixed_precision(build_tiny, tmp_path):
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        gan = build_tiny("dcgan")
        assert gan.generator.compute_dtype == "bfloat16"
        loaded = tf.saved_model.load(str(ganzoo.export(gan, tmp_path)))
    finally:
        keras.config.set_dtype_policy(before)
    assert specs(loaded.signatures["serving_default"])[1] == {"images": ("float32", [None, 8, 8, 1])}
    np.testing.assert_array_equal(sampled(loaded, range(64)), gan.generate(64))


@pytest.fixture
def write_nothing(monkeypatch):
    """Has TensorFlow write one file in place of a model."""

    def save(module, path, signatures):
        os.makedirs(path)
        with open(os.path.join(path, "saved_model.pb"), "w") as file:
            file.write("model")

    monkeypatch.setattr(tf.saved_model, "save", save)


def test_version_is_the_next_number(gan, tmp_path, write_nothing):
    for name in ("2", "010", "11.partial", "newest", "²", str(2**63)):
        (tmp_path / name).mkdir()
    assert ganzoo.export(gan, tmp_path) == tmp_path / "11"
    assert ganzoo.export(gan, tmp_path / "other") == tmp_path / "other" / "1"
    kept = {"010", "11", "11.partial", "2", "newest", "²", str(2**63)}
    assert set(os.listdir(tmp_path)) == {*kept, "other"}
    assert version_folder(tmp_path) == tmp_path / "11"
    assert files.versions(tmp_path) == {2: tmp_path / "2", 10: tmp_path / "010", 11: tmp_path / "11"}


def test_after_the_last_version_there_is_none(gan, tmp_path, write_nothing):
    (tmp_path / str(2**63 - 1)).mkdir()
    with pytest.raises(InputError, match="the last version that there can be"):
        ganzoo.export(gan, tmp_path)


def test_a_version_that_appears_meanwhile_is_not_replaced(gan, tmp_path, monkeypatch):
    def save(module, path, signatures):
        os.makedirs(path)
        (tmp_path / "1").mkdir()
        (tmp_path / "1" / "theirs").touch()
        monkeypatch.setattr(files, "_next_version", lambda directory: next(numbers))

    numbers = iter([1, 2])
    monkeypatch.setattr(tf.saved_model, "save", save)
    assert ganzoo.export(gan, tmp_path) == tmp_path / "2"
    assert os.listdir(tmp_path / "1") == ["theirs"]


def test_a_version_is_no_folder_of_versions(gan, folder):
    before = sorted(os.listdir(folder))
    with pytest.raises(InputError, match="is a version of a model, which is not replaced; give the folder of its"):
        ganzoo.export(gan, folder)
    assert sorted(os.listdir(folder)) == before


def test_a_disk_that_fills_leaves_nothing(gan, tmp_path):
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here: this needs root")
    try:
        with pytest.raises(InputError, match="small/models cannot be written: No space left on device; choose another"):
            ganzoo.export(gan, place / "models")
        assert os.listdir(place / "models") == []
    finally:
        subprocess.run(["umount", str(place)], check=True)


@pytest.mark.parametrize("error", [RuntimeError("out of luck"), KeyboardInterrupt()])
def test_nothing_is_left_of_an_export_that_fails(gan, tmp_path, monkeypatch, error):
    def fail(module, path, signatures):
        os.makedirs(path)
        assert not os.path.basename(path).isdigit()  # servers must not see it yet
        raise error

    monkeypatch.setattr(tf.saved_model, "save", fail)
    with pytest.raises(type(error)):
        ganzoo.export(gan, tmp_path)
    assert os.listdir(tmp_path) == []


def test_points(build_tiny, examples, tmp_path):
    gan = build_tiny("dcgan", image_shape=(2,))
    loaded = tf.saved_model.load(str(ganzoo.export(gan, tmp_path)))
    assert set(loaded.signatures) == {"serving_default", "sample", "interpolate", "generate"}
    assert specs(loaded.signatures["sample"])[1] == {"points": ("float32", [None, 2])}
    assert specs(loaded.signatures["serving_default"])[1] == {"points": ("float32", [None, 2])}
    np.testing.assert_array_equal(sampled(loaded, range(64)), gan.generate(64))


def test_directory_that_cannot_be_written(gan, tmp_path):
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file", tmp_path / "file" / "models"):
        with pytest.raises(InputError, match=f"{place} cannot be written"):
            ganzoo.export(gan, place)


def test_model_without_networks(tmp_path):
    with pytest.raises(InputError, match="no networks yet: fit it, or build it with image_shape="):
        ganzoo.export(ganzoo.build("dcgan"), tmp_path)
    assert os.listdir(tmp_path) == []


def test_folder_without_a_run(tmp_path):
    with pytest.raises(InputError, match="give the model_dir"):
        ganzoo.export_run(tmp_path, tmp_path / "models")
