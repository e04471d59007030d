"""What both ports answer: predictions, metadata, statuses, a new configuration."""

from collections.abc import Sequence

from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_management_pb2,
    model_pb2,
    predict_pb2,
)

from ganzoo.serving.standin.models import Models
from ganzoo.serving.standin.servable import DEFAULT_SIGNATURE
from ganzoo.serving.standin.statuses import invalid
from ganzoo.serving.tensors import proto_of

_SIGNATURES = "signature_def"


def predict(
    models: Models, request: predict_pb2.PredictRequest, content: bool, seconds: float | None
) -> predict_pb2.PredictResponse:
    """Returns a model's answer.

    Args:
        models: that are served.
        request: of a client.
        content: write tensors as raw bytes.
        seconds: after which the answer is of no use.

    Raises:
        Refusal: As TensorFlow Serving would answer.
    """
    _require_spec(request)
    with models.serving(request.model_spec) as version:
        signature = version.servable.signature(request.model_spec.signature_name)
        outputs = version.servable.predict(
            request.model_spec.signature_name, request.inputs, request.output_filter, seconds
        )
    response = predict_pb2.PredictResponse()
    response.model_spec.name = request.model_spec.name
    response.model_spec.signature_name = request.model_spec.signature_name or DEFAULT_SIGNATURE
    response.model_spec.version.value = version.number
    for name, array in outputs.items():
        response.outputs[name].CopyFrom(proto_of(array, signature.outputs[name].dtype, content))
    return response


def metadata(
    models: Models, spec: model_pb2.ModelSpec, fields: Sequence[str] = (_SIGNATURES,)
) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Returns the signatures of a model's version.

    Raises:
        Refusal: If `fields` has others than `signature_def`, or there is no such version.
    """
    if not fields:
        raise invalid("GetModelMetadataRequest must specify at least one metadata_field")
    for name in fields:
        if name != _SIGNATURES:
            raise invalid(f"Metadata field {name} is not supported")
    response = get_model_metadata_pb2.GetModelMetadataResponse()
    with models.serving(spec) as version:
        signatures = get_model_metadata_pb2.SignatureDefMap(signature_def=version.servable.signatures)
    response.model_spec.name = spec.name
    response.model_spec.version.value = version.number
    response.metadata[_SIGNATURES].Pack(signatures)
    return response


def metadata_of(
    models: Models, request: get_model_metadata_pb2.GetModelMetadataRequest
) -> get_model_metadata_pb2.GetModelMetadataResponse:
    """Returns what a request for metadata asks for."""
    _require_spec(request)
    return metadata(models, request.model_spec, request.metadata_field)


def status_of(
    models: Models, request: get_model_status_pb2.GetModelStatusRequest
) -> get_model_status_pb2.GetModelStatusResponse:
    """Returns the states of the versions that a request asks for."""
    _require_spec(request)
    return models.status(request.model_spec)


def reload(
    models: Models, request: model_management_pb2.ReloadConfigRequest
) -> model_management_pb2.ReloadConfigResponse:
    """Serves the models of a new configuration and no others."""
    models.configure(request.config)
    response = model_management_pb2.ReloadConfigResponse()
    response.status.SetInParent()
    return response


def _require_spec(request) -> None:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")
