"""Scores of images by name: each metric takes them batch by batch and gives its scores at the end.

Beside most stands the same score of real images, `real_<metric>`: what a perfect generator would get with as many.
"""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ganzoo.data import Examples
from ganzoo.errors import InputError
from ganzoo.evaluation.evaluators import Evaluator
from ganzoo.evaluation.neighbours import neighbour_scores
from ganzoo.evaluation.records import Score
from ganzoo.evaluation.references import Reference
from ganzoo.evaluation.scores import (
    class_histogram_kl,
    classes_reached,
    frechet_distance,
    mode_score,
    nearest_distances,
    parzen_log_likelihood,
    parzen_width,
)
from ganzoo.evaluation.similarity import image_pairs, ms_ssim, scales_of
from ganzoo.evaluation.streaming import KernelBlocks, Moments, SplitScores
from ganzoo.evaluation.tfgan import tfgan_scores

SPLITS = 10
_PERCENTILES = (1, 5, 25, 50)
_LEVELS_A_UNIT = 127.5  # pixel levels of uint8 images in a unit of the range -1 to 1
_NEIGHBOURS_MOST = 10_000  # rows a side: distances between all of them are taken
_AT_ONCE = 1024
_PARZEN_MOST, _PARZEN_CHOICE = 10_000, 1_000
_PARZEN_WIDTHS = np.logspace(-1.5, 0, 16)
_FEW_CLASSES = 20


@dataclass(frozen=True)
class Setting:
    """What is compared with what.

    Args:
        count: Number of generated images.
        seed: Of choices among them.
        test: Real images that the generated ones are compared with.
        train: Real images of another split; None if there is none.
        evaluator: None if no metric asks one.
        reference: What the evaluator makes of `test`.
        floor: What it makes of as many images of `train` as are generated, or all of them; None without.
    """

    count: int
    seed: int
    test: Examples
    train: Examples | None = None
    evaluator: Evaluator | None = None
    reference: Reference | None = None
    floor: Reference | None = None


@dataclass(frozen=True)
class Batch:
    """Generated images uint8 [B, H, W, C], and what the evaluator makes of them if it was asked."""

    images: np.ndarray
    logits: np.ndarray | None = None
    features: np.ndarray | None = None


class Metric:
    """What computes one metric or several of like needs: `update` with every batch, then `scores`.

    Args:
        setting: What is compared with what.
        names: Those of its metrics that are asked for.
    """

    by_network: ClassVar[bool] = True  # whether it wants logits and features

    def __init__(self, setting: Setting, names: Sequence[str]):
        self.setting = setting
        self.names = names

    def update(self, batch: Batch) -> None:
        """Takes the next images."""

    def scores(self) -> list[Score]:
        """Returns the scores of all images seen; the evaluator's name is added to their names."""
        raise NotImplementedError

    def generated(self, metric: str, value: float, real: int = 0, count: int | None = None, **spread) -> Score:
        """Returns a score of the generated images, all if `count` is None."""
        count = self.setting.count if count is None else count
        return Score(metric, float(value), generated=count, real=real, **spread)


class ClassifierScore(Metric):
    """exp(E_x KL(p(y|x) || p(y))), in one split and in ten; called `inception_score` where Inception is asked."""

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        self.sums = SplitScores(setting.count, min(setting.count, SPLITS))

    def update(self, batch: Batch) -> None:
        self.sums.update(batch.logits)

    def scores(self) -> list[Score]:
        real = _real_sums(self.setting.reference).score()
        return classifier_scores(self, self.names[0], self.sums.score(), self.sums.scores(), real)


def classifier_scores(metric: Metric, title: str, whole: float, splits: np.ndarray, real: float) -> list[Score]:
    """Returns the scores in one split and in ten, that of real images, and the ratio."""
    reals = len(metric.setting.reference)
    spread = {"spread": float(np.std(splits)), "spread_of": "splits"}
    return [
        metric.generated(title, whole),
        *([metric.generated(f"{title}_{SPLITS}_splits", np.mean(splits), **spread)] if len(splits) == SPLITS else ()),
        Score(f"real_{title}", float(real), generated=0, real=reals),
        metric.generated(f"{title}_ratio", whole / real, reals),
    ]


class FID(Metric):
    """Squared Fréchet distance of features to those of the real images.

    From at most as many images as the floor has, which is drawn from another split: at unlike numbers they would not
    compare. The classifier is surer of images it was trained on, so an ideal generator can get a little less.
    """

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        self.left = setting.count if setting.floor is None else min(setting.count, len(setting.floor))
        self.count = self.left
        self.moments = Moments(setting.reference.features.shape[1])

    def update(self, batch: Batch) -> None:
        if self.left:
            self.moments.update(batch.features[: self.left])
            self.left -= min(self.left, len(batch.features))

    def scores(self) -> list[Score]:
        reference, floor = self.setting.reference, self.setting.floor
        ours = frechet_distance(self.moments.gaussian(), reference.gaussian)
        theirs = 0.0 if floor is None else frechet_distance(floor.gaussian, reference.gaussian)
        return distances(self, "fid", ours, theirs, self.count)


class KID(Metric):
    """Squared maximum mean discrepancy of features, polynomial kernel of degree 3, over blocks of at most 1024."""

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        self.blocks = KernelBlocks(setting.count, setting.reference.features)

    def update(self, batch: Batch) -> None:
        self.blocks.update(batch.features)

    def scores(self) -> list[Score]:
        reference, floor = self.setting.reference, self.setting.floor
        (ours, error), (theirs, floor_error) = self.blocks.distance(), (0.0, None)
        if floor is not None:
            blocks = KernelBlocks(len(floor), reference.features)
            for rows in _blocks(floor.features):
                blocks.update(rows)
            theirs, floor_error = blocks.distance()
        return distances(self, "kid", ours, theirs, self.setting.count, (error, floor_error))


def distances(
    metric: Metric, title: str, ours: float, theirs: float, count: int, errors: tuple[float | None, ...] = (None, None)
) -> list[Score]:
    """Returns a distance to the real images, of `count` generated ones and, if there is a floor, of its images."""
    reference, floor = metric.setting.reference, metric.setting.floor
    found = [metric.generated(title, ours, len(reference), count, **_of_mean(errors[0]))]
    if floor is not None:
        real = len(floor) + len(reference)
        found.append(Score(f"real_{title}", float(theirs), generated=0, real=real, **_of_mean(errors[1])))
    return found


class Neighbours(Metric):
    """Precision and recall, density and coverage: manifolds of nearest neighbours.

    Of at most 10,000 images, and of as many generated as real ones, of either split: all four depend on the numbers.
    """

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        sides = (setting.count, len(setting.reference), _NEIGHBOURS_MOST)
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
        shares = enumerate(ours) if len(ours) <= _FEW_CLASSES else ()
        return found + [self.generated(f"class_share_{number}", share) for number, share in shares]


class ModeScore(Metric):
    """Che et al.'s score: the classifier score, less where classes are not as frequent as in the data."""

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        self.sums = SplitScores(setting.count)

    def update(self, batch: Batch) -> None:
        self.sums.update(batch.logits)

    def scores(self) -> list[Score]:
        value = mode_score(self.sums, _real_sums(self.setting.reference))
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
        theirs, _ = ms_ssim(image_pairs(self.setting.test.images, self.pairs, self.setting.seed))
        return [
            self.generated(title, self.total / self.pairs, count=count),
            Score(f"real_{title}", theirs, generated=0, real=count),
        ]


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
        self.left = self.count = min(setting.count, _PARZEN_MOST)

    def update(self, batch: Batch) -> None:
        self.held.append(batch.images[: self.left])
        self.left -= len(self.held[-1])

    def scores(self) -> list[Score]:
        samples = np.concatenate(self.held).astype(np.float32) / 255
        rng = np.random.default_rng(self.setting.seed)
        train, test = self.setting.train.images, self.setting.test.images
        chosen = rng.choice(len(train), min(_PARZEN_CHOICE, len(train)), replace=False)
        width = parzen_width(samples, train[chosen] / np.float32(255), _PARZEN_WIDTHS)
        value, error = parzen_log_likelihood(samples, test / np.float32(255), width)
        return [
            self.generated("parzen", value, len(test), self.count, **_of_mean(error)),
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
        if sum(map(len, self.held)) >= _AT_ONCE:
            self._measure()

    def _measure(self) -> None:
        if self.held:
            self.distances.append(nearest_distances(np.concatenate(self.held), self.setting.train.images))
            self.held = []

    def scores(self) -> list[Score]:
        self._measure()
        train, test = self.setting.train.images, self.setting.test.images
        ours = np.concatenate(self.distances) / _LEVELS_A_UNIT
        theirs = nearest_distances(test, train) / _LEVELS_A_UNIT
        both = len(train) + len(test)
        name = "nearest_train_distance"
        nearer = float(np.mean(ours < np.percentile(theirs, 1)))
        return [
            *_percentiles(name, ours, {"generated": len(ours), "real": len(train)}),
            *_percentiles(f"real_{name}", theirs, {"generated": 0, "real": both}),
            self.generated("share_nearer_than_real_p01", nearer, both),
        ]


TFGAN_METRICS = ("classifier_score", "inception_score", "fid", "kid")


class ByTFGAN(Metric):
    """The scores of `TFGAN_METRICS` by TF-GAN's own functions, which hold all activations at once."""

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        self.rows = ([], [])

    def update(self, batch: Batch) -> None:
        self.rows[0].append(batch.logits)
        self.rows[1].append(batch.features)

    def scores(self) -> list[Score]:
        reference, floor = self.setting.reference, self.setting.floor
        logits, features = (np.concatenate(rows) for rows in self.rows)
        kept = len(features) if floor is None else min(len(features), len(floor))
        splits = min(len(logits), SPLITS)
        ours = tfgan_scores(logits, features, reference.features, splits)
        alike = ours if kept == len(features) else tfgan_scores(logits, features[:kept], reference.features, splits)
        # The real images' classifier score; as features they are compared with themselves or the other split.
        other = reference.features if floor is None else floor.features
        theirs = tfgan_scores(reference.logits, other, reference.features, 1)
        found = []
        for name in self.names:
            if name == "fid":
                found += distances(self, name, alike.frechet_distance, theirs.frechet_distance, kept)
            elif name == "kid":
                errors = ours.kernel_standard_error, theirs.kernel_standard_error
                found += distances(self, name, ours.kernel_distance, theirs.kernel_distance, len(features), errors)
            else:
                splits = ours.split_scores
                found += classifier_scores(self, name, ours.classifier_score, splits, theirs.classifier_score)
        return found


METRICS = {
    "classifier_score": ClassifierScore,
    "inception_score": ClassifierScore,
    "fid": FID,
    "kid": KID,
    "precision_recall": Neighbours,
    "density_coverage": Neighbours,
    "modes": Modes,
    "mode_score": ModeScore,
    "ms_ssim": MSSSIM,
    "parzen": Parzen,
    "memorisation": Memorisation,
}


def of_names(names: Sequence[str], setting: Setting, table: Mapping[str, type[Metric]] = METRICS) -> list[Metric]:
    """Returns what computes the metrics of these names; each class once, for all of its names."""
    asked = {}
    for name in names:
        asked.setdefault(table[name], []).append(name)
    return [metric(setting, its_names) for metric, its_names in asked.items()]


def named(scores: Sequence[Score], metric: Metric) -> list[Score]:
    """Returns the scores with the name of the network that was asked for them."""
    if not metric.by_network:
        return list(scores)
    name = metric.setting.evaluator.name
    return [dataclasses.replace(score, metric=f"{score.metric}/{name}") for score in scores]


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[start : start + _AT_ONCE] for start in range(0, len(rows), _AT_ONCE))


def _real_sums(reference: Reference) -> SplitScores:
    sums = SplitScores(len(reference))
    for rows in _blocks(reference.logits):
        sums.update(rows)
    return sums


def _of_mean(error: float | None) -> dict:
    return {} if error is None else {"spread": float(error), "spread_of": "mean"}


def _percentiles(name: str, distances: np.ndarray, counts: dict[str, int]) -> list[Score]:
    values = np.percentile(distances, _PERCENTILES)
    return [
        Score(f"{name}_p{percent:02}", float(value), **counts)
        for percent, value in zip(_PERCENTILES, values, strict=True)
    ]
