"""Everything about data: reading it, pixel ranges, batches, and what users pass to `GAN.fit`."""

from ganzoo.data.batches import training_batches
from ganzoo.data.examples import Examples
from ganzoo.data.pixels import pixels, unit_range
from ganzoo.data.resizing import resized
from ganzoo.data.sources import load
from ganzoo.data.toy import Density
from ganzoo.data.user_data import adapt, image_shape_of
from ganzoo.data.user_dataset import require_divisible

__all__ = [
    "Density",
    "Examples",
    "adapt",
    "image_shape_of",
    "load",
    "pixels",
    "require_divisible",
    "resized",
    "training_batches",
    "unit_range",
]
