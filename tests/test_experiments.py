"""Experiments leave what they say, judge what they claim, go on where they were cut, and share runs."""

import csv
import json
import math
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from ganzoo import experiments
from ganzoo.errors import InputError
from ganzoo.experiments import report, reproduction, stability
from ganzoo.experiments.exact import bilinear, divergences, eigenvalues, kullback_leibler, regret, self_contrastive
from ganzoo.experiments.experiment import BUDGETS

ROOT = Path(__file__).parent.parent
IDS = list(experiments.known())
QUICK = {"a-bilinear", "a-divergences", "a-noisy-gradient", "k-regret", "p-nn-distance", "z-kl"}


def reproduced(id, folder, **options):
    """Returns the record of an experiment, run for the smallest budget."""
    done = experiments.reproduce(
        id, "smoke", output=folder / "results", runs=folder / "runs", say=lambda line: None, **{"seeds": 1, **options}
    )
    return json.loads((done / "record.json").read_text()), done


@pytest.mark.parametrize("id", [id if id in QUICK else pytest.param(id, marks=pytest.mark.long) for id in IDS])
def test_an_experiment_leaves_what_it_says(id, tmp_path):
    if experiments.named(id).needs and "TFDS_DATA_DIR" not in os.environ:
        pytest.skip(f"TFDS_DATA_DIR is not set: no {' and '.join(experiments.named(id).needs)} here")
    record, folder = reproduced(id, tmp_path)
    assert record["claims"].keys() == experiments.named(id).claims.keys()
    assert record["budget"] == "smoke"
    assert not record["partial"]
    left = {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}
    assert left == {*record["files"], "record.json"}
    assert any(name.endswith(".csv") for name in left)
    for name in left:
        if name.endswith((".png", ".gif")):
            with Image.open(folder / name) as image:
                assert np.ptp(np.asarray(image.convert("L"))) > 100, f"{name} shows nothing"
        if name.endswith(".png"):
            assert name.replace(".png", ".svg") in left
        if name.endswith(".csv"):
            with open(folder / name, newline="") as file:
                assert list(csv.DictReader(file))


@pytest.mark.parametrize("id", IDS)
def test_what_an_experiment_says_has_no_placeholder_left(id):
    each = experiments.named(id)
    claims = [text for claim in each.claims.values() for text in (claim.source, claim.says, claim.rule)]
    assert not [text for text in (each.title, each.differs, each.scaled, *claims) if "{" in text]


@pytest.mark.parametrize("id", IDS)
def test_claims_say_what_will_be_judged(id):
    experiment = experiments.named(id)
    assert experiment.claims
    for claim in experiment.claims.values():
        assert claim.source
        assert claim.says
        assert claim.rule or claim.published  # else left to the reader
    assert experiment.title[0].isupper()
    assert list(experiment.hours) == list(BUDGETS)


def test_the_same_figures_again(tmp_path):
    """To the byte, pictures too: what is committed changes only where results do."""
    (_, first), (_, second) = (reproduced("a-divergences", tmp_path / name) for name in "ab")
    for path in first.iterdir():
        same = (second / path.name).read_bytes().replace(bytes(tmp_path / "b"), bytes(tmp_path / "a"))  # in the command
        assert path.read_bytes() == same, path.name


def test_other_seeds(tmp_path):
    record, folder = reproduced("a-noisy-gradient", tmp_path, seeds=2, first_seed=3)
    assert record["seeds"] == [3, 4]
    assert record["command"].endswith(f"--budget=smoke --seeds=2 --first_seed=3 --output={tmp_path}/results")
    with open(folder / "gradients.csv", newline="") as file:
        assert {row["seed"] for row in csv.DictReader(file)} == {"3", "4"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"id": "z-kll"}, "did you mean"),
        ({"budget": "long"}, "smoke, short, full"),
        ({"seeds": 0}, "at least 1"),
        ({"first_seed": -1}, "0 or more"),
    ],
)
def test_mistakes_are_told_before_any_work(options, message, tmp_path):
    with pytest.raises(InputError, match=message):
        experiments.reproduce(**{"id": "z-kl", "output": tmp_path / "out", **options})
    assert not (tmp_path / "out").exists()


def test_which_command_a_record_names(tmp_path, monkeypatch):
    """The one that goes on there, as short as can be."""
    monkeypatch.chdir(tmp_path)
    for id, budget, options, flags in (
        ("z-kl", "short", {"output": "results/"}, ""),
        ("z-kl", "smoke", {"output": "results"}, " --output=results"),
        ("k-forms", "short", {"first_seed": 12}, ""),  # its own
        ("k-forms", "short", {"first_seed": 0, "seeds": 2}, " --seeds=2 --first_seed=0"),
        ("k-walk", "full", {"seeds": 3, "output": "a b"}, " '--output=a b'"),  # draws one seed
    ):
        command = reproduction.checked(id, budget, **options)
        assert command == f"ganzoo reproduce --experiment={id} --budget={budget}{flags}"


def test_on_the_command_line(tmp_path):
    def ran(*flags):
        command = [sys.executable, str(ROOT / "tools" / "reproduce.py"), *flags]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    listed = ran("--list")
    assert listed.returncode == 0, listed.stderr
    assert all(any(line.startswith(f"{id} ") for line in listed.stdout.splitlines()) for id in IDS)
    wrong = ran("--experiment=z-kl,a-bilinaer")
    assert wrong.returncode == 1
    assert "a-bilinear" in wrong.stderr
    assert "Traceback" not in wrong.stderr
    assert not (tmp_path / "results").exists()
    done = ran("--experiment=a-divergences", "--budget=smoke")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "results-smoke" / "a-divergences" / "record.json").exists()
    record = json.loads((tmp_path / "results-smoke" / "a-divergences" / "record.json").read_text())
    assert record["command"] == "ganzoo reproduce --experiment=a-divergences --budget=smoke"
    refused = ran("--experiment=z-kl,a-divergences", "--output=results-smoke")
    assert refused.returncode == 1
    assert "results-smoke/a-divergences holds the result of `ganzoo reproduce" in refused.stderr
    assert not (tmp_path / "results-smoke" / "z-kl").exists()  # refused before any


def test_the_page_has_each_verdict(tmp_path):
    for id in ("z-kl", "a-divergences"):
        reproduced(id, tmp_path)
    text = report.page(tmp_path / "results")
    assert text.index("## a-divergences") < text.index("## z-kl")
    assert "| **not confirmed** |" in text
    assert "](results/z-kl/path.png)" in text
    assert "* `k-regret`: " in text
    claims = sum(len(experiments.named(id).claims) for id in ("z-kl", "a-divergences"))
    assert text.count("\n| ") == claims + 2 * 2  # and two lines of each table's head
    path = tmp_path / "results" / "z-table1" / "record.json"
    assert "for a verdict" not in text
    (tmp_path / "results" / "z-kl").rename(path.parent)
    record = json.loads(path.read_text()) | {"id": "z-table1", "seeds": [0, 2], "devices": ["NVIDIA H100"]}
    path.write_text(json.dumps(record))
    assert "seeds 0, 2; 3 are needed for a verdict; on NVIDIA H100; " in report.page(tmp_path / "results")
    path.write_text("{")
    with pytest.raises(InputError, match="no record"):
        report.page(tmp_path / "results")


def test_the_page_says_which_results_have_the_same_games(tmp_path):
    """Else their core-hours would be counted twice; what was not run counts in none."""
    cases = (("z-kl", "a", "finished"), ("a-divergences", "b", "finished"), ("k-regret", "a", "finished before"),
             ("a-bilinear", "b", "not run"))  # fmt: skip
    for id, folder, status in cases:
        record, place = reproduced(id, tmp_path)
        record["runs"] = [{"folder": folder, "status": status}]
        (place / "record.json").write_text(json.dumps(record))
    text = report.page(tmp_path / "results")
    assert text.count("; games of ") == 2
    assert "; games of k-regret, too; judged " in text
    assert "; games of z-kl, too; judged " in text


@pytest.mark.parametrize("change", ["differs", "rule"])
def test_the_page_marks_results_of_before_a_change(tmp_path, change):
    record, folder = reproduced("z-kl", tmp_path)
    mark = "; **of before a change**; "
    assert mark not in report.page(tmp_path / "results")
    changed = record if change == "differs" else next(iter(record["claims"].values()))
    changed[change] += " once"
    (folder / "record.json").write_text(json.dumps(record))
    assert report.page(tmp_path / "results").count(mark) == 1


def test_the_page_has_each_comparison_of_a_data_set(tmp_path):
    record, _ = reproduced("z-kl", tmp_path)
    for name, variant in (("digits-long", "dcgan"), ("compare-digits", "lsgan")):
        folder = tmp_path / "results" / name
        folder.mkdir()
        compared = record | {"id": "compare-digits", "files": ["variants.md", "scores.png"]}
        (folder / "record.json").write_text(json.dumps(compared))
        (folder / "variants.md").write_text(f"| variant |\n| --- |\n| `{variant}` |\n")
    text = report.page(tmp_path / "results")
    parts = ("## z-kl", "## compare-digits", "| `lsgan` |", "## digits-long", "| `dcgan` |")
    assert [text.index(part) for part in parts] == sorted(text.index(part) for part in parts)
    assert "](results/digits-long/scores.png)" in text


# Stability.


class Run(NamedTuple):
    scores: list
    seed: int = 0
    status: str = "finished"
    seconds: float = 60.0
    finished: bool = True
    run: SimpleNamespace = SimpleNamespace(steps=30)


@pytest.mark.parametrize(
    ("values", "finished", "learning"),
    [((3, 5, 8), True, True), ((8, 8, 8), True, False), ((3, 8, 7), True, False), ((3, 5, 8), False, False)],
)
def test_a_run_still_learns_whose_last_score_alone_is_the_best(values, finished, learning):
    run = Run([{"step": step, "modes_covered": value} for step, value in enumerate(values)], finished=finished)
    assert stability.steady(run, "modes_covered", modes=8)["still_learning"] is learning


def rows(values, shares=(0.5, 0.5)):
    classes = {f"class_share_{number}/classifier": share for number, share in enumerate(shares)}
    return [{"step": 10 * n, "fid/classifier": value, **classes} for n, value in enumerate(values, start=1)]


@pytest.mark.parametrize(
    ("run", "ratio", "collapsed"),
    [
        (Run(rows([90, 40, 44])), 1.1, False),
        (Run(rows([90, 40, 61])), 1.525, True),
        (Run(rows([90, 40, 40], shares=(0.97, 0.01, 0.02, 0.0))), 1.0, False),
        (Run(rows([90, 40, 40], shares=(0.98, 0.015, 0.005, 0.0))), 1.0, True),
        (Run(rows([90, 40, 40]), finished=False), 1.0, True),
        (Run([]), math.nan, True),
    ],
)
def test_collapse(run, ratio, collapsed):
    row = stability.steady(run, "fid")
    assert row["last_over_best"] == pytest.approx(ratio, nan_ok=True)
    assert row["collapsed"] is collapsed


@pytest.mark.parametrize(
    ("values", "metric", "floor", "ratio"),
    [
        ([0.004, 0.001, 0.0014], "frechet_distance", 0.0015, 1.0),  # as good as real points, all of them
        ([0.004, 0.001, 0.003], "frechet_distance", 0.0015, 2.0),
        ([0.1, 0.0, 0.0], "reverse_kl", 0.0, 1.0),
        ([0.1, 0.0, 0.1], "reverse_kl", 0.0, math.inf),
        ([0.1, -0.01, -0.01], "kid", 0.0, 1.0),
        ([0.5, 0.9, 0.6], "high_quality_share", 0.0, 1.5),
        ([0.5, 0.9, 0.0], "high_quality_share", 0.0, math.inf),
        ([0.0, 0.0, 0.0], "high_quality_share", 0.0, 1.0),
    ],
)
def test_how_much_worse_the_last_score_is(values, metric, floor, ratio):
    assert stability.times_best(values, metric, floor) == pytest.approx(ratio)


def test_a_score_where_more_is_better():
    run = Run([{"step": n, "modes_covered": value} for n, value in ((10, 8.0), (20, 4.0))])
    assert stability.steady(run, "modes_covered", modes=8)["last_over_best"] == 2.0
    assert stability.steady(run, "modes_covered", modes=8)["alive"] == 0.5
    assert stability.reached(run, "modes_covered", 8.0) == (10, 30.0)
    assert stability.reached(run, "modes_covered", 9.0) == (math.inf, math.inf)


def test_of_many_classes_those_of_real_images_are_reached():
    """As in Inception's view, whose 1,008 have no shares."""
    few, half = ([{"classes_reached/i": reached, "real_classes_reached/i": 600.0}] for reached in (299.0, 300.0))
    assert [stability.share_alive(found[0]) < stability.FEWEST for found in (few, half)] == [True, False]
    assert math.isnan(stability.share_alive({"fid/i": 3.0}))


def test_who_keeps_its_score():
    """On four of five seeds, and no fewer."""
    good, bad = (stability.steady(Run(rows(values)), "fid") for values in ([50, 40, 47], [50, 40, 49]))
    assert stability.summary("a", [good] * 4 + [bad])["keeps"]
    assert not stability.summary("a", [good] * 3 + [bad] * 2)["keeps"]
    assert stability.summary("a", [good, bad])["last"] == 48.0


def test_a_summary_hides_no_collapse():
    """Neither a score that came to nothing, nor a run that had none yet."""
    kept, lost = (
        stability.steady(Run([{"step": 10, "recall": 0.5}, {"step": 20, "recall": last}]), "recall")
        for last in (0.5, 0.0)
    )
    assert stability.summary("a", [kept, kept, lost, lost, lost])["last_over_best"] == math.inf
    assert stability.summary("a", [kept, kept, kept, lost, lost])["last_over_best"] == 1.0
    found = stability.summary("a", [kept, *[stability.steady(Run([], status="diverged"), "recall")] * 4])
    assert (found["scored"], found["runs"], found["last"], found["collapse_rate"]) == (1, 5, 0.5, 0.8)


def test_a_lead_is_taken_seed_by_seed():
    """Differences of 1, 2 and 3: mean 2, 95 % interval 2 +- 4.303 / sqrt(3)."""
    first, second = {0: 11.0, 1: 22.0, 2: 33.0, 3: 99.0}, {0: 10.0, 1: 20.0, 2: 30.0}
    assert stability.ahead(first, second) == pytest.approx((2.0, 2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-3)
    mean, low, _ = stability.ahead({0: 2.0}, {0: 1.0})
    assert mean == 1.0
    assert math.isnan(low)


@pytest.mark.long
def test_compare_on_the_command_line(tmp_path):
    command = [sys.executable, str(ROOT / "tools" / "compare.py"), "--variants=dcgan,lsgan", "--dataset=ring8"]
    command += ["--seeds=2", "--steps=20", "--set=train.evaluate_samples=100"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("\n| `") == 2
    assert done.stdout.startswith("dcgan: recipe dcgan, 20 rounds\n")
    folder = tmp_path / "results" / "compare-ring8"
    assert {"runs.csv", "variants.csv", "variants.md", "scores.png", "record.json"} <= {
        p.name for p in folder.iterdir()
    }
    with open(folder / "runs.csv", newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["finished"] * 4
    again = subprocess.run([*command, "--output=here"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr[-2000:]
    assert " --output=here " in json.loads((tmp_path / "here" / "record.json").read_text())["command"]
    wrong = subprocess.run(
        [*command[:2], "--variants=dcgan,dcgann"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert wrong.returncode == 1
    assert "did you mean" in wrong.stderr


# What the exact ones compute.


def test_bilinear_play_has_its_closed_forms():
    steps, rate = bilinear.STEPS, 0.05
    radius = np.linalg.norm(bilinear.simultaneous(rate), axis=1)
    np.testing.assert_allclose(radius[-1] / radius[0], (1 + rate**2) ** (steps / 2), rtol=1e-9)
    x, y = bilinear.alternating(rate).T
    np.testing.assert_allclose(x**2 + y**2 - rate * x * y, 2 - rate, rtol=1e-9)
    radius = np.linalg.norm(bilinear.consensus(rate, 1.0), axis=1)
    np.testing.assert_allclose(radius[100] / radius[0], ((1 - rate) ** 2 + rate**2) ** 50, rtol=1e-9)


def test_divergences_have_their_closed_forms():
    """KL is m^2 / 2; of JS there is none: its digits are those of an independent computation."""
    for mean, js, slope in ((1, 0.1114, 0.199), (2, 0.3368, 0.225), (4, 0.6327, 0.0686)):
        found = divergences.divergences(mean)
        assert found["js"] == pytest.approx(js, abs=1e-4)
        assert found["js_gradient"] == pytest.approx(slope, abs=1e-3)
        assert found["kl_pq"] == pytest.approx(mean**2 / 2, rel=1e-9)
        assert found["kl_pq_gradient"] == pytest.approx(mean, rel=1e-9)
    far = divergences.divergences(20)["js_gradient"]
    assert far == pytest.approx(1.194e-22, rel=1e-3)  # far below the rounding of the densities' sum
    assert divergences.divergences(30)["js_gradient"] == pytest.approx(8.6e-50, rel=1e-2)


def test_identities_hold_for_any_pair_and_the_whole_of_equation_10_does_not():
    p, q = np.random.default_rng(0).dirichlet(np.ones(5), size=2)
    assert max(kullback_leibler.identities(p, q).values()) < 1e-12
    skewed = kullback_leibler.identities(p, q[::-1])
    assert max(skewed.values()) < 1e-12
    assert kullback_leibler.gap(p, np.log(q))["most"] > 1e-3


@pytest.mark.parametrize("curvature", regret.GAMES.values())
@pytest.mark.parametrize("decreasing", [False, True])
def test_gap_and_regrets_are_those_of_a_search_of_the_box(curvature, decreasing):
    """In xy the bound is the gap, in the curved game it is above it."""
    x, y = regret.played(500, (0.3, -0.7), decreasing, curvature)
    found = regret.gap_and_bound(x, y, curvature)
    box = np.linspace(-1, 1, 2_001)
    of_x, of_y = regret.payoff(box[:, None], y, curvature), regret.payoff(x, box[:, None], curvature)
    value = regret.payoff(x, y, curvature).sum()
    assert found["regret_x"] == pytest.approx(value - of_x.sum(1).min(), abs=1e-3)
    assert found["regret_y"] == pytest.approx(of_y.sum(1).max() - value, abs=1e-3)
    gap = regret.payoff(x.mean(), box, curvature).max() - regret.payoff(box, y.mean(), curvature).min()
    assert found["gap"] == pytest.approx(gap, abs=1e-6)
    assert 0 < found["gap"] < 2
    if any(curvature):
        assert found["gap"] < 0.9 * found["bound"]
    else:
        assert found["gap"] == pytest.approx(found["bound"], abs=1e-12)


def test_zinkevichs_bound():
    """Of xy: (d^2 + g^2) / 2 = 5 / 2 a player at the rate 1 / sqrt(T), d^2 / 2 + g^2 = 3 at falling ones."""
    assert regret.zinkevich((0.0, 0.0), decreasing=False) == 5
    assert regret.zinkevich((0.0, 0.0), decreasing=True) == 6
    assert regret.zinkevich((1.0, 0.0), decreasing=True) == 2 + 4 + 3


def test_self_contrastive_estimation_has_half_the_gradient():
    found = self_contrastive.categorical_gradients(3)
    np.testing.assert_allclose(2 * found["library_contrastive"], found["mle"], atol=1e-14)
    np.testing.assert_allclose(found["library_mle"], found["mle"], atol=1e-14)
    assert np.abs(found["mle"]).max() > 0.01


@pytest.mark.long
def test_the_jacobian_is_that_of_finite_differences():
    import tensorflow as tf

    from ganzoo.data import load

    density = load("ring8")
    gan = eigenvalues.trained(density, depth=1, rounds=3, seed=0)
    real, latents = tf.constant(density.sample(64, 0)), tf.random.stateless_normal([64, eigenvalues.LATENT_DIM], [0, 1])
    exact, norm = eigenvalues.jacobian(gan, real, latents, 0.0)
    from ganzoo.objectives import cross_entropy, minimax

    players = gan.discriminator.trainable_variables, gan.generator.trainable_variables

    def field():
        with tf.GradientTape(persistent=True) as tape:
            fake = gan.scores(gan.generator(latents))
            losses = cross_entropy(gan.scores(real), fake), minimax(fake)
        parts = [g for loss, own in zip(losses, players, strict=True) for g in tape.gradient(loss, own)]
        return np.concatenate([part.numpy().ravel() for part in parts])

    assert norm == pytest.approx(np.linalg.norm(field()), rel=1e-5)
    weight, step = players[1][0], 1e-3  # a weight of the generator
    column = sum(int(np.prod(each.shape)) for each in players[0])
    before = weight.numpy()
    ends = []
    for sign in (1, -1):
        moved = before.copy()
        moved.flat[0] += sign * step
        weight.assign(moved)
        ends.append(field())
    numeric = (ends[0] - ends[1]) / (2 * step)
    # A step may cross a unit's kink: means are compared, not single numbers.
    assert np.abs(exact[:, column] - numeric).mean() < 0.02 * np.abs(numeric).mean()
