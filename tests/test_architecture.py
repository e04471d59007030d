"""Imports point one way, and the package costs no more to import than it must."""

import ast
import importlib
import inspect
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "ganzoo"

# A module, or package, of one line imports from the lines above it alone.
LAYERS = (
    {"distribution", "errors", "progress"},
    {"files", "strategies"},
    {"data", "layers", "noise", "objectives", "optimizers", "precision", "sampling", "settings"},
    {"augment", "exported", "faults", "networks", "penalties", "pictures", "signatures"},
    {"serving"},
    {"composition", "evaluation"},
    {"callbacks"},
    {"players"},
    {"gan"},
    {"checkpoints", "registry"},
    {"variants"},
    {"config"},
    {"folders"},
    {"benchmark", "cards", "training"},
    {"exporting", "sweeps"},
    {"experiments"},
    {"cli"},
    {"__main__"},
)
RANK = {name: rank for rank, names in enumerate(LAYERS) for name in names}


def imports(path, nested=True):
    """Returns the modules that a file imports, as dotted names; `nested`: inside of functions, too."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = set()
    for node in ast.walk(tree) if nested else ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: import by the full name"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def own(names):
    """Returns the parts of this package, `gan` say, among dotted names."""
    return {name.split(".")[1] for name in names if name.startswith("ganzoo.")}


def part(path):
    """Returns the part of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    here = part(path)
    assert here in RANK, f"give {here} its place in LAYERS"
    for other in own(imports(path)) - {here}:
        assert RANK[other] < RANK[here], f"{here} imports {other}"


def test_variants_do_not_know_each_other():
    for path in (PACKAGE / "variants").glob("[!_]*.py"):
        assert "variants" not in own(imports(path)), path.name


@pytest.mark.parametrize("module", ["evaluation", "exported", "exporting", "callbacks", "pictures"])
def test_knows_no_variant(module):
    """Not by way of others either: what evaluates and exports does not depend on what is trained."""
    known, new = set(), {module}
    while new:
        known |= new
        files = [path for path in FILES if part(path) in new]
        new = set().union(*(own(imports(path, nested=False)) for path in files)) - known
    assert not known & {"variants", "config", "training"}


def packages_imported():
    """Returns the packages that TensorFlow and Keras import, and those that come with ganzoo in addition."""
    import keras  # noqa: F401
    import tensorflow  # noqa: F401

    before = {name.split(".")[0] for name in sys.modules}
    importlib.import_module("ganzoo")
    return sorted(before), sorted({name.split(".")[0] for name in sys.modules} - before)


def test_import_brings_only_what_it_needs(in_process):
    _, ours = in_process("test_architecture", "packages_imported")
    assert {"ganzoo", "pydantic", "tqdm"} <= set(ours)
    assert not set(ours) & {"sklearn", "scipy", "matplotlib", "PIL", "tensorflow_datasets", "tensorboard", "absl"}
    assert not set(ours) & {"tensorflow_gan", "tensorflow_hub", "tensorflow_probability", "tf_keras"}


@pytest.mark.parametrize("module", ["ganzoo", "ganzoo.data", "ganzoo.evaluation", "ganzoo.variants"])
def test_public_names_are_there_and_documented(module):
    module = importlib.import_module(module)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        thing = getattr(module, name)
        assert inspect.getdoc(thing), f"{name} has no docstring"
        if not inspect.ismodule(thing):
            assert thing.__module__.startswith("ganzoo"), name
        if inspect.isfunction(thing):
            assert thing.__doc__.lstrip()[0].isupper(), name


def test_every_module_says_what_it_is_for():
    for path in FILES:
        text = path.read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), path.name
