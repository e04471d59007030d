"""The evaluator's Inception network: a test cannot have the real one, so one of its signature and widths stands in."""

import numpy as np
import pytest
import tensorflow as tf

from ganzoo import data
from ganzoo.errors import InputError
from ganzoo.evaluation import evaluate, load_inception
from ganzoo.evaluation.inception import INCEPTION


class StandIn(tf.Module):
    """Random features of an image's 4 x 4 means, as TF-GAN's graph gives its own: `logits` and `pool_3`."""

    def __init__(self, outputs=("logits", "pool_3"), widths=(1008, 2048)):
        super().__init__()
        generator = tf.random.Generator.from_seed(1)
        self.weights = {
            key: tf.Variable(generator.normal([48, width], stddev=2.0))
            for key, width in zip(outputs, widths, strict=True)
        }

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
    def __call__(self, images):
        small = tf.image.resize(images, (4, 4), antialias=True)
        rows = tf.reshape(small, [-1, 48])
        outputs = {key: rows @ weight for key, weight in self.weights.items()}
        # The real graph gives features as [B, 1, 1, 2048].
        return {key: values[:, None, None] if key == "pool_3" else values for key, values in outputs.items()}


def saved(path, module, **options):
    tf.saved_model.save(module, str(path), **options)
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return saved(tmp_path_factory.mktemp("inception"), StandIn())


def test_outputs_are_flat_and_inputs_in_the_unit_range(folder):
    network = load_inception(folder)
    images = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), np.uint8)
    logits, features = network.predict(images)
    assert (logits.shape, features.shape) == ((6, 1008), (6, 2048))
    model = tf.saved_model.load(str(folder))
    expected = model(tf.constant(images / 127.5 - 1, tf.float32))
    np.testing.assert_allclose(features, expected["pool_3"].numpy()[:, 0, 0], rtol=1e-5, atol=1e-4)
    assert network.name == "inception-2015"
    assert network.is_inception


def test_grey_is_repeated_and_resizing_is_the_package_s_where_said(folder):
    grey = np.random.default_rng(0).integers(0, 256, (2, 32, 32, 1), np.uint8)
    network = load_inception(folder)
    same = network.predict(np.repeat(grey, 3, axis=-1))
    np.testing.assert_array_equal(network.predict(grey)[0], same[0])
    assert network.prepared(grey).shape == (2, 32, 32, 3)
    for method in ("bilinear", "bicubic"):
        network = load_inception(folder, method)
        prepared = network.prepared(grey)
        assert prepared.shape == (2, 299, 299, 3)
        expected = tf.image.resize(np.repeat(grey / 127.5 - 1, 3, axis=-1), (299, 299), method, antialias=True)
        np.testing.assert_allclose(prepared, expected, atol=1e-5)
        assert method in network.preparation


def test_signatures_serve_as_well_as_calls(folder, tmp_path):
    module = StandIn()
    path = saved(tmp_path / "signature", module, signatures=module.__call__)
    model = tf.saved_model.load(str(path))
    assert list(model.signatures) == ["serving_default"]
    images = np.full((2, 8, 8, 3), 9, np.uint8)
    np.testing.assert_allclose(
        load_inception(path).predict(images)[0], load_inception(folder).predict(images)[0], rtol=1e-5
    )


def test_the_hash_follows_the_weights(folder, tmp_path):
    module = StandIn()
    assert load_inception(saved(tmp_path / "a", module)).weights_hash == load_inception(tmp_path / "a").weights_hash
    module.weights["logits"].assign_add(tf.ones_like(module.weights["logits"]))
    assert load_inception(saved(tmp_path / "b", module)).weights_hash != load_inception(tmp_path / "a").weights_hash


def test_another_network_is_not_called_inception(tmp_path, digits):
    path = saved(tmp_path / "other", StandIn(widths=(10, 64)))
    network = load_inception(path)
    assert network.name.startswith("other-")
    assert not network.is_inception
    record = evaluate(digits[0], "digits", inception_path=path, samples=64, metrics=["classifier_score"])
    assert record.scores[0].metric == f"classifier_score/{network.name}"
    with pytest.raises(InputError, match="is not the Inception network"):
        evaluate(digits[0], "digits", inception_path=path, samples=64, metrics=["inception_score"])


def test_scores_by_inception_are_named_so(folder, digits, tmp_path):
    train, _ = digits
    options = {"inception_path": folder, "metrics": ["inception_score", "kid"], "train_split": None}
    record = evaluate(train, "digits", samples=200, **options)
    values = {score.metric: score for score in record.scores}
    titles = ("inception_score", "inception_score_10_splits", "inception_score_ratio", "real_inception_score", "kid")
    assert set(values) == {f"{title}/inception-2015" for title in titles}
    assert record.evaluator == "inception-2015"
    assert record.evaluator_accuracy is None
    assert "grey repeated" in record.preparation["evaluator"]
    assert values["inception_score_10_splits/inception-2015"].spread_of == "splits"
    # The same images from a file give the same scores.
    chosen = np.random.default_rng(0).permutation(len(train))[:200]
    np.savez(tmp_path / "x.npz", images=train.images[chosen])
    again = evaluate(tmp_path / "x.npz", "digits", **options)
    for score in again.scores:
        assert score.value == pytest.approx(values[score.metric].value, rel=1e-5, abs=1e-7) or "splits" in score.metric


class TestRefusals:
    @pytest.mark.skipif("TFHUB_CACHE_DIR" in __import__("os").environ, reason="a cache may have the graph")
    def test_offline_says_what_to_do(self, monkeypatch):
        hub = pytest.importorskip("tensorflow_hub")

        def offline(handle):
            raise OSError("Name or service not known")

        monkeypatch.setattr(hub, "resolve", offline)
        with pytest.raises(
            InputError, match=r"cannot be had .Name or service not known.; download it once .* TFHUB_CACHE_DIR"
        ):
            load_inception()

    def test_a_cached_graph_needs_no_network(self, folder, tmp_path, monkeypatch):
        import hashlib
        import shutil

        pytest.importorskip("tensorflow_hub")
        shutil.copytree(folder, tmp_path / hashlib.sha1(INCEPTION.encode()).hexdigest())
        monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path))
        assert load_inception().weights_hash == load_inception(folder).weights_hash

    def test_folders_that_are_none(self, tmp_path):
        with pytest.raises(InputError, match=r"no saved_model.pb"):
            load_inception(tmp_path)
        with pytest.raises(
            InputError, match=r"gives \['features', 'logits'\]; an evaluator gives \['logits', 'pool_3'\]"
        ):
            load_inception(saved(tmp_path / "other", StandIn(outputs=("logits", "features"))))

    def test_a_graph_that_takes_something_else(self, tmp_path):
        class Latents(tf.Module):
            @tf.function(input_signature=[tf.TensorSpec([None, 8], tf.float32)])
            def __call__(self, latent):
                return {"logits": latent, "pool_3": latent}

        with pytest.raises(InputError, match="does not take float32 images"):
            load_inception(saved(tmp_path / "latents", Latents()))

    def test_resizing(self, folder):
        with pytest.raises(InputError, match="did you mean 'bicubic'"):
            load_inception(folder, "bicubik")


@pytest.mark.long
def test_an_untrained_inception_v3_end_to_end(tmp_path):
    """The network itself, without its weights: resizes, and gives what an evaluator gives."""
    import keras

    base = keras.applications.InceptionV3(weights=None, include_top=False, pooling="avg", input_shape=(299, 299, 3))
    head = keras.layers.Dense(1008, kernel_initializer="random_normal")

    class Whole(tf.Module):
        def __init__(self):
            super().__init__()
            self.layers = [base, head]
            head.build((None, 2048))
            self.variables_held = [v.value for v in base.variables + head.variables]

        @tf.function(input_signature=[tf.TensorSpec([None, None, None, 3], tf.float32)])
        def __call__(self, images):
            features = base(tf.image.resize(images, (299, 299)), training=False)
            return {"logits": head(features), "pool_3": features}

    path = saved(tmp_path / "v3", Whole())
    test = data.load("digits", "test[:64]", image_size=32)
    record = evaluate(
        test, "digits", split="test[64:128]", train_split=None, inception_path=path, metrics=["fid", "kid"]
    )
    assert {score.metric for score in record.scores} == {"fid/inception-2015", "kid/inception-2015"}
