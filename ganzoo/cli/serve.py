"""Serves SavedModels on this machine with the gRPC and REST of TensorFlow Serving: a development server, no more.

ganzoo serve --model_name=digits --model_base_path=saved_models/digits
"""

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable

import tensorflow as tf
from absl import flags

from ganzoo.serving.standin import Server

PORT = flags.DEFINE_integer("port", 8500, "Of gRPC, on 127.0.0.1; 0 for any that is free.")
REST_API_PORT = flags.DEFINE_integer(
    "rest_api_port", 8501, "Of HTTP, on 127.0.0.1; 0 for no HTTP, as in TensorFlow Serving; -1 for any that is free."
)
MODEL_NAME = flags.DEFINE_string("model_name", "default", "Under which the model is served.")
MODEL_BASE_PATH = flags.DEFINE_string("model_base_path", None, "Folder of the model's versions.")
MODEL_CONFIG_FILE = flags.DEFINE_string(
    "model_config_file", None, "Several models, as text of a ModelServerConfig; instead of --model_base_path."
)
MODEL_CONFIG_FILE_POLL = flags.DEFINE_float(
    "model_config_file_poll_wait_seconds", 0, "Between looks at --model_config_file; 0: look once."
)
FILE_SYSTEM_POLL = flags.DEFINE_float(
    "file_system_poll_wait_seconds", 1, "Between looks for new versions; 0: look once."
)
ENABLE_MODEL_WARMUP = flags.DEFINE_bool("enable_model_warmup", True, "Replay a version's warm-up requests first.")
ENABLE_BATCHING = flags.DEFINE_bool("enable_batching", False, "Merge requests.")
BATCHING_PARAMETERS_FILE = flags.DEFINE_string(
    "batching_parameters_file", None, "How to merge them, as text of BatchingParameters; with --enable_batching."
)
ENABLE_PER_MODEL_BATCHING_PARAMETERS = flags.DEFINE_bool(
    "enable_per_model_batching_parameters",
    False,
    "A version's batching_params.pbtxt says how; versions without are not batched.",
)
ALLOW_LABELS = flags.DEFINE_bool(
    "allow_version_labels_for_unavailable_models", False, "A new label may name a version that is not loaded."
)
REST_API_TIMEOUT = flags.DEFINE_integer("rest_api_timeout_in_ms", 30_000, "Of an HTTP request, in milliseconds.")
REST_API_NUM_THREADS = flags.DEFINE_integer("rest_api_num_threads", None, "For HTTP; four a CPU if not given.")
MAX_NUM_LOAD_RETRIES = flags.DEFINE_integer("max_num_load_retries", 5, "After a failed load.")
LOAD_RETRY_INTERVAL = flags.DEFINE_integer(
    "load_retry_interval_micros", 60_000_000, "Before the next try to load, in microseconds; negative: none."
)
ENABLE_TENSOR_CONTENT = flags.DEFINE_bool(
    "enable_serialization_as_tensor_content", False, "Answer gRPC with raw bytes, not with typed fields."
)


def main() -> None:
    """Serves until SIGTERM or SIGINT, then answers what is in work and ends."""
    _print_log()
    server = Server(
        MODEL_BASE_PATH.value,
        model_name=MODEL_NAME.value,
        model_config_file=MODEL_CONFIG_FILE.value,
        model_config_file_poll_wait_seconds=MODEL_CONFIG_FILE_POLL.value,
        port=PORT.value,
        rest_api_port=REST_API_PORT.value,
        rest_api_timeout_in_ms=REST_API_TIMEOUT.value,
        rest_api_num_threads=REST_API_NUM_THREADS.value,
        file_system_poll_wait_seconds=FILE_SYSTEM_POLL.value,
        enable_model_warmup=ENABLE_MODEL_WARMUP.value,
        enable_batching=ENABLE_BATCHING.value,
        batching_parameters_file=BATCHING_PARAMETERS_FILE.value,
        enable_per_model_batching_parameters=ENABLE_PER_MODEL_BATCHING_PARAMETERS.value,
        allow_version_labels_for_unavailable_models=ALLOW_LABELS.value,
        max_num_load_retries=MAX_NUM_LOAD_RETRIES.value,
        load_retry_interval_micros=LOAD_RETRY_INTERVAL.value,
        enable_serialization_as_tensor_content=ENABLE_TENSOR_CONTENT.value,
    )
    ended = threading.Event()
    _on_signals(lambda: sys.exit(0))  # nothing is in work before the models are loaded
    server.start()
    _on_signals(ended.set)
    while not ended.wait(1):  # a signal that comes just before a wait without end would not be heard
        pass
    _on_signals(lambda: os._exit(1))  # twice means at once
    print("ends: answers what is in work", flush=True)
    server.stop()
    os._exit(0)  # Python itself would wait for threads, and one in a graph without end does not end


def _on_signals(act: Callable[[], None]) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: act())


def _print_log() -> None:
    """Prints what the server has to say, line by line."""
    tf.get_logger().setLevel(logging.ERROR)
    log = logging.getLogger("ganzoo.serving")
    log.setLevel(logging.INFO)
    log.propagate = False
    log.handlers = [logging.StreamHandler(sys.stdout)]
