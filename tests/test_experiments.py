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

from ganzoo import experiments, sweeps
from ganzoo.errors import InputError
from ganzoo.experiments import report, stability
from ganzoo.experiments.exact import bilinear, divergences, eigenvalues, kullback_leibler, regret, self_contrastive
from ganzoo.experiments.experiment import BUDGETS, Claim, Experiment
from ganzoo.experiments.lab import Game, Lab

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
def test_claims_say_what_will_be_judged(id):
    experiment = experiments.named(id)
    assert experiment.claims
    for claim in experiment.claims.values():
        assert claim.source
        assert claim.says
        assert claim.rule
    assert experiment.title[0].isupper()
    assert list(experiment.hours) == list(BUDGETS)


def test_the_same_figures_again(tmp_path):
    """To the byte, pictures too: what is committed changes only where results do."""
    (_, first), (_, second) = (reproduced("a-divergences", tmp_path / name) for name in "ab")
    for path in first.iterdir():
        assert path.read_bytes() == (second / path.name).read_bytes(), path.name


def test_other_seeds(tmp_path):
    record, folder = reproduced("a-noisy-gradient", tmp_path, seeds=2, first_seed=3)
    assert record["seeds"] == [3, 4]
    assert record["command"].endswith("--budget=smoke --seeds=2 --first_seed=3")
    with open(folder / "gradients.csv", newline="") as file:
        assert {row["seed"] for row in csv.DictReader(file)} == {"3", "4"}


# A laboratory.


def lab_for(tmp_path, run=lambda lab: None, **options):
    experiment = Experiment(
        "x-test", "Tests", run, {"one": Claim("here", "something", "a rule")}, dict.fromkeys(BUDGETS, 0)
    )
    return Lab(experiment, tmp_path / "results", tmp_path / "runs", **options)


TINY = Game(
    "dcgan",
    (
        "data.dataset=ring8", "data.batch_size=8", "train.steps=2", "train.checkpoint_steps=1", "train.watch_steps=0",
        "train.deterministic=false",
    ),
)  # fmt: skip


@pytest.fixture
def executed(monkeypatch):
    """Returns the runs that were begun; each leaves the checkpoint of its last step, and nothing else."""
    begun = []

    def execute(run, threads):
        begun.append(run)
        (run.model_dir / "checkpoints" / f"{run.steps:08d}").mkdir(parents=True)
        return sweeps.Outcome(run, "finished", seconds=100.0)

    monkeypatch.setattr(sweeps, "execute", execute)
    return begun


def test_runs_are_shared_and_not_run_again(tmp_path, executed):
    games = {"a": TINY, "the same": Game("dcgan", tuple(reversed(TINY.changes))), "b": Game("lsgan", TINY.changes)}
    first = lab_for(tmp_path, seeds=2)
    found = first.train(games)
    assert len(executed) == 4  # of three games two are one
    assert found["a"][1].run.model_dir == found["the same"][1].run.model_dir
    assert [each.seed for each in found["b"]] == [0, 1]
    assert found["a"][0].seconds == 100.0
    again = lab_for(tmp_path, seeds=2).train(games)
    assert len(executed) == 4
    assert {each.status for each in again["b"]} == {"finished before"}


def test_other_changes_are_another_run():
    assert Game("dcgan", ("gan.prior=normal",)).name != Game("dcgan", ("gan.prior=uniform",)).name
    assert Game("dcgan").name == "dcgan"


def test_no_run_begins_beyond_the_core_hours(tmp_path, executed):
    lab = lab_for(tmp_path, seeds=5, core_hours=150 / 3600, jobs=1)
    lab.jobs, threads = 1, lab.threads
    found = lab.train({"a": TINY})["a"]
    begun = -(-150 // (100 * threads))
    assert [each.status for each in found] == ["finished"] * begun + ["not run"] * (5 - begun)
    lab.save("command")
    record = json.loads((lab.folder / "record.json").read_text())
    assert record["partial"]
    assert record["core_hours"] == pytest.approx(begun * 100 * threads / 3600, abs=1e-3)


def test_a_real_run_is_restored_at_each_checkpoint(tmp_path):
    lab = lab_for(tmp_path)
    (trained,) = lab.train({"a": TINY})["a"]
    assert trained.finished
    assert trained.steps == [1, 2]
    assert [(step, int(gan.step.numpy())) for step, gan in trained.snapshots()] == [(1, 1), (2, 2)]
    assert int(trained.restored().step.numpy()) == 2
    assert trained.history[-1]["step"] == 2
    assert trained.seconds > 0
    lab.save("command")
    resolved = json.loads((lab.folder / "recipes" / f"{trained.run.model_dir.name}.json").read_text())
    assert resolved["data"]["batch_size"] == 8


def test_verdicts(tmp_path):
    lab = lab_for(tmp_path)
    for holds, verdict in ((True, "confirmed"), (np.False_, "not confirmed"), (None, "not tested at this scale")):
        lab.judge("one", holds, "0.5")
        assert lab.verdicts["one"] == {"found": "0.5", "verdict": verdict}
    with pytest.raises(KeyError):
        lab.judge("another", True, "")


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
    assert (tmp_path / "results" / "a-divergences" / "record.json").exists()


def test_the_page_has_each_verdict(tmp_path):
    for id in ("z-kl", "a-divergences"):
        reproduced(id, tmp_path)
    text = report.page(tmp_path / "results")
    assert text.index("## a-divergences") < text.index("## z-kl")
    assert "| **not confirmed** |" in text
    assert "](results/z-kl/path.png)" in text
    assert "* `k-regret`: " in text
    assert text.count("\n| ") == 5 + 2 * 2  # claims, and two lines of each table's head
    (tmp_path / "results" / "z-kl" / "record.json").write_text("{")
    with pytest.raises(InputError, match="no record"):
        report.page(tmp_path / "results")


# Stability.


class Run(NamedTuple):
    scores: list
    seed: int = 0
    status: str = "finished"
    seconds: float = 60.0
    finished: bool = True
    run: SimpleNamespace = SimpleNamespace(steps=30)


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


def test_a_score_where_more_is_better():
    run = Run([{"step": n, "modes_covered": value} for n, value in ((10, 8.0), (20, 4.0))])
    assert stability.steady(run, "modes_covered", modes=8)["last_over_best"] == 2.0
    assert stability.steady(run, "modes_covered", modes=8)["alive"] == 0.5
    assert stability.reached(run, "modes_covered", 8.0) == (10, 20.0)
    assert stability.reached(run, "modes_covered", 9.0) == (math.inf, math.inf)


def test_who_keeps_its_score():
    """On four of five seeds, and no fewer."""
    good, bad = (stability.steady(Run(rows(values)), "fid") for values in ([50, 40, 47], [50, 40, 49]))
    assert stability.summary("a", [good] * 4 + [bad])["keeps"]
    assert not stability.summary("a", [good] * 3 + [bad] * 2)["keeps"]
    assert stability.summary("a", [good, bad])["last"] == 48.0


@pytest.mark.long
def test_compare_on_the_command_line(tmp_path):
    command = [sys.executable, str(ROOT / "tools" / "compare.py"), "--variants=dcgan,lsgan", "--dataset=ring8"]
    command += ["--seeds=2", "--steps=20", "--set=train.evaluate_samples=100"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.count("| `") == 2
    folder = tmp_path / "results" / "compare-ring8"
    assert {"runs.csv", "variants.csv", "variants.md", "scores.png", "record.json"} <= {
        p.name for p in folder.iterdir()
    }
    with open(folder / "runs.csv", newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)] == ["finished"] * 4
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


def test_identities_hold_for_any_pair_and_the_whole_of_equation_10_does_not():
    p, q = np.random.default_rng(0).dirichlet(np.ones(5), size=2)
    assert max(kullback_leibler.identities(p, q).values()) < 1e-12
    skewed = kullback_leibler.identities(p, q[::-1])
    assert max(skewed.values()) < 1e-12
    assert kullback_leibler.total_gradient_gap(p, np.log(q)) > 1e-3


def test_regret_bounds_the_gap_exactly_in_a_bilinear_game():
    for decreasing in (False, True):
        found = regret.gap_and_bound(500, (0.3, -0.7), decreasing)
        assert found["gap"] == pytest.approx(found["bound"], abs=1e-12)
        assert 0 < found["gap"] < 2


def test_self_contrastive_estimation_has_half_the_gradient():
    found = self_contrastive.categorical_gradients(3)
    np.testing.assert_allclose(2 * found["contrastive"], found["mle"], atol=1e-14)
    np.testing.assert_allclose(found["gan_mle"], found["mle"], atol=1e-14)


@pytest.mark.long
def test_the_jacobian_is_that_of_finite_differences():
    import tensorflow as tf

    from ganzoo.data import load

    density = load("ring8")
    gan = eigenvalues.trained(density, depth=1, rounds=3, seed=0)
    real, latents = tf.constant(density.sample(64, 0)), tf.random.stateless_normal([64, eigenvalues.LATENT_DIM], [0, 1])
    exact = eigenvalues.jacobian(gan, real, latents, 0.0)
    from ganzoo.objectives import cross_entropy, minimax

    players = gan.discriminator.trainable_variables, gan.generator.trainable_variables

    def field():
        with tf.GradientTape(persistent=True) as tape:
            fake = gan.scores(gan.generator(latents))
            losses = cross_entropy(gan.scores(real), fake), minimax(fake)
        parts = [g for loss, own in zip(losses, players, strict=True) for g in tape.gradient(loss, own)]
        return np.concatenate([part.numpy().ravel() for part in parts])

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
