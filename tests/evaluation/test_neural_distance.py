import itertools

import numpy as np
import pytest

from ganzoo.errors import InputError
from ganzoo.evaluation import neural_net_distance
from ganzoo.evaluation.neural_distance import DISCRIMINATOR, MEASURES, batches, held_out_advantage

SMALL = {"architecture": "mlp", "width": 8}


def points(count: int, mean: float = 0.0, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(mean, 1, (count, 2)).astype("float32")


def distance(a: np.ndarray, b: np.ndarray, **settings) -> float:
    return neural_net_distance(a, b, **{"discriminator": SMALL, "steps": 60, "learning_rate": 0.02, **settings})


@pytest.mark.parametrize(("measure", "most"), [("log", 2 * np.log(2)), ("linear", 1.0)])
def test_sets_apart_are_as_far_as_can_be(measure, most):
    far = distance(points(200), points(200, 12.0, seed=1), measure=measure, steps=150)
    assert 0.97 * most < far <= most


@pytest.mark.parametrize("measure", ["log", "linear"])
def test_samples_of_one_distribution_are_near(measure):
    assert abs(distance(points(2_000), points(2_000, seed=1), measure=measure)) < 0.05


@pytest.mark.parametrize("measure", ["log", "linear"])
def test_it_is_symmetric_and_0_between_a_set_and_itself(measure):
    a, b = points(100), points(80, 1.0, seed=1)
    there, back = distance(a, b, measure=measure, steps=20), distance(b, a, measure=measure, steps=20)
    assert there == back > 0.05
    assert abs(distance(a, a, measure=measure, steps=5)) < 1e-12


def test_it_lies_below_the_divergence_of_two_gaussians_and_near_it():
    grid = np.arange(-8, 10, 0.01)
    p, q = (np.exp(-0.5 * (grid - mean) ** 2) / np.sqrt(2 * np.pi) for mean in (0.0, 2.0))
    exact = 0.01 * (p * np.log(2 * p / (p + q)) + q * np.log(2 * q / (p + q))).sum()  # 2 JS
    a, b = points(4_000)[:, :1], points(4_000, 2.0, seed=1)[:, :1]
    found = distance(a, b, steps=150)
    assert exact - 0.1 < found < exact + 0.05


def test_it_is_measured_on_rows_that_were_not_trained_on():
    """Where the sets differ in the rows trained on alone, nothing is left to measure."""
    a, b = points(200), points(200)
    b[::2] += 12
    assert abs(distance(a, b)) < 0.02


def test_the_seed_decides():
    a, b = points(60), points(60, 1.0, seed=1)
    first, again, other = (distance(a, b, steps=10, seed=seed) for seed in (1, 1, 2))
    assert first == again != other


def test_images_are_told_apart():
    random = np.random.default_rng(0)
    a, b = (random.integers(low, low + 100, (24, 8, 8, 1), dtype=np.uint8) for low in (0, 150))
    options = {**DISCRIMINATOR, "width": 2}
    assert neural_net_distance(a, b, discriminator=options, steps=25, learning_rate=0.01) > 1


# Over a finite class of discriminators the supremum can be taken.

CLASS = np.random.default_rng(0).normal(0, 3, (40, 6))  # scores of 40 discriminators on 6 outcomes


def over(scores: np.ndarray, p: list[int], q: list[int], measure: str) -> float:
    """The distance of two lists of outcomes over discriminators and, with 1 - D for every D, their negatives."""
    scores = np.concatenate([scores, -scores])
    return float(np.max(MEASURES[measure](scores[:, p], scores[:, q])))


def test_over_a_finite_class_the_linear_distance_is_a_metric():
    sets = [list(row) for row in np.random.default_rng(1).integers(0, 6, (6, 5))]
    between = np.array([[over(CLASS, p, q, "linear") for q in sets] for p in sets])
    np.testing.assert_allclose(between, between.T, atol=1e-12)
    np.testing.assert_allclose(np.diag(between), 0, atol=1e-12)
    assert (between[~np.eye(len(sets), dtype=bool)] > 0).all()
    for i, j, k in itertools.permutations(range(len(sets)), 3):
        assert between[i, k] <= between[i, j] + between[j, k] + 1e-12


def test_the_logarithmic_one_is_symmetric_but_has_no_triangle_inequality():
    """From one point to the other it is further than by way of their equal mixture."""
    logits = [np.log(2), -np.log(2), 30.0, -30.0]  # D = 2/3 is best at a point that the mixture has half as often
    scores = np.array(list(itertools.product(logits, logits)))
    half = over(scores, [0], [0, 1], "log")
    assert half == pytest.approx(1.5 * np.log(4 / 3))
    assert over(scores, [0, 1], [0], "log") == pytest.approx(half)
    assert 2 * half < over(scores, [0], [1], "log") == pytest.approx(2 * np.log(2))


def test_advantages_of_known_scores():
    a, b = np.array([0.5, 2.0]), np.array([-1.0])
    of_a, of_b = 1 / (1 + np.exp(-a)), 1 / (1 + np.exp(-b))
    assert float(MEASURES["log"](a, b)) == pytest.approx(np.log(of_a).mean() + np.log(1 - of_b).mean() + 2 * np.log(2))
    assert float(MEASURES["linear"](a, b)) == pytest.approx(of_a.mean() - of_b.mean())


def test_scores_that_say_nothing_count_nothing():
    noise = np.random.default_rng(0).normal(0, 20, (2, 2_000))
    assert MEASURES["log"](*noise) < -10
    assert abs(held_out_advantage(*noise, MEASURES["log"])) < 0.01


def test_scores_are_scaled_by_what_is_best_on_the_other_half():
    # Halves: the even rows, where the scores are right by a little, and the odd ones, where they are wrong.
    a, b = np.array([1.0, -1.0] * 4), np.array([-1.0, 1.0] * 4)
    # Best on the even rows is scale 8, on the odd ones 0: the odd rows are scored with 8, the even ones with 0.
    expected = (2 * np.log(2) - 2 * np.logaddexp(0, 8) + 0) / 2
    assert held_out_advantage(a, b, MEASURES["log"]) == pytest.approx(expected)


def test_every_row_comes_once_a_pass():
    order = batches(10, 4, 5, seed=3)
    assert order.shape == (5, 4)
    assert sorted(order.ravel()[:10]) == sorted(order.ravel()[10:]) == list(range(10))


@pytest.mark.parametrize(
    ("a", "b", "settings", "message"),
    [
        (points(8), points(8)[:, :1], {}, "do not compare"),
        (points(8), points(3), {}, "4 rows at least"),
        (points(8), points(8), {"measure": "lin"}, "did you mean 'linear'"),
        (points(8), points(8), {"discriminator": {"architecture": "mpl"}}, "did you mean 'mlp'"),
    ],
)
def test_what_cannot_be_measured_is_refused(a, b, settings, message):
    with pytest.raises(InputError, match=message):
        distance(a, b, **settings)
