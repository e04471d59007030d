import tracemalloc

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from ganzoo.errors import InputError
from ganzoo.evaluation.neighbours import neighbour_scores


@pytest.fixture
def random():
    return np.random.default_rng(0)


def radii(points, k):
    """Returns the distance to the k-th nearest other point; the point itself is the first of k + 1."""
    return NearestNeighbors(n_neighbors=k + 1).fit(points).kneighbors(points)[0][:, k]


def expected_scores(generated, real, k, density_k):
    distances = np.linalg.norm(generated[:, None] - real, axis=2)
    inside = distances <= radii(real, density_k)
    return (
        (distances <= radii(real, k)).any(axis=1).mean(),
        (distances <= radii(generated, k)[:, None]).any(axis=0).mean(),
        inside.sum(axis=1).mean() / density_k,
        inside.any(axis=0).mean(),
    )


def values(scores):
    return scores.precision, scores.recall, scores.density, scores.coverage


class TestNeighbourScores:
    @pytest.mark.parametrize("block_values", [1, 50, 1 << 22])
    @pytest.mark.parametrize(("k", "density_k"), [(3, 5), (5, 2)])
    def test_by_brute_force_whatever_the_blocks(self, random, monkeypatch, block_values, k, density_k):
        monkeypatch.setattr("ganzoo.evaluation.arrays.BLOCK_VALUES", block_values)
        generated, real = random.standard_normal((19, 4)), 1.5 * random.standard_normal((23, 4)) + 1.0
        scores = neighbour_scores(generated, real, k=k, density_k=density_k)
        expected = expected_scores(generated, real, k, density_k)
        np.testing.assert_allclose(values(scores), expected, rtol=1e-12)
        assert len(set(expected)) == 4  # so that no two can be confused

    def test_float32_features_far_from_the_origin(self, random):
        generated, real = (random.standard_normal((60, 30)).astype("float32") + 1000 for _ in range(2))
        expected = expected_scores(generated.astype("float64"), real.astype("float64"), 3, 5)
        np.testing.assert_allclose(values(neighbour_scores(generated, real)), expected, rtol=1e-12)

    def test_on_a_line_by_hand(self):
        """Real balls reach to 1 (2 for the second kind), the one at 9 to 6 (7); generated ones to 0, 0 and 1.5."""
        real, generated = np.array([[0.0], [1.0], [2.0], [3.0], [9.0]]), np.array([[1.5], [1.5], [3.0]])
        scores = neighbour_scores(generated, real, k=1, density_k=2)
        assert scores.precision == 1.0
        assert scores.recall == 2 / 5  # 2 and 3, by the ball around 3
        # Twice 1.5, in those of 0 (radius 2), 1, 2 (1 each), 3 (2), and of none at 9 (7); 3 in those of 2, 3 and 9.
        assert scores.density == pytest.approx((2 * 4 + 3) / (2 * 3), rel=1e-12)
        assert scores.coverage == 1.0

    def test_what_lies_on_an_edge_is_inside(self):
        """The rows of a lattice, moved by one step: many distances are exactly the radii."""
        lattice = np.stack(np.meshgrid(*[np.arange(4.0)] * 3), axis=-1).reshape(-1, 3)
        moved = lattice + np.eye(3)[0]
        expected = expected_scores(moved, lattice, 3, 5)
        np.testing.assert_allclose(values(neighbour_scores(moved, lattice)), expected, rtol=1e-12)
        # Scaled and turned, rounding makes the same distances a little unequal.
        turn, _ = np.linalg.qr(np.random.default_rng(0).standard_normal((3, 3)))
        scores = neighbour_scores(moved @ turn / 3 + 7, lattice @ turn / 3 + 7)
        np.testing.assert_allclose(values(scores), expected, rtol=1e-12)

    def test_copies_are_inside_of_balls_of_radius_0(self, random):
        """Each real row is there six times, so that its fifth neighbour is at 0: only its own copies are within."""
        rows = (random.standard_normal((40, 300)) + 5).astype("float32")
        scores = neighbour_scores(rows, np.repeat(rows, 6, axis=0))
        assert values(scores) == (1.0, 1.0, pytest.approx(6 / 5), 1.0)

    def test_a_set_and_itself(self, random):
        rows = random.standard_normal((50, 8))
        scores = neighbour_scores(rows, rows)
        assert (scores.precision, scores.recall, scores.coverage) == (1.0, 1.0, 1.0)
        assert scores.density == pytest.approx(6 / 5)  # a ball has k others in it, and its own centre

    def test_sets_that_are_far_apart(self, random):
        generated, real = random.standard_normal((30, 4)), random.standard_normal((30, 4)) + 100
        assert values(neighbour_scores(generated, real)) == (0.0, 0.0, 0.0, 0.0)

    def test_one_image_only_is_precise_and_recalls_nothing(self, random):
        real = random.standard_normal((100, 4))
        scores = neighbour_scores(np.zeros((100, 4)), real)
        assert (scores.precision, scores.recall) == (1.0, 0.0)
        assert scores.coverage < 0.6

    def test_one_distribution_gets_what_theory_says(self, random):
        """Whatever it is: a ball holds another row with probability k / M, and no row of N with a product's."""
        densities, coverages = [], []
        for _ in range(20):
            scores = neighbour_scores(random.gamma(1.0, size=(100, 3)), random.gamma(1.0, size=(100, 3)))
            densities.append(scores.density)
            coverages.append(scores.coverage)
        steps = np.arange(1, 6)
        empty = np.prod((100 - steps) / (200 - steps))
        assert np.mean(densities) == pytest.approx(1.0, abs=0.05)
        assert np.mean(coverages) == pytest.approx(1 - empty, abs=0.02)

    def test_distances_are_not_all_kept(self, random, monkeypatch):
        """There are 2,000 x 2,000, 32 MB; a block here has 80 kB, of rows and of distances, in few dimensions too."""
        monkeypatch.setattr("ganzoo.evaluation.arrays.BLOCK_VALUES", 10_000)
        generated, real = random.standard_normal((2000, 2)), random.standard_normal((2000, 2))
        tracemalloc.start()
        neighbour_scores(generated, real)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 2e6

    @pytest.mark.parametrize(("generated", "real", "name"), [(3, 9, "3 generated"), (9, 5, "5 real")])
    def test_no_more_rows_than_neighbours_are_refused(self, generated, real, name):
        with pytest.raises(InputError, match=f"{name} features do not have k="):
            neighbour_scores(np.zeros((generated, 2)), np.zeros((real, 2)))

    def test_unfit_rows_are_refused(self):
        with pytest.raises(InputError, match="real features: 9 of 9 rows are not finite"):
            neighbour_scores(np.zeros((9, 2)), np.full((9, 2), np.nan))
        with pytest.raises(InputError, match="2 and 3 dimensions"):
            neighbour_scores(np.zeros((9, 2)), np.zeros((9, 3)))
        with pytest.raises(InputError, match="k=0"):
            neighbour_scores(np.zeros((9, 2)), np.zeros((9, 2)), k=0)
