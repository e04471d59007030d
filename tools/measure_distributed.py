"""Measures what docs/distributed.md says of replicas: how far weights part from one process's, what it costs.

python tools/measure_distributed.py parted
    two workers and one process: weights, and FID, after 1, 50 and 200 rounds of the digits recipe with synchronized
    batch norm. Beside that one process whose kernels round otherwise (oneDNN off): how far rounding alone parts them.
    Then the same with an epsilon of 1e-4 in Adam, which takes no steps by rounding.
python tools/measure_distributed.py seconds
    seconds a round at the same global batch, in turns: one process, two replicas of one process on logical CPUs, two
    workers
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

TOOLS = Path(__file__).parent
RECIPE = "dual_d_selu_digits"
CHANGES = ("gan.networks.generator.synchronized=true", "train.watch_steps=0")
LENGTHS = (1, 50, 200)  # rounds
ALONE = [str(TOOLS / "train.py")]
COMMANDS = {"one": ALONE, "two": [str(TOOLS / "launch_local.py"), "--workers=2", "--"], "otherwise": ALONE}
ROUNDS, REPEATS = 30, 5


def changed(*more: str) -> list[str]:
    """Returns the flags that lay changes over the recipe."""
    return [f"--set={change}" for change in (*CHANGES, *more)]


def trained(name: str, folder: Path, steps: int, changes: tuple[str, ...]) -> Path:
    """Returns the folder of a run of so many rounds, with one checkpoint at its end."""
    lengths = changed(f"train.steps={steps}", f"train.checkpoint_steps={steps}", *changes)
    flags = [f"--recipe={RECIPE}", f"--model_dir={folder}", *lengths]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    environment = {**os.environ, "TF_ENABLE_ONEDNN_OPTS": "0" if name == "otherwise" else "1"}
    subprocess.run([sys.executable, *COMMANDS[name], *flags], check=True, env=environment, **quiet)
    return folder


def parted(changes: tuple[str, ...] = ()) -> dict[int, dict[str, float]]:
    """Returns rounds -> the largest difference of a weight from one process's, the largest that one moved, and FID."""
    import numpy as np

    import ganzoo

    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for steps in LENGTHS:
            runs = {name: trained(name, Path(folder) / f"{name}{steps}", steps, changes) for name in COMMANDS}
            games = {name: ganzoo.restored(run)[0] for name, run in runs.items()}
            shape = games["one"].image_shape
            games["start"] = ganzoo.build(ganzoo.load_recipe(RECIPE, CHANGES), image_shape=shape)
            weights = {name: [w.numpy() for w in gan.trainable_weights] for name, gan in games.items()}
            found[steps] = {
                f"one_{name}": max(float(np.abs(a - b).max()) for a, b in zip(weights["one"], theirs, strict=True))
                for name, theirs in weights.items()
                if name != "one"
            }
            for name in COMMANDS:
                record = ganzoo.evaluate(games[name], "digits", samples=1_000, metrics=("fid",))
                found[steps][f"fid_{name}"] = record.scores[0].value
    return found


def both() -> dict[str, dict]:
    """Returns what `parted` does of the recipe as it is, and with the larger epsilon."""
    return {"recipe": parted(), "epsilon": parted(("optimizer.epsilon=1e-4",))}


def seconds_a_round(how: str) -> float:
    """Returns the median seconds of a round of `fit`, by `how` this process trains: "one", "mirrored" or "two"."""
    import tensorflow as tf

    import ganzoo

    if how == "mirrored":
        cpus = tf.config.list_physical_devices("CPU")
        tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
        strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    else:
        strategy = ganzoo.strategy("multi_worker" if how == "two" else "default")
    recipe = ganzoo.load_recipe(RECIPE, CHANGES)
    source = ganzoo.data.load("digits", image_size=recipe.data.image_size)
    with strategy.scope():
        gan = ganzoo.build(recipe, image_shape=source.image_shape)
    times = []
    for _ in range(REPEATS + 1):  # the first traces
        start = time.perf_counter()
        gan.fit(source, batch_size=recipe.data.batch_size, steps_per_epoch=ROUNDS, verbose=0)
        times.append((time.perf_counter() - start) / ROUNDS)
    return statistics.median(times[1:])


def measured(how: str) -> float:
    """Returns `seconds_a_round` of new processes."""
    from launch_local import free_ports

    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    configs = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}) for index in range(2)]
    environments = [{"TF_CONFIG": config} for config in configs] if how == "two" else [{}]
    command = [sys.executable, __file__, how]
    processes = [
        subprocess.Popen(command, env={**os.environ, **own}, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        for own in environments
    ]
    return max(float(process.communicate()[0].split()[-1]) for process in processes)


def seconds(turns: int = 3) -> dict[str, list[float]]:
    """Returns how -> seconds a round, of processes in turns."""
    found = {"one": [], "mirrored": [], "two": []}
    for _ in range(turns):
        for how, values in found.items():
            values.append(round(measured(how), 4))
    return found


if __name__ == "__main__":
    asked = sys.argv[1] if len(sys.argv) > 1 else ""
    if asked in ("one", "mirrored", "two"):
        print(seconds_a_round(asked))
    elif asked in ("parted", "seconds"):
        print(json.dumps({"parted": both, "seconds": seconds}[asked](), indent=1))
    else:
        sys.exit(__doc__)
