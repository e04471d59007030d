"""Every metric, fed batch by batch, against whole arrays in NumPy; the closed forms are in test_scores and others."""

import numpy as np
import pytest

from ganzoo import data
from ganzoo.evaluation.metrics import Batch, Setting, named, of_names
from ganzoo.evaluation.references import Reference


class Network:
    name = "net"


@pytest.fixture(scope="module")
def arrays():
    """Returns logits, features and images of 230 fakes, 150 real and 120 other real examples."""
    rng = np.random.default_rng(0)
    made = {}
    for part, count in (("fake", 230), ("real", 150), ("other", 120)):
        shift = 0.3 * (part == "fake")
        made[part] = (
            rng.normal(shift, 2.0, (count, 5)).astype("float32"),
            rng.normal(shift, 1.0, (count, 6)).astype("float32"),
            rng.integers(0, 256, (count, 16, 16, 1), np.uint8),
        )
    return made


def scored(name, arrays, floor=True):
    logits, features, images = arrays["fake"]
    test, train = (data.Examples("some", part, arrays[part][2]) for part in ("real", "other"))
    references = [Reference(*arrays[part][:2]) for part in ("real", "other")]
    setting = Setting(len(images), 0, test, train, Network(), references[0], references[1] if floor else None)
    (metric,) = of_names([name], setting)
    for start in range(0, len(images), 64):
        rows = slice(start, start + 64)
        metric.update(Batch(images[rows], logits[rows], features[rows]))
    return {score.metric: score for score in named(metric.scores(), metric)}


def softmax(logits):
    powers = np.exp(logits.astype("float64"))
    return powers / powers.sum(axis=1, keepdims=True)


def score_of(p):
    return np.exp((p * (np.log(p) - np.log(p.mean(axis=0)))).sum(axis=1).mean())


def gaussian_distance(a, b):
    import scipy.linalg

    a, b = a.astype("float64"), b.astype("float64")
    s, t = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
    root = scipy.linalg.sqrtm(s @ t).real
    return ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s + t - 2 * root)


def discrepancy(a, b):
    a, b = a.astype("float64"), b.astype("float64")
    kernel = lambda x, y: (x @ y.T / x.shape[1] + 1) ** 3  # noqa: E731
    n, m = len(a), len(b)
    own = [(kernel(x, x).sum() - np.trace(kernel(x, x))) / (len(x) * (len(x) - 1)) for x in (a, b)]
    return sum(own) - 2 * kernel(a, b).sum() / (n * m)


def test_classifier_and_inception_score(arrays):
    p, q = softmax(arrays["fake"][0]), softmax(arrays["real"][0])
    splits = [score_of(part) for part in np.split(p, 10)]
    for title in ("classifier_score", "inception_score"):
        scores = scored(title, arrays)
        assert scores[f"{title}/net"].value == pytest.approx(score_of(p), rel=1e-6)
        assert scores[f"real_{title}/net"].value == pytest.approx(score_of(q), rel=1e-6)
        assert scores[f"{title}_ratio/net"].value == pytest.approx(score_of(p) / score_of(q), rel=1e-6)
        ten = scores[f"{title}_10_splits/net"]
        assert ten.value == pytest.approx(np.mean(splits), rel=1e-6)
        assert (ten.spread, ten.spread_of) == (pytest.approx(np.std(splits), rel=1e-6), "splits")
        assert (ten.generated, ten.real) == (230, 0)


def test_fid_is_of_as_many_as_its_floor(arrays):
    (_, fake, _), (_, real, _), (_, other, _) = (arrays[part] for part in ("fake", "real", "other"))
    scores = scored("fid", arrays)
    assert scores["fid/net"].value == pytest.approx(gaussian_distance(fake[:120], real), rel=1e-6)
    assert (scores["fid/net"].generated, scores["fid/net"].real) == (120, 150)
    assert scores["real_fid/net"].value == pytest.approx(gaussian_distance(other, real), rel=1e-6)
    assert scores["real_fid/net"].real == 270
    alone = scored("fid", arrays, floor=False)
    assert set(alone) == {"fid/net"}
    assert alone["fid/net"].value == pytest.approx(gaussian_distance(fake, real), rel=1e-6)


def test_kid(arrays):
    (_, fake, _), (_, real, _), (_, other, _) = (arrays[part] for part in ("fake", "real", "other"))
    scores = scored("kid", arrays)
    assert scores["kid/net"].value == pytest.approx(discrepancy(fake, real), rel=1e-6)
    assert scores["real_kid/net"].value == pytest.approx(discrepancy(other, real), rel=1e-6)
    assert scores["kid/net"].spread is None  # one block


def within(a, b, k):
    """Returns whether a[i] is among the k nearest of b[j], [A, B]."""
    distances = np.linalg.norm(b[:, None].astype("float64") - b[None], axis=2)
    radii = np.sort(distances, axis=1)[:, k]
    return np.linalg.norm(a[:, None].astype("float64") - b[None], axis=2) <= radii


def test_manifolds(arrays):
    fake, real = (arrays[part][1][:120] for part in ("fake", "real"))  # as many as the least, the floor, has
    scores = scored("precision_recall", arrays)
    assert {(score.generated, score.real) for score in scores.values()} == {(120, 120), (0, 240)}
    assert scores["precision/net"].value == pytest.approx(within(fake, real, 3).any(axis=1).mean())
    assert scores["recall/net"].value == pytest.approx(within(real, fake, 3).any(axis=1).mean())
    assert set(scores) == {f"{real}{name}/net" for real in ("", "real_") for name in ("precision", "recall")}
    scores = scored("density_coverage", arrays)
    assert set(scores) == {f"{real}{name}/net" for real in ("", "real_") for name in ("density", "coverage")}
    assert scores["density/net"].value == pytest.approx(within(fake, real, 5).sum(axis=1).mean() / 5)
    assert scores["coverage/net"].value == pytest.approx(within(fake, real, 5).any(axis=0).mean())


def test_modes_of_labelled_data(arrays):
    scores = scored("modes", arrays)
    shares = np.bincount(arrays["fake"][0].argmax(axis=1), minlength=5) / 230
    assert [scores[f"class_share_{k}/net"].value for k in range(5)] == pytest.approx(list(shares))
    assert scores["classes_reached/net"].value == 5
    assert scores["class_kl/net"].value == pytest.approx((shares * np.log(shares * 5)).sum())
    assert scores["real_classes_reached/net"].real == 150


def test_similarity_of_pairs(arrays):
    images = arrays["fake"][2].copy()
    images[1::2] = images[::2]  # pairs of one and the same, batches notwithstanding
    scores = scored("ms_ssim", arrays | {"fake": (*arrays["fake"][:2], images)})
    (ours,) = (score for name, score in scores.items() if name.startswith("ms_ssim"))
    assert ours.value == pytest.approx(1.0, abs=1e-6)
    assert ours.generated == 230
    (theirs,) = (score for name, score in scores.items() if name.startswith("real_ms_ssim"))
    assert abs(theirs.value) < 0.2  # noise


def test_mode_score(arrays):
    p, q = softmax(arrays["fake"][0]), softmax(arrays["real"][0])
    ours, real = p.mean(axis=0), q.mean(axis=0)
    expected = score_of(p) * np.exp(-(ours * np.log(ours / real)).sum())
    assert scored("mode_score", arrays)["mode_score/net"].value == pytest.approx(expected, rel=1e-6)


def test_parzen_windows(arrays):
    from scipy.special import logsumexp

    scores = scored("parzen", arrays)
    fake, real = (arrays[part][2].reshape(len(arrays[part][2]), -1) / 255 for part in ("fake", "real"))
    width = scores["parzen_width"].value
    squares = ((real[:, None] - fake[None]) ** 2).sum(axis=2)
    logs = logsumexp(-squares / (2 * width**2), axis=1) - np.log(230) - 128 * np.log(2 * np.pi * width**2)
    assert scores["parzen"].value == pytest.approx(logs.mean(), rel=1e-5)
    assert scores["parzen"].spread == pytest.approx(logs.std(ddof=1) / np.sqrt(150), rel=1e-4)
