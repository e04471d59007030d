"""The models that the contract suite asks for, the same on every machine.

    python tests/serving/models.py DIR

writes them and DIR/models.config, by which TensorFlow Serving serves them with DIR at /models:

    docker run --rm -p 8500:8500 -p 8501:8501 -v "$PWD/DIR:/models" tensorflow/serving:2.21.0 \
        --model_config_file=/models/models.config --allow_version_labels_for_unavailable_models=true
    GANZOO_TF_SERVING=localhost:8500:8501 pytest tests/serving/test_protocol.py
"""

import sys
from pathlib import Path

import numpy as np

import ganzoo

NAME, POINTS = "pictures", "points"
LABELS = {"stable": 1, "canary": 2}
FLAG = "--allow_version_labels_for_unavailable_models=true"  # at the start no version is loaded
IMAGE_SHAPE, LATENT_DIM = (32, 32, 3), 6
CONFIG = """\
model_config_list {{
  config {{
    name: "pictures" base_path: "{base}/pictures" model_platform: "tensorflow"
    model_version_policy {{ specific {{ versions: 1 versions: 2 }} }}
    version_labels {{ key: "stable" value: 1 }}
    version_labels {{ key: "canary" value: 2 }}
  }}
  config {{ name: "points" base_path: "{base}/points" model_platform: "tensorflow" }}
}}
"""


def gan(version):
    """Returns the game whose generator is that version of the model of images."""
    networks = {"generator": {"width": 4}, "discriminator": {"width": 4}}
    return scattered(
        ganzoo.build("dcgan", image_shape=IMAGE_SHAPE, latent_dim=LATENT_DIM, networks=networks), seed=version
    )


def toy():
    """Returns the game whose generator is the model of points."""
    networks = {player: {"architecture": "mlp", "width": 8} for player in ("generator", "discriminator")}
    return scattered(ganzoo.build("dcgan", image_shape=(2,), latent_dim=4, networks=networks), seed=3)


def scattered(game, seed):
    """Gives the averaged generator weights that make images of many levels; returns the game."""
    random = np.random.default_rng(seed)
    for weight in game.averaged_generator.weights:
        values = random.normal(0, 0.5, weight.shape)
        weight.assign(values if values.ndim > 1 else abs(values) + 0.1)  # variances, too
    return game


def write(directory, base=None):
    """Writes the models and their configuration.

    Args:
        directory: where to.
        base: where the server finds them; `directory` if not given.
    """
    for version in sorted(LABELS.values()):
        ganzoo.export(gan(version), Path(directory) / NAME)
    ganzoo.export(toy(), Path(directory) / POINTS)
    (Path(directory) / "models.config").write_text(CONFIG.format(base=base or directory))


if __name__ == "__main__":
    write(sys.argv[1], base="/models")
