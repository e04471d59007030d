"""How near generated images are to real ones, pixel by pixel: copies of training images, Parzen windows."""

from collections.abc import Sequence

import numpy as np

from ganzoo.errors import InputError
from ganzoo.evaluation.metrics.metric import ROWS, Batch, Metric, Setting, of_mean
from ganzoo.evaluation.records import Score
from ganzoo.evaluation.scores import nearest_distances, parzen_log_likelihood, parzen_width

PERCENTILES = (1, 5, 25, 50)
LEVELS_A_UNIT = 127.5  # pixel levels of uint8 images in a unit of the range -1 to 1
PARZEN_MOST, PARZEN_CHOICE = 10_000, 1_000
PARZEN_WIDTHS = np.logspace(-1.5, 0, 16)


class Parzen(Metric):
    """Log-likelihood of held-out images, pixels from 0 to 1, under Gaussians around at most 10,000 generated ones.

    Their width is chosen on 1,000 training images. For comparison with early papers alone; it misleads, see
    `parzen_log_likelihood`.
    """

    by_network = False

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        if setting.train is None:
            raise InputError("parzen chooses its width on other images than it scores: give a train_split beside split")
        self.held = []
        self.left = self.count = min(setting.count, PARZEN_MOST)

    def update(self, batch: Batch) -> None:
        self.held.append(batch.images[: self.left])
        self.left -= len(self.held[-1])

    def scores(self) -> list[Score]:
        samples = np.concatenate(self.held).astype(np.float32) / 255
        rng = np.random.default_rng(self.setting.seed)
        train, test = self.setting.train.images, self.setting.test.images
        chosen = rng.choice(len(train), min(PARZEN_CHOICE, len(train)), replace=False)
        width = parzen_width(samples, train[chosen] / np.float32(255), PARZEN_WIDTHS)
        value, error = parzen_log_likelihood(samples, test / np.float32(255), width)
        return [
            self.generated("parzen", value, len(test), self.count, **of_mean(error)),
            self.generated("parzen_width", width, len(chosen), self.count),
        ]


class Memorisation(Metric):
    """How near the generated and (`real_`) the held-out images are to their nearest training images.

    `nearest_train_distance_p01` to `_p50` are percentiles of root mean square distances, images in [-1, 1].
    `share_nearer_than_real_p01` is the share of generated images nearer to the training images than the nearest
    hundredth of the held-out ones: about 0.01 without memorisation, 1 for copies. A low value does not clear a
    generator of copies that are shifted, mirrored or recoloured.
    """

    by_network = False

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        if setting.train is None:
            raise InputError(
                "memorisation compares generated with held-out images: give a split and a train_split that differ"
            )
        self.distances = []
        self.held = []

    def update(self, batch: Batch) -> None:
        self.held.append(batch.images)
        if sum(map(len, self.held)) >= ROWS:
            self._measure()

    def _measure(self) -> None:
        if self.held:
            self.distances.append(nearest_distances(np.concatenate(self.held), self.setting.train.images))
            self.held = []

    def scores(self) -> list[Score]:
        self._measure()
        train, test = self.setting.train.images, self.setting.test.images
        ours = np.concatenate(self.distances) / LEVELS_A_UNIT
        theirs = nearest_distances(test, train) / LEVELS_A_UNIT
        both = len(train) + len(test)
        name = "nearest_train_distance"
        nearer = float(np.mean(ours < np.percentile(theirs, 1)))
        return [
            *_percentiles(name, ours, {"generated": len(ours), "real": len(train)}),
            *_percentiles(f"real_{name}", theirs, {"generated": 0, "real": both}),
            self.generated("share_nearer_than_real_p01", nearer, both),
        ]


def _percentiles(name: str, distances: np.ndarray, counts: dict[str, int]) -> list[Score]:
    values = np.percentile(distances, PERCENTILES)
    return [
        Score(f"{name}_p{percent:02}", float(value), **counts)
        for percent, value in zip(PERCENTILES, values, strict=True)
    ]
