"""How much of the data a generator reaches: neighbours, classes, likeness of its images to each other."""

from collections.abc import Sequence

import numpy as np

from ganzoo.evaluation.metrics.metric import ROWS, Batch, Metric, Setting
from ganzoo.evaluation.metrics.quality import real_sums
from ganzoo.evaluation.neighbours import neighbour_scores
from ganzoo.evaluation.records import Score
from ganzoo.evaluation.scores import class_histogram_kl, classes_reached, mode_score
from ganzoo.evaluation.similarity import image_pairs, ms_ssim, scales_of
from ganzoo.evaluation.streaming import SplitScores

NEIGHBOURS_MOST = 10_000  # rows a side: distances between all of them are taken
FEW_CLASSES = 20  # of which each gets a score of its own


class Neighbours(Metric):
    """Precision and recall, density and coverage: manifolds of nearest neighbours.

    Of at most 10,000 images, and of as many generated as real ones, of either split: all four depend on the numbers.
    """

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        sides = (setting.count, len(setting.reference), NEIGHBOURS_MOST)
        self.count = min(*sides, *(() if setting.floor is None else (len(setting.floor),)))
        self.features = np.empty((self.count, setting.reference.features.shape[1]), np.float32)
        self.row = 0

    def update(self, batch: Batch) -> None:
        rows = batch.features[: self.count - self.row]
        self.features[self.row : self.row + len(rows)] = rows
        self.row += len(rows)

    def scores(self) -> list[Score]:
        reference, floor, count = self.setting.reference, self.setting.floor, self.count
        titles = [title for name in self.names for title in name.split("_")]
        real = reference.features[:count]  # in random order
        ours = neighbour_scores(self.features, real)
        found = [self.generated(title, getattr(ours, title), count, count) for title in titles]
        if floor is not None:
            theirs = neighbour_scores(floor.features[:count], real)
            found += [Score(f"real_{title}", getattr(theirs, title), generated=0, real=2 * count) for title in titles]
        return found


class Modes(Metric):
    """How the images spread over the classes: how many are reached, KL of their histogram to the uniform one."""

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        self.counts = np.zeros(setting.reference.logits.shape[1], np.int64)

    def update(self, batch: Batch) -> None:
        self.counts += np.bincount(batch.logits.argmax(axis=1), minlength=len(self.counts))

    def scores(self) -> list[Score]:
        real = np.bincount(self.setting.reference.logits.argmax(axis=1), minlength=len(self.counts))
        ours, theirs = (counts / counts.sum() for counts in (self.counts, real))
        reals = len(self.setting.reference)
        found = [
            self.generated("classes_reached", classes_reached(self.counts, 1)),
            Score("real_classes_reached", float(classes_reached(real, 1)), generated=0, real=reals),
            self.generated("class_kl", class_histogram_kl(ours)),
            Score("real_class_kl", class_histogram_kl(theirs), generated=0, real=reals),
        ]
        shares = enumerate(ours) if len(ours) <= FEW_CLASSES else ()
        return found + [self.generated(f"class_share_{number}", share) for number, share in shares]


class ModeScore(Metric):
    """Che et al.'s score: the classifier score, less where classes are not as frequent as in the data."""

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        self.sums = SplitScores(setting.count)

    def update(self, batch: Batch) -> None:
        self.sums.update(batch.logits)

    def scores(self) -> list[Score]:
        value = mode_score(self.sums, real_sums(self.setting.reference))
        return [self.generated("mode_score", value, len(self.setting.reference))]


class MSSSIM(Metric):
    """Mean structural similarity of pairs of successive images: high where a generator draws one and the same.

    Its name says how many scales the images have room for.
    """

    by_network = False

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        self.scales = scales_of(*setting.test.image_shape[:2])
        self.total, self.pairs = 0.0, 0

    def update(self, batch: Batch) -> None:
        pairs = len(batch.images) // 2
        if pairs:
            mean, _ = ms_ssim(batch.images[: 2 * pairs].reshape(pairs, 2, *batch.images.shape[1:]))
            self.total, self.pairs = self.total + pairs * mean, self.pairs + pairs

    def scores(self) -> list[Score]:
        title, count = f"ms_ssim_{self.scales}_scales", 2 * self.pairs
        images, theirs = self.setting.test.images, 0.0
        for start in range(0, self.pairs, ROWS):
            pairs = min(ROWS, self.pairs - start)
            mean, _ = ms_ssim(image_pairs(images, pairs, self.setting.seed + start))
            theirs += pairs * mean
        return [
            self.generated(title, self.total / self.pairs, count=count),
            Score(f"real_{title}", theirs / self.pairs, generated=0, real=count),
        ]
