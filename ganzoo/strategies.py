"""Strategies by name, and what training on several workers needs beside Keras' `fit`."""

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import keras
import tensorflow as tf

from ganzoo.errors import InputError, WorkerLost, did_you_mean

STRATEGIES = ("auto", "default", "mirrored", "multi_worker", "tpu")
TPU_VARIABLES = ("TPU_NAME", "KUBE_GOOGLE_CLOUD_TPU_ENDPOINTS")  # where TensorFlow looks for a TPU's address
# What TensorFlow raises, sooner or later, where a worker is gone.
GONE = (tf.errors.AbortedError, tf.errors.CancelledError, tf.errors.DeadlineExceededError, tf.errors.UnavailableError)
ABORTED = "Collective ops is aborted by"
EXAMPLE = '{"cluster": {"worker": ["host0:2222", "host1:2222"]}, "task": {"type": "worker", "index": 0}}'


def strategy(name: str | tf.distribute.Strategy = "auto") -> tf.distribute.Strategy:
    """Returns the strategy of a name; models made under its `scope()` train by it.

    Args:
        name: `"default"`, what is in scope, without any one device; `"mirrored"`, all GPUs of this machine;
            `"multi_worker"`, all workers that the variable TF_CONFIG names, one process each; `"tpu"`, the TPU that
            TPU_NAME names; `"auto"`, the one of these that fits: several workers, else a TPU, else several GPUs. Or a
            strategy, which is returned. Several workers are for the first call of a process, before any operation.

    Raises:
        InputError: if the name is unknown, there is no TPU, TF_CONFIG is missing or malformed, or the workers cannot
            be joined; a `WorkerLost`, if another one does not come.
    """
    if isinstance(name, tf.distribute.Strategy):
        return name
    if name not in STRATEGIES:
        raise InputError(f"strategy={name!r} is unknown; {did_you_mean(str(name), STRATEGIES)}")
    if name == "auto":
        name = _fitting()
    makers = {"mirrored": _mirrored, "multi_worker": _multi_worker, "tpu": _tpu, "default": tf.distribute.get_strategy}
    return makers[name]()


def device_name() -> str:
    """Returns what a process of this machine computes on if it is told nothing: its first GPU's name, else `"CPU"`."""
    gpus = tf.config.list_physical_devices("GPU")
    return tf.config.experimental.get_device_details(gpus[0]).get("device_name", "GPU") if gpus else "CPU"


def _fitting() -> str:
    """Returns the name of the strategy that fits what is there; what is in scope comes first."""
    if tf.distribute.has_strategy():
        return "default"
    if os.environ.get("TF_CONFIG") and len(_workers(_cluster())) > 1:
        return "multi_worker"
    if any(os.environ.get(variable) for variable in TPU_VARIABLES):
        return "tpu"
    return "mirrored" if len(tf.config.list_physical_devices("GPU")) > 1 else "default"


def _mirrored() -> tf.distribute.Strategy:
    if not tf.config.list_physical_devices("GPU"):
        raise InputError(
            "strategy='mirrored': no GPU is visible; use 'default' (or, to try replicas out on a CPU, open the scope "
            "of a tf.distribute.MirroredStrategy over logical devices)"
        )
    return tf.distribute.MirroredStrategy()


def _tpu() -> tf.distribute.Strategy:
    name = os.environ.get("TPU_NAME")
    try:
        # TensorFlow takes "local" for what it is when it is told, not when it reads the variable itself.
        resolver = tf.distribute.cluster_resolver.TPUClusterResolver(name)
        tf.config.experimental_connect_to_cluster(resolver)
        tf.tpu.experimental.initialize_tpu_system(resolver)
    except (ValueError, ImportError, OSError, RuntimeError, tf.errors.OpError) as error:
        raise InputError(
            f"strategy='tpu', TPU_NAME={name!r}: no TPU found ({_reason(error)}); on a TPU VM set TPU_NAME=local, else "
            "choose another strategy"
        ) from None
    return tf.distribute.TPUStrategy(resolver)


def _multi_worker() -> tf.distribute.Strategy:
    _cluster()
    try:
        return tf.distribute.MultiWorkerMirroredStrategy()
    except RuntimeError as error:
        if "program startup" not in str(error):
            raise
        raise InputError(
            "strategy='multi_worker': TensorFlow has computed already in this process, and joins workers at its "
            "beginning only; make the strategy first"
        ) from None
    except tf.errors.OpError as error:
        kind = WorkerLost if worker_gone(error) else InputError
        raise kind(
            f"strategy='multi_worker': the workers of TF_CONFIG={os.environ['TF_CONFIG']!r} cannot be joined "
            f"({type(error).__name__}: {_reason(error)}); start all of them, each at an address that the others reach "
            "and with a port that nothing else listens on"
        ) from None


def _reason(message: object) -> str:
    """Returns the first line of a message, or of an error's, cut where it is long."""
    return str(message).partition("\n")[0][:200]


def _cluster() -> dict:
    """Returns what TF_CONFIG says.

    Raises:
        InputError: if it is missing, or not what workers that train in step can be started from.
    """
    text = os.environ.get("TF_CONFIG", "")
    if not text:
        raise InputError(
            f"strategy='multi_worker': TF_CONFIG is not set; each worker needs one such as {EXAMPLE}, with an index of "
            "its own; tools/launch_local.py sets it on one machine"
        )
    try:
        config = json.loads(text)
        flaw = _flaw(config["cluster"], config["task"]["type"], int(config["task"]["index"]))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        flaw = f"it cannot be read ({type(error).__name__}: {error})"
    if flaw:
        raise InputError(f"TF_CONFIG={text!r}: {flaw}; write it as {EXAMPLE}")
    return config


def _flaw(cluster: dict[str, list[str]], kind: str, index: int) -> str | None:
    """Returns why workers cannot train in step by a cluster and a task in it; None if they can."""
    workers = _workers({"cluster": cluster})
    if others := set(cluster) - {"chief", "worker"}:
        return f"it names {', '.join(sorted(others))}, and training in step has a chief and workers alone"
    if kind not in cluster or not 0 <= index < len(cluster[kind]):
        return f"task {kind} {index} is none of its cluster"
    if len(cluster.get("chief", [])) > 1:
        return "it names several chiefs, and there is one"
    return "two of its workers have one address" if len(set(workers)) < len(workers) else None


def _workers(config: dict) -> list[str]:
    """Returns the addresses of all workers, the chief's first."""
    return [*config["cluster"].get("chief", []), *config["cluster"].get("worker", [])]


def check_scope(model: keras.Model) -> None:
    """Refuses a model that was not made under the strategy whose scope is open.

    Raises:
        InputError: with the cure.
    """
    opened = tf.distribute.get_strategy()
    if tf.distribute.has_strategy() and not opened.extended.variable_created_in_scope(model.step.value):
        raise InputError("the model was made outside of the strategy's scope: make and compile it inside")


def check_strategy(model: keras.Model) -> None:
    """Refuses what TensorFlow does not train by several replicas, and what `check_scope` does.

    Raises:
        InputError: with the reason and the cure.
    """
    check_scope(model)
    own = model.distribute_strategy
    if own.num_replicas_in_sync == 1 or isinstance(own, tf.distribute.TPUStrategy):
        return
    for option, value in (("jit_compile", model.jit_compile), ("steps_per_execution", model.steps_per_execution > 1)):
        if value:
            raise InputError(
                f"{option}={getattr(model, option)!r} with {own.num_replicas_in_sync} replicas: TensorFlow cannot do "
                "both; leave it out, or train by one"
            )


# Several workers. Keras 3.15 cannot reduce what a round returns over them, nor cut a data set into their shares; what
# follows takes the place of these two, inside of its own `fit`.


def several_workers(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether a strategy trains on several workers."""
    if not isinstance(strategy, tf.distribute.MultiWorkerMirroredStrategy):  # a TPU's cluster is Google's to ask for
        return False
    return len(_workers({"cluster": strategy.cluster_resolver.cluster_spec().as_dict()})) > 1


def is_chief(strategy: tf.distribute.Strategy) -> bool:
    """Returns whether this process is the one that keeps files: the chief, else worker 0; alone always."""
    if not several_workers(strategy):
        return True
    resolver = strategy.cluster_resolver
    has_chief = "chief" in resolver.cluster_spec().as_dict()
    return resolver.task_type == "chief" or (not has_chief and resolver.task_id == 0)


def steps_of(batches: tf.data.Dataset, steps: int | None, option: str) -> int:
    """Returns the steps of an epoch over `batches`: as many as are asked for, else as there are.

    Args:
        batches: all rows of a step each.
        steps: what was asked for by `option`, if anything.
        option: its name.

    Raises:
        InputError: if it is not known how many there are.
    """
    if not steps and batches.cardinality() < 0:
        raise InputError(
            f"{option}={steps}: several workers train, and the data do not say how many batches they have; "
            f"say it with {option}="
        )
    return steps or int(batches.cardinality())


def shared_out(batches: tf.data.Dataset, strategy: tf.distribute.Strategy) -> tf.distribute.DistributedDataset:
    """Returns global batches [B, ...], the same on every worker, as each replica's share of rows.

    Replicas have their shares in their order. The data come over and over, so that no worker is the first at the end.
    """

    def shares(context: tf.distribute.InputContext) -> tf.data.Dataset:
        workers, replicas = context.num_input_pipelines, context.num_replicas_in_sync

        def own(rows: tf.Tensor) -> tf.Tensor:
            share = rows.shape[0] // replicas
            return tf.reshape(rows, [workers, replicas // workers, share, *rows.shape[1:]])[context.input_pipeline_id]

        return batches.repeat().map(own).unbatch().prefetch(tf.data.AUTOTUNE)

    return strategy.distribute_datasets_from_function(shares)


def in_step(step: Callable, strategy: tf.distribute.Strategy, run_eagerly: bool) -> Callable:
    """Returns a function: from an iterator over shares to the means over all replicas of what `step` returns."""

    def averaged(batch) -> dict[str, tf.Tensor]:
        return tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.MEAN, step(batch))

    def played(iterator) -> dict[str, tf.Tensor]:
        logs = strategy.run(averaged, args=(next(iterator),))
        return {name: strategy.experimental_local_results(value)[0] for name, value in logs.items()}

    return played if run_eagerly else tf.function(played, autograph=False)


def agreed(strategy: tf.distribute.Strategy, *wishes: bool) -> list[bool]:
    """Returns of each wish whether any worker has it; to be asked by all of them, who wait for each other."""
    if not several_workers(strategy):
        return list(wishes)
    counts = strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(wishes, tf.int32), axis=None)
    return [bool(count) for count in counts.numpy()]


def require_equal(strategy: tf.distribute.Strategy, step: int) -> None:
    """Refuses workers that have restored different steps; to be called by all of them.

    Raises:
        InputError: with the cure.
    """
    if several_workers(strategy):
        steps = strategy.gather(tf.constant([step], tf.int64), axis=0).numpy()
        if len(set(steps)) > 1:
            raise InputError(
                f"the workers are at steps {', '.join(map(str, steps))}: model_dir must be one folder that all see"
            )


@contextlib.contextmanager
def own_folder(folder: Path, strategy: tf.distribute.Strategy) -> Iterator[Path]:
    """Yields where this worker writes: the chief into `folder`, the others for nothing, into one that is removed."""
    if is_chief(strategy):
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="ganzoo-worker-") as spare:
        yield Path(spare)


def worker_gone(error: Exception) -> bool:
    """Returns whether an error of TensorFlow's says that another worker is gone, or has not come."""
    return isinstance(error, GONE) or (isinstance(error, tf.errors.OpError) and ABORTED in error.message)


@contextlib.contextmanager
def told_of_losses(strategy: tf.distribute.Strategy) -> Iterator[None]:
    """Makes an error that names the cure of what TensorFlow raises where another worker is gone.

    Raises:
        WorkerLost: with the reason.
    """
    try:
        yield
    except tf.errors.OpError as error:
        if not several_workers(strategy) or not worker_gone(error):
            raise
        cause = error.message[max(0, error.message.find(ABORTED)) :]  # after "Graph execution error" and a traceback
        raise WorkerLost(
            f"another worker is gone ({type(error).__name__}: {_reason(cause)}); the checkpoints are kept: start all "
            "workers again with the same command, which goes on from the newest"
        ) from None
