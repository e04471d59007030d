"""The command line as a user meets it: processes, exit statuses, one line for a mistake."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from ganzoo import cli, errors, sweeps

ROOT = Path(__file__).parent.parent
TINY = ["gan.networks.generator.width=2", "gan.networks.discriminator.width=2"]
TINY += ["gan.networks.second_discriminator.width=2", "data.image_size=8", "data.batch_size=8"]
TINY += ["train.steps=4", "train.checkpoint_steps=2"]


def run(tool, *flags, folder):
    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / f"{tool}.py"), *flags],
        cwd=folder, capture_output=True, text=True, check=False,
    )  # fmt: skip


def ran(tool, *flags, folder):
    done = run(tool, *flags, folder=folder)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns a folder with the run `run` of a tiny recipe, exported to `saved`."""
    folder = tmp_path_factory.mktemp("cli")
    changes = [f"--set={change}" for change in TINY]
    assert "training dual_d_selu_digits for 4 steps" in ran(
        "train", "--recipe=dual_d_selu_digits", "--model_dir=run", *changes, folder=folder
    )
    assert "saved/1" in ran("export", "--model_dir=run", "--output=saved", folder=folder)
    return folder


def test_train_leaves_what_it_says(trained):
    for name in ("recipe.json", "history.csv", "curves.png", "samples/00000004.png", "checkpoints/00000004"):
        assert (trained / "run" / name).exists(), name


def test_the_same_command_goes_on(trained):
    changes = [f"--set={change}" for change in [*TINY, "train.steps=6"]]
    said = ran("train", "--recipe=dual_d_selu_digits", "--model_dir=run", *changes, folder=trained)
    assert "resuming from step 4" in said


def test_export_writes_what_a_server_is_started_with(trained):
    said = ran("export", "--model_dir=run", "--output=served/tiny", "--serving_config=deploy", folder=trained)
    assert "SavedModel: served/tiny/1" in said
    written = re.findall(r"^for TensorFlow Serving: deploy/(\S+)$", said, re.MULTILINE)
    assert sorted(written) == sorted(path.name for path in (trained / "deploy").iterdir())
    assert 'base_path: "/models/tiny"' in (trained / "deploy" / "models.config").read_text()
    assert (trained / "served" / "tiny" / "1" / "assets.extra" / "recipe.json").exists()


def test_files_that_do_not_fit_are_refused_before_the_export(trained):
    (trained / "other").mkdir()
    (trained / "other" / "models.config").write_text("model: digits")
    done = run("export", "--model_dir=run", "--output=refused/tiny", "--serving_config=other", folder=trained)
    assert done.returncode == 1
    assert "is no models.config" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (trained / "refused").exists()


def test_sample_needs_only_the_saved_model(trained, tmp_path):
    (tmp_path / "model").symlink_to(trained / "saved")
    ran("sample", "--model=model", "--output=grid.png", "--n=9", folder=tmp_path)
    ran("sample", "--model=model", "--output=images.npz", "--n=9", "--seed=3", folder=tmp_path)
    with Image.open(tmp_path / "grid.png") as image:
        assert image.size[0] % (3 * 10 + 2) == 0
    assert np.load(tmp_path / "images.npz")["samples"].shape == (9, 8, 8, 1)


@pytest.mark.long
def test_a_walk_and_single_files(trained, tmp_path):
    model = f"--model={trained / 'saved'}"
    ran("sample", model, "--output=walk.gif", "--n=3", folder=tmp_path)
    ran("sample", model, "--output=single", "--n=3", folder=tmp_path)
    with Image.open(tmp_path / "walk.gif") as image:
        assert image.format == "GIF"  # a generator of four rounds draws equal frames, which Pillow merges
    assert sorted(path.name for path in (tmp_path / "single").iterdir()) == [f"{i:06d}.png" for i in range(3)]


@pytest.mark.long
def test_evaluate_writes_a_record(trained, tmp_path):
    said = ran("evaluate", f"--model={trained / 'saved'}", "--samples=200", "--output=score.json", folder=tmp_path)
    assert "classifier_score_200_test/digits" in said
    assert "not by Inception" in said
    record = json.loads((tmp_path / "score.json").read_text())
    assert record["recipe"] == "dual_d_selu_digits"
    assert record["checkpoint"] == "last"
    said = ran("evaluate", "--records=score.json,score.json", folder=tmp_path)
    assert "first less second" in said
    assert re.search(r"^  fid/digits_8x8x1: \+0$", said, re.MULTILINE)


@pytest.mark.long
def test_benchmark_prints_its_figures(tmp_path):
    changes = [f"--set={change}" for change in TINY]
    said = ran("benchmark", "--recipe=dual_d_selu_digits", "--rounds=2", "--repeats=1", *changes, folder=tmp_path)
    assert "fit_over_bare" in said


def test_benchmark_compares_two_recipes(tmp_path):
    said = ran("benchmark", "--recipe=cramer_ring", "--against=averaged_ring", "--rounds=2", folder=tmp_path)
    assert re.search(r"^round_over_averaged_ring +\d+\.\d{3}$", said, re.MULTILINE)


def test_train_classifier_writes_what_it_says(tmp_path):
    said = ran("train_classifier", "--dataset=digits", "--epochs=1", "--output=made", folder=tmp_path)
    assert re.search(r"^accuracy: \d+\.\d\d% of 360 held-out images$", said, re.MULTILINE)
    (path,) = re.findall(r"^classifier: (\S+) ", said, re.MULTILINE)
    for name in (f"{path}.json", f"{path}.weights.h5", f"{path}/1/saved_model.pb"):
        assert (tmp_path / name).exists(), name


def test_train_classifier_says_a_mistake_on_one_line(tmp_path):
    done = run("train_classifier", "--dataset=digits", "--plan=quik", "--output=made", folder=tmp_path)
    assert done.returncode == 1
    assert "ganzoo train_classifier: there is no plan 'quik'" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_list_prints_a_card(tmp_path):
    said = ran("list", "--spec=dragan", folder=tmp_path)
    assert "G: E_z sp(-a(G))" in said


def raised(error):
    raise error


@pytest.mark.parametrize(
    ("main", "status", "said"),
    [
        (lambda: None, 0, ""),
        (lambda: sweeps.PROCESSES.tell(signal.SIGTERM), 130, ""),
        (lambda: raised(errors.InputError("a mistake")), 1, "ganzoo list: a mistake\n"),
        (lambda: raised(errors.Diverged("not finite")), 3, "ganzoo list: not finite\n"),
        (lambda: raised(errors.InUse("by another")), 4, "ganzoo list: by another\n"),
        (lambda: raised(OSError(28, "No space left", "a.csv")), 1, "ganzoo list: [Errno 28] No space left: 'a.csv'; "),
    ],
)
def test_exit_statuses(main, status, said, monkeypatch, capsys):
    monkeypatch.setattr(sweeps.PROCESSES, "told", False)
    monkeypatch.setenv(sweeps.GPU_GROWTH, "")
    del os.environ[sweeps.GPU_GROWTH]
    monkeypatch.setattr(cli.importlib, "import_module", lambda name: SimpleNamespace(main=main))
    monkeypatch.setattr(cli.app, "run", lambda guarded, argv: sys.exit(guarded(argv) or 0))
    with pytest.raises(SystemExit) as left:
        cli.run("list", [])
    assert left.value.code == status
    assert os.environ[sweeps.GPU_GROWTH] == "true"
    assert capsys.readouterr().err.startswith(said)


def test_a_reader_may_stop_early(tmp_path):
    read, write = os.pipe()
    os.close(read)  # as `| head` does once it has enough
    with os.fdopen(write, "w") as closed:
        command = [sys.executable, str(ROOT / "tools" / "list.py"), "--spec=dragan"]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 141
    assert "Traceback" not in done.stderr
    assert "Broken" not in done.stderr


def test_list_takes_wildcards(tmp_path):
    said = ran("list", "--pattern=d*gan", folder=tmp_path)
    assert "dcgan" in said
    assert "dragan" in said
    assert "  dual_d_selu" not in said


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], "give --model=, to evaluate it, or --records="),
        (["--model=absent"], "'absent' is no SavedModel"),
        (["--model=digits@test", "--metrics=fidd"], "did you mean 'fid'?"),
        (["--records=absent.json"], "'absent.json': No such file"),
    ],
)
@pytest.mark.long
def test_evaluate_says_what_cannot_be_evaluated(flags, said, tmp_path):
    done = run("evaluate", *flags, folder=tmp_path)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert said in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--recipe=dual_d_sleu", "--model_dir=x"], "did you mean 'dual_d_selu'?"),
        (["--recipe=dragan", "--model_dir=x", "--set=gan.penalty_wieght=5"], "did you mean 'penalty_weight'?"),
        (["--recipe=dragan", "--model_dir=file/x", "--set=data.dataset=digits"], "cannot be written"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(flags, said, tmp_path):
    (tmp_path / "file").touch()
    done = run("train", *flags, folder=tmp_path)
    lines = [line for line in done.stderr.splitlines() if line.startswith("ganzoo train: ")]
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert len(lines) == 1
    assert said in lines[0]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file"]
