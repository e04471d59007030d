"""What a served model bears: how soon it answers, how much, whether anything is lost or mixed up, and its memory."""

import contextlib
import functools
import math
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf

from ganzoo.errors import InputError, ServingError
from ganzoo.exported import ExportedGenerator
from ganzoo.sampling import BATCH
from ganzoo.serving.client import Client, decoded

ROWS = (1, BATCH)  # images a request
CLIENTS = (1, 8, 32)
ROADS = ("in process", "gRPC", "REST PNG")
_SEEDS = 16  # requests differ in these
_START_SECONDS = 120.0

Ask = Callable[[int], np.ndarray]


@dataclass(frozen=True)
class Measured:
    """One road, so many clients, so many images a request.

    Clients are threads of one process: `client_cores` says how many cores that process took, server apart. Near 1 it is
    Python's lock that limits them; a road in process has its own computation in it.

    Args:
        road: one of `ROADS`.
        clients: that ask at the same time, each one request after the other.
        rows: images a request.
        answers: requests that were answered.
        failed: requests that were refused, or not answered in time.
        wrong: answers with an image that is not that of the seed they were asked for.
        off_by_one: share of the pixel values one level away, as other batch sizes round: a server may merge requests.
        median_ms: of the time to an answer.
        p95_ms: that 95 % of the answers do not exceed.
        p99_ms: that 99 % do not exceed.
        images_per_second: of all clients together.
        client_cores: CPU seconds a second of the clients' process.
        mb_before: resident memory of the process that answers, after first requests; None if it is not on this machine.
        mb_after: the same at the end.
    """

    road: str
    clients: int
    rows: int
    answers: int
    failed: int
    wrong: int
    off_by_one: float
    median_ms: float
    p95_ms: float
    p99_ms: float
    images_per_second: float
    client_cores: float
    mb_before: float | None
    mb_after: float | None


@dataclass(frozen=True)
class Served:
    """A server under load.

    Args:
        model: name of the model there.
        grpc: `host:port`.
        rest: `http://host:port`.
        pid: of its process; None if it is on another machine.
    """

    model: str
    grpc: str
    rest: str
    pid: int | None = None


@contextlib.contextmanager
def stand_in(folder: Path) -> Iterator[Served]:
    """Yields the development server, in a process of its own, that serves one version of a model; then stops it.

    Args:
        folder: of the version, `<name>/<version>`.

    Raises:
        InputError: if it does not start.
    """
    name, (grpc_port, rest_port) = folder.resolve().parent.name, _free_ports(2)
    with tempfile.TemporaryDirectory() as base, tempfile.TemporaryFile("w+") as log:
        (Path(base) / "1").symlink_to(folder.resolve())  # its own name need not be a number
        command = [sys.executable, "-c", "from ganzoo.cli import main; main()", "serve", f"--port={grpc_port}"]
        command += [f"--rest_api_port={rest_port}", f"--model_name={name}", f"--model_base_path={base}"]
        server = subprocess.Popen(command, stdout=log, stderr=log)
        served = Served(name, f"127.0.0.1:{grpc_port}", f"http://127.0.0.1:{rest_port}", server.pid)
        try:
            _wait(served, server, log)
            yield served
        finally:
            server.send_signal(signal.SIGTERM)
            server.wait()


def _wait(served: Served, server: subprocess.Popen, log: object) -> None:
    """Waits until the model can be asked on both roads."""
    end = time.monotonic() + _START_SECONDS
    for address in (served.grpc, served.rest):
        with Client(address, served.model, attempts=1) as client:
            while True:
                try:
                    client.wait_until_available(1.0)
                    break
                except ServingError as error:
                    if server.poll() is None and time.monotonic() < end:
                        continue
                    log.seek(0)
                    said = log.read().strip().splitlines()[-1:] or [str(error)]
                    raise InputError(f"the development server did not start: {said[0]}") from None


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


def load(
    generator: ExportedGenerator,
    served: Served,
    seconds: float = 60.0,
    clients: Sequence[int] = CLIENTS,
    timeout_seconds: float = 60.0,
) -> Iterator[Measured]:
    """Yields what was measured of each road, number of clients and of rows; each answer is compared with what is due.

    Args:
        generator: the model that is served, loaded here: it says which images are due.
        served: where it is served.
        seconds: of load, each.
        clients: how many at the same time.
        timeout_seconds: of a request.

    Raises:
        InputError: if the model gives no images, or too like ones to tell an answer from another.
    """
    if "sample_png" not in generator.model.signatures:
        raise InputError(
            f"{str(generator.path)!r} has no signature 'sample_png', only {sorted(generator.model.signatures)}; load "
            "is measured with a model of images, exported by this version of ganzoo"
        )
    for rows in ROWS:
        due = _due(generator, rows)
        for count in clients:
            for road in ROADS:
                asking = functools.partial(_asking, road, generator, served, rows, timeout_seconds)
                yield _measured(road, count, due, seconds, asking, os.getpid() if road == "in process" else served.pid)


def _due(generator: ExportedGenerator, rows: int) -> list[np.ndarray]:
    """Returns the images, uint8 [rows, H, W, C], that are due for each seed, computed at the same batch size."""
    ask = _in_process(generator, rows)
    due = [ask(seed).astype(np.int16) for seed in range(_SEEDS)]
    for seed, images in enumerate(due):
        if any(np.abs(images - other).max() <= 1 for other in due[:seed]):
            raise InputError(
                f"{str(generator.path)!r} draws the same image for different seeds, so one answer could not be told "
                "from another; take a trained model"
            )
    return due


def _columns(seed: int, rows: int) -> dict[str, np.ndarray]:
    """Returns the inputs of `sample` for the images 0 to rows - 1 of a seed."""
    index = np.arange(rows)
    return {"seed": np.full_like(index, seed), "index": index, "truncation": np.full(rows, math.inf, np.float32)}


def _in_process(generator: ExportedGenerator, rows: int) -> Ask:
    def ask(seed: int) -> np.ndarray:
        (images,) = generator.model.signatures["sample"](
            **{name: tf.constant(column) for name, column in _columns(seed, rows).items()}
        ).values()
        return images.numpy()

    return ask


@contextlib.contextmanager
def _asking(
    road: str, generator: ExportedGenerator, served: Served, rows: int, timeout_seconds: float
) -> Iterator[Ask]:
    """Yields how one client asks: seed -> images uint8 [rows, H, W, C]. Nothing is tried twice."""
    if road == "in process":
        yield _in_process(generator, rows)
        return
    address = served.grpc if road == "gRPC" else served.rest
    with Client(address, served.model, timeout_seconds=timeout_seconds, attempts=1) as client:
        if road == "gRPC":
            yield lambda seed: client.predict("sample", **_columns(seed, rows))["images"]
        else:
            yield lambda seed: decoded(client.predict("sample_png", **_columns(seed, rows))["image_bytes"])


class _Tally:
    """What one client saw."""

    def __init__(self):
        self.milliseconds: list[float] = []
        self.failed = self.wrong = self.off_by_one = 0

    def take(self, images: np.ndarray, due: np.ndarray) -> None:
        """Judges an answer: a level is rounding, more is another image."""
        if images.shape != due.shape:
            self.wrong += 1
            return
        apart = np.abs(images - due)
        self.wrong += bool((apart > 1).any())
        self.off_by_one += int((apart == 1).sum())


def _measured(
    road: str,
    count: int,
    due: list[np.ndarray],
    seconds: float,
    asking: Callable[[], contextlib.AbstractContextManager[Ask]],
    pid: int | None,
) -> Measured:
    tallies, begun = [_Tally() for _ in range(count)], {}

    def begin() -> None:
        begun.update(memory=resident_mb(pid), cpu=time.process_time(), clock=time.perf_counter())

    together = threading.Barrier(count, action=begin)

    def client(number: int) -> None:
        with asking() as ask:
            try:
                with contextlib.suppress(ServingError):  # connects, fills caches; what fails here fails below, too
                    ask(number % _SEEDS)
            except BaseException:
                together.abort()
                raise
            together.wait()
            _ask_on(ask, due, number, begun["clock"] + seconds, tallies[number])

    with ThreadPoolExecutor(count) as pool:
        running = [pool.submit(client, number) for number in range(count)]
    broken = [each.exception() for each in running if each.exception() is not None]
    for error in broken:
        if not isinstance(error, threading.BrokenBarrierError):
            raise error
    elapsed, cpu = time.perf_counter() - begun["clock"], time.process_time() - begun["cpu"]
    times = [each for tally in tallies for each in tally.milliseconds] or [math.nan]
    answers, rows = sum(len(tally.milliseconds) for tally in tallies), len(due[0])
    median, p95, p99 = np.percentile(times, [50, 95, 99])
    return Measured(
        road=road,
        clients=count,
        rows=rows,
        answers=answers,
        failed=sum(tally.failed for tally in tallies),
        wrong=sum(tally.wrong for tally in tallies),
        off_by_one=sum(tally.off_by_one for tally in tallies) / max(answers * due[0].size, 1),
        median_ms=float(median),
        p95_ms=float(p95),
        p99_ms=float(p99),
        images_per_second=answers * rows / elapsed,
        client_cores=cpu / elapsed,
        mb_before=begun["memory"],
        mb_after=resident_mb(pid),
    )


def _ask_on(ask: Ask, due: list[np.ndarray], number: int, end: float, tally: _Tally) -> None:
    """Asks until `end`, in seconds of the clock; clients go through the seeds from different places."""
    seed = number
    while (start := time.perf_counter()) < end:
        seed = (seed + 1) % _SEEDS
        try:
            images = ask(seed)
        except ServingError:
            tally.failed += 1
            continue
        tally.milliseconds.append(1000 * (time.perf_counter() - start))
        tally.take(images, due[seed])


def resident_mb(pid: int | None) -> float | None:
    """Returns the resident memory of a process in MB; None where the system does not tell."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    (kilobytes,) = (int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return kilobytes * 1024 / 1e6


def signature_over_keras(generator: ExportedGenerator, network: tf.keras.Model, repeats: int = 40) -> float:
    """Returns the time of `serving_default` over that of the bare Keras model's compiled call: median of the ratios.

    The two take turns, at `BATCH` latents.

    Args:
        generator: the exported model.
        network: a Keras model of the same layers; the weights do not matter.
        repeats: pairs of calls, after one that traces.
    """
    latent = tf.constant(generator.latents(BATCH))
    signature = generator.model.signatures["serving_default"]
    bare = tf.function(lambda values: network(values, training=False))

    def seconds(call: Callable[[], object]) -> float:
        start = time.perf_counter()
        call()
        return time.perf_counter() - start

    def ours() -> None:
        (values,) = signature(latent=latent).values()
        values.numpy()

    def theirs() -> None:
        bare(latent).numpy()

    ours(), theirs()
    # Whoever comes second finds warmer caches: they swap.
    ratios = []
    for number in range(repeats):
        pair = (ours, theirs) if number % 2 else (theirs, ours)
        times = {call: seconds(call) for call in pair}
        ratios.append(times[ours] / times[theirs])
    return statistics.median(ratios)


def table(measured: Sequence[Measured]) -> str:
    """Returns a table in Markdown."""
    head = "road | clients | batch | median ms | p95 | p99 | images/s | answers | failed | wrong | off by one"
    head += " | client cores | MB"
    lines = [f"| {head} |", "| " + " | ".join(["---"] * (head.count("|") + 1)) + " |"]
    for each in measured:
        memory = "" if each.mb_before is None else f"{each.mb_before:.0f} -> {each.mb_after:.0f}"
        lines.append(
            f"| {each.road} | {each.clients} | {each.rows} | {each.median_ms:.1f} | {each.p95_ms:.1f} | "
            f"{each.p99_ms:.1f} | {each.images_per_second:.0f} | {each.answers} | {each.failed} | {each.wrong} | "
            f"{each.off_by_one:.1e} | {each.client_cores:.2f} | {memory} |"
        )
    return "\n".join(lines)


def cores() -> int:
    """Returns how many CPU cores this process may use."""
    return len(os.sched_getaffinity(0))
