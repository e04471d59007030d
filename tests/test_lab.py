"""A laboratory trains what it is asked for, counts runs that ended, and judges by nothing less."""

import dataclasses
import json
import os

import numpy as np
import pytest

from ganzoo import config, experiments, strategies, sweeps
from ganzoo.errors import DIVERGED_STATUS, InputError
from ganzoo.experiments.experiment import BUDGETS, Claim, Experiment
from ganzoo.experiments.lab import Lab, NotEnough
from ganzoo.experiments.runs import Game
from ganzoo.files import write_text

TINY = Game(
    "dcgan",
    (
        "data.dataset=ring8", "data.batch_size=8", "train.steps=2", "train.checkpoint_steps=1", "train.watch_steps=0",
        "train.deterministic=false",
    ),
)  # fmt: skip
OTHER = Game("lsgan", TINY.changes)
TRAINED = [id for id, each in experiments.known().items() if ".exact." not in each.run.__module__]


def lab_for(tmp_path, **options):
    claims = {"one": Claim("here", "something", "a rule"), "look": Claim("here", "a picture")}
    experiment = Experiment("x-test", "Tests", lambda lab: None, claims, dict.fromkeys(BUDGETS, 0))
    options = {"budget": "short", "jobs": 1, "say": lambda line: None, **options}
    return Lab(experiment, tmp_path / "results", tmp_path / "runs", **options)


@pytest.fixture
def ends(monkeypatch):
    """Returns how runs end, recipe -> status, and the list of those that were begun."""
    statuses, begun = {}, []

    def execute(run, threads):
        begun.append(run.recipe)
        status = statuses.get(run.recipe, "finished")
        if status == "finished":
            (run.model_dir / "checkpoints" / f"{run.steps:08d}").mkdir(parents=True)
        run.model_dir.mkdir(parents=True, exist_ok=True)
        return sweeps.Outcome(run, status, seconds=100.0, last_lines="exit status\nthe reason")

    monkeypatch.setattr(sweeps, "execute", execute)
    return statuses, begun


def record_of(lab):
    lab.save("command")
    return json.loads((lab.folder / "record.json").read_text())


def test_runs_are_shared_and_not_run_again(tmp_path, ends):
    _, begun = ends
    games = {"a": TINY, "the same": Game("dcgan", tuple(reversed(TINY.changes))), "b": OTHER}
    first = lab_for(tmp_path, seeds=2)
    found = first.train(games)
    assert len(begun) == 4  # of three games two are one
    assert found["a"][1].run.model_dir == found["the same"][1].run.model_dir
    assert [each.seed for each in found["b"]] == [0, 1]
    assert found["a"][0].seconds == 100.0 * first.threads
    again = lab_for(tmp_path, seeds=2).train(games)
    assert len(begun) == 4
    assert {each.status for each in again["b"]} == {"finished before"}


def test_other_changes_are_another_run():
    assert Game("dcgan", ("gan.prior=normal",)).name != Game("dcgan", ("gan.prior=uniform",)).name
    assert Game("dcgan").name == "dcgan"


def test_no_run_begins_beyond_the_core_hours(tmp_path, ends):
    lab = lab_for(tmp_path, seeds=5, core_hours=150 / 3600)
    found = lab.train({"a": TINY})["a"]
    begun = -(-150 // (100 * lab.threads))
    assert [each.status for each in found] == ["finished"] * begun
    record = record_of(lab)
    assert [run["status"] for run in record["runs"]] == ["finished"] * begun + ["not run"] * (5 - begun)
    assert record["partial"]
    assert record["core_hours"] == pytest.approx(begun * 100 * lab.threads / 3600, abs=1e-3)


def test_a_record_says_what_its_runs_were_trained_on(tmp_path, ends, monkeypatch):
    """Of each run when it was trained, whoever writes the record."""
    lab_for(tmp_path).train({"a": TINY})
    monkeypatch.setattr(strategies, "device_name", lambda: "NVIDIA H100")
    lab = lab_for(tmp_path)
    lab.train({"a": TINY})
    assert record_of(lab)["devices"] == ["CPU"]
    lab.train({"b": OTHER})
    record = record_of(lab)
    assert record["devices"] == [run["device"] for run in record["runs"]] == ["CPU", "NVIDIA H100"]


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


def test_a_run_that_diverged_counts_and_is_not_begun_again(tmp_path, ends):
    statuses, begun = ends
    statuses["lsgan"] = "diverged"
    lab = lab_for(tmp_path)
    found = lab.train({"a": TINY, "b": OTHER}, partly=True)
    assert [each.status for each in found["b"]] == ["diverged"]
    assert lab.told
    assert not record_of(lab)["partial"]
    again = lab_for(tmp_path, core_hours=0.0)
    assert again.train({"b": OTHER}, partly=True)["b"][0].status == "diverged before"
    assert begun == ["dcgan", "lsgan"]
    with pytest.raises(NotEnough, match="nothing to show of b: diverged before the first checkpoint"):
        lab_for(tmp_path).train({"a": TINY, "b": OTHER})


def test_a_run_that_another_command_saw_diverge_is_not_begun(tmp_path, ends, monkeypatch):
    """While this one did something else."""
    _, begun = ends
    execute = sweeps.execute

    def noted(run, threads):
        folder = tmp_path / "runs" / f"{OTHER.name}-seed=0"
        folder.mkdir(parents=True)
        (folder / "diverged").touch()
        return execute(run, threads)

    monkeypatch.setattr(sweeps, "execute", noted)
    assert lab_for(tmp_path).train({"a": TINY, "b": OTHER}, partly=True)["b"][0].status == "diverged before"
    assert begun == ["dcgan"]


def test_what_another_command_trains_is_not_counted_as_this_ones(tmp_path, monkeypatch):
    (tmp_path / "runs" / f"{TINY.name}-seed=0").mkdir(parents=True)
    monkeypatch.setattr(sweeps, "execute", lambda run, threads: sweeps.Outcome(run, "in use"))
    lab = lab_for(tmp_path)
    assert lab.train({"a": TINY}, partly=True)["a"] == []
    assert list((tmp_path / "runs" / f"{TINY.name}-seed=0").iterdir()) == []


@pytest.mark.parametrize("status", ["not run", "not finished", "in use"])
def test_a_run_that_was_cut_is_in_no_table(status, tmp_path, ends):
    statuses, _ = ends
    statuses["lsgan"] = status
    lab = lab_for(tmp_path)
    assert lab.train({"a": TINY, "b": OTHER}, partly=True)["b"] == []
    assert not lab.told
    record = record_of(lab)
    assert record["partial"]
    assert [run["status"] for run in record["runs"]] == ["finished", status]


def test_a_run_that_failed_is_an_error(tmp_path, ends):
    """No data, no disk: nothing of the game."""
    statuses, _ = ends
    statuses["lsgan"] = "failed"
    with pytest.raises(InputError, match=r"1 of 2 runs failed.*the reason"):
        lab_for(tmp_path).train({"a": TINY, "b": OTHER}, partly=True)


def test_smoke_tells_nothing(tmp_path, ends):
    lab = lab_for(tmp_path, budget="smoke")
    lab.train({"a": TINY})
    assert not lab.told


def test_fewer_seeds_than_the_experiments_tell_nothing(tmp_path, ends):
    lab = lab_for(tmp_path, seeds=1)
    lab.experiment = dataclasses.replace(lab.experiment, seeds=2)
    lab.train({"a": TINY})
    assert not lab.told
    lab.seeds = range(3, 5)
    lab.train({"a": TINY})
    assert lab.told


def test_core_hours_are_those_of_all_calls(tmp_path, ends):
    for _ in range(2):
        lab = lab_for(tmp_path)
        lab.train({"a": TINY, "the same": TINY})
        record = record_of(lab)
        assert record["core_hours"] == pytest.approx(100 * lab.threads / 3600, abs=1e-3)
        assert len(record["runs"]) == 1


def test_where_there_is_not_enough_there_is_a_record(tmp_path):
    said = []
    lab = lab_for(tmp_path, core_hours=0.0, say=said.append)
    with lab.recorded("command"):
        lab.train({"a": TINY})
    assert any("nothing to show yet of a; the same command goes on" in line for line in said)
    record = json.loads((lab.folder / "record.json").read_text())
    assert record["partial"]
    assert {name: claim["verdict"] for name, claim in record["claims"].items()} == {
        "one": "not tested at this scale", "look": "left to the reader",
    }  # fmt: skip


def finished(tmp_path, command="ganzoo x --budget=short", **options):
    """Leaves a result of two seeds with a table, and returns its folder and what that holds."""
    lab = lab_for(tmp_path, **{"seeds": 2, **options})
    with lab.recorded(command):
        lab.train({"a": TINY, "b": OTHER}, partly=True)
        lab.table("one", [{"number": 1.0}])
        write_text(lab.path("recipes/a.json"), "{}")
        lab.judge("one", True, "found")
    return lab.folder, contents(lab.folder)


def contents(folder):
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("shown", [True, False])
def test_a_cut_call_keeps_a_result_that_has_more(tmp_path, ends, shown):
    """As when a game was changed, and the core-hours do not suffice for its runs."""
    folder, before = finished(tmp_path)
    said, changed = [], Game("dcgan", (*TINY.changes, "gan.prior=uniform"))
    lab = lab_for(tmp_path, seeds=2, core_hours=0.0, say=said.append)
    with lab.recorded("ganzoo x --budget=short"):
        lab.table("one", [{"number": 2.0}])
        lab.train({"a": changed, "b": OTHER}, partly=shown)
    assert contents(folder) == before
    assert said[-1] == f"{folder} keeps the result of `ganzoo x --budget=short`, which has more"


def test_a_part_of_more_seeds_takes_no_results_place(tmp_path, ends):
    folder, before = finished(tmp_path)
    finished(tmp_path, "ganzoo x --budget=short --seeds=9", seeds=9, core_hours=250 / 3600)
    assert contents(folder) == before
    assert len(list((tmp_path / "runs").iterdir())) > 4  # others have come to an end since


def test_of_two_parts_the_one_with_more_runs_is_kept(tmp_path, ends):
    statuses, _ = ends
    statuses["lsgan"] = "not finished"
    folder, before = finished(tmp_path)
    lab = lab_for(tmp_path, seeds=2, core_hours=0.0, say=lambda line: None)
    with lab.recorded("ganzoo x --budget=short"):
        lab.train({"other": Game("dcgan", (*TINY.changes, "gan.prior=uniform"))})
    assert contents(folder) == before
    with lab_for(tmp_path, seeds=3).recorded("ganzoo x --budget=short"):
        pass  # whole, if empty
    assert contents(folder) != before


def test_a_call_that_fails_leaves_the_folder_as_it_was(tmp_path, ends):
    folder, before = finished(tmp_path)
    lab = lab_for(tmp_path, seeds=3)
    with pytest.raises(KeyError, match="no claim"), lab.recorded("ganzoo x --budget=short"):
        lab.judge("no claim", lab.table("one", [{"number": 2.0}]), "")
    assert contents(folder) == before
    assert lab.folder == folder


def test_a_new_result_leaves_nothing_of_the_one_before(tmp_path, ends):
    folder, _ = finished(tmp_path)
    (folder / "notes.txt").write_text("a reader's")
    with lab_for(tmp_path, seeds=3).recorded("ganzoo x --budget=short --seeds=3"):
        pass
    assert set(contents(folder)) == {"record.json", "notes.txt"}


@pytest.mark.parametrize(
    ("command", "options"),
    [
        ("ganzoo x --budget=smoke", {"budget": "smoke"}),
        ("ganzoo x --budget=short --set=train.steps=9", {}),
        ("ganzoo x --budget=short --seeds=1", {"seeds": 1}),
        ("ganzoo x --budget=short --first_seed=1", {"first_seed": 1}),  # as many, but without seed 0
        ("ganzoo x --budget=short --seeds=9 --first_seed=7", {"seeds": 9, "first_seed": 7}),
    ],
)
def test_another_result_is_refused_before_any_run(tmp_path, ends, command, options):
    folder, before = finished(tmp_path)
    refused = r"results holds the result of .*`ganzoo x --budget=short`.*another place: --output=FOLDER"
    with pytest.raises(InputError, match=refused), lab_for(tmp_path, **{"seeds": 2, **options}).recorded(command):
        pytest.fail("it has begun")
    assert contents(folder) == before


def test_more_seeds_take_the_place_of_a_result(tmp_path, ends):
    folder, _ = finished(tmp_path)
    finished(tmp_path, "ganzoo x --budget=short --seeds=3", seeds=3)
    assert json.loads((folder / "record.json").read_text())["seeds"] == [0, 1, 2]


def test_other_seeds_do_not_take_the_place_of_a_part(tmp_path, ends):
    statuses, _ = ends
    statuses["lsgan"] = "not finished"
    folder, before = finished(tmp_path)
    assert json.loads(before["record.json"])["partial"]
    other = lab_for(tmp_path, first_seed=7)
    with (
        pytest.raises(InputError, match="results holds the result of seeds 0"),
        other.recorded("ganzoo x --budget=short"),
    ):
        pytest.fail("it has begun")
    assert contents(folder) == before


def test_which_seeds_an_experiment_has(tmp_path):
    own = lab_for(tmp_path, seeds=3, first_seed=4).experiment
    assert list(own.asked_seeds(3, 4)) == [4, 5, 6]
    assert list(own.asked_seeds()) == list(range(own.seeds))
    later = dataclasses.replace(own, first_seed=5)
    assert list(later.asked_seeds(2)) == [5, 6]
    assert list(later.asked_seeds(2, 0)) == [0, 1]
    assert list(Lab(dataclasses.replace(own, one_seed=True), tmp_path, tmp_path, seeds=3, first_seed=4).seeds) == [4]


def test_a_record_that_cannot_be_read_is_refused(tmp_path):
    (tmp_path / "results").mkdir()
    (tmp_path / "results" / "record.json").write_text("{")
    with pytest.raises(InputError, match=r"record\.json is no record"), lab_for(tmp_path).recorded("ganzoo x"):
        pytest.fail("it has begun")


def test_a_run_that_its_watch_stopped_came_to_an_end(tmp_path, ends):
    """And not to its last round, so that it counts as collapsed."""
    _, begun = ends
    watched = Game("dcgan", (*TINY.changes, "train.watch_steps=1", "train.stop_on_collapse=true"))
    folder = tmp_path / "runs" / f"{watched.name}-seed=0"
    (folder / "checkpoints" / "00000001").mkdir(parents=True)
    (folder / "watch.csv").write_text("step,diversity,verdicts\n1,0.0,mode collapse: alike\n")
    lab = lab_for(tmp_path)
    (trained,) = lab.train({"a": watched})["a"]
    assert begun == []
    assert trained.status == "stopped by the watch before"
    assert not trained.finished
    assert lab.told
    assert not record_of(lab)["partial"]


def test_no_rows_are_no_table(tmp_path):
    lab = lab_for(tmp_path)
    lab.table("empty", [])
    assert lab.files == []


def test_a_run_whose_numbers_are_not_finite_has_a_status_of_its_own(tmp_path):
    """A learning rate beyond all reason ends in infinite weights."""
    rate = 'optimizer={name = "sgd", learning_rate = 1e30}'
    lab = lab_for(tmp_path)
    (trained,) = lab.train({"a": Game("dcgan", (*TINY.changes, rate, "optimizers={}", "train.steps=20"))}, partly=True)[
        "a"
    ]
    assert trained.status == "diverged"
    assert f"exit status {DIVERGED_STATUS}" in (trained.run.model_dir / "diverged").read_text()


class Asked(Exception):
    """Carries the games that an experiment asked for."""


@pytest.mark.parametrize("budget", BUDGETS)
@pytest.mark.parametrize("id", TRAINED)
def test_every_game_of_every_experiment_is_a_recipe(id, budget, tmp_path, monkeypatch):
    if experiments.named(id).needs and "TFDS_DATA_DIR" not in os.environ:
        pytest.skip(f"TFDS_DATA_DIR is not set: no {' and '.join(experiments.named(id).needs)} here")

    def train(lab, games, seeds=None, partly=False):
        raise Asked(games)

    monkeypatch.setattr(Lab, "train", train)
    lab = Lab(experiments.named(id), tmp_path / "results", tmp_path / "runs", budget=budget)
    with pytest.raises(Asked) as asked:
        experiments.named(id).run(lab)
    for game in asked.value.args[0].values():
        config.load_recipe(game.recipe, game.changes)


@pytest.mark.long
@pytest.mark.parametrize("id", TRAINED)
def test_an_experiment_without_runs_leaves_a_record_and_no_verdict(id, tmp_path):
    if experiments.named(id).needs and "TFDS_DATA_DIR" not in os.environ:
        pytest.skip(f"TFDS_DATA_DIR is not set: no {' and '.join(experiments.named(id).needs)} here")
    folder = experiments.reproduce(
        id, "short", seeds=1, output=tmp_path, runs=tmp_path / "runs", core_hours=0.0, say=lambda line: None
    )
    record = json.loads((folder / "record.json").read_text())
    assert record["partial"]
    assert not {claim["verdict"] for claim in record["claims"].values()} & {"confirmed", "not confirmed"}
