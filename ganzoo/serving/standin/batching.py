"""Request batching: requests for one signature run as one, as far as their rows go together.

As in TensorFlow Serving with `--enable_batching`, but for two things that spare a client its neighbours' mistakes:
requests whose rows have other shapes or types do not share a batch, and a batch that fails is run again request by
request.
"""

import itertools
import os
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path

import grpc
import numpy as np
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format, wrappers_pb2

from ganzoo.errors import InputError
from ganzoo.serving.standin.statuses import Refusal, as_refusal, failed_precondition, invalid, unavailable

Run = Callable[[list[np.ndarray]], list[np.ndarray]]


@dataclass(frozen=True)
class Parameters:
    """What a batching parameters file says; the defaults are TensorFlow Serving's.

    Args:
        max_batch_size: rows of a batch, and of a request unless large ones are split.
        batch_timeout_micros: a request waits that long for others, in microseconds.
        num_batch_threads: batches that run at once.
        max_enqueued_batches: of one signature; requests beyond them are refused.
        allowed_batch_sizes: a batch is padded to the next of these by repeating a row; increasing, the last one the
            largest batch; none: as it comes.
        enable_large_batch_splitting: split larger requests.
        max_execution_batch_size: rows of a batch where requests are split; `max_batch_size` if 0.
    """

    max_batch_size: int = 1000
    batch_timeout_micros: int = 0
    num_batch_threads: int = os.cpu_count() or 1
    max_enqueued_batches: int = 10
    allowed_batch_sizes: tuple[int, ...] = ()
    enable_large_batch_splitting: bool = False
    max_execution_batch_size: int = 0

    @property
    def largest(self) -> int:
        """Rows of the largest batch that runs."""
        return (self.enable_large_batch_splitting and self.max_execution_batch_size) or self.max_batch_size

    def padded(self, rows: int) -> int:
        """Returns the size a batch of so many rows runs at."""
        return next((size for size in self.allowed_batch_sizes if size >= rows), rows)


def read_parameters(path: str | os.PathLike) -> Parameters:
    """Returns what a batching parameters file (text format) says.

    Raises:
        InputError: If it is no such file, or its values are impossible.
    """
    message = _message_class()()
    try:
        text_format.Parse(Path(path).read_text(encoding="utf-8"), message)
    except OSError as error:
        raise InputError(f"{str(path)!r} cannot be read ({error.strerror}); give a batching parameters file") from None
    except (text_format.ParseError, UnicodeDecodeError) as error:
        raise InputError(
            f"{str(path)!r} is no batching parameters file ({error}); write e.g. max_batch_size {{ value: 64 }}"
        ) from None
    given = {name.name: getattr(message, name.name) for name, _ in message.ListFields()}
    sizes = tuple(given.pop("allowed_batch_sizes", ()))
    values = {name: wrapped.value for name, wrapped in given.items() if hasattr(wrapped, "value")}
    values.pop("thread_pool_name", None)
    parameters = Parameters(**values, allowed_batch_sizes=sizes)
    reason = _impossible(parameters, message.pad_variable_length_inputs)
    if reason:
        raise InputError(f"{str(path)!r}: {reason}")
    return parameters


def _impossible(parameters: Parameters, pad: bool) -> str | None:
    """Returns what is wrong with parameters, and the cure."""
    if pad:
        return "pad_variable_length_inputs is not offered by this development server; send rows of equal shapes"
    for name in ("max_batch_size", "num_batch_threads", "max_enqueued_batches"):
        if getattr(parameters, name) < 1:
            return f"{name} is {getattr(parameters, name)}; it must be at least 1"
    if parameters.batch_timeout_micros < 0:
        return f"batch_timeout_micros is {parameters.batch_timeout_micros}; it must be at least 0"
    if parameters.largest > parameters.max_batch_size or parameters.max_execution_batch_size < 0:
        return (
            f"max_execution_batch_size is {parameters.max_execution_batch_size}; it must be 1 to max_batch_size "
            f"({parameters.max_batch_size})"
        )
    sizes = parameters.allowed_batch_sizes
    if sizes and (sizes[0] < 1 or any(a >= b for a, b in itertools.pairwise(sizes))):
        return f"allowed_batch_sizes are {list(sizes)}; they must increase, from 1 on"
    if sizes and sizes[-1] != parameters.largest:
        return f"the last of allowed_batch_sizes is {sizes[-1]}; it must be the largest batch, {parameters.largest}"
    return None


def _message_class() -> type:
    """Returns the message of a batching parameters file, of which the installed stubs lack the description."""
    file = descriptor_pb2.FileDescriptorProto(
        name="ganzoo/batching_parameters.proto",
        package="ganzoo.serving",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    message = file.message_type.add(name="BatchingParameters")
    kinds = {
        "max_batch_size": "Int64Value",
        "batch_timeout_micros": "Int64Value",
        "max_enqueued_batches": "Int64Value",
        "num_batch_threads": "Int64Value",
        "thread_pool_name": "StringValue",
        "max_execution_batch_size": "Int64Value",
        "enable_large_batch_splitting": "BoolValue",
    }
    for number, (name, kind) in enumerate(kinds.items(), 1):
        message.field.add(name=name, number=number, type=11, label=1, type_name=f".google.protobuf.{kind}")
    message.field.add(name="allowed_batch_sizes", number=20, type=3, label=3)
    message.field.add(name="pad_variable_length_inputs", number=21, type=8, label=1)
    pool = descriptor_pool.DescriptorPool()
    pool.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("ganzoo.serving.BatchingParameters"))


@dataclass
class _Task:
    """Rows of one request that wait to run."""

    feeds: list[np.ndarray]
    rows: int
    deadline: float | None
    answer: Future = field(default_factory=Future)

    @property
    def kind(self) -> list[tuple]:
        """What must be equal among the tasks of a batch."""
        return [(feed.dtype, feed.shape[1:]) for feed in self.feeds]


@dataclass
class _Batch:
    tasks: list[_Task] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)

    @property
    def rows(self) -> int:
        return sum(task.rows for task in self.tasks)


class Batching:
    """Threads that run the batches of all queues, turn by turn.

    Args:
        parameters: of the threads and, where a queue has no own ones, of the queues.
    """

    def __init__(self, parameters: Parameters):
        self.parameters = parameters
        self.changed = threading.Condition()
        self.queues: deque[Batches] = deque()
        self._stopped = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batches {number}", daemon=True)
            for number in range(parameters.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def queue(self, run: Run, parameters: Parameters | None = None) -> "Batches":
        """Returns a new queue whose batches `run` answers."""
        queue = Batches(self, run, parameters or self.parameters)
        with self.changed:
            self.queues.append(queue)
        return queue

    def stop(self, seconds: float) -> None:
        """Ends the threads, which may take `seconds`; nothing may wait any more."""
        end = time.monotonic() + seconds
        with self.changed:
            self._stopped = True
            self.changed.notify_all()
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))

    def _work(self) -> None:
        while True:
            with self.changed:
                ready = self._next()
                while ready is None and not self._stopped:
                    self.changed.wait(self._until_next())
                    ready = self._next()
                if ready is None:
                    return
            queue, batch = ready
            queue.process(batch.tasks)
            del ready, queue, batch  # or the thread keeps the requests as long as it waits

    def _next(self) -> "tuple[Batches, _Batch] | None":
        """Returns a batch that shall run now and its queue, which goes to the end of the line."""
        for queue in list(self.queues):
            batch = queue.pop()
            if batch:
                self.queues.remove(queue)
                self.queues.append(queue)
                return queue, batch
        return None

    def _until_next(self) -> float | None:
        """Returns the seconds until the next open batch has waited long enough; None if there is none."""
        times = [queue.due for queue in self.queues if queue.batches]
        return max(0.0, min(times) - time.monotonic()) if times else None


class Batches:
    """The batches of one signature that wait; call it with a request's inputs to get its outputs."""

    def __init__(self, batching: Batching, run: Run, parameters: Parameters):
        self._batching, self._run, self._parameters = batching, run, parameters
        self.batches: deque[_Batch] = deque()  # the last one is open

    def __call__(self, feeds: list[np.ndarray], deadline: float | None) -> list[np.ndarray]:
        """Returns what the graph makes of one request's inputs [B, ...]: outputs [B, ...].

        Raises:
            Refusal: If the inputs have no common batch dimension, the queue is full, or the graph says no.
        """
        rows = _batch_rows(feeds)
        if rows == 0:
            return self._run(feeds)
        parameters = self._parameters
        if rows > parameters.max_batch_size:
            raise invalid(f"Task size {rows} is larger than maximum input batch size {parameters.max_batch_size}")
        starts = range(0, rows, parameters.largest)
        parts = [[feed[start : start + parameters.largest] for feed in feeds] for start in starts]
        tasks = [_Task(part, len(part[0]), deadline) for part in parts]
        with self._batching.changed:
            self._enqueue(tasks)
            self._batching.changed.notify_all()
        for task in tasks:
            if failure := task.answer.exception():
                raise failure.bare  # `failure`, raised here, would be in a circle with its task
        answers = [task.answer.result() for task in tasks]
        return answers[0] if len(answers) == 1 else [np.concatenate(values) for values in zip(*answers, strict=True)]

    def _enqueue(self, tasks: list[_Task]) -> None:
        """Puts all tasks of a request into batches, or none."""
        joins = bool(self.batches) and self._fits(self.batches[-1], tasks[0])
        if len(self.batches) + len(tasks) - joins > self._parameters.max_enqueued_batches:
            raise unavailable("The batch scheduling queue to which this task was submitted is full")
        for task in tasks:
            if not self.batches or not self._fits(self.batches[-1], task):
                self.batches.append(_Batch())
            self.batches[-1].tasks.append(task)

    def _fits(self, batch: _Batch, task: _Task) -> bool:
        return batch.rows + task.rows <= self._parameters.largest and batch.tasks[0].kind == task.kind

    @property
    def due(self) -> float:
        """When the first batch shall run at the latest."""
        return self.batches[0].since + self._parameters.batch_timeout_micros / 1e6

    def pop(self) -> _Batch | None:
        """Takes out the first batch if it is full, or no longer open, or has waited long enough."""
        if not self.batches:
            return None
        closed = len(self.batches) > 1 or self.batches[0].rows >= self._parameters.largest
        return self.batches.popleft() if closed or time.monotonic() >= self.due else None

    def process(self, tasks: list[_Task]) -> None:
        """Runs tasks as one batch and gives each its rows, or its error."""
        try:
            now = time.monotonic()
            if all(task.deadline is not None and task.deadline <= now for task in tasks):
                text = "Run() timeout exceeded while waiting in batching queue"
                raise Refusal(grpc.StatusCode.RESOURCE_EXHAUSTED, text)
            answers = self._answers(tasks)
        except Exception as error:
            if len(tasks) > 1:
                for task in tasks:
                    self.process([task])
            else:
                tasks[0].answer.set_exception(as_refusal(error).bare)
            return
        for task, answer in zip(tasks, answers, strict=True):
            task.answer.set_result(answer)

    def _answers(self, tasks: list[_Task]) -> list[list[np.ndarray]]:
        """Returns each task's outputs."""
        rows = sum(task.rows for task in tasks)
        padding = self._parameters.padded(rows) - rows
        merged = []
        for feeds in zip(*(task.feeds for task in tasks), strict=True):
            parts = [*feeds, np.repeat(feeds[-1][:1], padding, axis=0)] if padding else list(feeds)
            merged.append(np.concatenate(parts) if len(parts) > 1 else parts[0])
        outputs = self._run(merged)
        for output in outputs:
            if output.ndim == 0:
                raise failed_precondition("Batched output tensor has 0 dimensions")
            if len(output) != rows + padding:
                raise failed_precondition(
                    "Batched output tensor's 0th dimension does not equal the sum of the 0th dimension sizes of the "
                    "input tensors"
                )
        ends = np.cumsum([task.rows for task in tasks])
        return [[output[end - task.rows : end] for output in outputs] for task, end in zip(tasks, ends, strict=True)]

    def close(self) -> None:
        """Leaves the line; nothing may wait in the queue any more."""
        with self._batching.changed:
            if self in self._batching.queues:
                self._batching.queues.remove(self)


def _batch_rows(feeds: list[np.ndarray]) -> int:
    """Returns the common batch dimension."""
    if not feeds:
        raise invalid("Batching Run() must have at least one input tensor")
    if any(feed.ndim == 0 for feed in feeds):
        raise invalid("Batching Run() input tensors must have at least one dimension")
    if len({len(feed) for feed in feeds}) > 1:
        raise invalid("Batching Run() input tensors must have equal 0th-dimension size")
    return len(feeds[0])
