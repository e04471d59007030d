import importlib
import importlib.util
import sys
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

from ganzoo.errors import InputError
from ganzoo.evaluation import classifier_score, frechet_distance
from ganzoo.evaluation.streaming import KernelBlocks, SplitScores
from ganzoo.evaluation.tfgan import tfgan_evaluation, tfgan_scores

PARENTS = ("tensorflow_gan", "tensorflow_gan.python")
TESTS = ("classifier_metrics", "eval_utils", "inception_metrics", "sliced_wasserstein", "summaries")
# Why some of them fail: the tests' own classifier and TF-GAN's default one call `tf.compat.v1.layers.flatten`.
FLATTEN = "`flatten` is not available with Keras 3"


@pytest.fixture
def random():
    return np.random.default_rng(0)


def activations(random, count, dim):
    """Returns non-negative float32 features of decaying sizes, as pooled ones are."""
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((dim, dim)))[0]
    rows = (random.standard_normal((count, dim)) * np.exp(-np.arange(dim) / 20)) @ turn + 0.3
    return np.maximum(rows, 0).astype("float32")


def own_modules():
    return {name: module for name, module in sys.modules.items() if name.split(".")[0] == "tensorflow_gan"}


@pytest.fixture
def unloaded():
    """Takes TF-GAN's modules away for a test."""
    kept = own_modules()
    for name in kept:
        del sys.modules[name]
    yield
    for name in own_modules():
        del sys.modules[name]
    sys.modules.update(kept)


def import_root():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return importlib.import_module("tensorflow_gan")


def own_tests(folder):
    """Returns how many of TF-GAN's own tests passed, and the failed ones with their reasons."""
    evaluation = tfgan_evaluation()
    root, python = (types.ModuleType(name) for name in PARENTS)
    root.__path__, python.__path__ = [str(Path(folder).parent.parent)], [str(Path(folder).parent)]
    sys.modules.update(zip(PARENTS, (root, python), strict=True))
    root.eval, root.python, python.eval = evaluation, python, evaluation
    named = importlib.import_module("tensorflow_gan.python.namedtuples")
    for name in named.__all__:
        setattr(root, name, getattr(named, name))

    class Outcomes:
        passed, failed = 0, {}

        def pytest_runtest_logreport(self, report):
            if report.when == "call" and report.passed:
                Outcomes.passed += 1
            elif report.failed:
                Outcomes.failed[report.nodeid.rpartition("/")[2]] = str(report.longrepr)[-2000:]

    files = [f"{folder}/{name}_test.py" for name in TESTS]
    pytest.main([*files, "-q", "-c", "/dev/null", "-p", "no:cacheprovider", f"--rootdir={folder}"], [Outcomes()])
    return Outcomes.passed, Outcomes.failed


class TestLoading:
    def test_leaves_no_parents_and_is_found_again(self, unloaded):
        evaluation = tfgan_evaluation()
        assert float(evaluation.classifier_score_from_logits(np.zeros((4, 3)))) == pytest.approx(1.0)
        assert not set(PARENTS) & set(sys.modules)
        assert tfgan_evaluation() is evaluation

    def test_before_and_after_a_failed_import(self, unloaded):
        for _ in range(2):
            with pytest.raises((AttributeError, ImportError), match="estimator"):
                import_root()
            evaluation = tfgan_evaluation()
            assert evaluation.classifier_score_from_logits
        assert tfgan_evaluation() is evaluation

    def test_beside_a_tfgan_that_is_imported(self, unloaded, monkeypatch):
        """Stand-ins for the estimators let its root import."""
        import tensorflow as tf
        import tensorflow.compat.v1 as tf1

        tpu = types.SimpleNamespace(TPUEstimator=object)
        estimator = types.SimpleNamespace(SessionRunHook=object, Estimator=object, tpu=tpu)
        for module in (tf, tf1):
            monkeypatch.setattr(module, "estimator", estimator, raising=False)
        root = import_root()
        assert tfgan_evaluation() is root.eval
        assert sys.modules["tensorflow_gan"] is root
        assert callable(root.gan_train)

    def test_without_tfgan_the_error_says_what_to_install(self, monkeypatch):
        monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
        with pytest.raises(InputError, match="pip install tensorflow-gan"):
            tfgan_evaluation()

    def test_without_what_tfgan_needs_the_error_says_what(self, monkeypatch):
        def import_module(name):
            raise ModuleNotFoundError("No module named 'pkg_resources'", name="pkg_resources")

        monkeypatch.setattr(importlib, "import_module", import_module)
        with pytest.raises(InputError, match=r"needs pkg_resources, .* 'setuptools<82'"):
            tfgan_evaluation()
        assert not set(PARENTS) & set(sys.modules)

    @pytest.mark.long
    def test_its_own_tests_pass_but_for_the_known_ones(self, in_process):
        folder = Path(tfgan_evaluation().__file__).parent
        passed, failed = in_process("evaluation.test_tfgan", "own_tests", str(folder))
        assert {name for name, reason in failed.items() if FLATTEN not in reason} == set()
        assert len([name for name in failed if name.startswith("classifier_metrics")]) == 2
        assert len([name for name in failed if name.startswith("inception_metrics")]) == 9
        assert (passed, len(failed)) == (62, 11)


class TestAgreement:
    """This package's scores are TF-GAN's."""

    def test_with_one_block(self, random):
        features, real = activations(random, 300, 40), 1.2 * activations(random, 200, 40)
        logits = (2 * random.standard_normal((300, 7))).astype("float32")
        theirs = tfgan_scores(logits, features, real, splits=3)
        splits, blocks = SplitScores(300, 3), KernelBlocks(300, real)
        for start in range(0, 300, 64):
            splits.update(logits[start : start + 64])
            blocks.update(features[start : start + 64])
        distance, error = blocks.distance()
        assert classifier_score(logits) == pytest.approx(theirs.classifier_score, rel=1e-9)
        np.testing.assert_allclose(splits.scores(), theirs.split_scores, rtol=1e-9)
        assert frechet_distance(features, real) == pytest.approx(theirs.frechet_distance, rel=1e-6)
        assert distance == pytest.approx(theirs.kernel_distance, rel=1e-9)
        assert error is theirs.kernel_standard_error is None

    def test_with_several_blocks(self, random):
        """2,500 and 2,100 rows make three blocks, of 833, 833, 834 and of 700 each."""
        features, real = activations(random, 2500, 16), activations(random, 2100, 16)
        theirs = tfgan_scores(random.standard_normal((10, 3)), features, real)
        blocks = KernelBlocks(2500, real)
        blocks.update(features)
        assert blocks.distance() == pytest.approx((theirs.kernel_distance, theirs.kernel_standard_error), rel=1e-7)
        assert frechet_distance(features, real) == pytest.approx(theirs.frechet_distance, rel=1e-6)

    def test_fewer_rows_than_dimensions(self, random):
        features, real = 10 * activations(random, 30, 50), 10 * activations(random, 40, 50)
        theirs = tfgan_scores(np.zeros((10, 2)), features, real)
        assert frechet_distance(features, real) == pytest.approx(theirs.frechet_distance, rel=1e-6)

    def test_unfit_arrays_are_refused(self):
        logits, features = np.zeros((10, 3)), np.zeros((10, 2))
        with pytest.raises(InputError, match="3 and 2 dimensions"):
            tfgan_scores(logits, features, np.zeros((10, 3)))
        with pytest.raises(InputError, match="N >= 10"):
            tfgan_scores(logits[:9], features, features)
        with pytest.raises(InputError, match=r"real features of shape \(1, 2\)"):
            tfgan_scores(logits, features, features[:1])
