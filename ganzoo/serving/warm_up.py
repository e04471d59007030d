"""Warm-up requests: what a server plays when it loads a model, so that its first client does not wait for it."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf

from ganzoo.errors import InputError

WARM_UP_FILE = "assets.extra/tf_serving_warmup_requests"
MOST_RECORDS = 1000  # more stop the load


def write_warm_up(folder: Path, requests: Iterable[tuple[str, Mapping[str, np.ndarray]]], model: str) -> None:
    """Writes the warm-up file of a SavedModel.

    Args:
        folder: of the SavedModel.
        requests: signature, and its inputs by name; at most `MOST_RECORDS`.
        model: the name that it is served by.

    Raises:
        InputError: if there are too many requests.
    """
    from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

    requests = list(requests)
    if len(requests) > MOST_RECORDS:
        raise InputError(f"{len(requests)} warm-up requests: a server takes {MOST_RECORDS} at most; give fewer")
    path = folder / WARM_UP_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for signature, inputs in requests:
            request = predict_pb2.PredictRequest()
            request.model_spec.name, request.model_spec.signature_name = model, signature
            for name, value in inputs.items():
                request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
            log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
            writer.write(log.SerializeToString())
