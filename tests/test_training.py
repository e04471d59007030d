import csv
import json
import os
import shutil
import signal
import traceback
from pathlib import Path

import keras
import pytest
import tensorflow as tf

import ganzoo
from ganzoo import checkpoints
from ganzoo.errors import InputError

# A few rounds go through these digits once, so checkpoints and epochs of the data do not fall together.
RECIPE = """
variant = "dcgan"

[gan]
latent_dim = 6
{game}

[optimizer]
name = "adam"
learning_rate = 1e-3

[data]
dataset = "digits"
split = "train[:80]"
batch_size = 8

[train]
steps = {steps}
checkpoint_steps = 4
watch_steps = 2
deterministic = {deterministic}
"""
SMALL = """
networks.generator = { architecture = "mlp", width = 4 }
networks.discriminator = { architecture = "mlp", width = 4 }
"""
# Has all that a round can depend on: batch norm, noise of every kind, several batches, a schedule; unsound as a game.
unsound = pytest.mark.filterwarnings("ignore::ganzoo.composition.UnsoundWarning")
RICH = """
discriminator_steps = 2
penalty = "author_noise"
instance_noise = 0.1
instance_noise_steps = 30
networks.generator = { width = 2 }
networks.discriminator = { architecture = "mlp", width = 4, minibatch_kernels = 3 }
"""


def write_recipe(folder, steps, game=SMALL, *, deterministic=False):
    """Writes `run.toml` and returns its path."""
    path = Path(folder) / "run.toml"
    path.write_text(RECIPE.format(steps=steps, game=game, deterministic=str(deterministic).lower()))
    return str(path)


# Runs that are killed. Each is a fork of a process that has imported everything and computed nothing: it has
# one thread, so that a fork of it is whole, and starts in no time.


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


class KillAtRound(keras.callbacks.Callback):
    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if self.model.step.numpy() == self.step:
            kill()


def kill_while_saving(moment, step):
    """Lets this process end at a moment of saving what it trained up to a step."""
    name, replace, rmtree, save = f"{step:08d}", os.replace, shutil.rmtree, checkpoints.Checkpoints.save

    def replace_or_kill(source, target):
        if moment == "history":
            wanted = Path(target).name == "history.csv"
            wanted = wanted and len(Path(source).read_text().splitlines()) - 1 == step // 4
        else:
            wanted = Path(target).name == ("recipe.json" if moment == "recipe" else name)
        if wanted and moment == "after_rename":
            replace(source, target)
        if wanted:
            kill()
        replace(source, target)

    def save_or_kill(self, gan):
        if gan.step.numpy() == step:
            kill()
        save(self, gan)

    def write_half(gan):
        if gan.step.numpy() < step:
            return state(gan)

        class Half:
            def write(self, path):
                state(gan).write(path)
                Path(f"{path}.index").unlink()
                kill()

        return Half()

    def remove_half(path):
        if (Path(path).parent / name).is_dir():
            next(Path(path).iterdir()).unlink()
            kill()
        rmtree(path)

    state = checkpoints.state
    if moment == "before_write":
        checkpoints.Checkpoints.save = save_or_kill
    elif moment == "while_writing":
        checkpoints.state = write_half
    elif moment == "while_pruning":
        shutil.rmtree = remove_half
    else:
        os.replace = replace_or_kill


def train_in_fork(recipe, model_dir, moment=None, step=0):
    """Trains in a fork, which is killed at that moment of that step; returns how the fork ended."""
    fork = os.fork()
    if fork == 0:
        try:
            if moment and moment != "round":
                kill_while_saving(moment, step)
            callbacks = [KillAtRound(step)] if moment == "round" else []
            ganzoo.train(recipe, model_dir, callbacks=callbacks)
            os._exit(0)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(fork, 0)[1])


def train_often(folder, runs):
    """Returns how each run (recipe, model_dir, moment, step) ended, one after another."""
    import matplotlib  # noqa: F401
    from PIL import Image  # noqa: F401

    assert len(os.listdir("/proc/self/task")) == 1, "a process of several threads must not fork"
    os.chdir(folder)
    return [train_in_fork(*run) for run in runs]


def killed_and_straight(in_process, folder, steps, runs, game=RICH):
    """Trains once with kills and once straight; returns the folders of both runs.

    Args:
        in_process: the fixture.
        folder: for all files.
        steps: of the straight run.
        runs: of the other: how long, and where it is killed if it is.
        game: settings.
    """
    recipes = {}
    for length in {steps, *(length for length, *_ in runs)}:
        (folder / str(length)).mkdir()
        recipes[length] = write_recipe(folder / str(length), length, game, deterministic=True)
    runs = [(recipes[length], "killed", *kill) for length, *kill in runs]
    runs.append((recipes[steps], "straight"))
    ends = in_process("test_training", "train_often", str(folder), runs, OPENBLAS_NUM_THREADS="1")
    assert ends == [-signal.SIGKILL if len(run) > 2 else 0 for run in runs]
    return folder / "killed", folder / "straight"


def assert_same_weights(ours, theirs, state):
    """Compares weights and optimizers of two runs, bit for bit."""
    (a, _), (b, _) = ganzoo.restored(ours), ganzoo.restored(theirs)
    for one, other in zip(a.weights, b.weights, strict=True):
        assert (one.numpy() == other.numpy()).all(), one.path
    for one, other in zip(state(a), state(b), strict=True):
        assert (one == other).all()


def assert_same_files(ours, theirs):
    for name in ("history.csv", "watch.csv", "last_good.json"):
        assert (ours / name).read_text() == (theirs / name).read_text()
    for folder in ("checkpoints", "samples"):
        assert sorted(os.listdir(ours / folder)) == sorted(os.listdir(theirs / folder))


def test_killed_run_ends_as_a_straight_one(tmp_path, in_process, state):
    runs = [(8, "round", 7), (20, "before_rename", 12), (20,)]
    folders = killed_and_straight(in_process, tmp_path, 20, runs, SMALL)
    assert_same_weights(*folders, state)
    assert_same_files(*folders)


@unsound
@pytest.mark.long
def test_run_killed_twenty_times_ends_as_a_straight_one(tmp_path, in_process, state):
    kills = [
        ("recipe", 0), ("round", 1), ("history", 4), ("before_write", 4), ("while_writing", 4),
        ("before_rename", 4), ("after_rename", 4), ("round", 5), ("round", 8), ("round", 11),
        ("while_writing", 12), ("history", 12), ("after_rename", 12), ("while_pruning", 16), ("round", 18),
        ("before_write", 20), ("while_pruning", 20), ("before_rename", 28), ("round", 31), ("round", 38),
    ]  # fmt: skip
    assert len(kills) == 20
    folders = killed_and_straight(in_process, tmp_path, 42, [*((42, *kill) for kill in kills), (42,)])
    assert_same_weights(*folders, state)
    assert_same_files(*folders)


@unsound
@pytest.mark.long
def test_run_made_longer_between_checkpoints_ends_as_a_longer_one(tmp_path, in_process, state):
    """Also in its history: a row is the mean of all rounds between two checkpoints."""
    folders = killed_and_straight(in_process, tmp_path, 14, [(6,), (14,)])
    assert_same_weights(*folders, state)
    ours, theirs = ((folder / "history.csv").read_text() for folder in folders)
    assert ours == theirs


# What one finished run leaves, and what is said about folders that cannot be used.


def train(recipe, model_dir, **kwargs):
    """Returns what training said."""
    said = []
    ganzoo.train(recipe, model_dir, say=said.append, **kwargs)
    return "\n".join(said)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Returns the folder of a run of ten steps; for reading only."""
    folder = tmp_path_factory.mktemp("trained")
    train(write_recipe(folder, 18), folder / "run")
    return folder


@pytest.fixture
def folder(trained, tmp_path):
    """Returns a copy of that folder."""
    return shutil.copytree(trained, tmp_path / "copy")


def test_leaves_its_files(trained):
    run = trained / "run"
    assert sorted(os.listdir(run / "checkpoints")) == ["00000012", "00000016", "00000018"]  # the newest three
    steps = [4, 8, 12, 16, 18]
    assert sorted(os.listdir(run / "samples")) == [f"{step:08d}.png" for step in steps]
    with open(run / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == steps
    assert set(rows[0]) == {
        "step", "discriminator/adversarial", "generator/adversarial", "loss",
    }  # fmt: skip
    recipe = json.loads((run / "recipe.json").read_text())
    assert recipe["variant"] == "dcgan"
    assert recipe["image_shape"] == [8, 8, 1]
    assert {path.name for path in run.iterdir()} == {
        ".lock", "checkpoints", "curves.png", "history.csv", "last_good.json", "recipe.json", "samples", "watch.csv",
    }  # fmt: skip


def test_the_watch_knows_the_classes_of_shipped_data(folder):
    with open(folder / "run" / "watch.csv", newline="", encoding="utf-8") as file:
        (row, *_) = csv.DictReader(file)
    counts = [int(float(row[f"real_class/{digit}"])) for digit in range(10)]
    assert sum(counts) == 64
    assert min(counts) > 0


def test_finished_run_says_so(folder):
    before = os.listdir(folder / "run")
    assert "is at step 18 already; give more train.steps" in train(str(folder / "run.toml"), folder / "run")
    assert os.listdir(folder / "run") == before


def test_other_recipe_is_refused_with_what_differs(folder):
    recipe = ganzoo.load_recipe(folder / "run.toml", ["gan.prior=normal", "data.batch_size=4"])
    with pytest.raises(InputError, match="holds another recipe") as refused:
        ganzoo.train(recipe, folder / "run")
    said = str(refused.value)
    assert "data.batch_size: 8 there, 4 now" in said
    assert "gan.prior: 'absent' there, 'normal' now" in said
    assert "train." not in said
    with pytest.raises(InputError, match=r"train\.steps: 18 there, 10 now"):
        ganzoo.train(ganzoo.load_recipe(folder / "run.toml", ["train.steps=10"]), folder / "run")


def test_how_many_checkpoints_to_keep_may_change(folder):
    changes = ["train.keep_checkpoints=1", "train.steps=20"]
    train(ganzoo.load_recipe(folder / "run.toml", changes), folder / "run")
    assert os.listdir(folder / "run" / "checkpoints") == ["00000020"]


def data_file(folder, step):
    (path,) = (folder / "run" / "checkpoints" / f"{step:08d}").glob("state.data-*")
    return path


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def drop_index(path):
    (path.parent / "state.index").unlink()


@pytest.mark.parametrize("damage", [truncate, drop_index])
def test_damaged_checkpoint_falls_back(folder, damage):
    damage(data_file(folder, 18))
    said = train(str(folder / "run.toml"), folder / "run")
    assert f"{folder}/run/checkpoints/00000018 is damaged: " in said
    assert "resuming from step 16" in said
    gan, _ = ganzoo.restored(folder / "run")
    assert int(gan.step.numpy()) == 18
    assert "is damaged" not in train(str(folder / "run.toml"), folder / "run")


def test_all_checkpoints_damaged(folder):
    for step in (12, 16, 18):
        truncate(data_file(folder, step))
    with pytest.raises(InputError, match=r"no checkpoint in .* can be restored; choose another model_dir"):
        train(str(folder / "run.toml"), folder / "run")
    with pytest.raises(InputError, match="can be restored"):
        ganzoo.restored(folder / "run")


def test_checkpoint_of_other_networks_cannot_be_restored(folder):
    values = json.loads((folder / "run" / "recipe.json").read_text())
    values["gan"]["networks"]["generator"]["width"] = 3
    (folder / "run" / "recipe.json").write_text(json.dumps(values))
    with pytest.raises(InputError, match="can be restored"):
        ganzoo.restored(folder / "run")


def test_leftovers_of_killed_saves(folder):
    """Are not taken for checkpoints, and go with the next save."""
    partial = folder / "run" / "checkpoints" / "00000099.partial"
    partial.mkdir()
    (partial / "state.index").write_text("half")
    gan, _ = ganzoo.restored(folder / "run")
    assert int(gan.step.numpy()) == 18
    train(ganzoo.load_recipe(folder / "run.toml", ["train.steps=20"]), folder / "run")
    assert sorted(os.listdir(folder / "run" / "checkpoints")) == ["00000016", "00000018", "00000020"]


def test_folder_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(InputError, match=r"cannot be written: .*; give another path"):
            train(write_recipe(tmp_path, 4), place)


def test_recipe_file_that_cannot_be_read(folder):
    (folder / "run" / "recipe.json").write_text('{"half":')
    for use in (lambda: train(str(folder / "run.toml"), folder / "run"), lambda: ganzoo.restored(folder / "run")):
        with pytest.raises(InputError, match=r"recipe\.json cannot be read"):
            use()


def test_folders_without_run_or_checkpoint(tmp_path, folder):
    with pytest.raises(InputError, match=r"cannot be read .*give the model_dir of `ganzoo train`"):
        ganzoo.restored(tmp_path)
    shutil.rmtree(folder / "run" / "checkpoints")
    with pytest.raises(InputError, match="no checkpoint yet; train until step 4"):
        ganzoo.restored(folder / "run")


@pytest.mark.parametrize(("step", "name"), [(19, ".*/.*"), (20, "discriminator: dcgan/.*/kernel")])
def test_divergence_stops_before_it_is_saved(step, name, folder):
    """Also if it is the last update before a checkpoint that breaks the weights, of which no term tells yet."""

    class Break(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if self.model.step.numpy() == step:
                kernel = self.model.discriminator.trainable_variables[0]
                kernel.assign(tf.fill(kernel.shape, float("nan")))

    recipe = ganzoo.load_recipe(folder / "run.toml", ["train.steps=20"])
    with pytest.raises(InputError, match=rf"diverged at step 20: {name} is not finite"):
        train(recipe, folder / "run", callbacks=[Break()])
    assert sorted(os.listdir(folder / "run" / "checkpoints")) == ["00000012", "00000016", "00000018"]
    assert "nan" not in (folder / "run" / "history.csv").read_text()


def test_impossible_learning_rate_diverges(tmp_path):
    write_recipe(tmp_path, 8)
    changes = ["optimizer.name=sgd", "optimizer.learning_rate=1e30"]
    with pytest.raises(InputError, match=r"diverged at step 2: discriminator/adversarial .*lower the learning rates"):
        train(ganzoo.load_recipe(tmp_path / "run.toml", changes), tmp_path / "run")
    assert not list((tmp_path / "run").glob("checkpoints/*"))


def test_stopped_training_is_saved(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = self.model.step.numpy() >= 8

    recipe = write_recipe(tmp_path, 18)
    train(recipe, tmp_path / "run", callbacks=[Stop()])
    assert int(ganzoo.restored(tmp_path / "run")[0].step.numpy()) == 8


def test_collapse_stops_a_run_that_says_so_until_it_need_not(tmp_path):
    class Break(keras.callbacks.Callback):
        def on_train_batch_begin(self, batch, logs=None):
            if self.model.step.numpy() >= 13:
                for weight in self.model.generator.trainable_weights:
                    weight.assign(tf.zeros_like(weight))

    changes = ["train.steps=30", "train.watch_steps=1", "train.stop_on_collapse=true", "train.keep_checkpoints=1"]
    write_recipe(tmp_path, 18)
    recipe = ganzoo.load_recipe(tmp_path / "run.toml", changes)
    said = train(recipe, tmp_path / "run", callbacks=[Break()])
    assert "step 16: mode collapse: samples differ by" in said
    assert json.loads((tmp_path / "run" / "last_good.json").read_text())["step"] == 12
    assert sorted(os.listdir(tmp_path / "run" / "checkpoints")) == ["00000012", "00000016"]
    said = train(recipe, tmp_path / "run", callbacks=[Break()])
    assert "training ends after a round" in said
    assert "mode collapse: samples differ by" in said
    assert sorted(os.listdir(tmp_path / "run" / "checkpoints")) == ["00000012", "00000017"]
    recipe = ganzoo.load_recipe(tmp_path / "run.toml", [*changes, "train.stop_on_collapse=false"])
    assert "resuming from step 17" in train(recipe, tmp_path / "run", callbacks=[Break()])
    assert sorted(os.listdir(tmp_path / "run" / "checkpoints")) == ["00000012", "00000030"]


def test_data_that_fill_no_batch_are_refused_before_a_folder_is_made(tmp_path):
    write_recipe(tmp_path, 18)
    recipe = ganzoo.load_recipe(tmp_path / "run.toml", ["data.batch_size=81"])
    with pytest.raises(InputError, match="has only 80 images"):
        train(recipe, tmp_path / "run")
    assert not (tmp_path / "run" / "recipe.json").exists()


def test_points_are_trained_on(tmp_path):
    write_recipe(tmp_path, 6)
    changes = ["data.dataset=ring8", "data.split=train", "train.checkpoint_steps=3"]
    train(ganzoo.load_recipe(tmp_path / "run.toml", changes), tmp_path / "run")
    gan, _ = ganzoo.restored(tmp_path / "run")
    assert gan.generate(4).shape == (4, 2)
    assert len(os.listdir(tmp_path / "run" / "samples")) == 2
