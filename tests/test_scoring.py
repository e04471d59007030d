import csv
import dataclasses
import json
from datetime import UTC, datetime

import numpy as np
import pytest
import tensorflow as tf

import ganzoo
from ganzoo import training
from ganzoo.callbacks import PeriodicEvaluation
from ganzoo.checkpoints import Checkpoints
from ganzoo.errors import Diverged, InputError
from ganzoo.evaluation import Score, ScoreRecord, evaluate, load_record
from ganzoo.evaluation.directions import HIGHER, LOWER, sign_of
from ganzoo.exported import open_generator

# The FID at steps 4, 8, 12, ...: the best is at 8, then again from 20 on.
FIDS = {0: 99.0, 4: 9.0, 8: 3.0, 12: 5.0, 16: 3.0, 20: 1.0}


def record_of(gan):
    """Returns the record of a game at one of those steps."""
    step = int(gan.step.numpy())
    values = {
        "scores": (
            Score(metric="fid/tiny", value=FIDS[step], generated=9, real=9),
            Score(metric="recall/tiny", value=0.5, generated=9, real=9),
        ),
        "recipe": None, "variant": gan.variant, "step": step, "checkpoint": "last", "averaged": True,
        "training_seed": 0, "seed": 0, "dataset": "tiny", "dataset_hash": "0", "split": "test", "train_split": "train",
        "preparation": {}, "versions": {}, "created": datetime.now(UTC), "source": "gan", "name": "tiny",
        "trained_on": None,
    }  # fmt: skip
    known = {field.name for field in dataclasses.fields(ScoreRecord)}
    return ScoreRecord(**{name: value for name, value in values.items() if name in known})


def scored(build_tiny, examples, folder, epochs=5, **options):
    """Returns a game of four rounds an epoch, scored after each, and what was said."""
    gan, said = build_tiny("dcgan", image_shape=(2,)), []
    scoring = PeriodicEvaluation(record_of, 4, folder, say=said.append, **options)
    gan.fit(examples(32, (2,)), batch_size=8, epochs=epochs, verbose=0, callbacks=[scoring])
    return gan, said


def rows(folder):
    with open(folder / "scores.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_best_and_last_are_kept_and_told_apart(build_tiny, examples, tmp_path):
    best = Checkpoints(tmp_path / "best", 1)
    gan, said = scored(build_tiny, examples, tmp_path, epochs=4, best_metric="fid", checkpoints=best)
    assert [(row["step"], row["fid/tiny"], row["best"]) for row in rows(tmp_path)] == [
        ("4", "9", "4"), ("8", "3", "8"), ("12", "5", "8"), ("16", "3", "8"),
    ]  # fmt: skip
    chosen, last = (load_record(tmp_path / "scores" / f"{name}.json") for name in ("best", "last"))
    assert (chosen.step, chosen.checkpoint) == (8, "best")
    assert (last.step, last.checkpoint) == (16, "last")
    assert load_record(tmp_path / "scores" / "00000008.json").checkpoint == "last"
    assert best.steps() == [8]
    assert said == ["step 4: fid 9, the best so far", "step 8: fid 3, the best so far"]
    weights = [weight.numpy() for weight in gan.generator.trainable_weights]
    assert best.restore(gan) == 8
    assert any(
        (weight.numpy() != old).any() for weight, old in zip(gan.generator.trainable_weights, weights, strict=True)
    )


def test_where_more_is_better_the_first_of_equal_ones_is_the_best(build_tiny, examples, tmp_path):
    scored(build_tiny, examples, tmp_path, epochs=2, best_metric="recall/tiny")
    assert [row["best"] for row in rows(tmp_path)] == ["4", "4"]


def test_without_a_metric_there_is_no_best(build_tiny, examples, tmp_path):
    _, said = scored(build_tiny, examples, tmp_path, epochs=1)
    assert not said
    assert rows(tmp_path)[0]["best"] == ""
    assert sorted(path.name for path in (tmp_path / "scores").iterdir()) == ["00000004.json", "last.json"]


def test_a_resume_goes_on_from_what_its_checkpoint_has_seen(build_tiny, examples, tmp_path):
    best = Checkpoints(tmp_path / "best", 1)
    runs = Checkpoints(tmp_path / "run", 3)
    gan = build_tiny("dcgan", image_shape=(2,))
    gan.step.assign(12)
    runs.save(gan)
    scored(build_tiny, examples, tmp_path, best_metric="fid", checkpoints=best, resumes_from=runs)
    assert best.steps() == [8, 20]  # a run that resumes from 12 still has the one that was the best there
    again = PeriodicEvaluation(record_of, 4, tmp_path, best_metric="fid", step=12, checkpoints=best)
    assert [row["step"] for row in again.rows] == [4, 8, 12]
    assert again.best[0] == 8
    assert best.steps() == [8]
    again.save()
    assert load_record(tmp_path / "scores" / "last.json").step == 12
    assert load_record(tmp_path / "scores" / "best.json").step == 8
    assert not (tmp_path / "scores" / "00000016.json").exists()


def test_the_best_of_a_run_that_rolled_back_is_one_whose_weights_are_there(build_tiny, examples, tmp_path):
    best = Checkpoints(tmp_path / "best", 1)
    gan, _ = scored(build_tiny, examples, tmp_path, epochs=3, best_metric="fid", checkpoints=best)
    options = {"best_metric": "fid", "step": 12, "checkpoints": best}
    gan.step.assign(4)
    best.save(gan)
    assert best.steps() == [4]
    again = PeriodicEvaluation(record_of, 4, tmp_path, **options)
    again.save()
    assert load_record(tmp_path / "scores" / "best.json").step == 4
    best.remove()
    assert PeriodicEvaluation(record_of, 4, tmp_path, **options).best is None
    assert not (tmp_path / "scores" / "best.json").exists()


def test_tensorboard_gets_the_scores(build_tiny, examples, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    scored(build_tiny, examples, tmp_path, epochs=2, log_dir=tmp_path / "logs")
    events = EventAccumulator(str(tmp_path / "logs")).Reload()
    found = [(event.step, float(tf.make_ndarray(event.tensor_proto))) for event in events.Tensors("scores/fid/tiny")]
    assert found == [(4, 9.0), (8, 3.0)]


def test_samples_that_overflow_are_a_divergence(build_tiny, examples, tmp_path):
    """Of weights that are finite, all of them."""

    def score(gan):
        points = gan.generate(9)
        points[3] = np.inf
        return evaluate(points, "ring8")

    gan = build_tiny("dcgan", image_shape=(2,))
    scoring = PeriodicEvaluation(score, 4, tmp_path)
    with pytest.raises(Diverged, match="diverged at step 4: a sample is not finite"):
        gan.fit(examples(32, (2,)), batch_size=8, epochs=1, verbose=0, callbacks=[scoring])


def test_every_score_has_one_direction():
    assert not set(LOWER) & set(HIGHER)
    assert [sign_of(metric) for metric in ("fid/inception", "reverse_kl", "recall/inception")] == [-1, -1, 1]
    with pytest.raises(InputError, match=r"metric 'fdi/inception' has no best value; did you mean 'fid'\?"):
        sign_of("fdi/inception")


def test_what_cannot_be_chosen_by_is_refused(build_tiny, examples, tmp_path):
    with pytest.raises(InputError, match="'memorisation' has no best value"):
        PeriodicEvaluation(record_of, 4, tmp_path, best_metric="memorisation")
    with pytest.raises(InputError, match="every=0"):
        PeriodicEvaluation(record_of, 0, tmp_path)
    with pytest.raises(InputError, match="best_metric='kid' is not among the scores; known: fid/tiny"):
        scored(build_tiny, examples, tmp_path, epochs=1, best_metric="kid")


# In a run by recipe.

RECIPE = """
variant = "lsgan"

[gan]
latent_dim = 4
networks.generator = { architecture = "mlp", width = 4 }
networks.discriminator = { architecture = "mlp", width = 4 }

[data]
dataset = "ring8"
batch_size = 8

[train]
steps = 20
checkpoint_steps = 8
deterministic = false
watch_steps = 4
evaluate_steps = 4
evaluate_samples = 50
best_metric = "fid"
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Returns the folder of a run whose evaluations are made up, and what `evaluate` was asked; for reading only."""
    folder, asked = tmp_path_factory.mktemp("run"), []

    def evaluate(gan, dataset, **options):
        asked.append((dataset, options))
        return record_of(gan)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(training, "evaluate", evaluate)
        (folder / "run.toml").write_text(RECIPE)
        ganzoo.train(str(folder / "run.toml"), folder / "run", log_dir=folder / "logs", say=lambda line: None)
    return folder / "run", asked


def test_a_run_is_watched_and_evaluated(run):
    folder, asked = run
    options = {"split": "test", "train_split": "train", "data_dir": None, "samples": 50, "metrics": None, "seed": 0}
    assert asked == [("ring8", options)] * 6  # once more before the first round, to see whether it can be done
    assert {path.name for path in folder.iterdir()} == {
        ".lock", "checkpoints", "curves.png", "history.csv", "last_good.json", "recipe.json", "samples", "scores",
        "scores.csv", "watch.csv",
    }  # fmt: skip
    assert sorted(path.name for path in (folder / "checkpoints").iterdir()) == [
        "00000008",
        "00000016",
        "00000020",
        "best",
    ]
    assert Checkpoints(folder / "checkpoints" / "best").steps()[-1] == 20
    assert json.loads((folder / "last_good.json").read_text())["step"] == 20
    assert load_record(folder / "scores" / "best.json").recipe == "run"


def test_the_best_checkpoint_is_exported_as_what_it_is(run, tmp_path):
    folder, _ = run
    chosen = open_generator(ganzoo.export_run(folder, tmp_path / "model", checkpoint="best"))
    assert (chosen.manifest.checkpoint, chosen.manifest.step) == ("best", 20)
    last = open_generator(ganzoo.export_run(folder, tmp_path / "model"))
    assert last.manifest.checkpoint == "last"
    for exported in (chosen, last):
        record = load_record(exported.path / "assets.extra" / "scores" / f"{exported.manifest.checkpoint}.json")
        assert record.checkpoint == exported.manifest.checkpoint
        recipe = exported.path / "assets.extra" / "recipe.json"
        assert recipe.read_bytes() == (folder / "recipe.json").read_bytes()
    np.testing.assert_array_equal(chosen.sample(4), last.sample(4))
    with pytest.raises(InputError, match="checkpoint='first': give 'last' or 'best'"):
        ganzoo.export_run(folder, tmp_path / "model", checkpoint="first")


def test_a_run_without_evaluation_has_no_best(tmp_path):
    (tmp_path / "run.toml").write_text(RECIPE)
    changes = ["train.steps=8", "train.evaluate_steps=0", "train.watch_steps=0"]
    with pytest.raises(InputError, match="best_metric needs evaluate_steps > 0"):
        ganzoo.load_recipe(tmp_path / "run.toml", changes)
    (tmp_path / "run.toml").write_text(RECIPE.replace('best_metric = "fid"', ""))
    ganzoo.train(ganzoo.load_recipe(tmp_path / "run.toml", changes), tmp_path / "run", say=lambda line: None)
    assert not (tmp_path / "run" / "watch.csv").exists()
    with pytest.raises(InputError, match="has no best checkpoint yet; train with evaluate_steps and best_metric"):
        ganzoo.export_run(tmp_path / "run", tmp_path / "model", checkpoint="best")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ("train.best_metric=fdi", r"train.best_metric='fdi': metric 'fdi' has no best value; did you mean 'fid'\?"),
        ("train.watch_steps=-1", "train.watch_steps=-1"),
        ("train.evaluate_samples=1", "train.evaluate_samples=1"),
    ],
)
def test_impossible_settings_are_refused(tmp_path, change, match):
    (tmp_path / "run.toml").write_text(RECIPE)
    with pytest.raises(InputError, match=match):
        ganzoo.load_recipe(tmp_path / "run.toml", [change])


def test_a_run_is_evaluated_by_evaluate(tmp_path):
    (tmp_path / "run.toml").write_text(RECIPE.replace('"fid"', '"reverse_kl"'))
    ganzoo.train(str(tmp_path / "run.toml"), tmp_path / "run", say=lambda line: None)
    assert [row["step"] for row in rows(tmp_path / "run")] == ["4", "8", "12", "16", "20"]
    assert load_record(tmp_path / "run" / "scores" / "best.json").checkpoint == "best"
