"""Scores of generators and of sets of images, as records that say what they were measured with."""

from ganzoo.evaluation.classifier import Classifier, train_classifier
from ganzoo.evaluation.classifier_cache import classifier_for, make_classifier
from ganzoo.evaluation.comparison import compare, remarks, table
from ganzoo.evaluation.evaluate import evaluate
from ganzoo.evaluation.inception import Inception, load_inception
from ganzoo.evaluation.neighbours import neighbour_scores
from ganzoo.evaluation.neural_distance import neural_net_distance
from ganzoo.evaluation.records import Score, ScoreRecord, load_record, protocol_name, record_path, save_record
from ganzoo.evaluation.scores import (
    class_histogram_kl,
    class_shares,
    classes_reached,
    classifier_score,
    frechet_distance,
    high_quality_share,
    mode_score,
    modes_covered,
    nearest_distances,
    parzen_log_likelihood,
    parzen_width,
    reverse_kl,
)
from ganzoo.evaluation.similarity import ms_ssim
from ganzoo.evaluation.sources import Source, open_source
from ganzoo.evaluation.streaming import Gaussian, KernelBlocks, Moments, SplitScores
from ganzoo.evaluation.tfgan import tfgan_evaluation, tfgan_scores

__all__ = [
    "Classifier",
    "Gaussian",
    "Inception",
    "KernelBlocks",
    "Moments",
    "Score",
    "ScoreRecord",
    "Source",
    "SplitScores",
    "class_histogram_kl",
    "class_shares",
    "classes_reached",
    "classifier_for",
    "classifier_score",
    "compare",
    "evaluate",
    "frechet_distance",
    "high_quality_share",
    "load_inception",
    "load_record",
    "make_classifier",
    "mode_score",
    "modes_covered",
    "ms_ssim",
    "nearest_distances",
    "neighbour_scores",
    "neural_net_distance",
    "open_source",
    "parzen_log_likelihood",
    "parzen_width",
    "protocol_name",
    "record_path",
    "remarks",
    "reverse_kl",
    "save_record",
    "table",
    "tfgan_evaluation",
    "tfgan_scores",
    "train_classifier",
]
