"""What the contract is checked against: the development server always, TensorFlow Serving where one is named."""

import os
import signal
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import models
import pytest

ROOT = Path(__file__).parent.parent.parent
REAL = "GANZOO_TF_SERVING"
HOW = (
    f"no TensorFlow Serving is named: write the models with `python tests/serving/models.py DIR`, serve them, and set "
    f"{REAL}=host:grpc_port:rest_port"
)


@dataclass(frozen=True)
class Target:
    """A server of the models that `models.py` writes.

    Args:
        name: "standin" or "tensorflow_serving".
        host: its name.
        grpc_port: of PredictionService and ModelService.
        rest_port: of the REST interface.
        pid: of its process, where it is ours.
    """

    name: str
    host: str
    grpc_port: int
    rest_port: int
    pid: int | None = None

    @property
    def grpc(self):
        return f"grpc://{self.host}:{self.grpc_port}"

    @property
    def rest(self):
        return f"http://{self.host}:{self.rest_port}"


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Returns the folder of the models."""
    folder = tmp_path_factory.mktemp("served")
    models.write(folder)
    return folder


@pytest.fixture(scope="session")
def gans():
    """Returns version -> the game it was exported from."""
    return {version: models.gan(version) for version in models.LABELS.values()}


@pytest.fixture(scope="session")
def standin(written, tmp_path_factory):
    """Returns the development server, started by its tool in a process of its own."""
    grpc_port, rest_port = free_ports(2)
    log = tmp_path_factory.mktemp("log") / "server.txt"
    command = [sys.executable, str(ROOT / "tools" / "serve.py"), f"--model_config_file={written / 'models.config'}"]
    command += [f"--port={grpc_port}", f"--rest_api_port={rest_port}", models.FLAG]
    with log.open("w") as file:
        server = subprocess.Popen(command, stdout=file, stderr=file, cwd=written)
    target = Target("standin", "127.0.0.1", grpc_port, rest_port, server.pid)
    try:
        wait(target, server, log)
        yield target
        assert server.poll() is None, log.read_text()[-3000:]
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def wait(target, server, log):
    """Waits until all models can be asked on both roads."""
    from ganzoo.serving import Client, ServingError

    for address in (target.grpc, target.rest):
        for name in (models.NAME, models.POINTS):
            with Client(address, name) as client:
                for _ in range(60):
                    assert server.poll() is None, log.read_text()[-3000:]
                    try:
                        client.wait_until_available(1)
                        break
                    except ServingError as error:
                        last = error
                else:
                    raise last


@pytest.fixture(scope="session", params=["standin", *(["tensorflow_serving"] if REAL in os.environ else [])])
def target(request):
    """Returns a server of the models."""
    if request.param == "standin":
        return request.getfixturevalue("standin")
    host, grpc_port, rest_port = os.environ[REAL].rsplit(":", 2)
    return Target(request.param, host, int(grpc_port), int(rest_port))


@pytest.fixture
def real():
    """Skips, visibly, where no TensorFlow Serving is named."""
    if REAL not in os.environ:
        pytest.skip(HOW)
