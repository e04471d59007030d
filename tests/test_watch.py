import csv
import json

import keras
import numpy as np
import pytest
import tensorflow as tf
from scipy.spatial.distance import cdist, pdist
from scipy.stats import mannwhitneyu

import ganzoo
from ganzoo import data
from ganzoo.callbacks import CollapseWatch
from ganzoo.callbacks.looks import Looks, examples_of
from ganzoo.callbacks.verdicts import Judge
from ganzoo.errors import InputError

# What a look measures.


def test_measures_are_those_of_scipy(build_tiny, examples, scattered):
    gan = scattered(build_tiny("dcgan"))
    real = examples(12)
    row, samples = Looks(gan, real).measures()
    flat, reals = samples.reshape(12, -1), real.reshape(12, -1)
    among, unit = cdist(flat, flat), np.median(np.sort(cdist(reals, reals), axis=1)[:, 1])
    assert row["diversity"] == pytest.approx(pdist(flat).mean() / pdist(reals).mean(), rel=1e-5)
    assert row["nearest"] == pytest.approx(np.median(np.sort(among, axis=1)[:, 1]) / unit, rel=1e-4)
    assert row["distance"] == pytest.approx(np.median(cdist(flat, reals).min(axis=1)) / unit, rel=1e-5)
    # No batch norm in this tiny discriminator's way: what it says does not depend on the mode it runs in.
    with keras.StatelessScope():
        on_real, on_fake = (gan.discriminator(images, training=True).numpy().ravel() for images in (real, samples))
    pairs = mannwhitneyu(on_real, on_fake).statistic / 144
    assert row["discriminator/real_over_fake"] == pytest.approx(pairs)
    assert row["discriminator/gap"] == pytest.approx(on_real.mean() - on_fake.mean(), rel=1e-4)


def test_gradient_is_that_of_the_score_as_numpy_has_it(build_tiny, examples):
    """For scores |x|^2 it is 2x."""
    gan = build_tiny("lsgan", image_shape=(2,))
    gan.scores = lambda images, opponent: tf.reduce_sum(tf.square(images), axis=1, keepdims=True)
    row, samples = Looks(gan, examples(8, (2,))).measures()
    assert row["discriminator/gradient"] == pytest.approx(2 * np.linalg.norm(samples, axis=1).mean(), rel=1e-5)


@pytest.mark.parametrize(
    ("name", "shape", "opponents"),
    [
        ("ebgan", (2,), ["discriminator"]),
        ("dual_d_selu", (2,), ["discriminator", "second_discriminator"]),
        ("mdgan", (2,), ["discriminator"]),
        ("pacgan", (2,), ["discriminator"]),
        ("imle", (2,), []),
        ("self_contrastive", (2,), []),
    ],
)
def test_looks_at_any_game(build_tiny, examples, name, shape, opponents):
    gan = build_tiny(name, image_shape=shape)
    row, samples = Looks(gan, examples(8, shape)).measures()
    assert samples.shape == (8, *shape)
    assert {key.rpartition("/")[0] for key in row} - {""} >= set(opponents)
    assert len(row) == 3 + 3 * len(gan.opponents)
    assert np.isfinite(list(row.values())).all()


@pytest.mark.parametrize("kind", ["array", "examples", "batched", "unending", "density"])
def test_examples_are_spread_over_the_data(build_tiny, kind):
    points = np.linspace(-1, 1, 100, dtype="float32")[:, None] * [1, 1]
    gan = build_tiny("dcgan", image_shape=(2,) if kind != "examples" else (8, 8, 1))
    if kind == "density":
        assert examples_of(gan, data.load("ring8"), 16).shape == (16, 2)
    elif kind == "examples":
        digits = data.load("digits")
        chosen = examples_of(gan, digits, 3)
        wanted = digits.images[[0, 718, 1436]]
        np.testing.assert_allclose(chosen, wanted / 127.5 - 1.0, atol=1e-6)
    elif kind == "array":
        np.testing.assert_allclose(examples_of(gan, points.astype("float32"), 12), points[::9], atol=1e-6)
    else:
        dataset = tf.data.Dataset.from_tensor_slices(points.astype("float32")).batch(10, drop_remainder=True)
        dataset = dataset.repeat() if kind == "unending" else dataset
        np.testing.assert_allclose(examples_of(gan, dataset, 15), points[:15], atol=1e-6)


def test_data_of_one_example_give_finite_measures(build_tiny):
    row, _ = Looks(build_tiny("lsgan", image_shape=(2,)), np.ones((8, 2), "float32")).measures()
    assert np.isfinite(list(row.values())).all()


def test_too_few_examples_are_refused(build_tiny):
    with pytest.raises(InputError, match="x has 1 examples to watch with: give at least 2"):
        examples_of(build_tiny("lsgan", image_shape=(2,)), np.ones((1, 2), "float32"), 8)


# What a watch does to training: nothing.

SPECTRAL = {
    "generator": {"architecture": "mlp", "width": 2},
    "discriminator": {"architecture": "mlp", "width": 2, "spectral": True},
}


@pytest.mark.parametrize(
    ("name", "networks"),
    [
        pytest.param("dual_d_selu", {}, marks=pytest.mark.long),
        pytest.param("virtual_batch_norm", {}, marks=pytest.mark.long),
        ("non_saturating", SPECTRAL),  # its discriminator writes in every pass
    ],
)
def test_training_is_the_same_to_the_bit_with_a_watch(build_tiny, examples, state, same, name, networks):
    images, ends = examples(32), []
    for watched in (False, True):
        keras.utils.set_random_seed(0)
        gan = build_tiny(name, networks=networks)
        callbacks = [CollapseWatch(images, every=1, samples=8)] if watched else []
        gan.fit(images, batch_size=8, epochs=2, verbose=0, callbacks=callbacks)
        ends.append(state(gan))
    assert same(*ends)
    assert len(callbacks[0].rows) == 8


def steps_looked_at(options):
    """Returns the rounds of the looks at a game of one epoch that is compiled with `options`."""
    points = np.random.default_rng(0).uniform(-1, 1, size=(32, 2)).astype(np.float32)
    networks = {player: {"architecture": "mlp", "width": 4} for player in ("generator", "discriminator")}
    gan = ganzoo.build("dcgan", image_shape=(2,), networks=networks)
    gan.compile("adam", **options)
    watch = CollapseWatch(points, every=2, samples=8)
    gan.fit(points, batch_size=8, epochs=1, verbose=0, callbacks=[watch])
    assert gan.jit_compile == options.get("jit_compile", False)
    return [row["step"] for row in watch.rows]


@pytest.mark.parametrize("options", [{"run_eagerly": True}, {"steps_per_execution": 2}, {"jit_compile": True}])
def test_runs_however_the_round_is_run(options):
    assert steps_looked_at(options) == ["2", "4"]


# Verdicts.


def look(step, **changes):
    """Returns a healthy look with changes."""
    row = {
        "diversity": 0.9, "nearest": 0.5, "distance": 1.2, "discriminator/real_over_fake": 0.7,
        "discriminator/gap": 0.2, "discriminator/gradient": 0.4, "class/3": 6, "real_class/3": 6,
    }  # fmt: skip
    return {"step": step, **row, **{key.replace("__", "/"): value for key, value in changes.items()}}


def told(rows):
    """Returns what a judge said, by step."""
    judge = Judge()
    return {row["step"]: said for row in rows if (said := judge.look(row))}, judge


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"diversity": 0.04}, "mode collapse: samples differ by 4.0 % of what real examples do (90 % at step 250)"),
        ({"diversity": 0.3}, "mode collapse: samples differ by 30 % of what real examples do (90 % at step 250)"),
        ({"nearest": 0.001}, "mode collapse: a sample is as near to the next as 0.1 % of what real examples are"),
        ({"distance": 12.0}, "samples diverge: samples are 10 times as far from real examples as before"),
        (
            {"discriminator__real_over_fake": 1.0, "discriminator__gap": 3.0},
            "discriminator won: it tells 100 % of pairs apart, by 15 times the gap of before",
        ),
        (
            {"discriminator__real_over_fake": 0.2},
            "discriminator fooled: it ranks 80 % of pairs the other way round than before",
        ),
        ({"discriminator__gradient": 0.0}, "discriminator gives no gradient: that of its score at a sample is 0"),
        ({"discriminator__gradient": 2e-4}, "discriminator gives no gradient: that of its score at a sample is 0.0002"),
        (
            {"discriminator__gradient": 60.0},
            "discriminator explodes: the gradient of its score at a sample is 150 times",
        ),
        ({"class__3": 0}, "class missing: no sample is of class 3"),
    ],
)
def test_what_holds_for_three_looks_is_said_once_and_so_is_its_end(changes, words):
    healthy = [look(step) for step in range(25, 275, 25)]
    ill = [look(step, **changes) for step in range(275, 425, 25)]
    well = [look(step) for step in range(425, 525, 25)]
    said, judge = told([*healthy, *ill, *well])
    kind = words.partition(":")[0]
    assert list(said) == [325, 475]
    assert said[325][0].startswith(words)
    assert said[475] == [f"{kind} is over"]
    assert judge.last_clean == 500
    said, judge = told([*healthy, *ill[:2], *well])
    assert not said
    said, judge = told([*healthy, *ill])
    assert judge.last_clean == 250
    assert list(judge.verdicts) == [kind]


def test_an_opponent_that_favours_samples_wins_and_is_fooled_the_other_way_round():
    def second(step, over, gap):
        changes = {"second/real_over_fake": over, "second/gap": gap, "second/gradient": 1.0}
        return look(step) | changes

    young = [second(step, 0.3, -0.2) for step in range(25, 275, 25)]
    said, _ = told([*young, *(second(step, 0.0, -3.0) for step in (275, 300, 325))])
    assert said == {325: ["second won: it tells 100 % of pairs apart, by 15 times the gap of before"]}
    said, _ = told([*young, *(second(step, 0.8, 0.2) for step in (275, 300, 325))])
    assert said == {325: ["second fooled: it ranks 80 % of pairs the other way round than before"]}


def test_what_is_not_finite_is_said_at_once():
    said, _ = told([look(25), look(50, discriminator__gap=float("nan"), distance=float("inf"))])
    assert said == {50: ["not finite: distance, discriminator/gap"]}


def test_young_games_may_be_alike_for_long_but_not_for_ever():
    early = [look(step, diversity=0.002 * step / 25, class__3=0) for step in range(25, 1050, 25)]
    said, _ = told(early[:40])
    assert not said
    said, _ = told([look(step, diversity=0.01) for step in range(25, 1150, 25)])
    assert list(said) == [1075]


def test_classes_come_and_go_in_young_games_and_must_come_in_old_ones():
    young = [
        look(step, **{"class__3": 60 if step < 250 else 0, "class/5": 0, "real_class/5": 6})
        for step in range(25, 2000, 25)
    ]
    said, _ = told(young[:40])
    assert not said
    said, _ = told(young)
    assert said == {1075: ["class missing: no sample is of class 3, 5"]}


def test_a_class_that_real_examples_hardly_have_is_not_missed():
    said, _ = told([look(step, class__3=0 if step > 250 else 6, real_class__3=3) for step in range(25, 525, 25)])
    assert not said


# The callback's files.


class Checkpoints:
    """As far as a watch knows them."""

    def __init__(self, *steps):
        self.kept, self.all = frozenset(), list(steps)

    def steps(self):
        return self.all


class Break(keras.callbacks.Callback):
    """Holds the generator's weights at 0 from a step on."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def on_train_batch_end(self, batch, logs=None):
        if self.model.step.numpy() >= self.step:
            for weight in self.model.generator.trainable_weights:
                weight.assign(tf.zeros_like(weight))


def broken(build_tiny, folder, **options):
    """Returns a watch and what it said, of a run whose generator is void from round 21 on."""
    points = np.random.default_rng(0).normal(size=(80, 2)).astype("float32")
    gan, said = build_tiny("lsgan", image_shape=(2,)), []
    watch = CollapseWatch(points, every=2, samples=8, folder=folder, say=said.append, **options)
    gan.fit(points, batch_size=8, epochs=4, verbose=0, callbacks=[Break(21), watch])
    return watch, said


def test_collapse_is_said_and_the_checkpoint_before_it_kept(build_tiny, tmp_path):
    checkpoints = Checkpoints(10, 20, 24)
    watch, said = broken(build_tiny, tmp_path, checkpoints=checkpoints)
    assert watch.model.step.numpy() == 40
    assert said[0].startswith("step 26: mode collapse: samples differ by 0.0 % of what real examples do")
    assert checkpoints.kept == {20}
    mark = json.loads((tmp_path / "last_good.json").read_text())
    assert mark["step"] == 20
    assert mark["clean_until"] == 20
    assert mark["reason"].startswith("mode collapse: samples differ by 0.0 %")
    with open(tmp_path / "watch.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == list(range(2, 41, 2))
    assert rows[-1]["verdicts"].split("; ")[0] == "mode collapse"
    assert rows[10]["verdicts"] == ""


def test_stops_where_it_is_asked_to(build_tiny, tmp_path):
    watch, _ = broken(build_tiny, tmp_path, stop=True)
    assert watch.model.step.numpy() == 26


def test_a_resumed_watch_knows_what_was_before(build_tiny, tmp_path):
    watch, _ = broken(build_tiny, tmp_path)
    again = CollapseWatch(None, every=2, folder=tmp_path, step=24)
    assert again.rows == watch.rows[:12]
    assert again.judge.last_clean == 20
    assert not again.judge.verdicts
    whole = CollapseWatch(None, every=2, folder=tmp_path, step=40)
    assert whole.judge.verdicts == watch.judge.verdicts
    assert not CollapseWatch(None, folder=tmp_path).rows


def test_classes_are_counted(build_tiny, examples):
    gan = build_tiny("dcgan")
    seen = []

    def classify(images):
        seen.append(images)
        return np.arange(len(images)) % 3

    watch = CollapseWatch(examples(16), every=1, samples=8, classify=classify)
    gan.fit(examples(16), batch_size=16, verbose=0, callbacks=[watch])
    assert [watch.rows[0][f"class/{label}"] for label in range(3)] == ["3", "3", "2"]
    assert [watch.rows[0][f"real_class/{label}"] for label in range(3)] == ["3", "3", "2"]
    assert all(images.dtype == np.uint8 and images.shape == (8, 8, 8, 1) for images in seen)


def test_impossible_arguments_are_refused():
    for name, value in (("every", 0), ("samples", 1), ("patience", 0)):
        with pytest.raises(InputError, match=f"{name}={value}: give at least"):
            CollapseWatch(None, **{name: value})
