"""Signatures called in a process of its own, through TensorFlow's C library, with rows made up by name and type."""

import itertools
import json
import math
import os
import re
import signal
import subprocess
import sys
import tempfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.op_def_pb2 import OpList

from ganzoo.exported import INFO_FILE
from ganzoo.serving import native
from ganzoo.serving.reference import REFERENCE_FILE
from ganzoo.serving.rules import NotApplicable
from ganzoo.serving.saved import Place, Saved, SavedSignature
from ganzoo.serving.static_rules import DEFAULT, JSON_TYPES, MOST_WARMUP_BYTES, warmup_flaws, warmup_requests
from ganzoo.serving.tensors import array_of
from ganzoo.serving.warm_up import MOST_RECORDS
from ganzoo.signatures import MOST_GENERATED

HUGE = 2**31 - 1
CALL_SECONDS = 60
BATCH = 3
LARGER = 8  # rows: some layers see to a whole only from 4 rows on
MOST_VALUES = 1 << 22  # of a row that is made up
# Rows of the trial batch: as they are, in another order, and with all but the first replaced.
ORDER, REPLACED = [2, 0, 1], [0, 3, 4]


@dataclass(eq=False)
class Call:
    """A call of a signature, and its answer once it was made.

    Args:
        signature: What is called.
        inputs: By name.
        what: For a reader, "batch of 3".
        values: Outputs by name, bytes as arrays of objects; None if there is no answer.
        code: Status code, where the call failed.
        message: Of the failure.
    """

    signature: SavedSignature
    inputs: dict[str, np.ndarray]
    what: str
    values: dict[str, np.ndarray] | None = None
    code: int | None = None
    message: str = ""

    def __str__(self) -> str:
        return f"{self.signature.name}, {self.what}"


@dataclass(frozen=True)
class Rows:
    """The calls of a signature by row: a batch, the same again, with more rows, permuted, with others, rows alone."""

    batch: Call
    again: Call
    larger: Call
    permuted: Call
    replaced: Call
    alone: list[Call]
    alone_again: Call


@dataclass
class Trial:
    """What is called of a model, in this order, and what came of it.

    Args:
        saved: The model.
        rows: Signature -> its calls, of signatures by row.
        wholes: Signature -> calls with n = 1, 3 and 3 again, of signatures that take a number of rows.
        first: Samples 0, 1, 2 of the seed that `generate` is called with.
        references: Calls with the inputs that Keras was given, and what Keras answered.
        reference_flaw: What is wrong with the file of those, if anything.
        warmups: The warm-up requests.
        limits: Calls with a number of rows that no server should make.
        after: A call that was made before, made again after those.
        untried: Signature -> why it is not called.
        loaded: None if the model loads, else why not.
        ended: How the process ended, if not by itself.
        last: The call in which it ended.
        ops: Names of the ops that the library knows.
    """

    saved: Saved
    rows: dict[str, Rows] = field(default_factory=dict)
    wholes: dict[str, list[Call]] = field(default_factory=dict)
    first: Call | None = None
    references: list[tuple[Call, dict[str, np.ndarray]]] = field(default_factory=list)
    reference_flaw: str | None = None
    warmups: list[Call] = field(default_factory=list)
    limits: list[Call] = field(default_factory=list)
    after: Call | None = None
    untried: dict[str, str] = field(default_factory=dict)
    loaded: str | None = None
    ended: str | None = None
    last: Call | None = None
    ops: frozenset[str] = frozenset()

    def ordinary(self) -> Iterator[Call]:
        """Yields the calls that must succeed, in order."""
        for each in self.rows.values():
            yield from (each.batch, each.again, each.larger, each.permuted, each.replaced)
            yield from (*each.alone, each.alone_again)
        yield from itertools.chain.from_iterable(self.wholes.values())
        yield from [self.first] if self.first else []
        yield from (call for call, _ in self.references)

    def calls(self) -> list[Call]:
        """Returns all calls, in order."""
        return [*self.ordinary(), *self.warmups, *self.limits, *([self.after] if self.after else [])]


def library() -> Path:
    """Returns the path of TensorFlow's C library.

    Raises:
        NotApplicable: If this TensorFlow has none.
    """
    for name in ("libtensorflow_cc.so.2", "libtensorflow_cc.2.dylib"):
        if (path := Path(tf.sysconfig.get_lib()) / name).exists():
            return path
    raise NotApplicable("this TensorFlow has no libtensorflow_cc")


def tried(saved: Saved, timeout: float) -> Trial:
    """Returns the trial of a model, made.

    Args:
        saved: The model.
        timeout: Seconds that all of it may take.

    Raises:
        NotApplicable: If it cannot be made here.
    """
    path = library()
    trial = _planned(saved)
    with tempfile.TemporaryDirectory() as folder:
        _run(trial, path, Path(folder), timeout)
    return trial


def _planned(saved: Saved) -> Trial:
    trial = Trial(saved)
    for name, signature in saved.signatures.items():
        if reason := _obstacle(signature):
            trial.untried[name] = reason
        elif all(place.shape.rank for place in signature.inputs.values()) and signature.inputs:
            trial.rows[name] = _row_calls(signature)
        else:
            numbers = (1, BATCH, BATCH) if signature.counted else (None, None)
            trial.wholes[name] = [_whole_call(signature, n) for n in numbers]
    trial.first = _first_samples(saved.signatures)
    trial.references, trial.reference_flaw = _references(saved)
    trial.warmups = _warmups(saved)
    over = (MOST_GENERATED + 1, HUGE) if (saved.folder / INFO_FILE).exists() else (HUGE,)
    trial.limits = [
        _whole_call(call.signature, n)
        for call, *_ in trial.wholes.values()
        if call.signature.counted
        for n in (0, -1, *over)
    ]
    if trial.limits:
        trial.after = _whole_call(trial.limits[0].signature, BATCH)
    return trial


def _obstacle(signature: SavedSignature) -> str | None:
    """Returns why a signature cannot be called with rows that are made up; None if it can."""
    for what, place in signature.places():
        if place.dtype not in JSON_TYPES or not place.tensor:
            return f"{what} is {place}"
    for name, place in signature.inputs.items():
        if place.dtype == "string":
            return f"input {name!r} is text"
        row = [None] if place.shape.rank is None else place.shape.as_list()[1:]
        if None in row:
            return f"input {name!r} is {place}: of what shape a row is cannot be known"
        if min(row, default=0) < 0 or math.prod(row) > MOST_VALUES:
            return f"input {name!r} is {place}: a row has a size below 0, or more than {MOST_VALUES} values"
    return None


def _made_up(name: str, place: Place, count: int) -> np.ndarray:
    """Returns `count` rows for an input, the same for all inputs of that name and type."""
    random = np.random.default_rng(zlib.crc32(name.encode()))
    row = place.shape.as_list()[1:]
    shape = (count, *row)
    if place.dtype.startswith("float"):
        # A number a row is a truncation or a fraction: between 0 and 1 it can be either.
        return (random.normal(size=shape) if row else random.uniform(0.1, 0.9, shape)).astype(place.dtype)
    if re.search("seed|index", name) and place.dtype in ("int32", "int64", "uint32", "uint64"):
        return random.integers(0, HUGE, shape).astype(place.dtype)
    high = 256 if row and place.dtype == "uint8" else 2  # a label that every conditional model knows
    return random.integers(0, high, shape).astype(place.dtype)


def _row_calls(signature: SavedSignature) -> Rows:
    made = {name: _made_up(name, place, LARGER) for name, place in signature.inputs.items()}

    def call(rows: list[int], what: str) -> Call:
        return Call(signature, {name: array[rows] for name, array in made.items()}, what)

    batch = list(range(BATCH))
    return Rows(
        call(batch, f"batch of {BATCH}"),
        call(batch, f"batch of {BATCH} again"),
        call(list(range(LARGER)), f"batch of {LARGER}"),
        call(ORDER, "batch in another order"),
        call(REPLACED, "batch with other rows behind the first"),
        [call([row], f"row {row} alone") for row in batch],
        call([0], "row 0 alone again"),
    )


def _whole_call(signature: SavedSignature, n: int | None) -> Call:
    """Returns a call with a number of rows, or with what is made up alone where the signature takes none."""
    inputs = {}
    for name, place in signature.inputs.items():
        rows = _made_up(name, place, 1)
        inputs[name] = rows if place.shape.rank else rows.reshape(())
    if n is None:
        return Call(signature, inputs, "once")
    return Call(signature, {**inputs, "n": np.array(n, signature.inputs["n"].dtype)}, f"n={n}")


def _first_samples(signatures: dict[str, SavedSignature]) -> Call | None:
    """Returns the call of `sample` for what `generate` gives, if both are as ganzoo has them."""
    sample, generate = signatures.get("sample"), signatures.get("generate")
    if sample is None or generate is None or set(generate.inputs) != {"seed", "n"} or not generate.counted:
        return None
    if set(sample.inputs) != {"seed", "index", "truncation"} or _obstacle(sample) or _obstacle(generate):
        return None
    seed = _whole_call(generate, BATCH).inputs["seed"].item()
    inputs = {
        "seed": np.full(BATCH, seed, sample.inputs["seed"].dtype),
        "index": np.arange(BATCH, dtype=sample.inputs["index"].dtype),
        "truncation": np.full(BATCH, np.inf, sample.inputs["truncation"].dtype),
    }
    return Call(sample, inputs, f"samples 0 to {BATCH - 1} of a seed")


def _references(saved: Saved) -> tuple[list[tuple[Call, dict[str, np.ndarray]]], str | None]:
    """Returns the calls that Keras answered with its answers, and what is wrong with the file, if anything."""
    path = saved.folder / REFERENCE_FILE
    if not path.exists():
        return [], None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            given = dict(arrays)
    except (OSError, ValueError, EOFError) as error:
        return [], f"cannot be read ({error})"
    except Exception as error:  # a broken zip file has errors of many kinds
        return [], f"is no .npz file ({error})"
    found = []
    for name in sorted({key.partition(".")[0] for key in given}):
        values = {key.partition(".")[2]: array for key, array in given.items() if key.partition(".")[0] == name}
        signature = saved.signatures.get(name)
        if signature is None:
            return [], f"has values of {name!r}, which is no signature"
        inputs = {key: values.get(key) for key in signature.inputs}
        answers = {key: values[key] for key in signature.outputs if key in values}
        for key, place in signature.inputs.items():
            array = inputs[key]
            if array is None or array.dtype.name != place.dtype or not place.shape.is_compatible_with(array.shape):
                return [], f"has no {name}.{key} that is {place}"
        if not answers or set(values) - set(inputs) - set(answers):
            return [], f"has the keys {sorted(values)} of {name!r}, of which not all are inputs and outputs"
        found.append((Call(signature, inputs, "rows that Keras was given"), answers))
    return found, None if found else "holds nothing"


def _warmups(saved: Saved) -> list[Call]:
    """Returns the warm-up requests as calls, none if there is something wrong with them."""
    if any(warmup_flaws(saved)):
        return []
    calls = []
    for number, request in enumerate(itertools.islice(warmup_requests(saved), MOST_RECORDS)):
        signature = saved.signatures[request.model_spec.signature_name or DEFAULT]
        if signature.name not in {name for name, each in saved.signatures.items() if _obstacle(each)}:
            inputs = {name: array_of(request.inputs[name], MOST_WARMUP_BYTES) for name in signature.inputs}
            calls.append(Call(signature, inputs, f"warm-up record {number}"))
    return calls


def _run(trial: Trial, path: Path, folder: Path, timeout: float) -> None:
    """Makes the calls of a trial; what was not reached has no answer."""
    calls = trial.calls()
    for number, call in enumerate(calls):
        np.savez(folder / f"{number}.in.npz", *call.inputs.values())
    task = {
        "library": str(path),
        "model": str(trial.saved.folder),
        "calls": [
            {
                "feeds": [call.signature.inputs[name].tensor for name in call.inputs],
                "fetches": [place.tensor for place in call.signature.outputs.values()],
            }
            for call in calls
        ],
        "guarded_from": len(calls) - len(trial.limits) - bool(trial.after),
        "seconds": CALL_SECONDS,
    }
    (folder / "task.json").write_text(json.dumps(task), encoding="utf-8")
    trial.ended = _child(folder, timeout)
    if (folder / "ops.pb").exists():
        trial.ops = frozenset(op.name for op in OpList.FromString((folder / "ops.pb").read_bytes()).op)
    trial.loaded = _load_failure(folder)
    for number, call in enumerate(calls):
        _read_answer(call, folder, number)
        if call.values is None and call.code is None and trial.last is None:
            trial.last = call


def _child(folder: Path, timeout: float) -> str | None:
    """Runs native.py; returns how it ended, None if well. What it writes to standard error stays here."""
    environment = {name: value for name, value in os.environ.items() if name != "TF_XLA_FLAGS"}
    environment |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    command = [sys.executable, "-P", native.__file__, str(folder)]
    try:
        done = subprocess.run(command, capture_output=True, timeout=timeout, check=False, env=environment)
    except subprocess.TimeoutExpired:
        return f"was not done after {timeout:g} s"
    if not done.returncode:
        return None
    if done.returncode == -signal.SIGALRM:
        return f"had no answer after {CALL_SECONDS:g} s"
    how = f"exit status {done.returncode}" if done.returncode > 0 else signal.Signals(-done.returncode).name
    said = done.stderr.decode(errors="replace").strip().splitlines() or [""]
    return f"ended by {how}" + (f" ({said[-1].strip()[:200]})" if said[-1] else "")


def _load_failure(folder: Path) -> str | None:
    path = folder / "load.json"
    if not path.exists():
        return "the process did not get so far"
    said = json.loads(path.read_text(encoding="utf-8"))
    return _short(said["message"]) if said["code"] else None


def _read_answer(call: Call, folder: Path, number: int) -> None:
    failure, answer = folder / f"{number}.json", folder / f"{number}.out.npz"
    if failure.exists():
        said = json.loads(failure.read_text(encoding="utf-8"))
        call.code, call.message = said["code"], _short(said["message"])
    elif answer.exists():
        with np.load(answer, allow_pickle=False) as arrays:
            call.values = {name: _value(arrays, position) for position, name in enumerate(call.signature.outputs)}


def _value(arrays: np.lib.npyio.NpzFile, position: int) -> np.ndarray:
    if f"{position}.values" in arrays:
        return arrays[f"{position}.values"]
    lengths, data = arrays[f"{position}.lengths"], arrays[f"{position}.bytes"].tobytes()
    ends = np.cumsum(lengths)
    strings = np.empty(lengths.size, object)
    strings[:] = [data[end - length : end] for end, length in zip(ends.flat, lengths.flat, strict=True)]
    return strings.reshape(lengths.shape)


def _short(message: str) -> str:
    return " ".join(message.split())[:200]
