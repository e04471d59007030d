"""What the tests of the whole share: tiny models, the audit of a traced round, processes of their own."""

import hashlib
import inspect
import json
import os
import signal
import subprocess
import sys
import zlib
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # tests run side by side
os.environ.setdefault("NVIDIA_TF32_OVERRIDE", "0")  # a GPU's products have all digits of float32

import numpy as np
import pytest

IMAGE_SHAPE = (8, 8, 1)
WIDTH = 4
PARTS = 6  # in which workers take the conformance suite
SERVED = ("test_fuzzing.py", "test_live_evaluation.py", "test_load.py", "test_protocol.py")  # that ask one server


def part_of(name):
    """Returns the part of the conformance suite that a variant's tests are in."""
    return zlib.crc32(name.encode()) % PARTS


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Gives each worker whole files, or parts of the conformance suite: what fixtures of a session make is made once.

    Files of one server go together. By tests' names alone: pytest 9.2 does not let xdist 3.8 mark them with groups.
    """
    from xdist.scheduler import LoadScopeScheduling

    class ByFile(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            file, _, test = nodeid.partition("::")
            if file.endswith(SERVED):
                return "one server"
            if not file.endswith("test_conformance.py"):
                return file
            name = test.rpartition("[")[2].rstrip("]").split("-")[0]
            return f"{file} {part_of(name)}"

    return ByFile(config, log)


def tiny_networks(name, width, normalized):
    """Returns player -> options that make the networks of a variant's recipe tiny.

    Args:
        name: a registered name.
        width: of every network.
        normalized: False turns batch norm off: by the option of that name, else by dense layers.
    """
    from ganzoo.config import load_recipe
    from ganzoo.networks import builder, specification
    from ganzoo.registry import variant

    cls, given = variant(name), load_recipe(name).gan.get("networks", {})
    networks = {}
    for player in (*cls.opponents, *cls.partners, "generator"):
        networks[player] = {**given.get(player, {}), "width": width}
        spec = specification(cls.default_networks[player], networks[player])
        options = inspect.signature(builder(player, spec)).parameters
        if "members" in options:
            networks[player]["members"] = 2
        if normalized:
            continue
        if "normalized" in options:
            networks[player]["normalized"] = False
        elif player == "generator" and spec["architecture"] != "affine_flow":
            networks[player] = {"architecture": "mlp", "width": width}
    return networks


def synchronized(networks, name):
    """Returns player -> options, of those `networks` of a variant that can have synchronized batch norm, with it."""
    from ganzoo.networks import builder, specification
    from ganzoo.registry import variant

    specs = {player: specification(variant(name).default_networks[player], given) for player, given in networks.items()}
    able = [p for p, spec in specs.items() if "synchronized" in inspect.signature(builder(p, spec)).parameters]
    return {player: {**networks[player], "synchronized": True} for player in able}


def build_tiny(name, *, image_shape=IMAGE_SHAPE, width=WIDTH, normalized=True, **settings):
    """Returns the compiled GAN of a variant's shipped recipe with tiny networks, for 8x8 grey images.

    A round takes one batch, unless `discriminator_steps` is given.
    """
    import ganzoo

    networks = tiny_networks(name, width, normalized)
    for player, options in settings.pop("networks", {}).items():
        networks[player] = {**({} if "architecture" in options else networks[player]), **options}
    settings = {"image_shape": image_shape, "latent_dim": 6, "discriminator_steps": 1, **settings}
    return ganzoo.build(name, networks=networks, **settings)


def examples(count, image_shape=IMAGE_SHAPE, seed=0):
    """Returns float32 images in [-1, 1], or points."""
    return np.random.default_rng(seed).uniform(-1, 1, (count, *image_shape)).astype("float32")


def state(gan):
    """Returns every weight and every optimizer variable, as NumPy arrays."""
    variables = [*gan.weights, *(v for o in gan.optimizers.values() for v in o.variables)]
    return [variable.numpy() for variable in variables]


def same(ours, theirs):
    """Returns whether two lists of arrays are alike, bit for bit."""
    return len(ours) == len(theirs) and all(map(np.array_equal, ours, theirs))


def scattered(gan):
    """Gives both generators random weights, each its own, that make images of many levels; returns the model."""
    random = np.random.default_rng(0)
    for network in (gan.generator, gan.averaged_generator):
        for weight in network.weights:
            values = random.normal(0, 0.5, weight.shape)
            weight.assign(values if values.ndim > 1 else abs(values) + 0.1)  # variances, too
    return gan


class Audit:
    """Collects the graph that TensorFlow made of a training round, to see what may overtake what."""

    def __enter__(self):
        from tensorflow.python.eager import context

        self.context = context.context()
        self.context.enable_run_metadata()
        return self

    def __exit__(self, *_):
        functions = self.context.export_run_metadata().function_graphs
        self.context.disable_run_metadata()
        graphs = (function.post_optimization_graph for function in functions)
        self.graph = max(graphs, key=lambda graph: sum(node.op.startswith("Assign") for node in graph.node))

    def unordered(self):
        """Returns the number of (access, write) pairs on one variable, and those pairs that have no order."""
        nodes = {node.name: node for node in self.graph.node}
        bit = {name: 1 << number for number, name in enumerate(nodes)}
        inputs = {name: {each.lstrip("^").split(":")[0] for each in node.input} for name, node in nodes.items()}
        before = {}  # node -> the bits of itself and of all that must run before it
        stack = list(nodes)
        while stack:
            name = stack[-1]
            missing = [each for each in inputs[name] if each not in before]
            if missing and name not in before:
                stack += missing
                continue
            stack.pop()
            before[name] = bit[name]
            for each in inputs[name]:
                before[name] |= before[each]
        accesses = {}
        for name, node in nodes.items():
            if node.op == "ReadVariableOp" or node.op.startswith("Assign"):
                accesses.setdefault(node.input[0], []).append(name)
        pairs = [
            (a, b)
            for names in accesses.values()
            for i, a in enumerate(names)
            for b in names[i + 1 :]
            if not nodes[a].op == nodes[b].op == "ReadVariableOp"
        ]
        return len(pairs), [(a, b) for a, b in pairs if not (before[a] & bit[b] or before[b] & bit[a])]


def in_process(module, function, *args, killed=False, timeout=900, **environment):
    """Returns what `function` of a test module returns when it runs in a process of its own.

    Args:
        module: of this folder.
        function: its name; takes and returns what JSON can say.
        *args: of the function.
        killed: SIGKILL is how the process shall end; returns None.
        timeout: seconds.
        **environment: variables for the process.
    """
    code = (
        "import importlib, json, sys\n"
        f"result = getattr(importlib.import_module({module!r}), {function!r})(*json.loads(sys.argv[1]))\n"
        "print('result:', json.dumps(result))"
    )
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(args)],
        capture_output=True, text=True, timeout=timeout, check=False, cwd=here.parent,
        env={**os.environ, "PYTHONPATH": path, "CUDA_VISIBLE_DEVICES": "-1", **environment},
    )  # fmt: skip
    if killed:
        assert done.returncode == -signal.SIGKILL, done.stderr[-3000:]
        return None
    assert done.returncode == 0, done.stderr[-5000:]
    return json.loads(done.stdout.rpartition("result: ")[2])


def served(folders):
    """Returns name -> SHA-256 of a SavedModel's 64 samples of seed 0, where Keras and ganzoo cannot be imported.

    For a process of its own.
    """
    sys.modules.update({"keras": None, "ganzoo": None})
    import tensorflow as tf

    digests = {}
    for name, folder in folders.items():
        loaded = tf.saved_model.load(folder)  # kept: the signature alone does not keep its variables
        index = tf.range(64, dtype=tf.int64)
        truncation = tf.fill([64], np.float32(np.inf))
        (samples,) = loaded.signatures["sample"](seed=index * 0, index=index, truncation=truncation).values()
        digests[name] = hashlib.sha256(samples.numpy().tobytes()).hexdigest()
    return digests


# Every folder of tests has a `conftest`, so test modules get the functions above as fixtures.


@pytest.fixture(scope="session", name="part_of")
def _part_of():
    return part_of


@pytest.fixture(scope="session", name="build_tiny")
def _build_tiny():
    return build_tiny


@pytest.fixture(scope="session", name="examples")
def _examples():
    return examples


@pytest.fixture(scope="session", name="state")
def _state():
    return state


@pytest.fixture(scope="session", name="scattered")
def _scattered():
    return scattered


@pytest.fixture(scope="session", name="same")
def _same():
    return same


@pytest.fixture(scope="session", name="in_process")
def _in_process():
    return in_process


@pytest.fixture(scope="session")
def audit():
    return Audit


@pytest.fixture(autouse=True)
def _no_op_determinism_left():
    """Undoes the op determinism that a run left on, under which Keras compiles nothing in the tests after it."""
    yield
    if config := sys.modules.get("tensorflow.python.framework.config"):
        config.disable_op_determinism()
