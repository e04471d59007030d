"""The files that TensorFlow Serving is started with."""

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from ganzoo.errors import InputError
from ganzoo.serving import write_configurations

NAMES = ["batching.config", "docker-compose.yaml", "kubernetes.yaml", "models.config", "monitoring.config"]


def models(directory):
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((directory / "models.config").read_text(), config)
    return [(model.name, model.base_path, model.model_platform) for model in config.model_config_list.config]


def test_a_model_is_served_by_its_name_from_the_mount(tmp_path):
    written = write_configurations(tmp_path / "deploy", tmp_path / "models" / "digits")
    assert sorted(path.name for path in written) == NAMES
    assert sorted(path.name for path in (tmp_path / "deploy").iterdir()) == NAMES
    assert models(tmp_path / "deploy") == [("digits", "/models/digits", "tensorflow")]


def test_the_container_has_the_models_and_the_files(tmp_path):
    write_configurations(tmp_path / "deploy", tmp_path / "models" / "digits")
    (service,) = yaml.safe_load((tmp_path / "deploy" / "docker-compose.yaml").read_text())["services"].values()
    assert f"{tmp_path / 'models'}:/models:ro" in service["volumes"]
    assert service["image"].startswith("tensorflow/serving:${TENSORFLOW_SERVING:-2.")
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    files = [flag.partition("=/config/")[2] for flag in service["command"] if "=/config/" in flag]
    assert sorted(files) == ["batching.config", "models.config", "monitoring.config"]


def test_the_cluster_has_the_same_server(tmp_path):
    write_configurations(tmp_path / "deploy", tmp_path / "models" / "digits")
    (service,) = yaml.safe_load((tmp_path / "deploy" / "docker-compose.yaml").read_text())["services"].values()
    kinds = {each["kind"]: each for each in yaml.safe_load_all((tmp_path / "deploy" / "kubernetes.yaml").read_text())}
    assert set(kinds) == {"PersistentVolumeClaim", "Deployment", "Service"}
    (container,) = kinds["Deployment"]["spec"]["template"]["spec"]["containers"]
    assert container["args"] == service["command"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/v1/models/digits"


def test_further_models_join_and_what_was_edited_stays(tmp_path):
    write_configurations(tmp_path / "deploy", tmp_path / "models" / "digits")
    text = (tmp_path / "deploy" / "models.config").read_text()
    (tmp_path / "deploy" / "models.config").write_text(text.replace("/models/digits", "/elsewhere"))
    (tmp_path / "deploy" / "batching.config").write_text("# mine")
    for name in ("digits", "ring"):
        write_configurations(tmp_path / "deploy", tmp_path / "models" / name)
    names = [("digits", "/elsewhere", "tensorflow"), ("ring", "/models/ring", "tensorflow")]
    assert models(tmp_path / "deploy") == names
    assert (tmp_path / "deploy" / "batching.config").read_text() == "# mine"


def test_another_file_of_that_name_is_left_alone(tmp_path):
    (tmp_path / "models.config").write_text("model: digits")
    with pytest.raises(InputError, match=r"models\.config' is no models\.config .* move it away"):
        write_configurations(tmp_path, tmp_path / "models" / "digits")
    assert [path.name for path in tmp_path.iterdir()] == ["models.config"]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_configurations(tmp_path / "file" / "deploy", tmp_path / "models" / "digits")
