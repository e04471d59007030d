"""A comparison plays what it says, refuses what would not compare, and ranks no survivors."""

import csv

import pytest
from PIL import Image

from ganzoo import config, sweeps
from ganzoo.callbacks.history import save_rows
from ganzoo.callbacks.scoring import SCORES_FILE
from ganzoo.errors import InputError
from ganzoo.evaluation.directions import HIGHER, LOWER
from ganzoo.evaluation.evaluate import DEFAULT_METRICS
from ganzoo.evaluation.metrics import METRICS
from ganzoo.experiments import comparison
from ganzoo.experiments.lab import VERDICTS, Lab


@pytest.mark.parametrize(
    ("variant", "dataset", "recipe"),
    [
        ("dcgan", "digits", "dcgan_digits"),
        ("ebgan", "digits", "ebgan_digits"),
        ("unrolled", "ring8", "unrolled_ring"),
        ("fgan_js", "gaussians1d", "fgan_js_gaussians"),
        ("dragan", "celeb_a", "dragan_celeba"),
        ("self_contrastive", "ring8", "self_contrastive"),
        ("dual_d_selu", "cifar10", "dual_d_selu"),  # not one of its ablations
        ("dcgan_digits", "digits", "dcgan_digits"),
        ("averaged", "digits", "averaged"),
    ],
)
def test_a_variant_plays_its_recipe_for_the_data(variant, dataset, recipe):
    assert comparison.recipe_of(variant, dataset) == recipe


def test_a_game_keeps_its_name():
    """By which its runs are found again."""
    game = comparison.game("dcgan", "digits", "fid", 1000, ())
    evaluated = ("train.evaluate_steps=50", "train.checkpoint_steps=50", "train.best_metric=fid")
    assert game.changes == ("train.steps=1000", *evaluated)
    assert game.name == "dcgan_digits-089e1f15"


def test_a_recipe_of_other_data_is_not_played_for_its_own_rounds():
    with pytest.raises(InputError, match="'averaged' plays 100,000 rounds, of cifar10; give --steps"):
        comparison.game("averaged", "digits", "fid", None, ("train.watch_steps=0",))
    for steps, changes in ((40, ()), (None, ("train.steps = 40",))):
        game = comparison.game("averaged", "digits", "fid", steps, changes)
        recipe = config.load_recipe(game.recipe, game.changes)
        assert (recipe.data.dataset, recipe.train.steps, recipe.train.evaluate_steps) == ("digits", 40, 2)


@pytest.mark.parametrize(
    ("metric", "changes", "evaluated"),
    [
        ("fid", (), ()),
        ("classes_reached", (), ()),
        ("kid", (), (*DEFAULT_METRICS, "kid")),
        ("recall/digits", (), (*DEFAULT_METRICS, "precision_recall")),
        ("kid", ('train.evaluate_metrics=["fid", "kid"]',), ("fid", "kid")),
        ("class_kl", ('train.evaluate_metrics=["fid"]',), ("fid", "modes")),
    ],
)
def test_the_score_that_ranks_is_evaluated(metric, changes, evaluated):
    game = comparison.game("dcgan", "digits", metric, None, changes)
    assert config.load_recipe(game.recipe, game.changes).train.evaluate_metrics == evaluated


def test_each_score_that_has_a_best_value_is_known():
    scores = [*comparison.OF_POINTS, *comparison.OF_MODES, *comparison.OF_IMAGES, "parzen"]
    assert sorted(scores) == sorted([*LOWER, *HIGHER])
    assert set(comparison.OF_IMAGES.values()) < set(METRICS)


def lab_for(tmp_path, **options):
    return Lab(comparison.comparison("digits"), tmp_path / "results", tmp_path / "runs", jobs=1, **options)


@pytest.fixture
def no_run(monkeypatch):
    """Fails where a run begins."""
    monkeypatch.setattr(sweeps, "execute", lambda run, threads: pytest.fail("a run began"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"metric": "fidd"}, "did you mean 'fid'"),
        ({"metric": "parzen"}, "can be negative"),
        ({"dataset": "ring8", "metric": "fid"}, "no score of ring8 that ranks variants; known: frechet_distance, high"),
        ({"dataset": "swiss_roll", "metric": "modes_covered"}, "known: frechet_distance$"),
        ({"dataset": "./cats", "steps": 4}, "there is no folder"),
        ({"dataset": "didgits"}, r"no recipe for didgits \(did you mean 'digits'\?\), and 'dcgan' plays"),
        ({"changes": ["gan.seed=3"]}, "gan.seed=3: .* give --seeds"),
        ({"changes": ["data.dataset=ring8"]}, "data.dataset=ring8: .* give --dataset"),
        ({"variants": ["dcgan", "began", "averaged"], "steps": 4},
         r"16x16x1 \(dcgan\) and 8x8x1 \(averaged\) do not compare; give all one size: --set=data.image_size"),
    ],
)  # fmt: skip
@pytest.mark.usefixtures("no_run")
def test_mistakes_are_told_before_any_run(options, message, tmp_path):
    asked = {"variants": ["dcgan"], "dataset": "digits", "metric": "fid", **options}
    with pytest.raises(InputError, match=message):
        comparison.compared(lab_for(tmp_path), **asked)


@pytest.mark.usefixtures("no_run")
def test_data_without_labels_are_refused(tmp_path):
    for number in range(2):
        Image.new("L", (16, 16), number).save(tmp_path / f"{number}.png")
    asked = {"dataset": str(tmp_path), "steps": 4, "changes": ["train.evaluate_split=train"]}
    with pytest.raises(InputError, match="has no labels, by which samples are scored; give --metric=inception_score"):
        comparison.compared(lab_for(tmp_path), ["dcgan"], metric="fid", **asked)


def test_survivors_are_not_ranked(tmp_path, monkeypatch, capsys):
    """Lower is better, and the best mean is that of the one seed in three that came so far as to have a score."""
    values = {
        "dcgan_digits": [[90.0, 80.0], [], []],
        "lsgan_digits": [[100.0, 120.0]] * 3,
        "hinge_digits": [[110.0]] * 3,
    }

    def execute(run, threads):
        own = values[run.recipe][int(run.changes[-1].removeprefix("gan.seed="))]
        run.model_dir.mkdir(parents=True)
        if own:
            save_rows(
                [{"step": step, "fid/digits": value} for step, value in enumerate(own)], run.model_dir / SCORES_FILE
            )
        return sweeps.Outcome(run, "finished" if own else "diverged", seconds=60.0, last_lines="nan")

    monkeypatch.setattr(sweeps, "execute", execute)
    lab = lab_for(tmp_path, budget="short", seeds=3)
    rows = comparison.compared(lab, ["dcgan", "lsgan", "hinge"], "digits", "fid", steps=40, wanted=100.0)
    assert [(row["name"], row["scored"]) for row in rows] == [("hinge", 3), ("lsgan", 3), ("dcgan", 1)]
    assert "dcgan: recipe dcgan_digits, 40 rounds\n" in capsys.readouterr().out
    head, _, _, lsgan, dcgan = (lab.folder / "variants.md").read_text().splitlines()
    assert "| seeds with a score | last fid | best fid | times worse than best | best is last |" in head
    assert head.endswith("| core-seconds to |")
    assert lsgan.startswith("| `lsgan` | `lsgan_digits` | 40 | 3 of 3 | 120 ± 0 | 100 ± 0 | 1.20 | 0 of 3 | 0 % |")
    assert dcgan.startswith("| `dcgan` | `dcgan_digits` | 40 | 1 of 3 | 80 ± 0 | 80 ± 0 | 1.00 | 1 of 3 | 67 % |")
    with open(lab.folder / "variants.csv", newline="") as file:
        assert [(row["recipe"], row["rounds"]) for row in csv.DictReader(file)][-1] == ("dcgan_digits", "40")


@pytest.mark.parametrize(
    ("dataset", "id"),
    [("digits", "compare-digits"), ("/data/cats", "compare-data-cats"), ("a:1.0.0", "compare-a-1.0.0")],
)
def test_a_comparison_has_one_folder(dataset, id):
    assert comparison.comparison(dataset).id == id


@pytest.mark.parametrize(
    ("keeps", "learning", "verdict"),
    [
        ((True, True, False), 2, "confirmed"),
        ((True, False, False), 2, "not confirmed"),
        ((True,) * 3, 3, VERDICTS[None]),
    ],
)
def test_games_that_still_learn_tell_nothing(tmp_path, keeps, learning, verdict):
    """Their last score is the best so far, whatever comes of it."""
    lab = lab_for(tmp_path, budget="short", seeds=5)
    rows = [{"name": f"{i}", "runs": 5, "keeps": each, "still_learning": learning} for i, each in enumerate(keeps)]
    comparison.judge(lab, rows)
    assert lab.verdicts["keeps"]["verdict"] == verdict
    assert lab.verdicts["keeps"]["found"].endswith(f"; {3 * learning} of 15 runs still learned")
