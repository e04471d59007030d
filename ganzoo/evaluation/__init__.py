"""Scores of generators and of sets of images, as records that say what they were measured with."""

from ganzoo.evaluation.classifier import Classifier, train_classifier
from ganzoo.evaluation.classifier_cache import classifier_for
from ganzoo.evaluation.comparison import compare, remarks, table
from ganzoo.evaluation.evaluate import evaluate, record_path
from ganzoo.evaluation.inception import Inception, load_inception
from ganzoo.evaluation.neural_distance import neural_net_distance
from ganzoo.evaluation.records import Score, ScoreRecord, load_record, protocol_name, save_record
from ganzoo.evaluation.scores import (
    class_shares,
    classifier_score,
    frechet_distance,
    high_quality_share,
    modes_covered,
    nearest_distances,
    reverse_kl,
)
from ganzoo.evaluation.sources import Source, open_source

__all__ = [
    "Classifier",
    "Inception",
    "Score",
    "ScoreRecord",
    "Source",
    "class_shares",
    "classifier_for",
    "classifier_score",
    "compare",
    "evaluate",
    "frechet_distance",
    "high_quality_share",
    "load_inception",
    "load_record",
    "modes_covered",
    "nearest_distances",
    "neural_net_distance",
    "open_source",
    "protocol_name",
    "record_path",
    "remarks",
    "reverse_kl",
    "save_record",
    "table",
    "train_classifier",
]
