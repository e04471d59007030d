"""Versions of a model while a server runs: policies, hot reload, labels, loads that fail, configurations."""

import grpc
import numpy as np
import pytest
import tensorflow as tf
from google.protobuf import text_format
from standins import Asking, eventually, together, write_halves
from tensorflow_serving.apis import get_model_status_pb2, model_management_pb2, predict_pb2, prediction_log_pb2

from ganzoo.errors import InputError
from ganzoo.serving.warm_up import WARM_UP_FILE


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """Returns a base path with versions 1, 2, 3, which tests do not change."""
    base = tmp_path_factory.mktemp("three")
    for version in (1, 2, 3):
        write_halves(base, version)
    return base


def config(folder, text, name="models.config"):
    """Writes a models.config; returns its path."""
    path = folder / name
    path.write_text(f"model_config_list {{ {text} }}")
    return path


def entry(base, more="", name="half"):
    return f'config {{ name: "{name}" base_path: "{base}" model_platform: "tensorflow" {more} }}'


def reload(server, *entries):
    """Asks for a new configuration; returns None, or (code, text)."""
    request = model_management_pb2.ReloadConfigRequest()
    text_format.Parse(f"model_config_list {{ {' '.join(entries)} }}", request.config)
    try:
        response = server.models.HandleReloadConfigRequest(request, timeout=30)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    assert response.status.error_code == 0
    return None


# -- policies


def test_the_newest_version_by_default(three):
    with Asking(three) as server:
        assert server.states() == {3: "AVAILABLE"}
        assert server.y() == 6
        assert server.y(version=3) == 6
        assert server.y(version=1) == ("NOT_FOUND", "Servable not found for request: Specific(half, 1)")
        assert server.y(name="other") == ("NOT_FOUND", "Servable not found for request: Latest(other)")
        assert server.y(name="") == ("INVALID_ARGUMENT", "ModelSpec has no name specified.")
        assert server.get("/v1/models/half/versions/7") == (404, {"error": "Could not find version 7 of model half"})
        assert server.states("other") == "Could not find any versions of model other"


@pytest.mark.parametrize(
    ("policy", "versions"),
    [("latest { num_versions: 2 }", [2, 3]), ("specific { versions: 1 versions: 3 }", [1, 3]), ("all {}", [1, 2, 3])],
)
def test_policies(three, tmp_path, policy, versions):
    file = config(tmp_path, entry(three, f"model_version_policy {{ {policy} }}"))
    with Asking(model_config_file=file) as server:
        eventually(lambda: server.states() == dict.fromkeys(versions, "AVAILABLE"))
        assert [server.y(version=version) for version in versions] == [2 * version for version in versions]
        assert server.y() == 2 * max(versions)
        status, answer = server.post({"instances": [4.0]}, f"half/versions/{versions[0]}:predict")
        assert (status, answer) == (200, {"predictions": [2 + 2 * versions[0]]})
        missing = {1, 2, 3} - set(versions)
        assert all(server.y(version=version)[0] == "NOT_FOUND" for version in missing)


def test_other_names_are_no_versions(three, tmp_path):
    (tmp_path / "007").symlink_to(three / "2")
    for name in ("9x", ".partial.9", "9.fid.json", "¹²"):
        (tmp_path / name).mkdir()
    with Asking(tmp_path) as server:
        assert server.states() == {7: "AVAILABLE"}
        assert server.y() == 4


# -- hot reload


def test_a_version_that_appears_is_served_without_a_gap(tmp_path):
    write_halves(tmp_path, 1)
    with Asking(tmp_path) as server:
        answers = []

        def ask():
            while not answers or answers[-1] == 2:
                answers.append(server.y())
            return answers

        together(ask, lambda: write_halves(tmp_path, 2))
        assert set(answers) == {2, 4}  # never an error
        eventually(lambda: server.states() == {1: "END", 2: "AVAILABLE"})
        assert server.y(version=1)[0] == "NOT_FOUND"


def test_a_request_in_work_is_answered_by_its_version(tmp_path):
    write_halves(tmp_path, 1)
    path = tmp_path / "end"
    with Asking(tmp_path) as server:

        def swapped():
            eventually(lambda: server.server._models._models["half"].versions[1].requests == 1)
            write_halves(tmp_path, 2)
            eventually(lambda: server.y() == 4)
            states = server.states()
            path.touch()
            return states

        answer, states = together(lambda: server.predict("until", path_bytes=np.array([str(path)], object)), swapped)
        assert answer["count"] > 0
        assert states == {1: "UNLOADING", 2: "AVAILABLE"}
        eventually(lambda: server.states() == {1: "END", 2: "AVAILABLE"})


def test_versions_that_go(tmp_path):
    for version in (1, 2):
        write_halves(tmp_path, version)
    with Asking(tmp_path) as server:
        assert server.y() == 4
        (tmp_path / "2").rename(tmp_path / "away")
        eventually(lambda: server.y() == 2)
        (tmp_path / "1").rename(tmp_path / "away too")
        eventually(lambda: server.states() == {1: "END", 2: "END"})
        assert server.y() == ("NOT_FOUND", "Servable not found for request: Latest(half)")
        (tmp_path / "away").rename(tmp_path / "2")
        eventually(lambda: server.y() == 4)


def test_looks_once_if_told(tmp_path):
    write_halves(tmp_path, 1)
    with Asking(tmp_path, file_system_poll_wait_seconds=0) as server:
        write_halves(tmp_path, 2)
        with pytest.raises(AssertionError):
            eventually(lambda: server.y() == 4, seconds=0.5)


# -- loads that fail


def truncate(folder):
    (folder / "variables/variables.data-00000-of-00001").write_bytes(b"short")


def no_graph(folder):
    (folder / "saved_model.pb").write_bytes(b"\xff" * 50)


def bad_warm_up(folder):
    write_records(folder, warm_up("positive", np.float32([-1])))


def warm_up(signature, x):
    """Returns a warm-up record."""
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    request.inputs["x"].CopyFrom(tf.make_tensor_proto(x))
    log = prediction_log_pb2.PredictionLog(predict_log=prediction_log_pb2.PredictLog(request=request))
    return log.SerializeToString()


def write_records(folder, *records):
    path = folder / WARM_UP_FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for record in records:
            writer.write(record)


def no_records(folder):
    (folder / "assets.extra").mkdir()
    (folder / WARM_UP_FILE).write_bytes(b"this is no file of records, but it is long enough to be one")


def no_log(folder):
    write_records(folder, b"\xff\xff\xff")


FAILURES = {
    truncate: "",
    no_graph: "",
    bad_warm_up: "x must be above 0",
    no_records: "Please verify your warmup data is in TFRecord format.",
    no_log: "Failed to parse warmup record",
}


@pytest.mark.parametrize("damage", FAILURES, ids=lambda damage: damage.__name__)
def test_a_version_that_does_not_load_leaves_the_old_one(tmp_path, damage):
    write_halves(tmp_path / "models", 1)
    damaged = write_halves(tmp_path, 2)
    damage(damaged)
    with Asking(tmp_path / "models") as server:
        damaged.rename(tmp_path / "models/2")
        eventually(lambda: server.states().get(2) == "END")
        assert server.states() == {1: "AVAILABLE", 2: "END"}
        _, document = server.get("/v1/models/half/versions/2")
        (status,) = document["model_version_status"]
        assert status["status"]["error_code"] != "OK"
        assert FAILURES[damage] in status["status"]["error_message"]
        assert status["status"]["error_message"]
        assert server.y() == 2
        write_halves(tmp_path / "models", 3)  # and a better one follows
        eventually(lambda: server.y() == 6)
        assert server.states() == {1: "END", 2: "END", 3: "AVAILABLE"} or server.states()[1] == "UNLOADING"


def test_a_bad_warm_up_is_let_be_if_told(tmp_path):
    bad_warm_up(write_halves(tmp_path, 1))
    with Asking(tmp_path, enable_model_warmup=False) as server:
        assert server.y() == 2


def test_warm_up_is_played(tmp_path):
    folder = write_halves(tmp_path, 1)
    log = prediction_log_pb2.PredictionLog(session_run_log=prediction_log_pb2.SessionRunLog())
    write_records(folder, log.SerializeToString())
    with pytest.raises(InputError, match="Unsupported log_type for warmup"), Asking(tmp_path):
        pass


def test_warm_up_goes_the_way_of_requests(tmp_path):
    """So with batching a record of scalars stops the load, as it does in TensorFlow Serving."""
    folder = write_halves(tmp_path, 1)
    write_records(folder, b"", warm_up("scalar", np.float32(1)), warm_up("positive", np.float32([1, 2])))
    with Asking(tmp_path) as server:
        assert server.y() == 2
    with pytest.raises(InputError, match="input tensors must have at least one dimension"):
        Asking(tmp_path, enable_batching=True).__enter__()


def test_loads_are_tried_again(tmp_path):
    write_halves(tmp_path / "models", 1)
    damaged = write_halves(tmp_path, 2)
    whole = (damaged / "saved_model.pb").read_bytes()
    no_graph(damaged)
    settings = {"max_num_load_retries": 1000, "load_retry_interval_micros": 20_000}
    with Asking(tmp_path / "models", **settings) as server:
        damaged.rename(tmp_path / "models/2")
        eventually(lambda: "error_message" in str(server.get("/v1/models/half/versions/2")))
        assert server.y() == 2
        (tmp_path / "models/2/saved_model.pb").write_bytes(whole)
        eventually(lambda: server.y() == 4)
        _, document = server.get("/v1/models/half/versions/2")
        assert document["model_version_status"][0]["status"] == {"error_code": "OK", "error_message": ""}


def test_a_server_without_a_version_that_loads_does_not_start(tmp_path):
    no_graph(write_halves(tmp_path, 1))
    with pytest.raises(InputError, match=r"1 model\(s\) did not become available: .*name: half version: 1.*export"):
        Asking(tmp_path).__enter__()
    with pytest.raises(InputError, match=r"Could not find a version of servable half: base path .* No such file"):
        Asking(tmp_path / "none").__enter__()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no version in it"):
        Asking(tmp_path / "empty").__enter__()


# -- labels and configurations


def labels(**versions):
    said = " ".join(f'version_labels {{ key: "{label}" value: {number} }}' for label, number in versions.items())
    return f"model_version_policy {{ all {{}} }} {said}"


def test_labels(three, tmp_path):
    with Asking(model_config_file=config(tmp_path, entry(three, "model_version_policy { all {} }"))) as server:
        eventually(lambda: len(server.states()) == 3)
        eventually(lambda: set(server.states().values()) == {"AVAILABLE"})
        assert server.y(label="stable") == ("INVALID_ARGUMENT", "Unrecognized servable version label: stable")
        assert reload(server, entry(three, labels(stable=1, canary=3))) is None
        assert (server.y(label="stable"), server.y(label="canary")) == (2, 6)
        assert server.post({"instances": [0.0]}, "half/labels/stable:predict") == (200, {"predictions": [2.0]})
        assert server.get("/v1/models/half/labels/canary/metadata")[1]["model_spec"]["version"] == "3"
        assert reload(server, entry(three, labels(stable=2))) is None
        assert server.y(label="stable") == 4
        assert server.y(label="canary")[0] == "INVALID_ARGUMENT"
        assert reload(server, entry(three, labels(stable=9))) == (
            "FAILED_PRECONDITION",
            "Request to assign label to version 9 of model half, which is not currently available for inference",
        )
        assert server.y(label="stable") == 4


def test_labels_at_the_start_need_a_flag(three, tmp_path):
    file = config(tmp_path, entry(three, labels(stable=1)))
    with pytest.raises(InputError, match=r"Request to assign label .* allow_version_labels_for_unavailable_models"):
        Asking(model_config_file=file).__enter__()
    with Asking(model_config_file=file, allow_version_labels_for_unavailable_models=True) as server:
        eventually(lambda: server.y(label="stable") == 2)
        assert reload(server, entry(three, labels(stable=9)))[0] == "FAILED_PRECONDITION"  # it would move
        assert reload(server, entry(three, labels(stable=1, next=9))) is None
        assert server.y(label="next") == ("NOT_FOUND", "Servable not found for request: Specific(half, 9)")


def test_reload_adds_changes_and_removes_models(three, tmp_path):
    with Asking(three) as server:
        specific = "model_version_policy { specific { versions: 1 } }"
        assert reload(server, entry(three), entry(three, specific, "other")) is None
        assert (server.y(), server.y(name="other")) == (6, 2)
        assert reload(server, entry(three, specific, "other")) is None
        eventually(lambda: server.states() == {3: "END"})
        assert server.y() == ("NOT_FOUND", "Servable not found for request: Latest(half)")
        assert reload(server, entry(three), entry(three, specific, "other")) is None
        assert server.y() == 6
        assert reload(server, entry(three, specific), entry(three, specific, "other")) is None
        eventually(lambda: server.y() == 2)


@pytest.mark.parametrize(
    ("entries", "code", "said"),
    [
        (['config { name: "a" base_path: "a" model_platform: "tensorflow" }'], "INVALID_ARGUMENT", "absolute path"),
        (['config { name: "a" base_path: "/a" }'], "INVALID_ARGUMENT", "Illegal setting neither"),
        (['config { name: "a" base_path: "/a" model_platform: "x" }'], "INVALID_ARGUMENT", "unsupported platform x"),
        (['config { name: "a" base_path: "/a" model_platform: "tensorflow" }'] * 2, "INVALID_ARGUMENT", "multiple"),
        (['config { name: "a" base_path: "/a" model_platform: "tensorflow" }'], "NOT_FOUND", "base path /a"),
    ],
)
def test_configurations_that_are_refused_change_nothing(three, entries, code, said):
    with Asking(three) as server:
        found = reload(server, *entries)
        assert found[0] == code
        assert said in found[1]
        assert server.y() == 6
        with pytest.raises(grpc.RpcError, match="Only ModelConfigList is currently supported"):
            server.models.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest())


def test_the_configuration_file_is_read_again(three, tmp_path):
    file = config(tmp_path, entry(three))
    with Asking(model_config_file=file, model_config_file_poll_wait_seconds=0.05) as server:
        assert server.y() == 6
        file.write_text("model_config_list { nonsense")
        config(tmp_path, entry(three, "model_version_policy { specific { versions: 2 } }"), "next")
        (tmp_path / "next").rename(file)
        eventually(lambda: server.y() == 4)


@pytest.mark.parametrize("text", ["model_config_list { nonsense }", "", "custom_model_config {}", b"\xff"])
def test_files_that_are_no_configuration(tmp_path, text):
    file = tmp_path / "models.config"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError, match=r"models\.config"):
        Asking(model_config_file=file)
    with pytest.raises(InputError, match="cannot be read"):
        Asking(model_config_file=tmp_path / "none")


def test_status_over_grpc(three, tmp_path):
    with Asking(three) as server:
        request = get_model_status_pb2.GetModelStatusRequest()
        with pytest.raises(grpc.RpcError, match="Missing ModelSpec"):
            server.models.GetModelStatus(request)
        request.model_spec.name = "half"
        (status,) = server.models.GetModelStatus(request).model_version_status
        assert (status.version, status.state, status.status.error_code) == (3, 30, 0)
