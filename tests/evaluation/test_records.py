import dataclasses
import json
import os

import pydantic
import pytest

from ganzoo.errors import InputError
from ganzoo.evaluation import Score, load_record, save_record


def test_round_trip(record, tmp_path):
    path = save_record(record, tmp_path / "new folder" / "record.json")
    assert load_record(path) == record
    assert json.loads(path.read_text())["created"] == "2025-01-02T03:04:05Z"


def test_a_record_is_frozen(record):
    with pytest.raises(dataclasses.FrozenInstanceError):
        record.step = 1


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_is_finite(value):
    with pytest.raises(pydantic.ValidationError, match="finite"):
        Score("m", value, generated=1, real=1)


def test_unknown_fields_are_refused():
    with pytest.raises(pydantic.ValidationError, match="sed"):
        Score("m", 1.0, generated=1, real=1, sed=0)


def test_a_failed_write_leaves_the_old_record(record, tmp_path, monkeypatch):
    path = save_record(record, tmp_path / "record.json")

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(InputError, match="cannot be written: disk full"):
        save_record(dataclasses.replace(record, step=301), path)
    assert load_record(path) == record
    assert list(tmp_path.iterdir()) == [path]


def test_a_reader_never_sees_half_a_record(record, tmp_path, monkeypatch):
    path, seen = tmp_path / "record.json", []
    replace = os.replace

    def observe(source, target):
        seen.append((path.exists(), load_record(source)))
        replace(source, target)

    monkeypatch.setattr(os, "replace", observe)
    save_record(record, path)
    assert seen == [(False, record)]


def test_no_such_record(tmp_path):
    with pytest.raises(InputError, match=r"absent.json.*No such file.*give the path"):
        load_record(tmp_path / "absent.json")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda text: text[:40], "not JSON"),
        (lambda text: text.replace('"split"', '"splitt"'), "splitt: unknown.*did you mean 'split'"),
        (lambda text: text.replace('"step": 300,', ""), "step: missing"),
    ],
)
def test_a_file_that_is_no_record(record, tmp_path, change, message):
    path = save_record(record, tmp_path / "record.json")
    path.write_text(change(path.read_text()))
    with pytest.raises(InputError, match=message):
        load_record(path)


def test_score_by_name(record):
    assert record.score("fid/digits_16x16x1").value == 3.5
    with pytest.raises(InputError, match="did you mean 'fid/digits_16x16x1'"):
        record.score("fid/digits_16x16")
