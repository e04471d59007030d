"""The files that TensorFlow Serving is started with."""

import re

import pytest
import yaml
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

from ganzoo.errors import InputError
from ganzoo.serving import write_configurations
from ganzoo.serving.standin.batching import read_parameters

NAMES = ["batching.config", "docker-compose.yaml", "kubernetes.yaml", "models.config", "monitoring.config"]
# Of those that tensorflow_model_server has (main.cc).
FLAGS = {
    "port", "rest_api_port", "model_name", "model_base_path", "model_config_file",
    "model_config_file_poll_wait_seconds", "enable_batching", "batching_parameters_file", "monitoring_config_file",
}  # fmt: skip


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
    volumes = {each["target"]: (each["type"], each["source"], each["read_only"]) for each in service["volumes"]}
    assert volumes == {"/models": ("bind", str(tmp_path / "models"), True), "/config": ("bind", ".", True)}
    assert {flag.removeprefix("--").partition("=")[0] for flag in service["command"]} <= FLAGS
    assert service["image"].startswith("tensorflow/serving:${TENSORFLOW_SERVING:-2.")
    assert all(port.startswith("127.0.0.1:") for port in service["ports"])
    files = [flag.partition("=/config/")[2] for flag in service["command"] if "=/config/" in flag]
    assert sorted(files) == ["batching.config", "models.config", "monitoring.config"]


# Of those that tensorflow_model_server has (main.cc).
FLAGS = {
    "port", "rest_api_port", "model_name", "model_base_path", "model_config_file",
    "model_config_file_poll_wait_seconds", "enable_batching", "batching_parameters_file", "monitoring_config_file",
}  # fmt: skip


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
    assert sorted(models(tmp_path / "deploy")) == names
    assert (tmp_path / "deploy" / "batching.config").read_text() == "# mine"


def test_a_list_that_was_edited_stays_as_it_is(tmp_path):
    """A second `model_config_list` would be refused: by the server's parser as by Python's."""
    mine = (
        '# model_config_list { not this\nmodel_config_list: {  # mine\n  config { name: "a" base_path: "/a" }  # 1\n}\n'
    )
    (tmp_path / "models.config").write_text(mine)
    write_configurations(tmp_path, tmp_path / "models" / "digits")
    text = (tmp_path / "models.config").read_text()
    assert [line for line in text.splitlines() if line in mine.splitlines()] == mine.splitlines()
    assert sorted(models(tmp_path)) == [("a", "/a", ""), ("digits", "/models/digits", "tensorflow")]
    write_configurations(tmp_path, tmp_path / "models" / "digits")
    assert (tmp_path / "models.config").read_text() == text


def test_a_custom_configuration_is_not_replaced(tmp_path):
    (tmp_path / "models.config").write_text("custom_model_config {}")
    with pytest.raises(InputError, match="custom_model_config"):
        write_configurations(tmp_path, tmp_path / "models" / "digits")


@pytest.mark.parametrize(
    "mount",
    [
        None,
        "      - {models}:/models:ro",
        '      - "{models}:/models"',
        "      - type: bind\n        source: {models}\n        target: /models",
    ],
)
@pytest.mark.parametrize("name", ["ring", "digits"])
def test_all_models_are_in_the_folder_that_is_mounted(tmp_path, name, mount):
    write_configurations(tmp_path / "deploy", tmp_path / "models" / "digits")
    compose = tmp_path / "deploy" / "docker-compose.yaml"
    if mount:
        text = re.sub(
            r"^.*target: /models,.*$", mount.format(models=tmp_path / "models"), compose.read_text(), flags=re.M
        )
        yaml.safe_load(text)
        compose.write_text(text)
    before = {path.name: path.read_bytes() for path in (tmp_path / "deploy").iterdir()}
    with pytest.raises(InputError) as error:
        write_configurations(tmp_path / "deploy", tmp_path / "elsewhere" / name)
    assert str(tmp_path / "models") in str(error.value)
    assert str(tmp_path / "elsewhere") in str(error.value)
    assert {path.name: path.read_bytes() for path in (tmp_path / "deploy").iterdir()} == before
    write_configurations(tmp_path / "deploy", tmp_path / "models" / name)


def test_a_path_of_any_letters_is_mounted(tmp_path):
    folder = tmp_path / 'a: $HOME "b" # é'
    for _ in range(2):
        write_configurations(tmp_path / "deploy", folder / "digits")
    (service,) = yaml.safe_load((tmp_path / "deploy" / "docker-compose.yaml").read_text())["services"].values()
    assert service["volumes"][0]["source"] == str(folder).replace("$", "$$")  # Compose makes $ of $$


@pytest.mark.parametrize("name", ["my digits", 'a"b', "a:b", "é"])
def test_a_name_is_plain(tmp_path, name):
    with pytest.raises(InputError, match="A to Z, digits"):
        write_configurations(tmp_path / "deploy", tmp_path / "models" / name)
    assert not (tmp_path / "deploy").exists()


def test_what_the_files_say_is_understood(tmp_path):
    write_configurations(tmp_path, tmp_path / "models" / "digits")
    parameters = read_parameters(tmp_path / "batching.config")
    assert (parameters.max_batch_size, parameters.batch_timeout_micros) == (64, 2000)
    assert parameters.allowed_batch_sizes[-1] == parameters.max_batch_size  # or the server does not start
    text = re.sub("#.*", "", (tmp_path / "monitoring.config").read_text())
    assert text.split() == [
        "prometheus_config",
        "{",
        "enable:",
        "true",
        "path:",
        '"/monitoring/prometheus/metrics"',
        "}",
    ]


def test_another_file_of_that_name_is_left_alone(tmp_path):
    (tmp_path / "models.config").write_text("model: digits")
    with pytest.raises(InputError, match=r"models\.config' is no models\.config .* move it away"):
        write_configurations(tmp_path, tmp_path / "models" / "digits")
    assert [path.name for path in tmp_path.iterdir()] == ["models.config"]


def test_a_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        write_configurations(tmp_path / "file" / "deploy", tmp_path / "models" / "digits")
