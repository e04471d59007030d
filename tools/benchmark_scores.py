"""Measures classifier score, Fréchet and kernel distance of random activations: this package's against TF-GAN's.

python tools/benchmark_scores.py --count=50000 --dim=2048

The two take turns in processes of their own. This package streams from memory maps; TF-GAN's functions are called one
after the other on arrays in memory, with the data types of their defaults. Both from features to scores: the real
set's moments are not kept. Memory is what is allocated above imports and, for TF-GAN, above the arrays (Linux only).
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import numpy as np
import tensorflow as tf
from absl import app, flags

from ganzoo.evaluation import frechet_distance
from ganzoo.evaluation.streaming import KernelBlocks, Moments, SplitScores
from ganzoo.evaluation.tfgan import tfgan_evaluation
from ganzoo.progress import shown

COUNT = flags.DEFINE_integer("count", 50_000, "Images of each set.", lower_bound=2)
DIM = flags.DEFINE_integer("dim", 2048, "Features of an image.", lower_bound=1)
CLASSES = flags.DEFINE_integer("classes", 1008, "Classes of the classifier.", lower_bound=2)
REPEATS = flags.DEFINE_integer("repeats", 1, "Processes of each.", lower_bound=1)
RUN = flags.DEFINE_enum("run", None, ["ganzoo", "tfgan"], "Measures one of them alone, on the arrays of --folder.")
FOLDER = flags.DEFINE_string("folder", None, "With --run: where the arrays lie.")
ARRAYS = ("logits", "features", "real")
BATCH = 256


def write_arrays(folder: Path, count: int, dim: int, classes: int) -> None:
    """Writes random logits, and features of two sets that differ a little: not negative, of a decaying spectrum."""
    random = np.random.default_rng(0)
    mixing = np.exp(-np.arange(dim) / (dim / 10))[:, None] * random.standard_normal((dim, dim)) / 4
    for name, width, scale in (("logits", classes, 2.0), ("features", dim, 1.05), ("real", dim, 1.0)):
        array = np.lib.format.open_memmap(folder / f"{name}.npy", "w+", "float32", (count, width))
        for start in shown(range(0, count, 1000), f"writing {name}", -(-count // 1000)):
            rows = random.standard_normal((min(1000, count - start), width)) * scale
            array[start : start + 1000] = rows if name == "logits" else np.maximum(rows @ mixing + 0.1, 0.0)
        array.flush()


def of_ganzoo(folder: str) -> Callable[[], tuple[float, float, float]]:
    """Returns what computes the three scores batch by batch, from memory maps."""
    logits, features, real = (np.load(f"{folder}/{name}.npy", mmap_mode="r") for name in ARRAYS)

    def scores() -> tuple[float, float, float]:
        moments, real_moments = Moments(features.shape[1]), Moments(real.shape[1])
        splits, blocks = SplitScores(len(logits)), KernelBlocks(len(features), real)
        for start in range(0, len(features), BATCH):
            rows = slice(start, start + BATCH)
            splits.update(logits[rows])
            blocks.update(features[rows])
            moments.update(features[rows])
            real_moments.update(real[rows])
        distance = frechet_distance(moments.gaussian(), real_moments.gaussian())
        return float(splits.scores()[0]), distance, blocks.distance()[0]

    return scores


def of_tfgan(folder: str) -> Callable[[], tuple[float, float, float]]:
    """Returns what computes the three scores by TF-GAN's functions, from arrays in memory."""
    logits, features, real = (np.load(f"{folder}/{name}.npy") for name in ARRAYS)
    evaluation = tfgan_evaluation()

    def scores() -> tuple[float, float, float]:
        score = evaluation.classifier_score_from_logits(tf.constant(logits))
        sets = tf.constant(real), tf.constant(features)
        distance = evaluation.frechet_classifier_distance_from_activations(*sets)
        return float(score), float(distance), float(evaluation.kernel_classifier_distance_from_activations(*sets))

    return scores


def allocated() -> float:
    """Returns the memory of this process in GB, files that are mapped left out."""
    resident, shared = map(int, Path("/proc/self/statm").read_text().split()[1:3])
    return (resident - shared) * os.sysconf("SC_PAGE_SIZE") / 1e9


def measured(scores: Callable[[], tuple[float, float, float]]) -> dict:
    """Returns the scores, seconds of the clock and of all cores, and the most memory above that of before, in GB."""
    before, most, done = allocated(), [0.0], threading.Event()

    def watch() -> None:
        while not done.wait(0.02):
            most[0] = max(most[0], allocated() - before)

    watcher = threading.Thread(target=watch)
    watcher.start()
    start, start_cpu = time.perf_counter(), time.process_time()
    values = scores()
    seconds = {"wall": time.perf_counter() - start, "cpu": time.process_time() - start_cpu}
    done.set()
    watcher.join()
    return {"scores": values, **seconds, "memory": most[0]}


def of_process(run: str, folder: str) -> dict:
    """Returns what `measured` says in a process of its own."""
    command = [sys.executable, __file__, f"--run={run}", f"--folder={folder}"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def main(_: list[str]) -> None:
    """Measures both, or one of them."""
    runs = {"ganzoo": of_ganzoo, "tfgan": of_tfgan}
    if RUN.value:
        print(json.dumps(measured(runs[RUN.value](FOLDER.value))))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_arrays(Path(folder), COUNT.value, DIM.value, CLASSES.value)
        turns = [run for _ in range(REPEATS.value) for run in runs]
        results = {run: [] for run in runs}
        for run in shown(turns, "measuring", len(turns)):
            results[run].append(of_process(run, folder))
    print(f"{COUNT.value:,} images of either set, {DIM.value} features, {CLASSES.value} classes; medians")
    print(f"{'':8} {'wall s':>8} {'CPU s':>8} {'GB':>6} {'score':>14} {'Fréchet':>14} {'kernel':>14}")
    medians = {}
    for run, found in results.items():
        median = {part: statistics.median(each[part] for each in found) for part in ("wall", "cpu", "memory")}
        medians[run] = median
        scores = " ".join(f"{score:14.9g}" for score in found[0]["scores"])
        print(f"{run:8} {median['wall']:8.1f} {median['cpu']:8.1f} {median['memory']:6.2f} {scores}")
    ratios = [medians["tfgan"][part] / medians["ganzoo"][part] for part in ("wall", "cpu", "memory")]
    print(f"{'ratio':8} {ratios[0]:8.1f} {ratios[1]:8.1f} {ratios[2]:6.1f}")


if __name__ == "__main__":
    app.run(main)
