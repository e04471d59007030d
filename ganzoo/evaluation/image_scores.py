"""Which scores an image generator gets, each beside the same score of real images.

The latter is named `real_<metric>`: what a perfect generator would get with as many examples.
"""

import dataclasses
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ganzoo.evaluation.records import Score
from ganzoo.evaluation.scores import class_shares, classifier_score, frechet_distance, nearest_distances

_PERCENTILES = (1, 5, 25, 50)
_LEVELS_A_UNIT = 127.5  # pixel levels of uint8 images in a unit of the range -1 to 1


class Evaluator(Protocol):
    """A network in whose view images are scored: a data set's own classifier, later also Inception.

    Its name is a part of each metric's name, and its weights' hash and accuracy stand in the record.
    """

    name: str
    accuracy: float
    weights_hash: str

    def predict(self, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Returns logits [N, K] and features [N, F] of uint8 images [N, H, W, C]."""


def network_scores(
    generated: np.ndarray, train: np.ndarray, test: np.ndarray, evaluator: Evaluator, seed: int
) -> list[Score]:
    """Returns classifier scores, class shares and Fréchet distances, named `<metric>/<evaluator>`.

    The Fréchet distances are to all held-out images, from equally many generated and (`real_`) training
    images: the fewer of the two. The classifier is surer of images it was trained on, so an ideal generator
    can get a little less than `real_frechet_distance`, and one that copies some 5 % more than
    `real_classifier_score`.

    Args:
        generated: uint8 [N, H, W, C].
        train: uint8 [T, H, W, C], from which training images are chosen.
        test: uint8 [M, H, W, C], held out.
        evaluator: Asked for logits and features.
        seed: Of the choice of training images.
    """
    count = min(len(generated), len(train))
    chosen = np.random.default_rng(seed).choice(len(train), count, replace=False)
    logits, features = evaluator.predict(generated)
    test_logits, test_features = evaluator.predict(test)
    _, train_features = evaluator.predict(train[np.sort(chosen)])
    ours, theirs = classifier_score(logits), classifier_score(test_logits)
    distance = frechet_distance(features[:count], test_features)
    floor = frechet_distance(train_features, test_features)
    scores = [
        Score("classifier_score", ours, generated=len(generated), real=0),
        Score("real_classifier_score", theirs, generated=0, real=len(test)),
        Score("classifier_score_ratio", ours / theirs, generated=len(generated), real=len(test)),
        Score("frechet_distance", distance, generated=count, real=len(test)),
        Score("real_frechet_distance", floor, generated=0, real=count + len(test)),
    ]
    for number, share in enumerate(class_shares(logits)):
        scores.append(Score(f"class_share_{number}", share, generated=len(generated), real=0))
    return [dataclasses.replace(score, metric=f"{score.metric}/{evaluator.name}") for score in scores]


def memorisation_scores(generated: np.ndarray, train: np.ndarray, test: np.ndarray) -> list[Score]:
    """Returns how near the generated and (`real_`) the held-out images are to their nearest training images.

    `nearest_train_distance_p01` to `_p50` are percentiles of root mean square distances, images in [-1, 1].
    `share_nearer_than_real_p01` is the share of generated images nearer to the training images than the
    nearest hundredth of the held-out ones: about 0.01 without memorisation, 1 for copies. A low value does
    not clear a generator of copies that are shifted, mirrored or recoloured.

    Args:
        generated: uint8 [N, H, W, C].
        train: uint8 [T, H, W, C].
        test: uint8 [M, H, W, C], held out.
    """
    ours, theirs = (nearest_distances(images, train) / _LEVELS_A_UNIT for images in (generated, test))
    generated_counts = {"generated": len(generated), "real": len(train)}
    real_counts = {"generated": 0, "real": len(train) + len(test)}
    both_counts = {"generated": len(generated), "real": len(train) + len(test)}
    name = "nearest_train_distance"
    nearer = float(np.mean(ours < np.percentile(theirs, 1)))
    return [
        *_percentiles(name, ours, generated_counts),
        *_percentiles(f"real_{name}", theirs, real_counts),
        Score("share_nearer_than_real_p01", nearer, **both_counts),
    ]


def _percentiles(name: str, distances: np.ndarray, counts: dict[str, int]) -> Sequence[Score]:
    values = np.percentile(distances, _PERCENTILES)
    return [
        Score(f"{name}_p{percent:02}", float(value), **counts)
        for percent, value in zip(_PERCENTILES, values, strict=True)
    ]
