"""ganzoo: the model zoo of generative adversarial networks for Keras 3 and TensorFlow."""

from ganzoo import callbacks, data, evaluation, serving
from ganzoo.cards import spec
from ganzoo.config import Recipe, build, list_recipes, load_recipe
from ganzoo.errors import InputError
from ganzoo.evaluation import compare, evaluate
from ganzoo.exporting import export, export_run
from ganzoo.folders import restored
from ganzoo.gan import GAN
from ganzoo.registry import list_models, register
from ganzoo.strategies import strategy
from ganzoo.training import train

__version__ = "0.1.0"

__all__ = [
    "GAN",
    "InputError",
    "Recipe",
    "build",
    "callbacks",
    "compare",
    "data",
    "evaluate",
    "evaluation",
    "export",
    "export_run",
    "list_models",
    "list_recipes",
    "load_recipe",
    "register",
    "restored",
    "serving",
    "spec",
    "strategy",
    "train",
]
