import contextlib
import importlib.util
import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
from pathlib import Path
from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo import checkpoints, distribution, players, strategies
from ganzoo.errors import InputError, WorkerLost
from ganzoo.layers import MinibatchDiscrimination

WORKERS = ["127.0.0.1:1111", "127.0.0.1:2222"]


def launcher():
    """Returns tools/launch_local.py as a module."""
    path = Path(__file__).parent.parent / "tools" / "launch_local.py"
    spec = importlib.util.spec_from_file_location("launch_local", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tf_config(cluster, kind="worker", index=0):
    return json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})


@pytest.fixture(autouse=True)
def _nothing_there(monkeypatch):
    for variable in ("TF_CONFIG", *strategies.TPU_VARIABLES):
        monkeypatch.delenv(variable, raising=False)


# By name.


def test_names_and_strategies():
    one = tf.distribute.OneDeviceStrategy("CPU:0")
    assert ganzoo.strategy(one) is one
    assert ganzoo.strategy("default") is tf.distribute.get_strategy()
    with pytest.raises(InputError, match="strategy='mirored' is unknown; did you mean 'mirrored'"):
        ganzoo.strategy("mirored")


def test_auto_takes_what_is_there(monkeypatch):
    taken = []
    for name in ("_multi_worker", "_tpu", "_mirrored"):
        monkeypatch.setattr(strategies, name, lambda name=name: taken.append(name))
    assert ganzoo.strategy("auto") is tf.distribute.get_strategy()
    monkeypatch.setenv("TF_CONFIG", tf_config({"worker": WORKERS[:1]}))
    assert ganzoo.strategy("auto") is tf.distribute.get_strategy()  # a worker alone
    gpus = {"GPU": ["first", "second"], "CPU": ["a"]}
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: gpus[kind])
    ganzoo.strategy("auto")
    monkeypatch.setenv("TPU_NAME", "local")
    ganzoo.strategy("auto")
    monkeypatch.setenv("TF_CONFIG", tf_config({"chief": WORKERS[:1], "worker": WORKERS[1:]}))
    ganzoo.strategy("auto")
    assert taken == ["_mirrored", "_tpu", "_multi_worker"]
    with tf.distribute.OneDeviceStrategy("CPU:0").scope():
        assert ganzoo.strategy("auto") is tf.distribute.get_strategy()  # the user's comes first


def test_needs_the_devices():
    if not tf.config.list_physical_devices("GPU"):
        with pytest.raises(InputError, match="strategy='mirrored': no GPU is visible; use 'default'"):
            ganzoo.strategy("mirrored")


def test_a_tpu_is_asked_for_by_its_name(monkeypatch):
    asked = []

    def resolver(name):
        asked.append(name)
        raise urllib.error.URLError("no such host")

    monkeypatch.setattr(tf.distribute.cluster_resolver, "TPUClusterResolver", resolver)
    for name in ("local", "mine"):
        monkeypatch.setenv("TPU_NAME", name)
        with pytest.raises(InputError, match=f"TPU_NAME='{name}': no TPU found .*no such host.*TPU_NAME=local"):
            ganzoo.strategy("tpu")
    assert asked == ["local", "mine"]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("", "TF_CONFIG is not set; each worker needs one such as .*tools/launch_local.py"),
        ("{", "cannot be read .JSONDecodeError"),
        ("[]", "cannot be read"),
        ('{"cluster": {"worker": ["a:1", "b:1"]}}', "cannot be read .KeyError: 'task'"),
        (tf_config({"worker": WORKERS}, index="x"), "cannot be read .ValueError"),
        (tf_config({"worker": WORKERS}, index=2), "task worker 2 is none of its cluster"),
        (tf_config({"worker": WORKERS}, kind="chief"), "task chief 0 is none of its cluster"),
        (tf_config({"worker": WORKERS, "ps": ["c:1"]}), "it names ps"),
        (tf_config({"worker": WORKERS[:1] * 2}), "one address"),
        (tf_config({"chief": WORKERS}, kind="chief"), "several chiefs"),
    ],
)
def test_malformed_tf_config(monkeypatch, value, said):
    if value:
        monkeypatch.setenv("TF_CONFIG", value)
    with pytest.raises(InputError, match=said) as raised:
        ganzoo.strategy("multi_worker")
    assert '"index": 0' in str(raised.value)  # how it is written


def test_workers_come_before_all_else(monkeypatch):
    tf.constant(0)
    monkeypatch.setenv("TF_CONFIG", tf_config({"worker": WORKERS}))
    with pytest.raises(InputError, match="make the strategy first"):
        ganzoo.strategy("multi_worker")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (tf.errors.UnknownError(None, None, "Could not start gRPC server\nmore"), InputError),
        (tf.errors.DeadlineExceededError(None, None, "Barrier timed out"), WorkerLost),
    ],
)
def test_workers_that_cannot_be_joined(monkeypatch, error, kind):
    def fail():
        raise error

    monkeypatch.setattr(tf.distribute, "MultiWorkerMirroredStrategy", fail)
    monkeypatch.setenv("TF_CONFIG", tf_config({"worker": WORKERS}))
    with pytest.raises(InputError, match=r"127.0.0.1:1111.*cannot be joined \(\w+: [\w ]+\); start all") as raised:
        ganzoo.strategy("multi_worker")
    assert raised.type is kind


def said_at_startup(name):
    """Returns what is said where a strategy cannot be had, of real devices; for a process of its own."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        os.environ["TF_CONFIG"] = tf_config({"worker": [f"127.0.0.1:{taken.getsockname()[1]}", *WORKERS]})
        try:
            ganzoo.strategy(name)
        except InputError as error:
            return str(error)
    return "nothing"


@pytest.mark.long
def test_startup_ends_in_a_message(in_process):
    said = in_process("test_strategies", "said_at_startup", "tpu", TPU_NAME="local")
    assert "TPU_NAME='local': no TPU found (TPUs not found in the cluster" in said
    said = in_process("test_strategies", "said_at_startup", "multi_worker")
    assert "cannot be joined (UnknownError: Could not start gRPC server)" in said


def test_only_workers_are_asked_for_their_cluster():
    class Remote:
        @property
        def cluster_resolver(self):
            raise AssertionError("asks Google's API")

    assert not strategies.several_workers(Remote())
    assert strategies.is_chief(Remote())


def test_optimizers_are_made_inside_of_the_scope(build_tiny):
    one = tf.distribute.OneDeviceStrategy("CPU:0")
    with one.scope():
        gan = build_tiny("wgan_gp", image_shape=(3,))
    for optimizers in ("adam", keras.optimizers.SGD(0.125)):
        gan.compile(optimizers)
        assert one.extended.variable_created_in_scope(gan.optimizers["generator"].iterations.value)
    assert gan.optimizers["generator"].learning_rate == 0.125
    gan = build_tiny("wgan_gp", image_shape=(3,))
    with one.scope(), pytest.raises(InputError, match="made outside of the strategy's scope"):
        gan.compile("adam")


def test_models_are_made_inside_of_the_scope(build_tiny, examples):
    gan = build_tiny("wgan_gp", image_shape=(3,))
    one = tf.distribute.OneDeviceStrategy("CPU:0")
    with one.scope(), pytest.raises(InputError, match="made outside of the strategy's scope"):
        gan.fit(examples(8, (3,)), batch_size=4, verbose=0)
    with one.scope():
        gan = build_tiny("wgan_gp", image_shape=None)
    gan.fit(examples(8, (3,)), batch_size=4, verbose=0)  # builds under the scope, which is closed
    assert one.extended.variable_created_in_scope(gan.generator.weights[0].value)
    assert one.extended.variable_created_in_scope(gan.optimizers["generator"].variables[-1].value)


def test_losses_are_told_only_where_there_are_workers():
    with pytest.raises(tf.errors.UnavailableError), strategies.told_of_losses(tf.distribute.get_strategy()):
        raise tf.errors.UnavailableError(None, None, "gone")


def test_a_lost_worker_is_told(monkeypatch):
    monkeypatch.setattr(strategies, "several_workers", lambda strategy: True)
    message = "Graph execution error:\n\nCollective ops is aborted by: connection reset\nmore"
    with (
        pytest.raises(WorkerLost, match=r"UnavailableError: Collective ops is aborted by: connection reset\); .*same"),
        strategies.told_of_losses(None),
    ):
        raise tf.errors.UnavailableError(None, None, message)
    with pytest.raises(WorkerLost, match=r"gone .CancelledError: cancelled.; the"), strategies.told_of_losses(None):
        raise tf.errors.CancelledError(None, None, "cancelled\nmore")
    with pytest.raises(tf.errors.ResourceExhaustedError), strategies.told_of_losses(None):
        raise tf.errors.ResourceExhaustedError(None, None, "out of memory")


def test_a_lost_worker_is_no_full_disk(tmp_path):
    with pytest.raises(tf.errors.UnavailableError), checkpoints.removed_on_error(tmp_path / "partial"):
        raise tf.errors.UnavailableError(None, None, "gone")
    with pytest.raises(InputError, match="make room"), checkpoints.removed_on_error(tmp_path / "partial"):
        raise tf.errors.ResourceExhaustedError(None, None, "no space")


def test_workers_need_to_know_how_many_batches_there_are(build_tiny, examples, monkeypatch):
    unknown = tf.data.Dataset.from_tensor_slices(examples(8, (3,))).filter(lambda row: True).batch(4)
    gan = build_tiny("wgan_gp", image_shape=(3,))
    monkeypatch.setattr(players, "several_workers", lambda strategy: True)
    monkeypatch.setattr(players, "shared_out", lambda *_: pytest.fail("it trains"))
    with pytest.raises(InputError, match="say it with steps_per_epoch="):
        gan.fit(unknown)
    with pytest.raises(InputError, match="say it with validation_steps="):
        gan.fit(examples(8, (3,)), batch_size=4, validation_data=unknown)
    with pytest.raises(InputError, match="say it with steps="):
        gan.evaluate(unknown)


def ends_of_the_command(status):
    """Returns the exit statuses of a run that is over, cut, and without a worker (None: of a mistake); what is said."""
    from ganzoo.cli import train

    def lost():
        raise WorkerLost("another worker is gone")

    def end(trained):
        train.trained = trained
        try:
            train.main()
        except SystemExit as left:
            return left.code or 0
        except WorkerLost:  # told, with status 1, as all mistakes are
            return None
        return 0

    train.CUT_STATUS = SimpleNamespace(value=status)
    with contextlib.redirect_stderr(io.StringIO()) as said:
        return [end(lambda: False), end(lambda: True), end(lost)], said.getvalue()


@pytest.mark.parametrize(("status", "ends"), [(None, [0, 0, None]), (75, [0, 75, 75])])
def test_the_command_says_by_its_status_what_is_to_go_on(in_process, status, ends):
    """In a process of its own: two tools cannot define their flags in one."""
    found, said = in_process("test_strategies", "ends_of_the_command", status)
    assert found == ends
    assert ("another worker is gone" in said) == (status is not None)


# Two replicas.


def said_by_two_replicas(folder):
    """Returns what is said of what two replicas cannot do, and of a run by them."""
    from conftest import build_tiny, examples

    tf.config.set_logical_device_configuration(
        tf.config.list_physical_devices("CPU")[0], [tf.config.LogicalDeviceConfiguration()] * 2
    )
    two = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    data = examples(32, (3,))
    said = {}

    def attempt(name, batch_size, **options):
        with two.scope():
            gan = build_tiny("wgan_gp", image_shape=(3,))
            gan.compile("adam", **options)
        try:
            gan.fit(data, batch_size=batch_size, verbose=0)
        except InputError as error:
            said[name] = str(error)

    with two.scope():
        late = build_tiny("wgan_gp", image_shape=(3,))
    late.compile(keras.optimizers.Adam())  # outside
    late.fit(data, batch_size=8, verbose=0)
    attempt("jit", 8, jit_compile=True)
    attempt("execution", 8, steps_per_execution=2)
    attempt("batch", 9)
    # With this epsilon a gradient that is all rounding makes no step.
    length = ["train.steps=6", "train.checkpoint_steps=3", "train.watch_steps=2"]
    recipe = ganzoo.load_recipe("wgan_gp_ring", ["data.batch_size=32", "optimizer.epsilon=1e-4", *length])
    runs = {"one": tf.distribute.get_strategy(), "two": two}
    trained = {name: ganzoo.train(recipe, f"{folder}/{name}", strategy=one, say=str) for name, one in runs.items()}
    weights = [[weight.numpy() for weight in gan.generator.weights] for gan in trained.values()]
    said["difference"] = max(float(abs(a - b).max()) for a, b in zip(*weights, strict=True))
    again, _ = ganzoo.restored(f"{folder}/two")  # by one
    said["restored"] = bool(np.array_equal(again.generate(8), trained["two"].generate(8)))
    ganzoo.export(trained["two"], f"{folder}/saved")
    gathered = two.run(lambda: distribution.deviation(tf.cast(distribution.replica_id(), tf.float32)[None] + [0, 2]))
    said["deviation"] = [each.numpy().item() for each in two.experimental_local_results(gathered)]
    with two.scope():
        layers = [MinibatchDiscrimination(4, 2, "ones", per_replica=alone) for alone in (False, True)]
        for layer in layers:
            layer.build((None, 3))

    def share():
        return tf.constant(examples(6, (3,)))[3 * distribution.replica_id() :][:3]

    for name, layer in zip(("all", "own"), layers, strict=True):
        parts = two.experimental_local_results(two.run(lambda layer=layer: layer(share())[:, 3:]))
        said[name] = np.concatenate(parts).tolist()
    try:
        ganzoo.train(ganzoo.load_recipe("wgan_gp_ring", ["data.batch_size=33"]), f"{folder}/odd", strategy=two)
    except InputError as error:
        said["train"] = str(error)
    return said


@pytest.mark.long
def test_two_replicas(in_process, examples, tmp_path):
    said = in_process("test_strategies", "said_by_two_replicas", str(tmp_path))
    assert "jit_compile=True with 2 replicas" in said["jit"]
    assert "steps_per_execution=2 with 2 replicas" in said["execution"]
    assert "batches of 9 rows cannot be cut into 2 equal shares" in said["batch"]
    assert "batches of 33 rows" in said["train"]
    assert not (tmp_path / "odd").exists()
    assert said["difference"] < 1e-5
    assert said["restored"]
    rows, layer = examples(6, (3,)), MinibatchDiscrimination(4, 2, "ones")
    np.testing.assert_allclose(said["all"], layer(rows)[:, 3:], rtol=1e-5)
    np.testing.assert_allclose(said["own"], np.concatenate([layer(rows[:3]), layer(rows[3:])])[:, 3:], rtol=1e-5)
    np.testing.assert_allclose(said["deviation"], np.std([0, 2, 1, 3]), rtol=1e-6)


# The launcher.


def process(code):
    return subprocess.Popen([sys.executable, "-c", code])


@pytest.mark.parametrize(("end", "status"), [("sys.exit(3)", 3), ("os.kill(os.getpid(), 9)", 128 + 9)])
def test_launcher_ends_the_others(end, status):
    forever = process("import time; time.sleep(600)")
    processes = [forever, process(f"import os, sys; {end}")]
    assert launcher().status_of(processes, grace=0.5) == status
    assert forever.returncode == -signal.SIGKILL


def test_launcher_lets_the_others_speak():
    processes = [process("import sys, time; time.sleep(1); sys.exit(5)"), process("import sys; sys.exit(4)")]
    assert launcher().status_of(processes, grace=60) == 4  # of the first that failed
    assert processes[0].returncode == 5


def test_launcher_passes_signals_on():
    module = launcher()
    polite = process("import signal, sys, time; signal.signal(15, lambda *_: sys.exit(0)); time.sleep(600)")
    ended = process("")
    ended.wait()
    time.sleep(1)
    module.send([polite, ended], signal.SIGTERM)
    assert module.status_of([polite], grace=1) in (0, 128 + signal.SIGTERM)  # as fast as it was to listen


def test_launcher_passes_on_what_comes_while_it_starts(monkeypatch):
    module, before = launcher(), signal.signal(signal.SIGTERM, lambda *_: pytest.fail("not passed on"))

    def started(workers, flags):
        yield process("import time; time.sleep(600)")
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(module, "started", started)
    monkeypatch.setattr(sys, "argv", ["launch_local.py"])
    interrupt = signal.getsignal(signal.SIGINT)
    try:
        assert module.main() == 128 + signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)
        signal.signal(signal.SIGINT, interrupt)


def test_launcher_gives_every_worker_a_place(monkeypatch):
    module, seen = launcher(), []
    monkeypatch.setattr(module.subprocess, "Popen", lambda command, env, **_: seen.append((command, env["TF_CONFIG"])))
    list(module.started(3, ["--recipe=x"]))
    configs = [json.loads(config) for _, config in seen]
    assert [config["task"] for config in configs] == [{"type": "worker", "index": i} for i in range(3)]
    (addresses,) = {tuple(config["cluster"]["worker"]) for config in configs}
    assert len(set(addresses)) == 3
    for command, config in seen:
        assert command[-2:] == ["--strategy=multi_worker", "--recipe=x"]
        monkeypatch.setenv("TF_CONFIG", config)
        assert strategies._cluster()["cluster"] == {"worker": list(addresses)}
