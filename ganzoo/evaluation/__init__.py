"""Scores of exported generators, as records that say what they were measured with."""

from ganzoo.evaluation.classifier import Classifier, train_classifier
from ganzoo.evaluation.classifier_cache import classifier_for
from ganzoo.evaluation.comparison import compare, table
from ganzoo.evaluation.evaluate import evaluate
from ganzoo.evaluation.neural_distance import neural_net_distance
from ganzoo.evaluation.records import Score, ScoreRecord, load_record, save_record
from ganzoo.evaluation.scores import (
    class_shares,
    classifier_score,
    frechet_distance,
    high_quality_share,
    modes_covered,
    nearest_distances,
    reverse_kl,
)

__all__ = [
    "Classifier",
    "Score",
    "ScoreRecord",
    "class_shares",
    "classifier_for",
    "classifier_score",
    "compare",
    "evaluate",
    "frechet_distance",
    "high_quality_share",
    "load_record",
    "modes_covered",
    "nearest_distances",
    "neural_net_distance",
    "reverse_kl",
    "save_record",
    "table",
    "train_classifier",
]
