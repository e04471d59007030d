"""What is shipped: the wheel, the README, the trained generator."""

import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

import ganzoo
from ganzoo import cards, config
from ganzoo.exported import open_generator

ROOT = Path(__file__).parent.parent


def test_the_readme_shows_the_registry():
    text = (ROOT / "README.md").read_text()
    assert f"-->\n{cards.table()}\n<!-- end -->" in text, "run `make readme`"


def test_the_readme_names_only_what_there_is():
    text = (ROOT / "README.md").read_text()
    for tool in re.findall(r"^ganzoo (\w+)", text, re.MULTILINE):
        assert (ROOT / "tools" / f"{tool}.py").exists(), tool
    for link in re.findall(r"\]\(((?!http)[^)]+)\)", text):
        assert (ROOT / link).exists(), link


def test_the_version_is_that_of_the_changelog_and_the_package():
    assert f'version = "{ganzoo.__version__}"' in (ROOT / "pyproject.toml").read_text()


@pytest.mark.long
def test_a_wheel_brings_the_recipes(tmp_path):
    subprocess.run([sys.executable, "-m", "build", "-w", "-o", tmp_path, ROOT], check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    done = subprocess.run(
        [sys.executable, "-c", "import ganzoo; print(ganzoo.__file__); ganzoo.build('dual_d_selu')"],
        env={**os.environ, "PYTHONPATH": str(tmp_path / "site")}, cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout
    shipped = {path.stem for path in (tmp_path / "site" / "ganzoo" / "zoo_configs").glob("*.toml")}
    assert shipped == set(config.list_recipes())
    for folder, one in (
        ("evaluation/weights", "digits_16x16x1.weights.h5"),
        ("serving/deployment", "kubernetes.yaml"),
        ("serving/standin/page", "index.html"),
    ):
        names = {path.name for path in (tmp_path / "site" / "ganzoo" / folder).iterdir()}
        assert names == {path.name for path in (ROOT / "ganzoo" / folder).iterdir()}
        assert one in names


def test_the_shipped_generator_draws():
    generator = open_generator(ROOT / "saved_models" / "dual_d_selu_digits")
    images = generator.sample(64)
    assert images.dtype == np.uint8
    assert images.std(axis=0).mean() > 20  # they are not all alike
