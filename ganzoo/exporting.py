"""From a trained generator to a SavedModel that loads with plain TensorFlow, without Keras and without ganzoo."""

import importlib.metadata
import json
import os
from pathlib import Path
from typing import Any

import tensorflow as tf

from ganzoo.errors import InputError
from ganzoo.exported import INFO_FILE
from ganzoo.files import next_version, write_text, written_folder
from ganzoo.gan import GAN

PACKAGES = ("ganzoo", "tensorflow", "keras", "numpy")


class Generator(tf.Module):
    """What is exported: the generator's variables, once, and the functions of its signatures.

    Args:
        gan: a built GAN.
        averaged: the averaged generator, or the last weights.
    """

    def __init__(self, gan: GAN, averaged: bool):
        super().__init__()
        network = gan.averaged_generator if averaged else gan.generator
        self.weights = [weight.value for weight in network.weights]
        output = "images" if len(gan.image_shape) == 3 else "points"

        @tf.function(input_signature=[tf.TensorSpec([None, gan.latent_dim], tf.float32, "latent")])
        def serving_default(latent):
            return {output: tf.cast(network(latent, training=False), tf.float32)}

        @tf.function(
            input_signature=[
                tf.TensorSpec([None], tf.int64, "seed"),
                tf.TensorSpec([None], tf.int64, "index"),
                tf.TensorSpec([None], tf.float32, "truncation"),
            ]
        )
        def sample(seed, index, truncation):
            return {output: gan.sample(seed, index, truncation, averaged)}

        self.functions = {"serving_default": serving_default, "sample": sample}


def export(
    gan: GAN, directory: str | os.PathLike, *, averaged: bool = True, about: dict[str, Any] | None = None
) -> Path:
    """Writes the generator as the SavedModel `directory/<version>` and returns that path.

    Signatures, each row by itself: `serving_default`, latent float32 [B, latent_dim] -> images float32
    [B, H, W, C] in [-1, 1]; `sample`, seed int64 [B], index int64 [B], truncation float32 [B] (in standard
    deviations; infinite for none) -> images uint8 [B, H, W, C]. Toy densities give points float32 [B, D].

    Args:
        gan: a built GAN.
        directory: of the model; the version is the next integer. Written under another name, then renamed.
        averaged: export the averaged generator, else the last weights.
        about: what else `assets.extra/ganzoo.json` shall say, e.g. the recipe.

    Raises:
        InputError: if the model has no networks yet, or the directory cannot be written.
    """
    if gan.image_shape is None:
        raise InputError("the model has no networks yet: build it with image_shape=, or fit it, then export")
    final = next_version(directory)
    info = {
        "variant": gan.variant,
        "image_shape": list(gan.image_shape),
        "latent_dim": gan.latent_dim,
        "prior": gan.prior,
        "step": int(gan.step.numpy()),
        "seed": gan.seed,
        "averaged": averaged,
        "versions": {name: importlib.metadata.version(name) for name in PACKAGES},
        **(about or {}),
    }
    try:
        with written_folder(final) as partial:
            module = Generator(gan, averaged)
            tf.saved_model.save(module, str(partial), signatures=module.functions)
            write_text(partial / INFO_FILE, json.dumps(info, indent=2) + "\n")
    except (OSError, tf.errors.OpError) as error:
        reason = getattr(error, "strerror", None) or getattr(error, "message", None) or error
        raise InputError(f"{directory} cannot be written: {reason}; choose another") from None
    return final


def export_run(
    model_dir: str | os.PathLike,
    directory: str | os.PathLike | None = None,
    *,
    averaged: bool = True,
    checkpoint: str = "last",
) -> Path:
    """Exports a checkpoint of a run's folder to `directory`, saved_models/<recipe> if not given.

    Args:
        model_dir: the run's folder.
        directory: of the model.
        averaged: export the averaged generator, else the last weights.
        checkpoint: `"last"`, the newest; `"best"`, the one with the best score, which is a chosen one.

    Raises:
        InputError: if the folder holds no run, or no such checkpoint, or the directory cannot be written.
    """
    from ganzoo.training import restored

    gan, recipe = restored(model_dir, checkpoint)
    about = {
        "recipe": recipe.name,
        "dataset": recipe.data.dataset,
        "data_split": recipe.data.split,
        "checkpoint": checkpoint,
        "settings": recipe.as_dict(),
    }
    return export(gan, directory or Path("saved_models") / recipe.name, averaged=averaged, about=about)
