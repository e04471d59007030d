"""What TF-GAN's evaluator gives: classifier (Inception) score, FID and KID, by our arithmetic or by its own."""

from collections.abc import Sequence

import numpy as np

from ganzoo.evaluation.arrays import blocks
from ganzoo.evaluation.metrics.metric import Batch, Metric, Setting, of_mean
from ganzoo.evaluation.records import Score
from ganzoo.evaluation.references import Reference
from ganzoo.evaluation.scores import frechet_distance
from ganzoo.evaluation.streaming import KernelBlocks, Moments, SplitScores
from ganzoo.evaluation.tfgan import tfgan_evaluation, tfgan_scores

SPLITS = 10


class ClassifierScore(Metric):
    """exp(E_x KL(p(y|x) || p(y))), in one split and in ten; called `inception_score` where Inception is asked."""

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        self.sums = SplitScores(setting.count, min(setting.count, SPLITS))

    def update(self, batch: Batch) -> None:
        self.sums.update(batch.logits)

    def scores(self) -> list[Score]:
        real = real_sums(self.setting.reference).score()
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
            others = KernelBlocks(len(floor), reference.features)
            for rows in blocks(*floor.features.shape):
                others.update(floor.features[rows])
            theirs, floor_error = others.distance()
        return distances(self, "kid", ours, theirs, self.setting.count, (error, floor_error))


def distances(
    metric: Metric, title: str, ours: float, theirs: float, count: int, errors: tuple[float | None, ...] = (None, None)
) -> list[Score]:
    """Returns a distance to the real images, of `count` generated ones and, if there is a floor, of its images."""
    reference, floor = metric.setting.reference, metric.setting.floor
    found = [metric.generated(title, ours, len(reference), count, **of_mean(errors[0]))]
    if floor is not None:
        real = len(floor) + len(reference)
        found.append(Score(f"real_{title}", float(theirs), generated=0, real=real, **of_mean(errors[1])))
    return found


class ByTFGAN(Metric):
    """The scores by TF-GAN's own functions, which hold all activations at once."""

    def __init__(self, setting: Setting, names: Sequence[str]):
        super().__init__(setting, names)
        tfgan_evaluation()  # if it is not there, now is the time to say so
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


def real_sums(reference: Reference) -> SplitScores:
    """Returns the sums of the real images' logits, in one split."""
    sums = SplitScores(len(reference))
    for rows in blocks(*reference.logits.shape):
        sums.update(reference.logits[rows])
    return sums
