import socket
from pathlib import Path

import pytest

import ganzoo.data
from ganzoo.data import load
from ganzoo.errors import InputError


@pytest.mark.parametrize(
    ("word", "near"), [("digit", "digits"), ("rings8", "ring8"), ("mnits", "mnist"), ("stackd_mnist", "stacked_mnist")]
)
def test_unknown_names_get_the_nearest(word, near):
    with pytest.raises(InputError, match=f"no data set '{word}': did you mean '{near}'"):
        load(word)


def test_unknown_names_far_from_all():
    with pytest.raises(InputError) as refused:
        load("qqqqqqqqzzz")
    assert "known: digits, stacked_mnist, ring8, grid25, swiss_roll, gaussians1d" in str(refused.value)
    assert "folder:PATH" in str(refused.value)
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("dataset", [None, 3, "", ["mnist"]])
def test_what_is_no_name(dataset):
    with pytest.raises(InputError, match="give its name or folder:PATH"):
        load(dataset)


def test_other_arguments_out_of_range():
    with pytest.raises(InputError, match=r"channels=2: give 1 \(grey\) or 3"):
        load("digits", channels=2)
    with pytest.raises(InputError, match="split 5: give a string"):
        load("digits", 5)


def test_digits_and_densities_use_no_network(monkeypatch):
    def refuse(*_, **__):
        raise AssertionError("the network was used")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(load("digits", "train[:10%]")) == 144
    assert load("ring8").sample(2, seed=0).shape == (2, 2)


def test_importing_the_package_imports_nothing_heavy_but_tensorflow():
    allowed = ("numpy", "tensorflow as tf", "ganzoo")
    standard = ("collections", "dataclasses", "hashlib", "itertools", "math", "operator", "os", "pathlib")
    standard += ("re", "socket", "typing", "urllib")
    for file in Path(ganzoo.data.__file__).parent.glob("*.py"):
        for line in file.read_text().splitlines():
            if line.startswith(("import ", "from ")):
                assert line.split(maxsplit=1)[1].startswith(allowed + standard), f"{file.name}: {line}"
