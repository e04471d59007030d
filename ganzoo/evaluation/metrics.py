"""Scores of images by name: each metric takes them batch by batch and gives its scores at the end.

Beside most stands the same score of real images, `real_<metric>`: what a perfect generator would get with as many.
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ganzoo.data import Examples
from ganzoo.errors import InputError
from ganzoo.evaluation import neighbours, similarity
from ganzoo.evaluation.evaluators import Evaluator
from ganzoo.evaluation.records import Score
from ganzoo.evaluation.references import Reference
from ganzoo.evaluation.scores import frechet_distance, mode_score, nearest_distances, reverse_kl_of_shares
from ganzoo.evaluation.streaming import KernelBlocks, Moments, SplitScores

SPLITS = 10
_PERCENTILES = (1, 5, 25, 50)
_LEVELS_A_UNIT = 127.5  # pixel levels of uint8 images in a unit of the range -1 to 1
_NEIGHBOURS_MOST = 10_000  # rows a side: distances between all of them are taken
_AT_ONCE = 1024
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
    """One metric: `update` with every batch, then `scores`. `by_network`: whether it wants logits and features."""

    by_network: ClassVar[bool] = True

    def __init__(self, setting: Setting):
        self.setting = setting

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
    """exp(E_x KL(p(y|x) || p(y))), in one split and in ten; `inception_score` where Inception is asked."""

    title: ClassVar[str] = "classifier_score"

    def __init__(self, setting: Setting):
        super().__init__(setting)
        self.sums = [SplitScores(setting.count, n) for n in (1, SPLITS) if setting.count >= n]

    def update(self, batch: Batch) -> None:
        for sums in self.sums:
            sums.update(batch.logits)

    def scores(self) -> list[Score]:
        real = SplitScores(len(self.setting.reference), 1)
        for rows in _blocks(self.setting.reference.logits):
            real.update(rows)
        (ours,), (theirs,) = self.sums[0].scores(), real.scores()
        count, reals = self.setting.count, len(self.setting.reference)
        found = [
            self.generated(self.title, ours),
            Score(f"real_{self.title}", float(theirs), generated=0, real=reals),
            self.generated(f"{self.title}_ratio", ours / theirs, reals),
        ]
        if count >= SPLITS:
            splits = self.sums[1].scores()
            spread = {"spread": float(splits.std()), "spread_of": "splits"}
            found.insert(1, self.generated(f"{self.title}_{SPLITS}_splits", splits.mean(), **spread))
        return found


class InceptionScore(ClassifierScore):
    """The same in Inception's view."""

    title = "inception_score"


class FID(Metric):
    """Squared Fréchet distance of features to those of the real images.

    From at most as many images as the floor has, which is drawn from another split: at unlike numbers they would not
    compare. The classifier is surer of images it was trained on, so an ideal generator can get a little less.
    """

    def __init__(self, setting: Setting):
        super().__init__(setting)
        self.left = setting.count if setting.floor is None else min(setting.count, len(setting.floor))
        self.count = self.left
        self.moments = Moments(setting.reference.features.shape[1])

    def update(self, batch: Batch) -> None:
        if self.left:
            self.moments.update(batch.features[: self.left])
            self.left -= min(self.left, len(batch.features))

    def scores(self) -> list[Score]:
        reference, floor = self.setting.reference, self.setting.floor
        distance = frechet_distance(self.moments.gaussian(), reference.gaussian)
        found = [self.generated("fid", distance, len(reference), self.count)]
        if floor is not None:
            distance = frechet_distance(floor.gaussian, reference.gaussian)
            found.append(Score("real_fid", float(distance), generated=0, real=len(floor) + len(reference)))
        return found


class KID(Metric):
    """Squared maximum mean discrepancy of features, polynomial kernel of degree 3, over blocks of at most 1024."""

    def __init__(self, setting: Setting):
        super().__init__(setting)
        self.blocks = KernelBlocks(setting.count, setting.reference.features)

    def update(self, batch: Batch) -> None:
        self.blocks.update(batch.features)

    def scores(self) -> list[Score]:
        reference, floor = self.setting.reference, self.setting.floor
        distance, error = self.blocks.distance()
        found = [self.generated("kid", distance, len(reference), **_of_mean(error))]
        if floor is not None:
            blocks = KernelBlocks(len(floor), reference.features)
            for rows in _blocks(floor.features):
                blocks.update(rows)
            distance, error = blocks.distance()
            count = len(floor) + len(reference)
            found.append(Score("real_kid", float(distance), generated=0, real=count, **_of_mean(error)))
        return found


class Neighbours(Metric):
    """Manifolds of nearest neighbours, of at most 10,000 images a side."""

    titles: ClassVar[tuple[str, str]]
    measure: ClassVar

    def __init__(self, setting: Setting):
        super().__init__(setting)
        self.count = min(setting.count, _NEIGHBOURS_MOST)
        self.features = np.empty((self.count, setting.reference.features.shape[1]), np.float32)
        self.row = 0

    def update(self, batch: Batch) -> None:
        rows = batch.features[: self.count - self.row]
        self.features[self.row : self.row + len(rows)] = rows
        self.row += len(rows)

    def scores(self) -> list[Score]:
        reference, floor = self.setting.reference, self.setting.floor
        rng = np.random.default_rng(self.setting.seed)
        real = _chosen(reference.features, rng)
        ours = type(self).measure(self.features, real)
        found = [self.generated(title, value, len(real), self.count) for title, value in zip(self.titles, ours, strict=True)]
        if floor is not None:
            other = _chosen(floor.features, rng)
            theirs = type(self).measure(other, real)
            found += [
                Score(f"real_{title}", float(value), generated=0, real=len(other) + len(real))
                for title, value in zip(self.titles, theirs, strict=True)
            ]
        return found


class PrecisionRecall(Neighbours):
    """The share of fakes within the real manifold, and of real images within that of the fakes."""

    titles = ("precision", "recall")
    measure = staticmethod(neighbours.precision_recall)


class DensityCoverage(Neighbours):
    """How many real neighbourhoods a fake is in, over k, and the share of them that a fake is in."""

    titles = ("density", "coverage")
    measure = staticmethod(neighbours.density_coverage)


class Modes(Metric):
    """How the images spread over the classes: how many are reached, KL of their histogram to the uniform one."""

    def __init__(self, setting: Setting):
        super().__init__(setting)
        self.counts = np.zeros(setting.reference.logits.shape[1], np.int64)

    def update(self, batch: Batch) -> None:
        self.counts += np.bincount(batch.logits.argmax(axis=1), minlength=len(self.counts))

    def scores(self) -> list[Score]:
        real = np.bincount(self.setting.reference.logits.argmax(axis=1), minlength=len(self.counts))
        ours, theirs = (counts / counts.sum() for counts in (self.counts, real))
        reals = len(self.setting.reference)
        found = [
            self.generated("classes_reached", np.count_nonzero(ours)),
            Score("real_classes_reached", float(np.count_nonzero(theirs)), generated=0, real=reals),
            self.generated("class_kl", reverse_kl_of_shares(ours)),
            Score("real_class_kl", reverse_kl_of_shares(theirs), generated=0, real=reals),
        ]
        shares = enumerate(ours) if len(ours) <= _FEW_CLASSES else ()
        return found + [self.generated(f"class_share_{number}", share) for number, share in shares]


class ModeScore(Metric):
    """Che et al.'s score, which like the classifier score asks for sure and various images, and for the data's classes."""

    def __init__(self, setting: Setting):
        super().__init__(setting)
        self.logits = []

    def update(self, batch: Batch) -> None:
        self.logits.append(batch.logits)

    def scores(self) -> list[Score]:
        reference = self.setting.reference
        value = mode_score(np.concatenate(self.logits), reference.logits)
        return [self.generated("mode_score", value, len(reference))]


class MSSSIM(Metric):
    """Mean similarity of pairs of images: high where a generator draws one and the same."""

    by_network = False

    def __init__(self, setting: Setting):
        super().__init__(setting)
        self.values = []
        self.scales = similarity.scales(setting.test.image_shape)
        self.left_over = np.empty((0, *setting.test.image_shape), np.uint8)

    def update(self, batch: Batch) -> None:
        images = np.concatenate([self.left_over, batch.images])
        self.left_over = images[len(images) // 2 * 2 :]
        self.values.append(_pair_similarity(images))

    def scores(self) -> list[Score]:
        test, title = self.setting.test.images, f"ms_ssim_{self.scales}_scales"
        # Files may lie by class: pairs at random.
        order = np.random.default_rng(self.setting.seed).permutation(len(test))[: self.setting.count // 2 * 2]
        real = [_pair_similarity(test[order[rows]]) for rows in _slices(len(order))]
        ours, theirs = np.concatenate(self.values), np.concatenate([np.empty(0), *real])
        found = [self.generated(title, ours.mean(), count=2 * len(ours))]
        if len(theirs):
            found.append(Score(f"real_{title}", float(theirs.mean()), generated=0, real=2 * len(theirs)))
        return found


class Memorisation(Metric):
    """How near the generated and (`real_`) the held-out images are to their nearest training images.

    `nearest_train_distance_p01` to `_p50` are percentiles of root mean square distances, images in [-1, 1].
    `share_nearer_than_real_p01` is the share of generated images nearer to the training images than the nearest
    hundredth of the held-out ones: about 0.01 without memorisation, 1 for copies. A low value does not clear a
    generator of copies that are shifted, mirrored or recoloured.
    """

    by_network = False

    def __init__(self, setting: Setting):
        super().__init__(setting)
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


METRICS = {
    "classifier_score": ClassifierScore,
    "inception_score": InceptionScore,
    "fid": FID,
    "kid": KID,
    "precision_recall": PrecisionRecall,
    "density_coverage": DensityCoverage,
    "modes": Modes,
    "mode_score": ModeScore,
    "ms_ssim": MSSSIM,
    "memorisation": Memorisation,
}


def named(scores: Sequence[Score], metric: Metric) -> list[Score]:
    """Returns the scores with the name of the network that was asked for them."""
    if not metric.by_network:
        return list(scores)
    name = metric.setting.evaluator.name
    return [dataclasses.replace(score, metric=f"{score.metric}/{name}") for score in scores]


def _slices(count: int) -> Iterator[slice]:
    return (slice(start, start + _AT_ONCE) for start in range(0, count, _AT_ONCE))


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    return (rows[each] for each in _slices(len(rows)))


def _chosen(rows: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns at most `_NEIGHBOURS_MOST` rows, chosen at random."""
    if len(rows) <= _NEIGHBOURS_MOST:
        return np.asarray(rows)
    return np.asarray(rows[np.sort(rng.choice(len(rows), _NEIGHBOURS_MOST, replace=False))])


def _of_mean(error: float | None) -> dict:
    return {} if error is None else {"spread": float(error), "spread_of": "mean"}


def _pair_similarity(images: np.ndarray) -> np.ndarray:
    """Returns the MS-SSIM of images 0 and 1, 2 and 3, ..., [N // 2]."""
    pairs = len(images) // 2
    return similarity.ms_ssim(images[0 : 2 * pairs : 2], images[1 : 2 * pairs : 2]) if pairs else np.empty(0)


def _percentiles(name: str, distances: np.ndarray, counts: dict[str, int]) -> list[Score]:
    values = np.percentile(distances, _PERCENTILES)
    return [
        Score(f"{name}_p{percent:02}", float(value), **counts)
        for percent, value in zip(_PERCENTILES, values, strict=True)
    ]
