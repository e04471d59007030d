"""Training by recipe: data, restore, fit, checkpoint; the same call resumes bit for bit."""

import dataclasses
import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ganzoo import config, data, pictures
from ganzoo.callbacks import (
    CollapseWatch,
    History,
    PeriodicEvaluation,
    Progress,
    SampleGrids,
    SaveCheckpoints,
    StopOnNaN,
)
from ganzoo.checkpoints import Checkpoints
from ganzoo.errors import InputError
from ganzoo.evaluation import ScoreRecord, evaluate
from ganzoo.evaluation.classifier_cache import shipped_classifier
from ganzoo.files import write_text
from ganzoo.gan import GAN

RECIPE_FILE = "recipe.json"
CHECKPOINTS = "checkpoints"
BEST = "best"  # in the folder of checkpoints: the one with the best score
# What may change between the runs of one model_dir: how long, and what is seen of it, not what.
MAY_GROW = "train.steps"
MAY_CHANGE = ("train.keep_checkpoints", "train.watch_steps", "train.stop_on_collapse", "train.evaluate_steps")


def train(
    recipe: config.Recipe | str,
    model_dir: str | os.PathLike,
    *,
    data_dir: str | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    log_dir: str | os.PathLike | None = None,
    say: Callable[[str], None] = print,
) -> GAN:
    """Trains a recipe up to its `train.steps` and returns the GAN; resumes what `model_dir` holds.

    Leaves in `model_dir`: recipe.json, checkpoints/, history.csv (the mean of every term between
    checkpoints), curves.png, samples/; of the watch watch.csv and last_good.json; of evaluations scores.csv, scores/
    and checkpoints/best/.
    On one CPU the weights at a step are the same bits however often the run was killed on its way.

    Args:
        recipe: a recipe, or the name or path of one.
        model_dir: the run's folder; made if it is not there.
        data_dir: where TFDS keeps its data sets.
        callbacks: further Keras callbacks.
        log_dir: for TensorBoard: the scores of evaluations; None: none.
        say: what prints a line.

    Raises:
        InputError: if recipe, data or folder cannot be used, or the folder holds another recipe.
    """
    if isinstance(recipe, str):
        recipe = config.load_recipe(recipe)
    model_dir = Path(model_dir)
    check_folder(recipe, model_dir)
    if recipe.train.deterministic:
        keras.utils.set_random_seed(recipe.gan.get("seed", 0))  # op determinism refuses unseeded ops
        tf.config.experimental.enable_op_determinism()
    source = data.load(
        recipe.data.dataset, recipe.data.split, data_dir=data_dir,
        image_size=recipe.data.image_size, channels=recipe.data.channels,
    )  # fmt: skip
    gan = config.build(recipe, image_shape=source.image_shape)
    require_compiled(recipe, gan)
    data.training_batches(source, recipe.data.batch_size, gan.seed, 0, gan.discriminator_steps)  # enough images?
    checkpoints = Checkpoints(model_dir / CHECKPOINTS, recipe.train.keep_checkpoints)
    step = checkpoints.restore(gan, say)
    total = recipe.train.steps
    if step >= total:
        say(f"{model_dir} is at step {step} already; give more train.steps to go on")
        return gan
    say(f"resuming from step {step}" if step else f"training {recipe.name} for {total} steps into {model_dir}")
    observing = observers(recipe, source, model_dir, step, checkpoints, data_dir=data_dir, log_dir=log_dir, say=say)
    for each in observing:
        if isinstance(each, PeriodicEvaluation) and not step:
            each.try_out(gan)
    write_text(model_dir / RECIPE_FILE, json.dumps({**recipe.as_dict(), "image_shape": gan.image_shape}, indent=2))
    own = (
        Progress(recipe.name, total),
        StopOnNaN(),
        History(model_dir / "history.csv", step),
        SampleGrids(model_dir / "samples"),
        *observing,
        SaveCheckpoints(checkpoints),  # last: what a checkpoint has seen is on disk
    )
    every = recipe.train.checkpoint_steps
    while step < total and not gan.stop_training:
        # Epochs end at multiples of `every`, wherever the run was cut: so do the means in the history.
        whole = step % every == 0 and total - step >= every
        rounds = every if whole else min(every - step % every, total - step)
        epochs = (total - step) // every if whole else 1
        first = step // every
        gan.fit(
            source, batch_size=recipe.data.batch_size,
            initial_epoch=first, epochs=first + epochs, steps_per_epoch=rounds,
            callbacks=[*own, *callbacks], verbose=0,
        )  # fmt: skip
        step += rounds * epochs
    pictures.save_curves(model_dir / "history.csv", model_dir / "curves.png")
    return gan


def require_compiled(recipe: config.Recipe, gan: GAN) -> None:
    """Refuses to train without XLA what shall be trained with it.

    Raises:
        InputError: if Keras has dropped `jit_compile`, which it does once op determinism is on in a process.
    """
    if recipe.train.jit_compile and not gan.jit_compile:
        raise InputError(
            "train.jit_compile=True: an earlier run in this process was deterministic, which TensorFlow cannot undo, "
            "and Keras compiles nothing then; train in a process of its own"
        )


def observers(
    recipe: config.Recipe,
    source: data.Examples | data.Density,
    model_dir: Path,
    step: int,
    checkpoints: Checkpoints,
    *,
    data_dir: str | None,
    log_dir: str | os.PathLike | None,
    say: Callable[[str], None],
) -> list[keras.callbacks.Callback]:
    """Returns the callbacks that the recipe asks for beside what every run has: the watch, evaluation."""
    asked, found = recipe.train, []
    if asked.evaluate_steps:

        def score(gan: GAN) -> ScoreRecord:
            record = evaluate(
                gan, recipe.data.dataset, split=asked.evaluate_split, train_split=recipe.data.split, data_dir=data_dir,
                samples=asked.evaluate_samples, metrics=asked.evaluate_metrics or None, seed=0,
            )  # fmt: skip
            return dataclasses.replace(record, recipe=recipe.name, checkpoint="last", trained_on=recipe.data.split)

        best = Checkpoints(checkpoints.folder / BEST, 1) if asked.best_metric else None
        found.append(
            PeriodicEvaluation(
                score,
                asked.evaluate_steps,
                model_dir,
                best_metric=asked.best_metric,
                step=step,
                checkpoints=best,
                resumes_from=checkpoints,
                log_dir=log_dir,
                say=say,
            )
        )
    if asked.watch_steps:
        found.append(
            CollapseWatch(
                source,
                every=asked.watch_steps,
                classify=classes_of(source),
                stop=asked.stop_on_collapse,
                folder=model_dir,
                step=step,
                checkpoints=checkpoints,
                say=say,
            )
        )
    return found


def classes_of(source: data.Examples | data.Density) -> Callable[[np.ndarray], np.ndarray] | None:
    """Returns the classes of examples as the watch asks for them; None where nothing that is at hand knows them.

    Of a mixture the nearest modes; of images what a shipped classifier says.
    """
    if isinstance(source, data.Density):
        modes = source.modes
        return None if modes is None else lambda x: np.linalg.norm(x[:, None] - modes, axis=2).argmin(axis=1)
    classifier = shipped_classifier(source)
    return None if classifier is None else lambda images: classifier.predict(images)[0].argmax(axis=1)


def check_folder(recipe: config.Recipe, model_dir: Path) -> None:
    """Makes the folder if need be.

    Raises:
        InputError: if it cannot be written, is no run's folder, or holds a run of another recipe.
    """
    try:
        model_dir.mkdir(parents=True, exist_ok=True)
        probe = model_dir / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise InputError(f"model_dir {model_dir} cannot be written: {error.strerror}; choose another") from None
    if not (model_dir / RECIPE_FILE).exists():
        return
    held, _ = held_recipe(model_dir)
    held, given = config.flattened(held.as_dict()), config.flattened(recipe.as_dict())
    absent = object()
    different = [
        f"{key}: {held.get(key, 'absent')!r} there, {given.get(key, 'absent')!r} now"
        for key in sorted({*held, *given} - set(MAY_CHANGE))
        if held.get(key, absent) != given.get(key, absent) and not (key == MAY_GROW and given[key] > held[key])
    ]
    if different:
        raise InputError(
            f"{model_dir} holds another recipe ({'; '.join(different)}); choose another model_dir, or undo the change"
        )


def held_recipe(model_dir: str | os.PathLike) -> tuple[config.Recipe, tuple[int, ...]]:
    """Returns the recipe that a run's folder holds, and its image shape.

    Raises:
        InputError: if the folder holds none.
    """
    path = Path(model_dir) / RECIPE_FILE
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        shape = tuple(values.pop("image_shape"))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} cannot be read ({error}); give the model_dir of `ganzoo train`") from None
    return config.recipe_from(values, str(path)), shape


def restored(model_dir: str | os.PathLike, checkpoint: str = "last") -> tuple[GAN, config.Recipe]:
    """Returns the GAN of a run's folder at a checkpoint, and its recipe.

    Args:
        model_dir: the run's folder.
        checkpoint: `"last"`, the newest; `"best"`, the one with the best score, which is a chosen one.

    Raises:
        InputError: if the folder holds no run, or no such checkpoint that is whole.
    """
    if checkpoint not in ("last", BEST):
        raise InputError(f"checkpoint={checkpoint!r}: give 'last' or 'best'")
    recipe, shape = held_recipe(model_dir)
    gan = config.build(recipe, image_shape=shape)
    folder = Path(model_dir) / CHECKPOINTS
    if not Checkpoints(folder / BEST if checkpoint == BEST else folder).restore(gan):
        cure = (
            "train with evaluate_steps and best_metric in [train]"
            if checkpoint == BEST
            else f"train until step {recipe.train.checkpoint_steps}"
        )
        raise InputError(f"{model_dir} has no {'best ' if checkpoint == BEST else ''}checkpoint yet; {cure}")
    return gan, recipe
