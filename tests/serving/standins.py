"""What the tests of the development server share: small models, and ways to ask."""

import atexit
import functools
import shutil
import tempfile
import threading
from pathlib import Path

import grpc
import numpy as np
import requests
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis import model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc

from ganzoo.files import written_folder
from ganzoo.serving.standin import Server

QUICK = {"file_system_poll_wait_seconds": 0.05, "max_num_load_retries": 0}


class Halves(tf.Module):
    """y = x / 2 + 2 v in version v, and signatures that are hard on a server."""

    def __init__(self, version):
        super().__init__()
        self.half, self.two = tf.Variable(0.5), tf.Variable(2.0 * version)

        def signature(**inputs):
            return lambda function: tf.function(
                function,
                input_signature=[tf.TensorSpec(shape, dtype, name) for name, (shape, dtype) in inputs.items()],
                autograph=False,
            )

        @signature(x=([None], tf.float32))
        def serving_default(x):
            return {"y": self.half * x + self.two}

        @signature(a=([None], tf.int64), b=([None, 2], tf.float32))
        def two(a, b):
            total = tf.cast(a, tf.float32) + tf.reduce_sum(b, axis=1)
            return {"total": total, "text_bytes": tf.strings.as_string(a), "text": tf.strings.as_string(a)}

        @signature(x=([], tf.float32))
        def scalar(x):
            return {"y": self.half * x + self.two}

        @signature(x=([None], tf.float32))
        def longer(x):
            return {"y": tf.concat([x, x], 0)}

        @signature(x=([None], tf.float32))
        def positive(x):
            with tf.control_dependencies([tf.debugging.Assert(tf.reduce_all(x > 0), ["x must be above 0"])]):
                return {"y": tf.identity(x), "rows": tf.fill(tf.shape(x), tf.shape(x)[0])}

        @signature(n=([None], tf.int32))
        def slow(n):
            (count,) = tf.while_loop(lambda i: i < tf.reduce_max(n), lambda i: (i + 1,), (tf.constant(0),))
            return {"n": n * 0 + count}

        @signature(path_bytes=([None], tf.string))
        def until(path_bytes):
            """Answers when there is a file of that name."""
            missing = lambda i: tf.size(tf.io.matching_files(path_bytes)) == 0  # noqa: E731
            (count,) = tf.while_loop(missing, lambda i: (i + 1,), (tf.constant(0),))
            return {"count": tf.fill(tf.shape(path_bytes), count)}

        @signature(text_bytes=([None], tf.string))
        def echo(text_bytes):
            return {"text_bytes": tf.identity(text_bytes)}

        @signature(x=([None], tf.float32))
        def narrow(x):
            return {"y": tf.cast(x, tf.float16)}

        self.functions = {
            "serving_default": serving_default, "two": two, "scalar": scalar, "longer": longer, "positive": positive,
            "slow": slow, "until": until, "echo": echo, "narrow": narrow,
        }  # fmt: skip


@functools.cache
def _saved(version):
    """Returns a folder with the model, saved once a process."""
    folder = Path(tempfile.mkdtemp(prefix="halves")) / str(version)
    atexit.register(shutil.rmtree, folder.parent)
    module = Halves(version)
    tf.saved_model.save(module, str(folder), signatures=module.functions)
    return folder


def write_halves(base, version):
    """Writes a version of the model, as an export does: under another name, then renamed; returns its folder."""
    with written_folder(base / str(version)) as folder:
        shutil.copytree(_saved(version), folder)
    return base / str(version)


class Asking:
    """A server that runs for a test, and how to ask it."""

    def __init__(self, *arguments, **settings):
        self.server = Server(*arguments, **{"model_name": "half", **QUICK, **settings})

    def __enter__(self):
        self.server.start()
        self.channel = grpc.insecure_channel(f"127.0.0.1:{self.server.grpc_port}")
        self.stub = prediction_service_pb2_grpc.PredictionServiceStub(self.channel)
        self.models = model_service_pb2_grpc.ModelServiceStub(self.channel)
        return self

    def __exit__(self, *_):
        self.channel.close()
        self.server.stop(5)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server.rest_port}"

    def predict(self, signature="", name="half", version=None, label=None, timeout=30, outputs=(), **inputs):
        """Returns outputs by name, or (code, text)."""
        request = predict_pb2.PredictRequest(output_filter=outputs)
        request.model_spec.name, request.model_spec.signature_name = name, signature
        if version is not None:
            request.model_spec.version.value = version
        if label is not None:
            request.model_spec.version_label = label
        for key, value in inputs.items():
            request.inputs[key].CopyFrom(value if isinstance(value, TensorProto) else tf.make_tensor_proto(value))
        try:
            response = self.stub.Predict(request, timeout=timeout)
        except grpc.RpcError as error:
            return error.code().name, error.details()
        return {key: tf.make_ndarray(value) for key, value in response.outputs.items()}

    def y(self, x=0.0, **how):
        """Returns y of x, which tells the version: half of x and twice the version."""
        answer = self.predict(x=np.array([x], np.float32), **how)
        return float(answer["y"][0]) if isinstance(answer, dict) else answer

    def post(self, document, path="half:predict", **how):
        """Returns (HTTP status, document)."""
        key = "data" if isinstance(document, bytes | str) else "json"
        answer = requests.post(f"{self.url}/v1/models/{path}", **{key: document}, timeout=30, **how)
        assert answer.headers["content-type"] == "application/json"
        return answer.status_code, answer.json()

    def get(self, path):
        """Returns (HTTP status, document)."""
        answer = requests.get(f"{self.url}{path}", timeout=30)
        return answer.status_code, answer.json()

    def states(self, name="half"):
        """Returns version -> state, as REST says."""
        status, document = self.get(f"/v1/models/{name}")
        if status != 200:
            return document["error"]
        return {int(each["version"]): each["state"] for each in document["model_version_status"]}


def eventually(condition, seconds=20):
    """Waits until a condition holds; fails if it never does."""
    for _ in range(int(seconds / 0.02)):
        if condition():
            return
        threading.Event().wait(0.02)
    raise AssertionError("did not come true")


def together(*calls):
    """Returns what calls return that run in threads at the same time."""
    results = [None] * len(calls)
    ready = threading.Barrier(len(calls))

    def run(number):
        ready.wait()
        results[number] = calls[number]()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return results
