"""Several workers, which are real processes on this machine."""

import csv
import hashlib
import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

ROOT = Path(__file__).parent.parent
# An epsilon with which a gradient that is all rounding makes no step; else weights part by a learning rate at a time.
RECIPE = """
base = "dual_d_selu_digits"
optimizer.epsilon = 1e-4

[gan.networks]
generator = { width = 8, synchronized = true }
discriminator = { width = 8, minibatch_kernels = 8 }
second_discriminator = { width = 8 }

[data]
image_size = 8

[train]
steps = 50
checkpoint_steps = 10
keep_checkpoints = 9
watch_steps = 5
evaluate_steps = 20
evaluate_samples = 50
best_metric = "fid"
"""
KILLS = int(os.environ.get("KILLS", "2"))  # at random moments; by hand more
pytestmark = pytest.mark.long


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Returns a folder with the recipe `run.toml`."""
    folder = tmp_path_factory.mktemp("workers")
    (folder / "run.toml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def launcher():
    path = ROOT / "tools" / "launch_local.py"
    spec = importlib.util.spec_from_file_location("launch_local", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def command(folder, name):
    return [f"--recipe={folder / 'run.toml'}", f"--model_dir={folder / name}"]


def environment(folder, name):
    """Returns that of a run: this checkout, and a place for temporary files of its own."""
    (folder / f"{name}_tmp").mkdir(exist_ok=True)
    paths = {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder / f"{name}_tmp")}
    return {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", **paths}


def run(tool, folder, name, *flags):
    """Returns the output of a run that ends well."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "tools" / tool), *flags, *command(folder, name)],
        capture_output=True, text=True, timeout=900, check=False, env=environment(folder, name),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-5000:]
    return done.stdout


@pytest.fixture(scope="module")
def alone(folder):
    run("train.py", folder, "alone")
    return folder / "alone"


@pytest.fixture(scope="module")
def together(folder):
    begun = time.monotonic()
    said = run("launch_local.py", folder, "together", "--workers=2", "--")
    (folder / "seconds").write_text(str(time.monotonic() - begun))
    assert said.count("training run for 50 steps") == said.count("run: ") == 1  # the chief speaks
    return folder / "together"


def weights(model_dir, step):
    """Returns the weights and optimizers' variables of a checkpoint, by name."""
    reader = tf.train.load_checkpoint(str(model_dir / "checkpoints" / f"{step:08d}" / "state"))
    names = (name for name in reader.get_variable_to_shape_map() if name.startswith(("weights", "optimizers")))
    return {name: reader.get_tensor(name) for name in names}


def difference(ours, theirs):
    assert set(ours) == set(theirs)
    return max(float(np.abs(ours[name] - theirs[name]).max()) for name in ours)


def table(path):
    with open(path, newline="", encoding="utf-8") as file:
        return [[float(value) for value in row.values() if value] for row in csv.DictReader(file)]


def test_two_workers_equal_one(alone, together):
    assert difference(weights(alone, 50), weights(together, 50)) < 1e-5
    assert difference(weights(alone, 10), weights(alone, 50)) > 1e-2  # it had trained
    np.testing.assert_allclose(table(together / "history.csv"), table(alone / "history.csv"), rtol=1e-4)


def test_the_chief_keeps_the_files(alone, together, folder):
    names = [{str(path.relative_to(run)) for path in run.rglob("*")} for run in (alone, together)]
    assert names[0] == names[1]
    assert {"checkpoints/best", "scores/last.json", "watch.csv", "samples"} <= names[1]
    left = list((folder / "together_tmp").rglob("ganzoo-worker-*"))
    assert not left


def until_step(model_dir, step, processes):
    """Waits for a checkpoint."""
    for _ in range(6000):
        if (model_dir / "checkpoints" / f"{step:08d}").is_dir():
            return
        assert all(process.poll() is None for process in processes)
        time.sleep(0.1)
    raise AssertionError("no checkpoint in ten minutes")


def cut(launcher, folder, name, victim, number, monkeypatch, *flags):
    """Sends a signal to one of two workers after step 10; returns how both ended, after at most 100 seconds."""
    for variable, value in environment(folder, name).items():
        monkeypatch.setenv(variable, value)
    processes = list(launcher.started(2, [*command(folder, name), *flags]))
    try:
        until_step(folder / name, 10, processes)
        processes[victim].send_signal(number)
        return [process.wait(timeout=100) for process in processes]
    finally:
        launcher.send(processes, signal.SIGKILL)
        for process in processes:
            process.wait()


@pytest.mark.parametrize("victim", [0, 1])
def test_a_killed_worker_ends_the_job_and_costs_nothing(together, launcher, folder, victim, capfd, monkeypatch):
    name = f"killed{victim}"
    codes = cut(launcher, folder, name, victim, signal.SIGKILL, monkeypatch)
    assert codes[victim] == -signal.SIGKILL
    assert codes[1 - victim] == 1
    said = capfd.readouterr().err
    assert "another worker is gone" in said
    assert "Traceback" not in said
    assert not (folder / name / "checkpoints" / f"{50:08d}").exists()
    assert "resuming from step" in run("launch_local.py", folder, name, "--workers=2", "--")
    assert difference(weights(folder / name, 50), weights(together, 50)) < 1e-5
    np.testing.assert_allclose(table(folder / name / "history.csv"), table(together / "history.csv"), rtol=1e-4)


def test_a_signal_to_one_ends_all_after_one_round(together, launcher, folder, monkeypatch):
    codes = cut(launcher, folder, "told", 1, signal.SIGTERM, monkeypatch, "--cut_status=75")
    assert codes == [75, 75]
    (step,) = (int(path.name) for path in (folder / "told" / "checkpoints" / "interrupted").iterdir())
    assert 10 < step < 50
    assert f"resuming from step {step}" in run("launch_local.py", folder, "told", "--workers=2", "--")
    assert difference(weights(folder / "told", 50), weights(together, 50)) < 1e-5


def test_kills_at_random_moments_cost_nothing(together, launcher, folder, monkeypatch):
    """From before the workers have met to after their end; a run that ended before its kill is followed by another."""
    for variable, value in environment(folder, "random").items():
        monkeypatch.setenv(variable, value)
    chance, seconds = random.Random(0), float((folder / "seconds").read_text())
    kills, runs = 0, 1
    while kills < KILLS:
        processes = list(launcher.started(2, command(folder, f"random{runs}")))
        killer = threading.Timer(chance.uniform(0.2, 1.0) * seconds, chance.choice(processes).kill)
        killer.start()
        try:
            status = launcher.status_of(processes, grace=40)
        finally:
            killer.cancel()
            launcher.send(processes, signal.SIGKILL)
        assert status in (0, 128 + signal.SIGKILL)
        kills, runs = (kills + 1, runs) if status else (kills, runs + 1)
    print(f"{kills} kills of {runs} runs")
    run("launch_local.py", folder, f"random{runs}", "--workers=2", "--")
    for number in range(1, runs + 1):
        model_dir = folder / f"random{number}"
        assert difference(weights(model_dir, 50), weights(together, 50)) < 1e-5
        np.testing.assert_allclose(table(model_dir / "history.csv"), table(together / "history.csv"), rtol=1e-4)


def rolled_back(recipe, model_dir):
    """Returns what a worker has after a run in which the last replica's gradient is NaN once, in the round after 14."""
    import ganzoo
    from ganzoo.distribution import replica_count, replica_id
    from ganzoo.registry import variant

    strategy = ganzoo.strategy("auto")
    cls = variant("dual_d_selu")
    terms = cls.generator_terms

    def broken(self, real, fake, noise):
        hit = (self.step.value == 14) & (self.rollbacks.value == 0) & (replica_id() == replica_count() - 1)
        here = tf.where(hit, 0.0, 1.0) * tf.reduce_mean(fake)
        found = terms(self, real, fake, noise)
        return found | {"first": found["first"] + 1e-20 * tf.sqrt(tf.square(here))}

    cls.generator_terms = broken
    said = []
    recipe = ganzoo.load_recipe(recipe, ["train.on_nan=rollback", "train.steps=20"])
    gan = ganzoo.train(recipe, model_dir, strategy=strategy, say=said.append)
    digest = hashlib.sha256(b"".join(weight.numpy().tobytes() for weight in gan.trainable_weights)).hexdigest()
    return {"rollbacks": int(gan.rollbacks.numpy()), "weights": digest, "said": said}


def test_two_workers_roll_back_alike(folder, launcher, in_process):
    cluster = {"worker": [f"127.0.0.1:{port}" for port in launcher.free_ports(2)]}
    configs = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in range(2)]

    def worker(name, **variables):
        return in_process("test_workers", "rolled_back", str(folder / "run.toml"), str(folder / name), **variables)

    with ThreadPoolExecutor(2) as pool:
        both = list(pool.map(lambda config: worker("rolled", TF_CONFIG=config), configs))
    assert [each["rollbacks"] for each in both] == [1, 1]
    assert both[0]["weights"] == both[1]["weights"]
    assert "rolled back to step 10, with other noise (1 of 3)" in "\n".join(both[0]["said"])
    assert worker("rolled_alone")["rollbacks"] == 1
    assert difference(weights(folder / "rolled_alone", 20), weights(folder / "rolled", 20)) < 1e-5
