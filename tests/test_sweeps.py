"""Many runs: which, where, each once; what fails is told and stops nothing."""

import csv
import functools
import importlib.util
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path

import pytest

from ganzoo import config, strategies, sweeps
from ganzoo.errors import InputError
from ganzoo.files import locked

ROOT = Path(__file__).parent.parent
RECIPE = """
variant = "dcgan"

[gan]
latent_dim = 6
networks.generator = { architecture = "mlp", width = 4 }
networks.discriminator = { architecture = "mlp", width = 4 }

[data]
dataset = "digits"
split = "train[:32]"
batch_size = 8

[train]
steps = 4
checkpoint_steps = 2
watch_steps = 0
deterministic = false
"""


@pytest.fixture
def recipe(tmp_path):
    """Returns the path of a tiny recipe."""
    path = tmp_path / "tiny.toml"
    path.write_text(RECIPE)
    return str(path)


def sweep(*flags, folder):
    """Returns the finished process of the tool."""
    command = [sys.executable, str(ROOT / "tools" / "sweep.py"), *flags]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def finish(run):
    """Leaves what a finished run leaves of its checkpoints."""
    (run.model_dir / "checkpoints" / f"{run.steps:08d}").mkdir(parents=True)


def scripted(monkeypatch, script):
    """Has runs be a Python script, which gets the arguments of `ganzoo`; returns the options of their processes."""
    real, given = subprocess.Popen, []

    def replaced(command, **options):
        assert command[1:3] == ["-m", "ganzoo"]
        given.append(options)
        return real([sys.executable, "-c", script, *command[3:]], **options)

    monkeypatch.setattr(sweeps.subprocess, "Popen", replaced)
    return given


def wait_for(found, seconds=60.0):
    """Waits until `found()`."""
    end = time.monotonic() + seconds
    while not found():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)


def names(runs):
    return [run.model_dir.name for run in runs]


# Which runs.


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("1,5,10", ["1", "5", "10"]),
        ("5", ["5"]),
        ("0.5,1e-3,inf", ["0.5", "1e-3", "inf"]),
        ("true,false", ["true", "false"]),
        ("minimax, hinge", ["minimax", "hinge"]),
        ('"a,b","c"', ['"a,b"', '"c"']),
        ("[8,8],[16,16]", ["[8,8]", "[16,16]"]),
        ("adam,[1,2]", ["adam", "[1,2]"]),
        ('{a="x,y", b=[1,2]},{c={d=1, e=2}}', ['{a="x,y", b=[1,2]}', "{c={d=1, e=2}}"]),
    ],
)
def test_values_of_a_grid(text, values):
    assert sweeps.values_of(text) == values


def test_a_grid_of_architectures(recipe, tmp_path):
    axes = sweeps.axes_of(['gan.networks.generator={architecture="mlp", width=4},{architecture="mlp", width=8}'], [0])
    runs = sweeps.runs_of([recipe], tmp_path, axes=axes)
    tables = [config.load_recipe(run.recipe, run.changes).gan["networks"]["generator"] for run in runs]
    assert tables == [{"architecture": "mlp", "width": 4}, {"architecture": "mlp", "width": 8}]
    assert names(runs)[0] == "tiny-gan.networks.generator=%7Barchitecture=%22mlp%22,%20width=4%7D-gan.seed=0"


def test_long_names_are_shortened(recipe, tmp_path):
    keys = ("generator.width", "discriminator.width", "discriminator.minibatch_kernels", "discriminator.minibatch_dim")
    grid = [*(f"gan.networks.{key}=4" for key in keys), "optimizers.generator.learning_rate=0.001"]
    grid.append("gan.instance_noise_steps=1000")
    grid.append("optimizers.discriminator.learning_rate=0.00001,0.00002")  # behind what is left of the name
    runs, again = (sweeps.runs_of([recipe], tmp_path, axes=sweeps.axes_of(grid)) for _ in range(2))
    assert [len(name) for name in names(runs)] == [255, 255]
    for run in runs:
        run.model_dir.mkdir()  # each its own
    assert names(runs) == names(again)


def test_runs_are_every_combination(recipe, tmp_path):
    axes = sweeps.axes_of(["gan.penalty_weight=1,5"], [0, 1])
    runs = sweeps.runs_of([recipe, "dcgan_digits"], tmp_path / "out", axes=axes, changes=["train.steps=8"])
    assert names(runs) == [
        f"{name}-gan.penalty_weight={weight}-gan.seed={seed}"
        for name in ("tiny", "dcgan_digits")
        for weight in (1, 5)
        for seed in (0, 1)
    ]
    assert {run.steps for run in runs} == {8}
    assert runs[-1].arguments[0] == "train"
    assert [part for part in runs[-1].arguments if part.startswith("--set=")] == [
        "--set=train.steps=8", "--set=gan.penalty_weight=5", "--set=gan.seed=1",
    ]  # fmt: skip


def test_a_command_survives_the_shell(recipe, tmp_path):
    axes = sweeps.axes_of(["data.image_size=[8,8],[16,16]", "data.split='train[:50%]','train[50%:]'"])
    runs = sweeps.runs_of([recipe], tmp_path / "two words", axes=axes)
    assert names(runs)[0] == "tiny-data.image_size=%5B8,8%5D-data.split=train%5B%3A50%25%5D"
    assert len(set(names(runs))) == 4
    for run in runs:
        assert shlex.split(run.command) == ["ganzoo", *run.arguments]


@pytest.mark.parametrize(
    ("grid", "seeds", "message"),
    [
        (["gan.penalty_weight"], [], "write it as section.key=value,value"),
        (["gan.penalty_weight=1,,2"], [], "write it as section.key=value,value"),
        (["gan.prior=a", "gan.prior=b"], [], "gan.prior has values already"),
        (["gan.seed=1,2"], [1], "beside --seeds"),
        ([], [1, 1], "a value comes twice"),
        (["gan.prior=normal,'normal'"], [], "a value comes twice"),
        (["optimizer.learning_rate=0.001,1e-3"], [], "a value comes twice"),
    ],
)
def test_impossible_axes_are_refused(grid, seeds, message):
    with pytest.raises(InputError, match=message):
        sweeps.axes_of(grid, seeds)


def test_every_run_is_checked_before_the_first(recipe, tmp_path):
    axes = sweeps.axes_of(["gan.objective=minimax,hingy"])
    with pytest.raises(InputError, match="did you mean 'hinge'"):
        sweeps.runs_of([recipe], tmp_path / "out", axes=axes)
    with pytest.raises(InputError, match="two runs would share the folder"):
        sweeps.runs_of([recipe, recipe], tmp_path / "out")
    with pytest.raises(InputError, match="at least one recipe"):
        sweeps.runs_of([], tmp_path / "out")
    assert not (tmp_path / "out").exists()


# How they run.


def test_finished_runs_are_not_run_again(recipe, tmp_path):
    runs = sweeps.runs_of([recipe], tmp_path, axes=sweeps.axes_of([], [0, 1, 2]))
    finish(runs[1])
    (runs[2].model_dir / "checkpoints" / "00000002").mkdir(parents=True)  # halfway
    started = []

    def start(waiting):
        started.extend(waiting)
        for run in reversed(waiting):
            yield sweeps.Outcome(run, "finished")

    outcomes = sweeps.sweep(runs, start)
    assert started == [runs[0], runs[2]]
    assert [outcome.run for outcome in outcomes] == runs
    assert [outcome.status for outcome in outcomes] == ["finished", "finished before", "finished"]
    for run in (runs[0], runs[2]):
        finish(run)
    assert {outcome.status for outcome in sweeps.sweep(runs, lambda waiting: 1 / 0)} == {"finished before"}


def test_runs_that_their_watch_stopped_are_left_alone(recipe, tmp_path):
    watched = ["train.watch_steps=1", "train.stop_on_collapse=true"]
    (run,) = sweeps.runs_of([recipe], tmp_path, changes=watched)
    (run.model_dir / "checkpoints" / "00000002").mkdir(parents=True)
    (run.model_dir / "watch.csv").write_text("step,diversity,verdicts\n1,1.0,\n2,0.0,\n")
    assert run.ended is None
    (run.model_dir / "watch.csv").write_text("step,diversity,verdicts\n1,1.0,\n2,0.0,mode collapse: alike\n")
    (outcome,) = sweeps.sweep([run], lambda waiting: 1 / 0)
    assert outcome.status == "stopped by the watch before"
    assert sweeps.runs_of([recipe], tmp_path)[0].ended is None  # whose watch stops nothing


def test_a_run_that_a_signal_ended_has_its_last_step(recipe, tmp_path):
    (run,) = sweeps.runs_of([recipe], tmp_path)
    for name in ("00000002", "interrupted/00000003"):
        (run.model_dir / "checkpoints" / name).mkdir(parents=True)
    assert run.step == 3


def test_a_finished_run_under_another_policy_is_another(recipe, tmp_path):
    (run,) = sweeps.runs_of([recipe], tmp_path)
    run.model_dir.mkdir()
    held = config.with_precision(config.load_recipe(recipe)).as_dict()
    assert held["train"]["precision"] == "float32"
    (run.model_dir / "recipe.json").write_text(json.dumps({**held, "image_shape": [8, 8, 1]}))
    assert sweeps.runs_of([recipe], tmp_path) == sweeps.runs_of([recipe], tmp_path, changes=[])
    sweeps.runs_of([recipe], tmp_path, changes=["train.precision=float32"])
    with pytest.raises(InputError, match=r"train.precision: 'float32' there, 'mixed_bfloat16' now"):
        sweeps.runs_of([recipe], tmp_path, changes=["train.precision=mixed_bfloat16"])


def test_a_failed_run_is_told_and_stops_no_other(recipe, tmp_path, monkeypatch):
    runs = sweeps.runs_of([recipe], tmp_path, axes=sweeps.axes_of([], [0, 1]))
    script = "import sys; print('\\n'.join(map(str, range(9)))); sys.exit('seed=0' in ' '.join(sys.argv) and 'broken')"
    monkeypatch.setattr(sweeps.Run, "arguments", property(lambda run: ["train", run.changes[0]]))
    given, said = scripted(monkeypatch, script), []
    outcomes = sweeps.sweep(runs, lambda waiting: sweeps.on_cores(waiting, 2, 3), say=said.append)
    assert [outcome.status for outcome in outcomes] == ["failed", "not finished"]
    assert {options["env"][name] for options in given for name in sweeps.THREADS} == {"3"}
    assert {options["env"]["TF_FORCE_GPU_ALLOW_GROWTH"] for options in given} == {"true"}
    assert outcomes[0].last_lines.splitlines() == ["exit status 1", "5", "6", "7", "8", "broken"]
    assert runs[0].command in said[0]
    assert "  | broken" in said[1]
    assert len(said) == 2
    assert (runs[1].model_dir / sweeps.LOG_FILE).read_text().splitlines()[-1] == "8"


def test_a_failed_runs_last_lines_are_its_own(recipe, tmp_path, monkeypatch):
    """Neither those of an earlier execution, nor what TensorFlow says of itself."""
    chatter = (
        "WARNING: All log messages before absl::InitializeLog() is called",
        "I0000 00:00:1 1 port.cc:153] oneDNN",
    )
    scripted(monkeypatch, f"import sys; print('own'); print('0 %\\r9 %'); print(*{chatter}, sep='\\n'); sys.exit(2)")
    (run,) = sweeps.runs_of([recipe], tmp_path)
    run.model_dir.mkdir()
    (run.model_dir / sweeps.LOG_FILE).write_text("an earlier one's\n")
    assert sweeps.execute(run, 1).last_lines.splitlines() == ["exit status 2", "own", "9 %"]


def test_relative_paths_begin_where_the_sweep_was_started(recipe, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (run,) = sweeps.runs_of(["tiny.toml"], tmp_path / "out")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")  # as on Ray's machines
    scripted(monkeypatch, "import os; print(os.getcwd())")
    sweeps.execute(run, 1)
    assert (run.model_dir / sweeps.LOG_FILE).read_text().split() == [str(tmp_path.resolve())]


SAVES_WHEN_TOLD = """
import signal, sys
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(print("saved")))
print("going", flush=True)
signal.pause()
"""


HAS_NOT_BEGUN = "import signal; print('going', flush=True); signal.pause()"


@pytest.mark.parametrize(
    ("jobs", "script", "said"),
    [(1, SAVES_WHEN_TOLD, "going\nsaved\n"), (2, SAVES_WHEN_TOLD, "going\nsaved\n"), (2, HAS_NOT_BEGUN, "going\n")],
)
def test_a_signal_is_passed_on_and_starts_no_more(recipe, tmp_path, monkeypatch, jobs, script, said):
    given = scripted(monkeypatch, script)
    monkeypatch.setattr(sweeps, "PROCESSES", sweeps.Processes())
    runs = sweeps.runs_of([recipe], tmp_path, axes=sweeps.axes_of([], [0, 1, 2, 3]))
    logs = [run.model_dir / sweeps.LOG_FILE for run in runs]

    def tell():
        wait_for(lambda: sum(log.exists() and "going" in log.read_text() for log in logs) == jobs)
        sweeps.PROCESSES.tell(signal.SIGTERM)

    teller = threading.Thread(target=tell)
    teller.start()
    outcomes = sweeps.sweep(runs, lambda waiting: sweeps.on_cores(waiting, jobs, 1))
    teller.join()
    assert [outcome.status for outcome in outcomes] == ["not finished"] * 4
    assert len(given) == jobs
    assert [log.read_text() for log in logs if log.exists()] == [said] * jobs


def test_a_run_that_another_process_trains_is_in_use(recipe, tmp_path):
    (run,) = sweeps.runs_of([recipe], tmp_path)
    run.model_dir.mkdir()
    said = []
    with locked(run.model_dir):
        (outcome,) = sweeps.sweep([run], lambda waiting: sweeps.on_cores(waiting, 1, 1), said.append)
    assert (outcome.status, outcome.seconds) == ("in use", 0.0)
    assert f"is in use by process {os.getpid()}" in said[1]


def test_what_another_command_has_finished_meanwhile_is_not_run(recipe, tmp_path, monkeypatch):
    given = scripted(monkeypatch, "")
    runs = sweeps.runs_of([recipe], tmp_path, axes=sweeps.axes_of([], [0, 1]))

    def start(waiting):
        finish(runs[1])
        return sweeps.on_cores(waiting, 1, 1)

    assert [each.status for each in sweeps.sweep(runs, start)] == ["not finished", "finished before"]
    assert len(given) == 1


def test_who_was_told_once_may_begin_again():
    processes = sweeps.Processes()
    with processes.told_by_signals():
        processes.tell(signal.SIGTERM)
    assert processes.told
    with processes.told_by_signals():
        assert not processes.told


def test_a_folder_that_cannot_be_written_fails_its_run_alone(recipe, tmp_path):
    (run,) = sweeps.runs_of([recipe], tmp_path)
    (tmp_path / "tiny").touch()
    outcome = sweeps.execute(run, 1)
    assert outcome.status == "failed"
    assert "cannot be written" in outcome.last_lines


def test_the_table_has_what_varies_and_the_last_scores(recipe, tmp_path):
    runs = sweeps.runs_of([recipe], tmp_path, axes=sweeps.axes_of(["gan.prior=normal,uniform"]))
    finish(runs[0])
    (runs[0].model_dir / "scores.csv").write_text("step,fid/digits,best\n2,9.5,2\n4,7.25,4\n")
    outcomes = [sweeps.Outcome(runs[0], "finished", 2.0), sweeps.Outcome(runs[1], "failed", 1.0, "broken")]
    rows = sweeps.table_of(outcomes)
    assert rows[0] == {
        "run": "tiny-gan.prior=normal", "recipe": "tiny", "gan.prior": "normal", "status": "finished",
        "step": "4", "seconds": "2", "fid/digits": "7.25", "best": "4",
    }  # fmt: skip
    assert rows[1]["fid/digits"] == ""
    assert list(rows[0]) == list(rows[1])
    assert re.search(r"^tiny-gan.prior=uniform +tiny +uniform +failed +0 +1$", sweeps.printed(rows), re.MULTILINE)


# On a cluster.


class Cluster(types.ModuleType):
    """Stands in for Ray: tasks run when they are waited for, the last first."""

    class exceptions:
        class RayError(Exception):
            pass

    def __init__(self, lost=()):
        super().__init__("ray")
        self.lost, self.said = lost, []

    def init(self, address):
        if address == "nowhere":
            raise ConnectionError("Could not find any running Ray instance.\nmore")
        self.said.append(f"init {address}")

    def remote(self, **options):
        self.said.append(options)
        return lambda function: types.SimpleNamespace(remote=functools.partial(functools.partial, function))

    def wait(self, references, num_returns):
        return references[-num_returns:], references[:-num_returns]

    def get(self, reference):
        if reference.args[0].varied["gan.seed"] in self.lost:
            raise self.exceptions.RayError("the worker died")
        return reference()

    def shutdown(self):
        self.said.append("shutdown")


def test_runs_on_ray(recipe, tmp_path, monkeypatch):
    ray = Cluster(lost=("1",))
    monkeypatch.setitem(sys.modules, "ray", ray)
    monkeypatch.setattr(sweeps, "execute", lambda run, threads: sweeps.Outcome(run, f"finished on {threads}"))
    runs = sweeps.runs_of([recipe], tmp_path, axes=sweeps.axes_of([], [0, 1, 2]))
    outcomes = sweeps.sweep(runs, lambda waiting: sweeps.on_ray(waiting, "auto", 2), say=lambda _: None)
    assert [outcome.status for outcome in outcomes] == ["finished on 2", "failed", "finished on 2"]
    assert outcomes[1].last_lines == "the worker died"
    assert ray.said == ["init auto", {"num_cpus": 2, "max_retries": 0}, "shutdown"]


def test_a_cluster_that_is_not_there_is_one_line(recipe, tmp_path, monkeypatch):
    runs = sweeps.runs_of([recipe], tmp_path)
    monkeypatch.setitem(sys.modules, "ray", Cluster())
    with pytest.raises(InputError, match=r"^--ray_address='nowhere': Could not find any running Ray instance\.$"):
        sweeps.sweep(runs, lambda waiting: sweeps.on_ray(waiting, "nowhere", 1))
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(InputError, match=r"pip install 'ganzoo\[ray\]'"):
        sweeps.sweep(runs, lambda waiting: sweeps.on_ray(waiting, "auto", 1))


def test_a_real_cluster(recipe, tmp_path):
    pytest.importorskip("ray", reason="ganzoo[ray] is not installed")
    (run,) = sweeps.runs_of([recipe], tmp_path / "out")
    (outcome,) = sweeps.sweep([run], lambda waiting: sweeps.on_ray(waiting, "local", 1))
    assert outcome.status == "finished"


# The tool.


@pytest.mark.long
def test_a_sweep_of_real_runs(recipe, tmp_path):
    """Of three runs one fails; a second call goes on with that one alone."""
    flags = [
        "--recipes=tiny.toml",
        "--grid=data.batch_size=8,16,64",
        "--set=train.precision=float32",
        "--directory=out",
    ]
    dry = sweep(*flags, "--dry_run", folder=tmp_path)
    assert len(dry.stdout.splitlines()) == 3
    assert not (tmp_path / "out").exists()
    done = sweep(*flags, "--jobs=2", folder=tmp_path)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert "give a smaller batch_size" in done.stdout  # 32 images
    with open(tmp_path / "out" / "sweep.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["data.batch_size"], row["status"], row["step"]) for row in rows] == [
        ("8", "finished", "4"), ("16", "finished", "4"), ("64", "failed", "0"),
    ]  # fmt: skip
    history = tmp_path / "out" / "tiny-data.batch_size=8" / "history.csv"
    assert history.exists()
    assert sweep(*flags, "--dry_run", folder=tmp_path).stdout.count("ganzoo train") == 1
    other = sweep(*flags, "--set=gan.latent_dim=7", "--dry_run", folder=tmp_path)
    assert other.returncode == 1
    assert "holds another recipe (gan.latent_dim: 6 there, 7 now)" in other.stderr


@pytest.mark.long
def test_a_sweep_that_is_told_to_end_leaves_no_run_behind(recipe, tmp_path):
    """Its run saves between two checkpoints, and ends before it."""
    flags = ["--recipes=tiny.toml", "--set=train.steps=100000", "--set=train.checkpoint_steps=99999", "--directory=out"]
    command = [sys.executable, str(ROOT / "tools" / "sweep.py"), *flags, "--jobs=1"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    log = tmp_path / "out" / "tiny" / "train.log"
    wait_for(lambda: log.exists() and re.search(r"\b[1-9]\d*/100000", log.read_text()), 120)
    process.terminate()
    said, _ = process.communicate(timeout=120)
    assert process.returncode == 130
    assert re.search(r"tiny +tiny +not finished +[1-9]", said)
    assert "SIGTERM: saved at step" in log.read_text()
    assert len(list((tmp_path / "out" / "tiny" / "checkpoints" / "interrupted").iterdir())) == 1


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed")
def test_a_mistake_is_one_line(recipe, tmp_path):
    done = sweep("--recipes=tiny.toml", "--ray_address=auto", "--directory=out", folder=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert done.stderr.splitlines()[-1].startswith("ganzoo sweep: --ray_address needs Ray")


def test_on_ray_a_run_asks_for_threads_and_ray_chooses_how_many_go():
    from ganzoo.cli.sweep import starter

    with pytest.raises(InputError, match="--jobs=2 beside --ray_address"):
        starter("auto", 2, None)
    assert starter("auto", None, None).keywords == {"address": "auto", "threads": 1}
    assert starter(None, 2, 3).keywords == {"jobs": 2, "threads": 3}


@pytest.mark.parametrize(
    ("asked", "cores", "gpu"),
    [
        ((8, None, None), (8, 1), (1, 8)),
        ((8, 2, None), (2, 4), (2, 4)),
        ((8, None, 4), (2, 4), (1, 4)),
        ((2, 3, None), (3, 1), (3, 1)),
        ((2, None, 4), (1, 4), (1, 4)),
    ],
)
def test_cores_are_shared_and_a_gpu_has_one_run(asked, cores, gpu, monkeypatch):
    for device, shares in (("CPU", cores), ("NVIDIA H100", gpu)):
        monkeypatch.setattr(strategies, "device_name", lambda device=device: device)
        assert sweeps.shares(*asked) == shares
