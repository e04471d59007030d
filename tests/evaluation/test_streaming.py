import tracemalloc

import numpy as np
import pytest
import scipy.special
import scipy.stats

from ganzoo.errors import InputError
from ganzoo.evaluation import frechet_distance
from ganzoo.evaluation.streaming import Gaussian, KernelBlocks, Moments, SplitScores


@pytest.fixture
def random():
    return np.random.default_rng(0)


def updated(accumulator, rows, sizes):
    """Returns the accumulator after batches of these sizes, in turns."""
    start, turn = 0, 0
    while start < len(rows):
        size = sizes[turn % len(sizes)]
        accumulator.update(rows[start : start + size])
        start, turn = start + size, turn + 1
    return accumulator


def kernel_distance(generated, real):
    """Returns the unbiased estimate on all pairs, by the definition."""

    def mean_kernel(a, b, distinct):
        pairs = [(x @ y / len(x) + 1) ** 3 for i, x in enumerate(a) for j, y in enumerate(b) if i != j or not distinct]
        return np.mean(pairs)

    own = mean_kernel(generated, generated, True) + mean_kernel(real, real, True)
    return own - 2 * mean_kernel(generated, real, False)


def test_memory_does_not_grow_with_the_rows(random, tmp_path):
    """Rows are 8 kB here, so that 3,000 more of them kept would be 24 MB."""
    peaks = []
    for count in (1024, 4096):
        rows = np.lib.format.open_memmap(tmp_path / f"{count}.npy", "w+", "float64", (count, 1000))
        rows[:] = random.standard_normal(1000)
        tracemalloc.start()
        updated(Moments(1000), rows, [500]).gaussian()
        updated(KernelBlocks(count, rows, max_block=64), rows, [500]).distance()
        updated(SplitScores(count, 10), rows, [500]).scores()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] - peaks[0] < 1e6


class TestMoments:
    @pytest.mark.parametrize("sizes", [[3000], [1], [7, 0, 1100], [1024]])
    def test_by_numpy(self, random, sizes):
        rows = random.gamma(2.0, size=(3000, 5)) @ random.standard_normal((5, 5))
        gaussian = updated(Moments(5), rows, sizes).gaussian()
        assert gaussian.count == 3000
        np.testing.assert_allclose(gaussian.mean, rows.mean(axis=0), rtol=1e-12)
        np.testing.assert_allclose(gaussian.covariance, np.cov(rows, rowvar=False), rtol=1e-12)
        np.testing.assert_array_equal(gaussian.covariance, gaussian.covariance.T)

    def test_batches_do_not_change_a_bit(self, random):
        rows = random.standard_normal((2500, 4))
        ours, theirs = (updated(Moments(4), rows, sizes).gaussian() for sizes in ([2500], [13, 700]))
        np.testing.assert_array_equal(ours.mean, theirs.mean)
        np.testing.assert_array_equal(ours.covariance, theirs.covariance)

    def test_a_large_mean_costs_no_digits(self, random):
        """Sums of squares that are not shifted would be of size 1e16 here, known to 2."""
        rows = random.standard_normal((2000, 3))
        moved = updated(Moments(3), rows + 1e8, [50]).gaussian()
        np.testing.assert_allclose(moved.covariance, np.cov(rows, rowvar=False), atol=1e-7)

    def test_float32_rows_are_summed_in_float64(self, random):
        rows = random.standard_normal((3000, 3)).astype("float32")
        expected = np.cov(rows.astype("float64"), rowvar=False)
        covariance = updated(Moments(3), rows, [100]).gaussian().covariance
        np.testing.assert_allclose(covariance, expected, rtol=1e-12)

    def test_goes_on_after_a_look(self, random):
        rows = random.standard_normal((30, 2))
        moments = updated(Moments(2), rows[:11], [4])
        assert moments.gaussian().count == 11
        gaussian = updated(moments, rows[11:], [4]).gaussian()
        np.testing.assert_allclose(gaussian.covariance, np.cov(rows, rowvar=False), rtol=1e-12)

    def test_two_rows(self):
        gaussian = updated(Moments(2), np.array([[0.0, 1.0], [2.0, 5.0]]), [1]).gaussian()
        np.testing.assert_array_equal(gaussian.mean, [1.0, 3.0])
        np.testing.assert_array_equal(gaussian.covariance, [[2.0, 4.0], [4.0, 8.0]])

    def test_constant_rows(self):
        gaussian = updated(Moments(3), np.full((2000, 3), 0.1), [300]).gaussian()
        np.testing.assert_allclose(gaussian.covariance, np.zeros((3, 3)), atol=1e-30)

    @pytest.mark.parametrize("count", [0, 1])
    def test_too_few_rows_are_refused(self, count):
        moments = Moments(2)
        moments.update(np.zeros((count, 2)))
        with pytest.raises(InputError, match=f"{count} rows have no covariance"):
            moments.gaussian()

    @pytest.mark.parametrize(
        ("rows", "reason"),
        [
            (np.full((2, 3), np.nan), "2 of 2 rows are not finite"),
            (np.zeros((2, 4)), "4 and 3 dimensions"),
            (np.zeros(3), r"shape \(3,\)"),
        ],
    )
    def test_unfit_rows_are_refused(self, rows, reason):
        with pytest.raises(InputError, match=reason):
            Moments(3).update(rows)


class TestFrechetDistanceOfMoments:
    def test_closed_form(self):
        a = Gaussian(10, np.array([0.0, 1.0]), np.diag([4.0, 9.0]))
        b = Gaussian(10, np.array([1.0, 3.0]), np.diag([1.0, 25.0]))
        assert frechet_distance(a, b) == pytest.approx(1 + 4 + (2 - 1) ** 2 + (3 - 5) ** 2, rel=1e-12)

    def test_singular_covariances_of_one_line_each(self):
        """Of points on two lines, u u' and v v', the root's trace is |u.v|."""
        u, v = np.array([3.0, 0.0, 4.0]), np.array([1.0, 2.0, 2.0])
        a, b = (Gaussian(9, np.zeros(3), np.outer(line, line)) for line in (u, v))
        assert frechet_distance(a, b) == pytest.approx(25 + 9 - 2 * (u @ v), rel=1e-12)

    @pytest.mark.parametrize("dead", ["a", "b", "both"])
    def test_features_that_are_always_zero(self, random, dead):
        """Covariances of many rows may be singular, too: the distance is that without the dead features."""
        a, b = random.standard_normal((300, 12)), 2 * random.standard_normal((300, 12))
        a[:, 7:] *= dead == "b"
        b[:, 7:] *= dead == "a"
        rows_a, rows_b = ((x - x.mean(axis=0)) / np.sqrt(len(x) - 1) for x in (a, b))
        expected = np.sum((a.mean(axis=0) - b.mean(axis=0)) ** 2) + np.sum(rows_a**2) + np.sum(rows_b**2)
        expected -= 2 * np.linalg.norm(rows_a @ rows_b.T, ord="nuc")
        assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-11)

    def test_many_small_eigenvalues_count(self, random):
        """The covariances' product has 99 eigenvalues below 1e-14 of the first: with a cut there, 1.00004 comes out."""
        deviations = np.array([1.0, *np.full(99, 3e-4)])
        turn, _ = np.linalg.qr(random.standard_normal((100, 100)))
        covariance = turn * deviations**2 @ turn.T
        a, b = Gaussian(9, np.zeros(100), covariance), Gaussian(9, np.zeros(100), 4 * covariance)
        assert frechet_distance(a, b) == pytest.approx(np.sum(deviations**2), rel=1e-6)

    def test_moments_and_rows_are_taken_alike(self, random):
        a, b = random.standard_normal((1500, 6)), random.standard_normal((90, 6)) + 1
        moments = [updated(Moments(6), rows, [70]).gaussian() for rows in (a, b)]
        assert frechet_distance(*moments) == frechet_distance(a, moments[1]) == frechet_distance(a, b)

    def test_unlike_dimensions_are_refused(self):
        a, b = (Gaussian(9, np.zeros(dim), np.eye(dim)) for dim in (2, 3))
        with pytest.raises(InputError, match="2 and 3 dimensions"):
            frechet_distance(a, b)


class TestSplitScores:
    @pytest.mark.parametrize("sizes", [[26], [1], [5, 0, 8]])
    @pytest.mark.parametrize("splits", [1, 4, 26])
    def test_by_the_definition(self, random, sizes, splits):
        logits = 3 * random.standard_normal((26, 7))
        conditional = scipy.special.softmax(logits, axis=1)
        parts = [conditional[i * 26 // splits : (i + 1) * 26 // splits] for i in range(splits)]
        expected = [np.exp(scipy.stats.entropy(p, p.mean(axis=0), axis=1).mean()) for p in parts]
        scores = updated(SplitScores(26, splits), logits, sizes).scores()
        np.testing.assert_allclose(scores, expected, rtol=1e-12)
        assert scores.dtype == np.float64

    def test_a_batch_larger_than_a_block(self, random, monkeypatch):
        monkeypatch.setattr("ganzoo.evaluation.arrays.BLOCK_VALUES", 6)
        logits = random.standard_normal((20, 3))
        conditional = scipy.special.softmax(logits, axis=1)
        expected = np.exp(scipy.stats.entropy(conditional, conditional.mean(axis=0), axis=1).mean())
        assert updated(SplitScores(20), logits, [20]).scores()[0] == pytest.approx(expected, rel=1e-12)

    def test_limits(self):
        sure = 1e4 * np.eye(10)[np.arange(40) % 10]  # where the other probabilities are 0 in float64
        np.testing.assert_allclose(updated(SplitScores(40, 2), sure, [7]).scores(), [10.0, 10.0], rtol=1e-12)
        unsure = np.zeros((40, 10), "float32")
        np.testing.assert_allclose(updated(SplitScores(40, 2), unsure, [7]).scores(), [1.0, 1.0], rtol=1e-12)

    def test_images_of_one_class_score_one(self):
        logits = np.tile([[-800.0, 0.0, -np.finfo("float32").max]], (12, 1))
        assert updated(SplitScores(12), logits, [5]).scores()[0] == pytest.approx(1.0, abs=1e-12)

    def test_sorted_images_score_less_in_splits(self):
        logits = 1e3 * np.repeat(np.eye(4), 5, axis=0)
        assert updated(SplitScores(20), logits, [20]).scores()[0] == pytest.approx(4.0)
        np.testing.assert_allclose(updated(SplitScores(20, 4), logits, [20]).scores(), np.ones(4))

    @pytest.mark.parametrize(("total", "splits"), [(0, 1), (3, 4), (3, 0)])
    def test_splits_without_images_are_refused(self, total, splits):
        with pytest.raises(InputError, match=f"{total} images do not make {splits} splits"):
            SplitScores(total, splits)

    def test_another_number_of_images_is_refused(self):
        scores = SplitScores(3)
        scores.update(np.zeros((2, 5)))
        with pytest.raises(InputError, match="logits of 2 images, and 3 were announced"):
            scores.scores()
        with pytest.raises(InputError, match="more than the 3 images"):
            scores.update(np.zeros((2, 5)))

    def test_unfit_logits_are_refused(self):
        scores = SplitScores(4)
        scores.update(np.zeros((2, 5)))
        with pytest.raises(InputError, match="6 and 5 dimensions"):
            scores.update(np.zeros((2, 6)))
        with pytest.raises(InputError, match="1 of 2 rows are not finite"):
            scores.update([[0.0] * 5, [-np.inf] * 5])


class TestKernelBlocks:
    def test_one_block_by_the_definition(self, random):
        generated, real = random.standard_normal((9, 3)), random.standard_normal((6, 3)) + 1
        distance, error = updated(KernelBlocks(9, real), generated, [4]).distance()
        assert distance == pytest.approx(kernel_distance(generated, real), rel=1e-12)
        assert error is None

    @pytest.mark.parametrize("sizes", [[23], [1], [5, 0, 8]])
    def test_blocks_by_the_definition(self, random, sizes):
        """Of 23 rows in blocks of 5 at most there are 4, 4, 5, 5, 5; of 12 there are 2, 2, 2, 3, 3."""
        generated, real = random.standard_normal((23, 4)), random.standard_normal((12, 4))
        bounds = np.cumsum([0, 4, 4, 5, 5, 5]), np.cumsum([0, 2, 2, 2, 3, 3])
        parts = [
            kernel_distance(generated[a:b], real[c:d])
            for a, b, c, d in zip(bounds[0], bounds[0][1:], bounds[1], bounds[1][1:], strict=False)
        ]
        distance, error = updated(KernelBlocks(23, real, max_block=5), generated, sizes).distance()
        assert distance == pytest.approx(np.mean(parts), rel=1e-12)
        assert error == pytest.approx(scipy.stats.sem(parts), rel=1e-12)

    def test_the_larger_set_says_how_many_blocks_there_are(self, random):
        generated, real = random.standard_normal((4, 3)), random.standard_normal((9, 3))
        parts = [kernel_distance(generated[:2], real[:4]), kernel_distance(generated[2:], real[4:])]
        distance, _ = updated(KernelBlocks(4, real, max_block=5), generated, [3]).distance()
        assert distance == pytest.approx(np.mean(parts), rel=1e-12)

    def test_a_memory_map_is_read_as_it_is(self, random, tmp_path):
        generated, real = (random.standard_normal((8, 3)).astype("float32") for _ in range(2))
        np.save(tmp_path / "real.npy", real)
        mapped = np.load(tmp_path / "real.npy", mmap_mode="r")
        distance, _ = updated(KernelBlocks(8, mapped), generated, [3]).distance()
        expected = kernel_distance(generated.astype("float64"), real.astype("float64"))
        assert distance == pytest.approx(expected, rel=1e-10)

    def test_is_unbiased_and_may_be_negative(self, random):
        """With the diagonals counted in, the mean here would be above 0.5."""
        distances = [
            updated(KernelBlocks(8, random.standard_normal((8, 2))), random.standard_normal((8, 2)), [8]).distance()[0]
            for _ in range(2000)
        ]
        assert abs(np.mean(distances)) < 4 * scipy.stats.sem(distances) < 0.3
        assert np.min(distances) < 0

    def test_two_rows_of_each(self):
        """Pairs (0, 0) have the kernel 1, and (1, 1) have 8."""
        distance, error = updated(KernelBlocks(2, np.ones((2, 3))), np.zeros((2, 3)), [1]).distance()
        assert distance == pytest.approx(1 + 8 - 2 * 1)
        assert error is None

    @pytest.mark.parametrize(("generated", "real"), [(0, 5), (1, 5), (5, 1), (5, 0)])
    def test_too_few_rows_are_refused(self, generated, real):
        with pytest.raises(InputError, match="two rows of each"):
            KernelBlocks(generated, np.zeros((real, 3)))

    def test_blocks_of_less_than_two_rows_are_refused(self):
        with pytest.raises(InputError, match="3 generated and 20 real rows make 4 blocks"):
            KernelBlocks(3, np.zeros((20, 3)), max_block=5)

    def test_another_number_of_rows_is_refused(self):
        blocks = KernelBlocks(4, np.zeros((4, 3)))
        blocks.update(np.zeros((3, 3)))
        with pytest.raises(InputError, match="features of 3 rows, and 4 were announced"):
            blocks.distance()
        with pytest.raises(InputError, match="more than the 4 rows"):
            blocks.update(np.zeros((2, 3)))

    def test_rows_that_are_not_finite_are_refused(self):
        with pytest.raises(InputError, match="features: 1 of 2 rows are not finite"):
            KernelBlocks(4, np.zeros((4, 1))).update([[0.0], [np.inf]])
        with pytest.raises(InputError, match="the reference: 4 of 4 rows are not finite"):
            KernelBlocks(4, np.full((4, 1), np.nan)).update(np.zeros((4, 1)))
