"""Training by recipe: data, restore, fit, checkpoint; the same call resumes bit for bit."""

import dataclasses
import gc
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from ganzoo import config, data, pictures, strategies
from ganzoo.callbacks import (
    CollapseWatch,
    ContinueEpoch,
    History,
    Interrupted,
    PeriodicEvaluation,
    Progress,
    SampleGrids,
    SaveCheckpoints,
    StopOnNaN,
    StopOnSignal,
)
from ganzoo.checkpoints import INTERRUPTED, Checkpoints, restore_newest
from ganzoo.errors import Diverged, InputError
from ganzoo.evaluation import ScoreRecord, evaluate
from ganzoo.evaluation.classifier_cache import shipped_classifier
from ganzoo.files import locked, or_without, require_writable
from ganzoo.folders import BEST, CHECKPOINTS, RECIPE_FILE, check_folder, keep_recipe, last_rollback, roll_back
from ganzoo.gan import GAN

HISTORY_FILE = "history.csv"
CURVES_FILE = "curves.png"


def train(
    recipe: config.Recipe | str,
    model_dir: str | os.PathLike,
    *,
    data_dir: str | None = None,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    log_dir: str | os.PathLike | None = None,
    strategy: str | tf.distribute.Strategy = "default",
    say: Callable[[str], None] = print,
) -> GAN:
    """Trains a recipe up to its `train.steps` and returns the GAN; resumes what `model_dir` holds.

    Leaves in `model_dir`: recipe.json, checkpoints/, history.csv (the mean of every term between
    checkpoints), curves.png, samples/; of the watch watch.csv and last_good.json; of evaluations scores.csv, scores/
    and checkpoints/best/; of a rollback rollback.json, where it went and why.
    On one CPU the weights at a step are the same bits however often the run was killed on its way. SIGTERM and Ctrl-C
    end it after the running round, with a checkpoint; of a full disk it says what could not be written. Of several
    workers, which call this alike, the chief leaves files and says something; all read `model_dir`.

    Args:
        recipe: a recipe, or the name or path of one.
        model_dir: the run's folder; made if it is not there.
        data_dir: where TFDS keeps its data sets.
        callbacks: further Keras callbacks.
        log_dir: for TensorBoard: the scores of evaluations; None: none.
        strategy: what to train on, see `ganzoo.strategy`.
        say: what prints a line.

    Raises:
        InputError: if recipe, data, strategy or folder cannot be used, the folder holds another recipe, or a checkpoint
            cannot be written.
        InUse: an InputError, if another process trains in the folder.
        WorkerLost: an InputError, if another worker is gone.
        Diverged: an InputError, if a term, a gradient or a variable is not finite, and on_nan="stop" or nothing helped.
    """
    strategy = strategies.strategy(strategy)  # before anything that computes, and recipes make optimizers
    if isinstance(recipe, str):
        recipe = config.load_recipe(recipe)
    recipe = config.with_precision(recipe)
    data.require_divisible(recipe.data.batch_size, strategy.num_replicas_in_sync)
    model_dir, chief = Path(model_dir), strategies.is_chief(strategy)
    if chief:
        require_writable(model_dir / RECIPE_FILE)
    else:
        say, log_dir = silent, None
    with strategies.own_folder(model_dir, strategy) as folder, locked(folder), strategies.told_of_losses(strategy):
        if chief:
            check_folder(recipe, model_dir)  # locked: no other run makes it one of another recipe now
        if recipe.train.deterministic:
            keras.utils.set_random_seed(recipe.gan.get("seed", 0))  # op determinism refuses unseeded ops
            tf.config.experimental.enable_op_determinism()
        source = data.load(
            recipe.data.dataset, recipe.data.split, data_dir=data_dir,
            image_size=recipe.data.image_size, channels=recipe.data.channels,
        )  # fmt: skip
        _, rollbacks = last_rollback(model_dir)
        told = False
        with StopOnSignal() as signals:
            while True:
                gan = resumed(recipe, source, strategy, model_dir, rollbacks, say)
                if told:
                    break
                try:
                    go_on(
                        gan, recipe, source, folder, signals,
                        callbacks=callbacks, data_dir=data_dir, log_dir=log_dir, say=say,
                    )  # fmt: skip
                    break
                except Diverged as error:
                    rollbacks = int(gan.rollbacks.numpy()) + 1
                    roll_back(recipe.train, folder, rollbacks, error, say)
                    told = signals.told()  # asked of all: they have come so far, and now restore the same
                signals.set_model(None)
                del gan
                gc.collect()  # before the next one is made
        step = int(gan.step.numpy())
        gan.cut = bool(signals.caught) and step < recipe.train.steps
        if gan.cut:
            say(f"{signals.caught.name}: saved at step {step}; the same command goes on from there")
        return gan


def resumed(
    recipe: config.Recipe,
    source: data.Examples | data.Density,
    strategy: tf.distribute.Strategy,
    model_dir: Path,
    rollbacks: int,
    say: Callable[[str], None],
) -> GAN:
    """Returns a recipe's game as its newest checkpoint has it, with the noise of so many rollbacks or more."""
    with strategy.scope():
        gan = config.build(recipe, image_shape=source.image_shape)
    require_compiled(recipe, gan)
    restore_newest(model_dir / CHECKPOINTS, gan, say)
    strategies.require_equal(strategy, int(gan.step.numpy()))
    gan.rollbacks.assign(max(rollbacks, int(gan.rollbacks.numpy())))
    return gan


def go_on(
    gan: GAN,
    recipe: config.Recipe,
    source: data.Examples | data.Density,
    model_dir: Path,
    signals: StopOnSignal,
    *,
    callbacks: Sequence[keras.callbacks.Callback],
    data_dir: str | None,
    log_dir: str | os.PathLike | None,
    say: Callable[[str], None],
) -> None:
    """Trains a GAN, new or restored, to the end of the run, or until a signal.

    Args:
        signals: what catches signals.
        gan, recipe, source, model_dir, callbacks, data_dir, log_dir, say: see `train`.

    Raises:
        Diverged: if a term, a gradient or a variable is not finite.
    """
    data.training_batches(source, recipe.data.batch_size, gan.seed, 0, gan.discriminator_steps)  # enough images?
    folder, every, total = model_dir / CHECKPOINTS, recipe.train.checkpoint_steps, recipe.train.steps
    checkpoints, interrupted = Checkpoints(folder, recipe.train.keep_checkpoints), Checkpoints(folder / INTERRUPTED, 1)
    step, chief = int(gan.step.numpy()), strategies.is_chief(gan.distribute_strategy)
    if step >= total:
        say(f"{model_dir} is at step {step} already; give more train.steps to go on")
        return
    say(f"resuming from step {step}" if step else f"training {recipe.name} for {total} steps into {model_dir}")
    observing = observers(recipe, source, model_dir, step, checkpoints, data_dir=data_dir, log_dir=log_dir, say=say)
    for each in observing:
        if isinstance(each, PeriodicEvaluation) and not step and chief:
            each.try_out(gan)
    keep_recipe(recipe, gan, model_dir)
    kept = (
        Progress(recipe.name, total),
        History(model_dir / HISTORY_FILE, step, every, say),
        SampleGrids(model_dir / "samples", say=say),
    )
    own = (
        ContinueEpoch(step % every != 0),
        StopOnNaN(),
        *(kept if chief else ()),
        *(each for each in observing if chief or isinstance(each, PeriodicEvaluation)),  # whose best ones all save
        SaveCheckpoints(checkpoints, interrupted),  # last: what a checkpoint has seen is on disk
        *callbacks,
        signals,
    )
    try:
        while step < total and not gan.stop_training:
            # Epochs end at multiples of `every`, wherever the run was cut: so do the means in the history.
            whole = step % every == 0 and total - step >= every
            rounds = every if whole else min(every - step % every, total - step)
            epochs = (total - step) // every if whole else 1
            first = step // every
            gan.fit(
                source, batch_size=recipe.data.batch_size,
                initial_epoch=first, epochs=first + epochs, steps_per_epoch=rounds,
                callbacks=list(own), verbose=0,
            )  # fmt: skip
            step += rounds * epochs
    except (Interrupted, Diverged) as end:
        for each in own:
            each.on_train_end({})  # writes what the checkpoint has seen
        if isinstance(end, Diverged):
            raise
        interrupted.save(gan)
    if (model_dir / HISTORY_FILE).exists():
        with or_without(model_dir / CURVES_FILE, say):
            pictures.save_curves(model_dir / HISTORY_FILE, model_dir / CURVES_FILE)


def silent(line: str) -> None:
    """Says nothing: the chief speaks for all workers."""


def require_compiled(recipe: config.Recipe, gan: GAN) -> None:
    """Refuses to train without XLA what shall be trained with it.

    Raises:
        InputError: if Keras has dropped `jit_compile`, which it does once op determinism is on in a process.
    """
    if recipe.train.jit_compile and not gan.jit_compile:
        raise InputError(
            "train.jit_compile=True: an earlier run in this process was deterministic, TensorFlow has no public way to "
            "undo that, and Keras compiles nothing then; train in a process of its own"
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
