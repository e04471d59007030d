"""Trains by several workers of this machine.

python tools/launch_local.py --workers=2 -- --recipe=dual_d_selu_digits --model_dir=runs/two

Starts `ganzoo train` once a worker, each with a TF_CONFIG of its own over free ports, and passes SIGTERM and Ctrl-C on.
When a worker fails, the others are given some seconds to say so themselves, then ended. Exits with 0 if all ended well,
else as the first that failed: with its status, or 128 and the number of its signal.
"""

import argparse
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

TRAIN = Path(__file__).parent / "train.py"
GRACE = 60.0  # seconds; workers hear of a lost chief after about 28


def free_ports(count: int) -> list[int]:
    """Returns the numbers of ports that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [each.getsockname()[1] for each in sockets]


def started(workers: int, flags: Sequence[str]) -> Iterator[subprocess.Popen]:
    """Starts the workers, and yields each one's process, the chief's first."""
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(workers)]}
    command = [sys.executable, str(TRAIN), "--strategy=multi_worker", *flags]
    configs = [json.dumps({"cluster": cluster, "task": {"type": "worker", "index": i}}) for i in range(workers)]
    # Sessions of their own: a terminal's Ctrl-C would reach them twice.
    for config in configs:
        yield subprocess.Popen(command, env={**os.environ, "TF_CONFIG": config}, start_new_session=True)


def send(processes: Sequence[subprocess.Popen], number: int) -> None:
    """Sends a signal to those that run."""
    for process in processes:
        if process.poll() is None:
            process.send_signal(number)


def status_of(processes: Sequence[subprocess.Popen], grace: float) -> int:
    """Waits for all, and returns 0, or how the first that failed ended; the others do not outlast it by long."""
    failed, deadline = 0, None
    while None in (codes := [process.poll() for process in processes]) or not (failed or set(codes) == {0}):
        if any(codes) and not failed:
            failed, deadline = next(filter(None, codes)), time.monotonic() + grace
        if deadline and time.monotonic() > deadline:
            send(processes, signal.SIGKILL)
        time.sleep(0.1)
    return failed if failed >= 0 else 128 - failed


def main() -> int:
    """Starts the workers and waits for them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=2, help="processes to start")
    parser.add_argument("--grace", type=float, default=GRACE, help="seconds that workers have when one has failed")
    parser.add_argument("flags", nargs="*", help="after --: the flags of `ganzoo train`")
    given = parser.parse_args()
    if given.workers < 2:
        parser.error(f"--workers={given.workers}: give 2 or more; one is `ganzoo train`")
    processes = []
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda received, frame: send(processes, received))
    try:
        for process in started(given.workers, given.flags):
            processes.append(process)
        return status_of(processes, given.grace)
    finally:
        send(processes, signal.SIGKILL)


if __name__ == "__main__":
    sys.exit(main())
