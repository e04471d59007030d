"""Request batching: whose rows are whose, padding, waiting, limits, and the parameters file."""

import threading

import grpc
import numpy as np
import pytest
from standins import Asking, together, write_halves

from ganzoo.errors import InputError
from ganzoo.serving.standin.batching import Batching, Parameters, read_parameters
from ganzoo.serving.standin.statuses import Refusal, invalid


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    base = tmp_path_factory.mktemp("batched")
    write_halves(base, 1)
    return base


class Recorder:
    """Runs batches: doubles x, and remembers what it was given. `gate` holds it up."""

    def __init__(self, open_=True):
        self.batches, self.gate, self.entered = [], threading.Event(), threading.Semaphore(0)
        if open_:
            self.gate.set()

    def __call__(self, feeds):
        self.entered.release()
        assert self.gate.wait(20)
        self.batches.append(feeds[0].ravel().tolist())
        if (feeds[0] < 0).any():
            raise invalid("negative")
        return [feeds[0] * 2]


@pytest.fixture
def batching():
    """Returns a maker of (queue, recorder) of one set of parameters; all threads end with the test."""
    made = []

    def make(open_=True, **parameters):
        batching, recorder = Batching(Parameters(**parameters)), Recorder(open_)
        made.append((batching, recorder))
        return batching.queue(recorder), recorder

    yield make
    for batching, recorder in made:
        recorder.gate.set()
        batching.stop(5)


def rows(*values):
    return [np.array(values, np.float32)]


def ask(queue, *values):
    try:
        (answer,) = queue(rows(*values), None)
    except Refusal as error:
        return error.code, error.text
    return answer.tolist()


def in_background(queue, *values):
    """Returns a list that gets the answer, and the thread that asks."""
    answer = []
    thread = threading.Thread(target=lambda: answer.append(ask(queue, *values)))
    thread.start()
    return answer, thread


def waiting(queue, count):
    """Waits until so many tasks wait in a queue."""
    for _ in range(1000):
        if sum(len(batch.tasks) for batch in queue.batches) == count:
            return
        threading.Event().wait(0.01)
    raise AssertionError(f"{queue.batches} never had {count} tasks")


def test_waits_for_others_until_full(batching):
    queue, recorder = batching(max_batch_size=4, batch_timeout_micros=10_000_000)
    answers = together(*(lambda i=i: ask(queue, i, i + 0.5) for i in range(6)))
    assert answers == [[2 * i, 2 * i + 1] for i in range(6)]  # each its own
    assert sorted(map(len, recorder.batches)) == [4, 4, 4]


def test_does_not_wait_longer_than_told(batching):
    queue, recorder = batching(max_batch_size=100, batch_timeout_micros=1000)
    assert ask(queue, 1, 2) == [2, 4]
    assert recorder.batches == [[1, 2]]


def test_many_clients_get_their_own_rows(batching):
    queue, recorder = batching(max_batch_size=8, batch_timeout_micros=500, num_batch_threads=3, max_enqueued_batches=99)

    def client(number):
        random = np.random.default_rng(number)
        for _ in range(60):
            values = random.integers(0, 1 << 20, random.integers(1, 9)).tolist()
            assert ask(queue, *values) == [2 * value for value in values]
        return True

    assert all(together(*(lambda n=n: client(n) for n in range(8))))
    assert max(map(len, recorder.batches)) <= 8
    assert len(recorder.batches) < 8 * 60  # some were merged


def test_pads_with_a_row_and_gives_it_to_nobody(batching):
    queue, recorder = batching(max_batch_size=8, allowed_batch_sizes=(1, 4, 8))
    assert ask(queue, 5, 6) == [10, 12]
    assert recorder.batches == [[5, 6, 5, 5]]
    assert ask(queue, 1, 2, 3, 4, 5) == [2, 4, 6, 8, 10]
    assert len(recorder.batches[-1]) == 8
    assert ask(queue, 7) == [14]
    assert recorder.batches[-1] == [7]


def test_splits_large_requests_only_if_told(batching):
    queue, recorder = batching(max_batch_size=3)
    assert ask(queue, 1, 2, 3, 4) == (
        grpc.StatusCode.INVALID_ARGUMENT, "Task size 4 is larger than maximum input batch size 3"
    )  # fmt: skip
    queue, recorder = batching(max_batch_size=10, enable_large_batch_splitting=True, max_execution_batch_size=3)
    assert ask(queue, *range(10)) == [2 * i for i in range(10)]
    assert sorted(map(len, recorder.batches)) == [1, 3, 3, 3]
    assert ask(queue, *range(11))[0] is grpc.StatusCode.INVALID_ARGUMENT


def test_a_full_queue_refuses(batching):
    queue, recorder = batching(open_=False, max_batch_size=1, num_batch_threads=1, max_enqueued_batches=2)
    running = in_background(queue, 1)
    assert recorder.entered.acquire(timeout=20)
    queued = [in_background(queue, value) for value in (2, 3)]
    waiting(queue, 2)
    code, text = ask(queue, 4)
    assert code is grpc.StatusCode.UNAVAILABLE
    assert text == "The batch scheduling queue to which this task was submitted is full"
    recorder.gate.set()
    for (answer, thread), value in zip([running, *queued], (1, 2, 3), strict=True):
        thread.join(20)
        assert answer == [[2 * value]]


def test_a_mistake_is_its_own(batching):
    queue, recorder = batching(max_batch_size=3, batch_timeout_micros=10_000_000)
    answers = together(*(lambda v=v: ask(queue, v) for v in (1, -1, 2)))
    assert answers == [[2], (grpc.StatusCode.INVALID_ARGUMENT, "negative"), [4]]
    assert len(recorder.batches[0]) == 3  # it was one batch


def test_other_shapes_and_types_are_other_batches(batching):
    queue, recorder = batching(open_=False, max_batch_size=8, num_batch_threads=1, max_enqueued_batches=9)
    first = in_background(queue, 0)
    assert recorder.entered.acquire(timeout=20)
    calls = [np.zeros(1, np.float32), np.zeros((1, 2), np.float32), np.zeros(1, np.int32), np.zeros(1, np.float32)]
    threads = []
    for number, feed in enumerate(calls):
        threads.append(threading.Thread(target=queue, args=([feed], None)))
        threads[-1].start()
        waiting(queue, number + 1)
    assert [len(batch.tasks) for batch in queue.batches] == [1, 1, 1, 1]
    recorder.gate.set()
    for thread in (*threads, first[1]):
        thread.join(20)


def test_waits_no_longer_than_the_client(batching):
    queue, recorder = batching(open_=False, max_batch_size=1, num_batch_threads=1)
    first = in_background(queue, 1)
    assert recorder.entered.acquire(timeout=20)
    failures = []

    def late():
        with pytest.raises(Refusal, match=r"Run\(\) timeout exceeded while waiting in batching queue") as caught:
            queue(rows(2), 0.0)
        failures.append(caught.value.code)

    thread = threading.Thread(target=late)
    thread.start()
    waiting(queue, 1)
    recorder.gate.set()
    thread.join(20)
    first[1].join(20)
    assert failures == [grpc.StatusCode.RESOURCE_EXHAUSTED]
    assert recorder.batches == [[1]]


def test_what_has_no_rows(batching):
    queue, _ = batching()
    with pytest.raises(Refusal, match="input tensors must have at least one dimension"):
        queue([np.float32(1)], None)
    with pytest.raises(Refusal, match="must have at least one input tensor"):
        queue([], None)
    with pytest.raises(Refusal, match="must have equal 0th-dimension size"):
        queue([np.zeros(2), np.zeros(3)], None)
    assert queue([np.zeros((0, 3), np.float32)], None)[0].shape == (0, 3)


# -- by a server


def test_a_server_that_batches(base, tmp_path):
    parameters = tmp_path / "batching.txt"
    parameters.write_text("max_batch_size { value: 4 } batch_timeout_micros { value: 5000000 }")
    with Asking(base, enable_batching=True, batching_parameters_file=parameters) as server:
        answers = together(*(lambda v=v: server.predict("positive", x=np.float32([v])) for v in (1, 2, 3, 4)))
        assert [answer["y"].tolist() for answer in answers] == [[1], [2], [3], [4]]
        assert [answer["rows"].tolist() for answer in answers] == [[4]] * 4  # one run of four rows
        answers = together(
            lambda: server.post({"signature_name": "positive", "instances": [5.0, 6.0]})[1]["predictions"],
            lambda: server.predict("positive", x=np.float32([7, 8]))["rows"].tolist(),
        )
        assert answers == [[{"rows": 4, "y": 5.0}, {"rows": 4, "y": 6.0}], [4, 4]]
        assert server.predict("scalar", x=np.float32(1)) == (
            "INVALID_ARGUMENT", "Batching Run() input tensors must have at least one dimension"
        )  # fmt: skip
        code, text = server.predict("longer", x=np.float32([1, 2, 3, 4]))
        assert code == "FAILED_PRECONDITION"
        assert text.startswith("Batched output tensor's 0th dimension does not equal the sum")
        code, text = server.predict("positive", x=np.float32([1] * 5))
        assert (code, text) == ("INVALID_ARGUMENT", "Task size 5 is larger than maximum input batch size 4")


def test_batching_by_the_versions_own_file(base, tmp_path):
    own = write_halves(tmp_path, 1)
    (own / "batching_params.pbtxt").write_text("max_batch_size { value: 2 }")
    settings = {"enable_batching": True, "enable_per_model_batching_parameters": True}
    with Asking(tmp_path, **settings) as server:
        assert server.predict(x=np.float32([1, 2, 3]))[0] == "INVALID_ARGUMENT"
        assert server.predict(x=np.float32([1, 2]))["y"].tolist() == [2.5, 3]
    with Asking(base, **settings) as server:  # the one way to keep scalars on a server that batches
        assert server.predict("scalar", x=np.float32(1))["y"] == 2.5


# -- the parameters file


def test_the_parameters_file(tmp_path):
    file = tmp_path / "batching.txt"
    file.write_text(
        "max_batch_size { value: 64 }\nbatch_timeout_micros { value: 2000 }\nnum_batch_threads { value: 2 }\n"
        "max_enqueued_batches { value: 7 }\nthread_pool_name { value: 'x' }\n"
        "allowed_batch_sizes: 1\nallowed_batch_sizes: 8\nallowed_batch_sizes: 64\n"
    )
    assert read_parameters(file) == Parameters(64, 2000, 2, 7, (1, 8, 64))
    file.write_text("")
    assert read_parameters(file) == Parameters()
    assert (Parameters().max_batch_size, Parameters().batch_timeout_micros) == (1000, 0)
    assert Parameters().max_enqueued_batches == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("max_batch_size: 64", "no batching parameters file"),
        ("max_batch { value: 1 }", "no batching parameters file"),
        ("max_batch_size { value: 0 }", "max_batch_size is 0; it must be at least 1"),
        ("batch_timeout_micros { value: -1 }", "batch_timeout_micros is -1"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: 4", "the last of allowed_batch_sizes is 4; it must be"),
        ("max_batch_size { value: 8 } allowed_batch_sizes: [8, 8]", "they must increase"),
        ("pad_variable_length_inputs: true", "not offered by this development server"),
        ("enable_large_batch_splitting { value: true } max_execution_batch_size { value: 2000 }", "must be 1 to"),
    ],
)
def test_impossible_parameters(tmp_path, text, said):
    file = tmp_path / "batching.txt"
    file.write_text(text)
    with pytest.raises(InputError, match=said):
        read_parameters(file)


def test_parameters_need_batching(base, tmp_path):
    with pytest.raises(InputError, match="cannot be read"):
        read_parameters(tmp_path / "none.txt")
    with pytest.raises(InputError, match="without enable_batching"):
        Asking(base, batching_parameters_file=tmp_path / "none.txt")
