"""A run's folder: the recipe that it holds, what is restored from it, what a rollback leaves of it."""

import json
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ganzoo import config
from ganzoo.callbacks import last_good
from ganzoo.checkpoints import INTERRUPTED, Checkpoints, restore_newest
from ganzoo.composition import UnsoundWarning
from ganzoo.errors import Diverged, InputError
from ganzoo.files import needed, or_without, write_text
from ganzoo.gan import GAN

RECIPE_FILE = "recipe.json"
ROLLBACK_FILE = "rollback.json"
CHECKPOINTS = "checkpoints"
BEST = "best"  # in the folder of checkpoints: the one with the best score
# What may change between the runs of one model_dir: how long, and what is seen of it, not what.
MAY_GROW = "train.steps"
MAY_CHANGE = (
    "train.keep_checkpoints", "train.watch_steps", "train.stop_on_collapse", "train.evaluate_steps", "train.on_nan",
    "train.rollbacks",
)  # fmt: skip


def check_folder(recipe: config.Recipe, model_dir: Path) -> None:
    """Refuses a folder in which a recipe cannot be trained, or trained on.

    Raises:
        InputError: if it holds a run of another recipe, or one that cannot be read.
    """
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


def keep_recipe(recipe: config.Recipe, gan: GAN, model_dir: Path) -> None:
    """Writes the recipe, with the image shape of its game, if it is not there.

    Raises:
        InputError: if it cannot be written.
    """
    path, text = model_dir / RECIPE_FILE, json.dumps({**recipe.as_dict(), "image_shape": gan.image_shape}, indent=2)
    with needed(path):
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            write_text(path, text)


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
    return config.with_precision(config.recipe_from(values, str(path))), shape


def rebuilt(model_dir: str | os.PathLike, **settings: Any) -> tuple[GAN, config.Recipe]:
    """Returns the GAN of a run's folder with new weights and, where they are given, other settings, and its recipe.

    What is unsound in it was said when it was trained.

    Raises:
        InputError: if the folder holds no run.
    """
    recipe, shape = held_recipe(model_dir)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnsoundWarning)
        return config.build(recipe, image_shape=shape, **settings), recipe


def restored(model_dir: str | os.PathLike, checkpoint: str = "last") -> tuple[GAN, config.Recipe]:
    """Returns the GAN of a run's folder at a checkpoint, and its recipe.

    Args:
        model_dir: the run's folder.
        checkpoint: `"last"`, the newest; `"best"`, the one with the best score, which is a chosen one.

    Raises:
        InputError: if the folder holds no run, or no such checkpoint that can be restored.
    """
    if checkpoint not in ("last", BEST):
        raise InputError(f"checkpoint={checkpoint!r}: give 'last' or 'best'")
    gan, recipe = rebuilt(model_dir)
    folder = Path(model_dir) / CHECKPOINTS
    if not (Checkpoints(folder / BEST).restore(gan) if checkpoint == BEST else restore_newest(folder, gan)):
        cure = (
            "train with evaluate_steps and best_metric in [train]"
            if checkpoint == BEST
            else f"train until step {recipe.train.checkpoint_steps}"
        )
        raise InputError(f"{model_dir} has no {'best ' if checkpoint == BEST else ''}checkpoint yet; {cure}")
    return gan, recipe


def roll_back(
    asked: config.Train, model_dir: Path, rollbacks: int, error: Diverged, say: Callable[[str], None]
) -> None:
    """Removes the checkpoints that a run shall not go on from, and notes where it goes on.

    Raises:
        Diverged: the error, if the recipe does not ask for this, or so many times.
    """
    if asked.on_nan != "rollback":
        raise Diverged(f"{error}, or train with on_nan=rollback; the checkpoints before it are kept") from None
    if rollbacks > asked.rollbacks:
        raise Diverged(
            f"{error}; train.rollbacks={asked.rollbacks}: rolled back as often; the checkpoints before it are kept"
        ) from None
    regular, interrupted = Checkpoints(model_dir / CHECKPOINTS), Checkpoints(model_dir / CHECKPOINTS / INTERRUPTED)
    step = way_back(regular.steps(), model_dir)
    lost = sorted({*interrupted.steps(), *(later for later in regular.steps() if later > step)})
    with or_without(model_dir / ROLLBACK_FILE, say):
        note = {"step": step, "rollbacks": rollbacks, "reason": str(error)}
        write_text(model_dir / ROLLBACK_FILE, json.dumps(note, indent=2) + "\n")
    regular.drop_after(step)
    interrupted.remove()
    removed = f"; removed: checkpoints of steps {', '.join(map(str, lost))}" if lost else ""
    say(f"{error}\nrolled back to step {step}, with other noise ({rollbacks} of {asked.rollbacks}){removed}")


def way_back(steps: list[int], model_dir: Path) -> int:
    """Returns the step to go back to: the newest checkpoint's, unless it has been gone back to already.

    Then one before it, if there is one: the last good one by the watch's word, else the next.
    """
    newest, before = max(steps, default=0), steps[:-1]
    if not before or newest != last_rollback(model_dir)[0]:
        return newest
    good = last_good(model_dir)
    return good if good in before else before[-1]


def last_rollback(model_dir: Path) -> tuple[int | None, int]:
    """Returns the step that the last rollback of a run went to, and how many there were; (None, 0) without any."""
    try:
        note = json.loads((model_dir / ROLLBACK_FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None, 0
    return note["step"], note["rollbacks"]
