"""What a run survives, and how it ends where it cannot go on: signals, full disks, damaged files, NaN, a second run."""

import dataclasses
import errno
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref

import keras
import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo import files, folders, training
from ganzoo.callbacks import CollapseWatch, PeriodicEvaluation
from ganzoo.checkpoints import SUMS_FILE, Checkpoints, restore_newest
from ganzoo.errors import Diverged, InputError
from ganzoo.files import locked
from ganzoo.registry import variant

RECIPE = """
variant = "dcgan"

[gan]
latent_dim = 6
networks.generator = { architecture = "mlp", width = 4 }
networks.discriminator = { architecture = "mlp", width = 4 }

[optimizer]
name = "adam"
learning_rate = 1e-3

[data]
dataset = "ring8"
batch_size = 8

[train]
steps = 18
checkpoint_steps = 4
watch_steps = 2
"""


@pytest.fixture(autouse=True)
def interrupts():
    """Lets Ctrl-C be heard, which what a shell starts in the background does not, nor what that starts."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def recipe(tmp_path_factory):
    """Returns the path of a recipe of 18 rounds, with a checkpoint every 4."""
    path = tmp_path_factory.mktemp("recipe") / "run.toml"
    path.write_text(RECIPE)
    return path


def train(recipe, folder, *changes, callbacks=()):
    """Returns what training said."""
    said = []
    ganzoo.train(ganzoo.load_recipe(recipe, changes), folder, callbacks=callbacks, say=said.append)
    return "\n".join(said)


@pytest.fixture(scope="module")
def straight(recipe, tmp_path_factory):
    """Returns the folder of a run that nothing happened to."""
    folder = tmp_path_factory.mktemp("straight") / "run"
    train(recipe, folder)
    return folder


def assert_same_run(ours, theirs, state):
    """Compares weights, optimizers and tables of two runs, bit for bit."""
    (a, _), (b, _) = ganzoo.restored(ours), ganzoo.restored(theirs)
    for one, other in zip(state(a), state(b), strict=True):
        np.testing.assert_array_equal(one, other)
    for name in ("history.csv", "watch.csv", "last_good.json"):
        assert (ours / name).read_text() == (theirs / name).read_text()
    for name in ("checkpoints", "samples"):
        assert sorted(os.listdir(ours / name)) == sorted(os.listdir(theirs / name))


def leftovers(folder):
    return [path for path in folder.rglob("*") if "partial" in path.name]


class At(keras.callbacks.Callback):
    """Does something once, after the round of a step."""

    def __init__(self, step, act):
        super().__init__()
        self.step = step
        self.act = act

    def on_train_batch_end(self, batch, logs=None):
        if self.model.step.numpy() == self.step:
            self.act()


def raise_signal(step, number):
    return At(step, lambda: os.kill(os.getpid(), number))


def listed(folder):
    """Returns the steps of the checkpoints in a folder."""
    return Checkpoints(folder).steps()


# Told to end.


@pytest.mark.parametrize(
    "cuts",
    [
        pytest.param([(6, "SIGTERM")], id="inside an epoch"),
        pytest.param([(6, "SIGTERM"), (7, "SIGINT"), (12, "SIGTERM")], id="twice in it", marks=pytest.mark.long),
    ],
)
def test_signals_end_a_run_after_the_round_and_the_same_command_goes_on(cuts, recipe, straight, tmp_path, state):
    """Inside of an epoch there is a checkpoint of its own; at the end of one, step 12, there is one anyway."""
    handlers = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    run = tmp_path / "run"
    for step, name in cuts:
        said = train(recipe, run, callbacks=[raise_signal(step, signal.Signals[name])])
        assert said.splitlines()[1:] == [f"{name}: saved at step {step}; the same command goes on from there"]
        assert int(ganzoo.restored(run)[0].step.numpy()) == step
        apart = run / "checkpoints" / "interrupted"
        assert (os.listdir(apart) if apart.exists() else []) == ([f"{step:08d}"] if step % 4 else [])
    assert train(recipe, run) == f"resuming from step {step}"
    assert_same_run(run, straight, state)
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == handlers


@pytest.mark.long
def test_command_ends_with_status_0_and_goes_on(recipe, tmp_path):
    """Whatever the moment; the last command is let run to its end."""
    command = [
        sys.executable,
        "-c",
        "from ganzoo.cli import main; main()",
        "train",
        f"--recipe={recipe}",
        f"--model_dir={tmp_path / 'run'}",
    ]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1", "PYTHONUNBUFFERED": "1"}
    ends = []
    while True:
        run = subprocess.Popen(
            [*command, "--set=train.steps=4000", "--set=train.checkpoint_steps=400"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        )  # fmt: skip
        next(line for line in run.stdout if "training" in line or "resuming" in line)
        if len(ends) < 3:
            time.sleep(3 + len(ends))
            run.send_signal((signal.SIGTERM, signal.SIGINT, signal.SIGTERM)[len(ends)])
        said, _ = run.communicate()
        assert run.returncode == 0
        ends.append(said)
        if "saved at step" not in said:
            break
    assert all("; the same command goes on from there" in said for said in ends[:-1])
    assert len(ends) > 1
    assert int(ganzoo.restored(tmp_path / "run")[0].step.numpy()) == 4000


def test_second_interrupt_ends_at_once(recipe, tmp_path):
    def twice():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        train(recipe, tmp_path, callbacks=[At(6, twice)])
    assert os.listdir(tmp_path / "checkpoints") == ["00000004"]


def test_trains_in_a_thread_where_no_signals_come(recipe, tmp_path):
    said = []
    thread = threading.Thread(target=lambda: said.append(train(recipe, tmp_path, "train.steps=2")))
    thread.start()
    thread.join()
    assert "training run for 2 steps" in said[0]


# Not numbers.


def break_gradient(monkeypatch, step, times=99):
    """Lets the generator's gradient be NaN, its term finite, in the round after `step`, until it was met so often."""
    cls = variant("dcgan")
    terms = cls.generator_terms

    def broken(self, real, fake, noise):
        hit = (self.step.value == step) & (self.rollbacks.value < times)
        here = tf.where(hit, 0.0, 1.0) * tf.reduce_mean(fake)
        return {"adversarial": terms(self, real, fake, noise)["adversarial"] + 1e-20 * tf.sqrt(tf.square(here))}

    monkeypatch.setattr(cls, "generator_terms", broken)


def test_stops_in_the_round_of_the_fault_and_keeps_what_is_good(recipe, tmp_path, monkeypatch):
    break_gradient(monkeypatch, 6)
    with pytest.raises(Diverged, match=r"step 7: generator/gradient is not finite; .* on_nan=rollback; the"):
        train(recipe, tmp_path)
    good = (tmp_path / "checkpoints" / "00000004" / SUMS_FILE).read_text()
    for _ in range(2):  # nor does the same command once more go back again
        with pytest.raises(Diverged, match=r"penalty; train.rollbacks=1: rolled back as often") as refused:
            train(recipe, tmp_path, "train.on_nan=rollback", "train.rollbacks=1")
    assert "on_nan" not in str(refused.value)
    assert os.listdir(tmp_path / "checkpoints") == ["00000004"]
    assert (tmp_path / "checkpoints" / "00000004" / SUMS_FILE).read_text() == good
    assert "nan" not in (tmp_path / "history.csv").read_text()


@pytest.mark.long
def test_rollback_goes_on_with_other_noise_and_resumes_exactly(recipe, straight, tmp_path, monkeypatch, state):
    break_gradient(monkeypatch, 14, times=2)
    runs = tmp_path / "one", tmp_path / "other"
    asked = "train.on_nan=rollback"
    said = train(recipe, runs[0], asked)
    assert "rolled back to step 12, with other noise (1 of 3)\nresuming from step 12" in said
    lost = "removed: checkpoints of steps 12"
    assert f"rolled back to step 8, with other noise (2 of 3); {lost}\nresuming from step 8" in said
    for step in (13, 17):
        train(recipe, runs[1], asked, callbacks=[raise_signal(step, signal.SIGTERM)])
    train(recipe, runs[1], asked)
    assert_same_run(*runs, state)
    ours, theirs = ganzoo.restored(runs[0])[0], ganzoo.restored(straight)[0]
    assert int(ours.rollbacks.numpy()) == 2
    assert not np.array_equal(ours.generator.weights[0], theirs.generator.weights[0])


@pytest.mark.parametrize(("good", "before"), [(4, [4]), (8, [4, 8]), (12, [4, 8]), (None, [4, 8])])
def test_second_rollback_from_a_checkpoint_goes_before_it_by_the_watchs_word(good, before, recipe, tmp_path):
    folder = tmp_path / "checkpoints"
    for step in (4, 8, 12):
        (folder / f"{step:08d}").mkdir(parents=True)
    if good:
        (tmp_path / "last_good.json").write_text(f'{{"step": {good}}}')
    asked, said = ganzoo.load_recipe(recipe, ["train.on_nan=rollback"]).train, []
    (folder / "interrupted" / "00000014").mkdir(parents=True)
    for number, kept in ((1, [4, 8, 12]), (2, before)):
        folders.roll_back(asked, tmp_path, number, Diverged("diverged"), said.append)
        assert listed(folder) == kept
    lost = ", ".join(str(step) for step in (4, 8, 12) if step not in before)
    assert said == [
        "diverged\nrolled back to step 12, with other noise (1 of 3); removed: checkpoints of steps 14",
        f"diverged\nrolled back to step {before[-1]}, with other noise (2 of 3); removed: checkpoints of steps {lost}",
    ]
    (folder / "00000016").mkdir()  # it got further since
    folders.roll_back(asked, tmp_path, 3, Diverged("diverged"), said.append)
    assert listed(folder) == [*before, 16]


def spoil(variable):
    """Makes a variable infinite."""
    variable.assign(tf.fill(variable.shape, float("inf")))


class Spoil(keras.callbacks.Callback):
    """Makes a variable of the game infinite, once, after the round of a step."""

    def __init__(self, step, choose):
        super().__init__()
        self.step = step
        self.choose = choose

    def on_train_batch_end(self, batch, logs=None):
        if self.choose and self.model.step.numpy() == self.step:
            spoil(self.choose(self.model))
            self.choose = None


AVERAGED = "averaged_generator: dcgan/.*/kernel is not finite"
MOMENT = "generator: adam.*/.*_velocity is not finite"


def averaged_weight(gan):
    return gan.averaged_generator.weights[0]


def moment(gan):
    return next(variable for variable in gan.optimizers["generator"].variables if "velocity" in variable.path)


@pytest.mark.parametrize(("choose", "name"), [(averaged_weight, AVERAGED), (moment, MOMENT)])
def test_nothing_is_saved_of_which_a_variable_is_not_finite(choose, name, build_tiny, tmp_path):
    """Though the terms may be: of the averaged generator none tells, of a moment only the next round's."""
    gan, checkpoints = build_tiny("dcgan", image_shape=(2,)), Checkpoints(tmp_path, 1)
    gan.step.assign(1)
    checkpoints.save(gan)
    spoil(choose(gan))
    gan.step.assign(2)
    with pytest.raises(Diverged, match=f"diverged at step 2: {name}"):
        checkpoints.save(gan)
    assert os.listdir(tmp_path) == ["00000001"]


def test_signal_saves_no_broken_weights_and_ends_the_run_after_the_rollback(recipe, tmp_path):
    asked = ["train.on_nan=rollback", "train.watch_steps=0", "train.steps=8"]
    callbacks = [Spoil(5, averaged_weight), raise_signal(6, signal.SIGTERM)]
    said = train(recipe, tmp_path, *asked, callbacks=callbacks).splitlines()
    assert re.search(f"diverged at step 6: {AVERAGED}", said[1])
    assert said[2:] == [
        "rolled back to step 4, with other noise (1 of 3)",
        "SIGTERM: saved at step 4; the same command goes on from there",
    ]
    assert listed(tmp_path / "checkpoints") == [4]
    assert not listed(tmp_path / "checkpoints" / "interrupted")
    assert train(recipe, tmp_path, *asked) == "resuming from step 4"
    assert int(ganzoo.restored(tmp_path)[0].rollbacks.numpy()) == 1


def test_broken_weights_are_not_scored(build_tiny, examples, tmp_path):
    gan = build_tiny("dcgan", image_shape=(2,))
    scoring = PeriodicEvaluation(lambda gan: pytest.fail("was scored"), 1, tmp_path)
    with pytest.raises(Diverged, match=f"diverged at step 1: {AVERAGED}"):
        gan.fit(examples(8, (2,)), batch_size=8, verbose=0, callbacks=[Spoil(1, averaged_weight), scoring])


def test_rollback_lets_go_of_the_game_before_it_makes_another(recipe, tmp_path, monkeypatch):
    break_gradient(monkeypatch, 6, times=1)
    games, build = [], training.config.build

    def counted(*args, **options):
        assert not any(game() for game in games)
        gan = build(*args, **options)
        games.append(weakref.ref(gan))
        return gan

    monkeypatch.setattr(training.config, "build", counted)
    train(recipe, tmp_path, "train.on_nan=rollback", "train.steps=8")
    assert len(games) == 2


def test_users_callbacks_end_with_a_broken_game_and_go_on_with_the_next(recipe, tmp_path, capfd):
    ends = []
    follow = keras.callbacks.LambdaCallback(on_train_end=lambda logs: ends.append(len(watch.rows)))
    watch = CollapseWatch(ganzoo.data.load("ring8"), every=2, samples=8, say=lambda line: None)
    callbacks = [watch, follow, Spoil(7, averaged_weight)]
    train(recipe, tmp_path, "train.on_nan=rollback", "train.steps=8", callbacks=callbacks)
    assert ends[0] == 4  # at step 8, where it broke
    assert [row["step"] for row in watch.rows] == ["2", "4", "6", "8"]
    assert capfd.readouterr().err.count("\n") == len(ends)  # every bar is closed: what is said next begins a line


def test_fit_after_good_weights_are_loaded_has_a_loss_again(build_tiny, examples):
    gan, good = build_tiny("dcgan", image_shape=(2,)), None
    images = examples(8, (2,))
    good = gan.get_weights()
    spoil(gan.faults.seen)
    assert np.isnan(gan.train_on_batch(images, return_dict=True)["loss"])
    gan.set_weights(good)
    assert np.isfinite(gan.evaluate(images, batch_size=8, return_dict=True, verbose=0)["loss"])
    assert np.isfinite(gan.fit(images, batch_size=8, verbose=0).history["loss"]).all()


def test_noise_and_data_of_a_rollback_are_new_and_those_before_it_are_as_ever(build_tiny, examples):
    gan = build_tiny("dcgan", image_shape=(2,))
    assert int(gan.noise_round()) == 0
    rounds = set()
    for rollbacks in range(32):
        gan.rollbacks.assign(rollbacks)
        gan.step.assign(10**9)
        rounds.add(int(gan.noise_round()) * 2**20 + 2**20 - 1)
    assert len(rounds) == 32
    assert max(rounds) < 2**63
    for source in (ganzoo.data.load("ring8"), ganzoo.data.load("digits")):
        first = [next(iter(ganzoo.data.training_batches(source, 8, 0, 5, order=order))) for order in (0, 0, 2**38)]
        np.testing.assert_array_equal(first[0], first[1])
        assert not np.array_equal(first[0], first[2])


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("discriminator/adversarial", float("nan")),
        ("discriminator/gradient", float("inf")),
        ("generator/adversarial", float("inf")),
    ],
)
def test_names_what_failed_first(place, kind, build_tiny, examples, monkeypatch):
    """Though the update breaks weights, and with them all that comes after it in the round."""
    player, what = place.split("/")
    gan = build_tiny("dcgan", image_shape=(2,), networks={"discriminator": {"architecture": "mlp"}})
    terms = getattr(gan, f"{player}_terms")

    def broken(real, fake, noise):
        value = terms(real, fake, noise)["adversarial"]
        if what == "gradient":
            slope = tf.constant(kind)
            value = tf.custom_gradient(lambda x: (x, lambda upstream: upstream * slope))(value)
        return {"adversarial": value + (kind if what != "gradient" else 0.0)}

    monkeypatch.setattr(gan, f"{player}_terms", broken)
    logs = gan.train_on_batch(examples(8, (2,)), return_dict=True)
    assert gan.faults.names()[0] == place
    assert np.isnan(logs["loss"]) or np.isinf(logs["loss"])


def test_a_sound_round_has_no_fault(build_tiny, examples):
    gan = build_tiny("dcgan", image_shape=(2,))
    logs = gan.train_on_batch(examples(8, (2,)), return_dict=True)
    assert gan.faults.names() == []
    assert logs["loss"] == pytest.approx(logs["discriminator/adversarial"] + logs["generator/adversarial"])


# Files.


@pytest.fixture
def saved(build_tiny, tmp_path):
    """Returns a game at step 2 and its checkpoints of steps 1 and 2."""
    gan, checkpoints = build_tiny("dcgan", image_shape=(2,)), Checkpoints(tmp_path)
    for step in (1, 2):
        gan.step.assign(step)
        checkpoints.save(gan)
    return gan, checkpoints


def test_every_flipped_bit_is_noticed(saved):
    gan, checkpoints = saved
    random = np.random.default_rng(0)
    files = sorted((checkpoints.folder / "00000002").iterdir())
    assert [path.name for path in files] == [SUMS_FILE, "state.data-00000-of-00001", "state.index"]
    for path in files:
        whole = path.read_bytes()
        for place in random.integers(8 * len(whole), size=20):
            damaged = bytearray(whole)
            damaged[place // 8] ^= 1 << place % 8
            path.write_bytes(damaged)
            said = []
            assert checkpoints.restore(gan, said.append) == 1
            assert "00000002 is damaged: its files are not those of SHA256SUMS; trying the one before" in said[0]
        path.write_bytes(whole)
    assert checkpoints.restore(gan) == 2


def test_damaged_checkpoint_of_an_interruption_falls_back(saved):
    gan, checkpoints = saved
    interrupted = Checkpoints(checkpoints.folder / "interrupted", 1)
    gan.step.assign(3)
    interrupted.save(gan)
    assert restore_newest(checkpoints.folder, gan) == 3
    (interrupted.folder / "00000003" / "state.index").write_text("half")
    said = []
    assert restore_newest(checkpoints.folder, gan, said.append) == 2
    assert "interrupted/00000003 is damaged" in said[0]
    for step in (1, 2):
        shutil.rmtree(checkpoints.folder / f"{step:08d}")
    with pytest.raises(InputError, match=r"no checkpoint in .* can be restored; choose another model_dir"):
        restore_newest(checkpoints.folder, gan, said.append)


@pytest.mark.parametrize("inner", ["", "interrupted"])
def test_save_drops_what_is_beyond_it(inner, build_tiny, tmp_path):
    """What could not be restored would else be taken for the newest, and the new one be pruned."""
    gan, checkpoints = build_tiny("dcgan", image_shape=(2,)), Checkpoints(tmp_path / inner, 1)
    for step in (8, 7, 6):
        gan.step.assign(step)
        checkpoints.save(gan)
        assert checkpoints.steps() == [step]


def test_what_cannot_be_restored_is_named_by_its_cause(saved, build_tiny, monkeypatch):
    gan, checkpoints = saved
    said = []
    with pytest.raises(InputError, match="can be restored"):
        checkpoints.restore(build_tiny("dcgan", image_shape=(3,)), said.append)
    assert "00000002 is of another model, or of an older version (" in said[0]
    (checkpoints.folder / "00000002" / SUMS_FILE).unlink()
    assert checkpoints.restore(gan, said.append) == 1
    assert "00000002 has no SHA256SUMS: it is of an older version, or not all of it is there; trying" in said[-1]

    def refused(folder):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(ganzoo.checkpoints, "sums", refused)
    with pytest.raises(InputError, match="can be restored"):
        checkpoints.restore(gan, said.append)
    assert said[-1].endswith("00000001 cannot be read (Permission denied); trying the one before")


def test_reason_of_an_error_without_a_message_is_its_name():
    assert ganzoo.checkpoints.reason(AssertionError()) == "AssertionError"
    assert ganzoo.checkpoints.reason(ValueError("one\ntwo")) == "one"


@pytest.fixture
def small_disk(tmp_path):
    """Returns a folder on a disk of 2 MB."""
    place = tmp_path / "small"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a small disk cannot be mounted here: this needs root")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def fill(path):
    """Takes all room of a disk."""
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            pass


def test_full_disk_ends_a_run_with_one_message_and_the_same_command_goes_on(
    recipe, straight, small_disk, state, tmp_path
):
    run, filler = small_disk / "run", small_disk / "filler"
    said = []
    with pytest.raises(InputError, match=r"checkpoint .*/00000012 cannot be written \(.*\); those before it are whole"):
        ganzoo.train(str(recipe), run, callbacks=[At(9, lambda: fill(filler))], say=said.append)
    for name in ("history.csv", "samples/00000012.png", "watch.csv"):
        assert f"{run}/{name} cannot be written (No space left on device); training goes on without it" in said
    assert sorted(os.listdir(run / "checkpoints")) == ["00000004", "00000008"]
    assert not leftovers(run)
    filler.unlink()
    train(recipe, run)
    assert_same_run(run, straight, state)


def no_room(*_, **__):
    raise OSError(errno.ENOSPC, "No space left on device")


def test_checkpoint_without_room_leaves_those_before_whole(saved, monkeypatch):
    gan, checkpoints = saved
    gan.step.assign(3)
    for owner, name in ((tf.train.Checkpoint, "write"), (os, "replace")):
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, no_room)
            with pytest.raises(InputError, match=r"00000003 cannot be written \(No space left on dev"):
                checkpoints.save(gan)
        assert sorted(os.listdir(checkpoints.folder)) == ["00000001", "00000002"]
    assert checkpoints.restore(gan) == 2


def test_recipe_and_lock_without_room_are_one_message(straight, tmp_path, monkeypatch):
    run = shutil.copytree(straight, tmp_path / "run")
    game, there = ganzoo.restored(run)
    longer = dataclasses.replace(there, train=dataclasses.replace(there.train, steps=19))
    monkeypatch.setattr(os, "replace", no_room)
    folders.keep_recipe(there, game, run)  # nothing to write
    with pytest.raises(InputError, match=r"recipe\.json cannot be written \(No space left on device\); make room"):
        folders.keep_recipe(longer, game, run)
    monkeypatch.setattr("builtins.open", no_room)
    with pytest.raises(InputError, match=r"\.lock cannot be written \(No space left on device\)"), locked(run):
        pass


def test_goes_on_without_pictures(recipe, straight, tmp_path):
    (tmp_path / "samples").write_text("in the way")
    said = train(recipe, tmp_path)
    assert f"{tmp_path}/samples/00000004.png cannot be written (File exists); training goes on without it" in said
    ours, theirs = ganzoo.restored(tmp_path)[0], ganzoo.restored(straight)[0]
    np.testing.assert_array_equal(ours.generator.weights[0], theirs.generator.weights[0])


# Two runs in one folder.


def lock_and_die(folder):
    with locked(folder):
        os.kill(os.getpid(), signal.SIGKILL)


def test_second_run_in_a_folder_is_refused(recipe, tmp_path):
    with locked(tmp_path):
        with pytest.raises(
            InputError, match=f"{tmp_path} is in use by process {os.getpid()} on {socket.gethostname()}"
        ):
            train(recipe, tmp_path)
        assert os.listdir(tmp_path) == [".lock"]


def test_recipe_of_a_folder_is_read_under_its_lock(recipe, tmp_path, monkeypatch):
    """Or another run might make the folder one of another recipe meanwhile; and before data are loaded."""

    def checked(*_):
        with pytest.raises(InputError, match="is in use by"), locked(tmp_path):
            pass
        raise InputError("checked")

    monkeypatch.setattr(training, "check_folder", checked)
    monkeypatch.setattr(training.data, "load", None)
    with pytest.raises(InputError, match="checked"):
        train(recipe, tmp_path)


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_file_systems_without_locks_are_used_without(number, tmp_path, monkeypatch):
    def flock(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(files.fcntl, "flock", flock)
    with locked(tmp_path), locked(tmp_path):
        assert (tmp_path / ".lock").exists()


@pytest.mark.long
def test_killed_run_holds_no_folder(in_process, tmp_path):
    in_process("test_faults", "lock_and_die", str(tmp_path), killed=True)
    for _ in range(2):
        with locked(tmp_path):
            assert (tmp_path / ".lock").read_text() == f"process {os.getpid()} on {socket.gethostname()}"


# On several replicas, and compiled.


def faults_of_one_replica():
    """Returns what fails, by name, and whether the loss says so, where one of two replicas has a gradient of NaN."""
    cpus = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpus[0], [tf.config.LogicalDeviceConfiguration()] * 2)
    from conftest import build_tiny, examples

    from ganzoo.distribution import replica_id

    cls = variant("dcgan")
    terms = cls.generator_terms

    def broken(self, real, fake, noise):
        value = terms(self, real, fake, noise)["adversarial"]
        slope = tf.where(tf.equal(replica_id(), 1), float("nan"), 1.0)
        return {"adversarial": tf.custom_gradient(lambda x: (x, lambda upstream: upstream * slope))(value)}

    cls.generator_terms = broken
    with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
        gan = build_tiny("dcgan", image_shape=(2,))
    seen = []
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, logs: seen.append(logs["loss"]))
    gan.fit(examples(8, (2,)), batch_size=8, verbose=0, callbacks=[watch])
    return gan.faults.names(), bool(np.isnan(seen[0]))


@pytest.mark.long
def test_fault_of_one_replica_is_seen_by_all(in_process):
    assert in_process("test_faults", "faults_of_one_replica") == [["generator/gradient"], True]


def faults_when_compiled():
    """Returns whether XLA compiled the round, and what failed in it."""
    from conftest import build_tiny, examples

    cls = variant("dcgan")
    terms = cls.generator_terms

    def broken(self, real, fake, noise):
        value = terms(self, real, fake, noise)["adversarial"]
        return {"adversarial": tf.custom_gradient(lambda x: (x, lambda upstream: upstream * float("nan")))(value)}

    cls.generator_terms = broken
    gan = build_tiny("dcgan", image_shape=(2,))
    gan.compile(jit_compile=True)
    logs = gan.train_on_batch(examples(8, (2,)), return_dict=True)
    return gan.jit_compile, gan.faults.names(), bool(np.isnan(logs["loss"]))


@pytest.mark.long
def test_fault_is_seen_when_compiled(in_process):
    assert in_process("test_faults", "faults_when_compiled") == [True, ["generator/gradient"], True]
