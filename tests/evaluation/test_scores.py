import numpy as np
import pytest
import scipy.linalg
import scipy.special
import scipy.stats

from ganzoo.errors import InputError
from ganzoo.evaluation import (
    arrays,
    class_shares,
    classifier_score,
    frechet_distance,
    high_quality_share,
    modes_covered,
    nearest_distances,
    reverse_kl,
)
from ganzoo.evaluation.scores import (
    class_histogram_kl,
    classes_reached,
    mode_score,
    parzen_log_likelihood,
    parzen_width,
)


@pytest.fixture
def random():
    return np.random.default_rng(0)


def with_moments(random, count, mean, covariance):
    """Returns `count` rows whose sample mean and unbiased sample covariance are exactly the given ones."""
    rows = random.standard_normal((count, len(mean)))
    rows -= rows.mean(axis=0)
    whitening = np.linalg.inv(np.linalg.cholesky(np.cov(rows, rowvar=False))).T
    return rows @ whitening @ np.linalg.cholesky(covariance).T + mean


class TestClassifierScore:
    def test_alike_images_score_one(self):
        assert classifier_score(np.zeros((6, 4))) == pytest.approx(1.0, abs=1e-12)

    @pytest.mark.parametrize("classes", [2, 10])
    def test_sure_and_balanced_images_score_the_number_of_classes(self, classes):
        logits = 1e3 * np.tile(np.eye(classes), (3, 1))
        assert classifier_score(logits) == pytest.approx(classes, rel=1e-12)

    def test_sure_and_unbalanced_images_score_the_exponential_of_the_entropy(self):
        logits = 1e3 * np.eye(3)[[0, 0, 0, 1]]
        entropy = -(0.75 * np.log(0.75) + 0.25 * np.log(0.25))
        assert classifier_score(logits) == pytest.approx(np.exp(entropy), rel=1e-12)

    def test_moderate_logits_by_the_definition(self, random):
        logits = random.standard_normal((50, 5))
        conditional = scipy.special.softmax(logits, axis=1)
        divergences = scipy.stats.entropy(conditional, conditional.mean(axis=0), axis=1)
        assert classifier_score(logits) == pytest.approx(np.exp(divergences.mean()), rel=1e-12)

    @pytest.mark.parametrize("size", [1e3, 1e5, 1e308])
    def test_extreme_logits(self, size):
        assert classifier_score([[size, -size], [size, -size]]) == pytest.approx(1.0)
        assert classifier_score([[size, -size], [-size, size]]) == pytest.approx(2.0)

    def test_float32_logits_are_computed_in_float64(self, random):
        logits = random.standard_normal((1000, 10)).astype("float32")
        assert classifier_score(logits) == classifier_score(logits.astype("float64"))

    @pytest.mark.parametrize("logits", [[[np.nan, 1.0]], [[np.inf, 1.0]]])
    def test_logits_that_are_not_finite_are_refused(self, logits):
        with pytest.raises(InputError, match="1 of 1 rows are not finite"):
            classifier_score(logits)


def test_class_shares():
    shares = class_shares([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0], [0.0, 3.0, 1.0], [0.0, 1.0, 0.0]])
    np.testing.assert_array_equal(shares, [0.25, 0.75, 0.0])


class TestModeScore:
    def test_moderate_logits_by_the_definition(self, random):
        logits, real_logits = 2 * random.standard_normal((50, 5)), random.standard_normal((40, 5)) + np.arange(5)
        conditional = scipy.special.softmax(logits, axis=1)
        share, real_share = conditional.mean(axis=0), scipy.special.softmax(real_logits, axis=1).mean(axis=0)
        divergence = scipy.stats.entropy(conditional, share, axis=1).mean() - scipy.stats.entropy(share, real_share)
        assert mode_score(logits, real_logits) == pytest.approx(np.exp(divergence), rel=1e-12)

    def test_is_the_classifier_score_where_classes_are_as_in_the_data(self, random):
        logits = random.standard_normal((50, 5))
        assert mode_score(logits, np.repeat(logits, 3, axis=0)) == pytest.approx(classifier_score(logits), rel=1e-12)

    def test_one_class_of_a_balanced_ten(self):
        sure = 1e4 * np.eye(10)
        assert mode_score(sure, sure) == pytest.approx(10.0)
        assert mode_score(np.repeat(sure[:1], 30, axis=0), sure) == pytest.approx(0.1)

    def test_a_class_that_no_real_image_is_in(self):
        sure = 1e4 * np.eye(3)
        assert mode_score(sure, sure[:2]) == 0.0
        assert mode_score(sure[:2], sure) == pytest.approx(2 * np.exp(-np.log(1.5)))

    def test_unlike_classes_are_refused(self):
        with pytest.raises(InputError, match="3 and 4 classes"):
            mode_score(np.zeros((2, 3)), np.zeros((2, 4)))


class TestClassHistograms:
    def test_kl_to_uniform(self):
        counts = np.array([5, 0, 3, 2])
        expected = scipy.stats.entropy(counts, np.ones(4))
        assert class_histogram_kl(counts) == pytest.approx(expected, rel=1e-12)
        assert class_histogram_kl(counts / 10) == pytest.approx(expected, rel=1e-12)

    def test_limits(self):
        assert class_histogram_kl(np.full(7, 1 / 7)) == pytest.approx(0.0, abs=1e-15)
        assert class_histogram_kl([0, 0, 9, 0]) == pytest.approx(np.log(4))

    def test_classes_reached(self):
        assert [classes_reached([0, 1, 2, 5], least) for least in (1, 2, 6)] == [3, 2, 0]
        assert classes_reached([0.0, 0.004, 0.996], 0.005) == 1

    @pytest.mark.parametrize("shares", [[-1, 2], [0, 0], [np.nan, 1], [[1, 2]]])
    def test_unfit_histograms_are_refused(self, shares):
        with pytest.raises(InputError, match="a histogram of"):
            class_histogram_kl(shares)

    def test_a_least_that_every_class_has_is_refused(self):
        with pytest.raises(InputError, match="least=0"):
            classes_reached([0, 1], 0)


class TestParzen:
    def logs(self, samples, held_out, width):
        """Returns the log-likelihood of each row by the definition."""
        each = scipy.stats.norm.logpdf(held_out[:, None], samples, width).sum(axis=2)
        return scipy.special.logsumexp(each, axis=1) - np.log(len(samples))

    @pytest.mark.parametrize("block_values", [1, 20, 1 << 22])
    def test_by_the_definition_whatever_the_blocks(self, random, monkeypatch, block_values):
        monkeypatch.setattr(arrays, "BLOCK_VALUES", block_values)
        samples, held_out = random.uniform(size=(11, 5)), random.uniform(size=(8, 5))
        logs = self.logs(samples, held_out, 0.2)
        mean, error = parzen_log_likelihood(samples, held_out, 0.2)
        assert mean == pytest.approx(logs.mean(), rel=1e-12)
        assert error == pytest.approx(scipy.stats.sem(logs), rel=1e-12)

    def test_images_far_from_all_samples(self, random):
        """Densities there are below the smallest number; their logarithms are not."""
        samples, held_out = random.uniform(size=(9, 4, 4, 1)).astype("float32"), np.full((2, 4, 4, 1), 50.0, "float32")
        expected = self.logs(*(x.reshape(-1, 16).astype("float64") for x in (samples, held_out)), 0.1)
        assert expected.max() < -1e6
        assert parzen_log_likelihood(samples, held_out, 0.1)[0] == pytest.approx(expected.mean(), rel=1e-9)

    def test_centres_of_clusters_beat_the_data(self, random):
        """Its known weakness: a few centres score higher than as many real points of two clusters."""
        real, held_out = (np.repeat([0.0, 1.0], 50)[:, None] + 0.1 * random.standard_normal((100, 30)) for _ in "ab")
        centres = np.repeat([0.0, 1.0], 50)[:, None] * np.ones((1, 30))
        best = [parzen_log_likelihood(x, held_out, parzen_width(x, held_out, [0.1, 0.2]))[0] for x in (real, centres)]
        assert best[1] > best[0] + 1

    def test_width_is_the_likeliest(self, random):
        samples, validation = random.standard_normal((200, 2)), random.standard_normal((100, 2))
        widths = np.array([0.01, 0.1, 0.4, 2.0])
        means = [self.logs(samples, validation, width).mean() for width in widths]
        assert parzen_width(samples, validation, widths) == widths[np.argmax(means)] == 0.4

    @pytest.mark.parametrize("width", [0.0, -1.0, np.nan])
    def test_unfit_widths_are_refused(self, width):
        with pytest.raises(InputError, match="standard deviations above 0"):
            parzen_log_likelihood(np.zeros((3, 2)), np.zeros((3, 2)), width)

    def test_unfit_rows_are_refused(self):
        with pytest.raises(InputError, match="samples: 1 of 1 rows are not finite"):
            parzen_log_likelihood([[np.nan]], [[0.0], [1.0]], 0.1)
        with pytest.raises(InputError, match="N >= 2"):
            parzen_log_likelihood([[0.0]], [[0.0]], 0.1)
        with pytest.raises(InputError, match="3 and 2 dimensions"):
            parzen_log_likelihood(np.zeros((4, 2)), np.zeros((4, 3)), 0.1)


class TestFrechetDistance:
    def test_gaussians_with_diagonal_covariances(self, random):
        mean_a, mean_b = np.array([0.0, 1.0, -2.0]), np.array([1.0, 1.0, 0.5])
        deviations_a, deviations_b = np.array([1.0, 2.0, 0.5]), np.array([3.0, 0.1, 0.5])
        a = with_moments(random, 40, mean_a, np.diag(deviations_a**2))
        b = with_moments(random, 70, mean_b, np.diag(deviations_b**2))
        expected = np.sum((mean_a - mean_b) ** 2) + np.sum((deviations_a - deviations_b) ** 2)
        assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-10)

    def test_full_covariances_by_sqrtm(self, random):
        a = random.standard_normal((100, 6)) @ random.standard_normal((6, 6))
        b = random.standard_normal((90, 6)) @ random.standard_normal((6, 6)) + 1.0
        covariance_a, covariance_b = np.cov(a, rowvar=False), np.cov(b, rowvar=False)
        root = scipy.linalg.sqrtm(covariance_a @ covariance_b).real
        expected = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
        expected += np.trace(covariance_a + covariance_b - 2 * root)
        assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-9)

    def test_fewer_rows_than_dimensions(self, random):
        """Centred and scaled rows A, B have covariances A'A and B'B, and the root's trace is |A B'|_*."""
        a, b = random.standard_normal((7, 50)), 2 * random.standard_normal((9, 50)) + 1
        rows_a, rows_b = ((x - x.mean(axis=0)) / np.sqrt(len(x) - 1) for x in (a, b))
        root_trace = np.linalg.norm(rows_a @ rows_b.T, ord="nuc")
        expected = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2)
        expected += np.sum(rows_a**2) + np.sum(rows_b**2) - 2 * root_trace
        assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-12)
        assert frechet_distance(1e-4 * a, 1e-4 * b) == pytest.approx(1e-8 * expected, rel=1e-12)

    def test_is_symmetric(self, random):
        a, b = random.standard_normal((20, 8)), random.standard_normal((5, 8)) + 2
        assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a), rel=1e-12)

    @pytest.mark.parametrize("count", [5, 500])
    def test_a_set_and_itself(self, random, count):
        features = random.standard_normal((count, 20))
        assert 0.0 <= frechet_distance(features, features) < 1e-10

    def test_constant_features(self):
        assert frechet_distance(np.zeros((4, 3)), np.ones((4, 3))) == pytest.approx(3.0)

    def test_one_row_is_refused(self):
        with pytest.raises(InputError, match=r"features_b of shape \(1, 2\)"):
            frechet_distance(np.zeros((2, 2)), np.zeros((1, 2)))

    def test_unlike_dimensions_are_refused(self):
        with pytest.raises(InputError, match="2 and 3 dimensions"):
            frechet_distance(np.zeros((2, 2)), np.zeros((2, 3)))


class TestNearestDistances:
    @pytest.mark.parametrize("block_values", [1, 7, 1 << 22])
    def test_by_brute_force_whatever_the_blocks(self, random, monkeypatch, block_values):
        monkeypatch.setattr(arrays, "BLOCK_VALUES", block_values)
        points, references = random.standard_normal((13, 4, 3)), random.standard_normal((11, 4, 3))
        differences = points[:, None] - references[None]
        expected = np.sqrt((differences**2).mean(axis=(2, 3))).min(axis=1)
        np.testing.assert_allclose(nearest_distances(points, references), expected, rtol=1e-12)

    def test_pixels_do_not_wrap_around(self):
        black, grey = np.zeros((1, 2, 2, 1), "uint8"), np.full((1, 2, 2, 1), 200, "uint8")
        np.testing.assert_array_equal(nearest_distances(black, grey), [200.0])

    def test_copies_are_at_zero(self, random):
        references = random.integers(0, 256, (30, 8, 8, 1)).astype("uint8")
        np.testing.assert_array_equal(nearest_distances(references[::-1], references), np.zeros(30))

    @pytest.mark.parametrize("references", [np.zeros((0, 3)), np.zeros((2, 4))])
    def test_unfit_references_are_refused(self, references):
        with pytest.raises(InputError, match="no nearest"):
            nearest_distances(np.zeros((2, 3)), references)


class TestModes:
    modes = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0], [10.0, 10.0]])
    deviation = 0.1
    # Two at mode 0, one of them on the very edge of 3 deviations; one at mode 1; one beyond mode 2's reach.
    points = np.array([[0.0, 0.0], [0.0, 0.3], [10.0, -0.1], [0.0, 9.69]])

    def test_modes_covered(self):
        assert modes_covered(self.points, self.modes, self.deviation) == 2
        assert modes_covered(self.points, self.modes, self.deviation, reach=4.0) == 3

    def test_high_quality_share(self):
        assert high_quality_share(self.points, self.modes, self.deviation) == 0.75
        assert high_quality_share(self.points, self.modes, self.deviation, reach=0.5) == 0.25

    def test_reverse_kl_counts_points_by_nearest_mode(self):
        shares = np.array([0.5, 0.25, 0.25])
        expected = np.sum(shares * np.log(shares / 0.25))
        assert reverse_kl(self.points, self.modes) == pytest.approx(expected, rel=1e-12)

    def test_limits_of_reverse_kl(self):
        assert reverse_kl(self.modes, self.modes) == 0.0
        assert reverse_kl(self.points[:2], self.modes) == pytest.approx(np.log(4))

    def test_real_points_are_of_high_quality_as_often_as_a_gaussian_says(self, random):
        points = np.repeat(self.modes, 5000, axis=0) + 0.1 * random.standard_normal((20_000, 2))
        expected = 1 - np.exp(-4.5)
        assert high_quality_share(points, self.modes, 0.1) == pytest.approx(expected, abs=4e-3)

    def test_points_that_are_not_finite_are_refused(self):
        with pytest.raises(InputError, match="1 of 2 rows are not finite"):
            modes_covered([[0.0, 0.0], [np.nan, 0.0]], self.modes, 0.1)
