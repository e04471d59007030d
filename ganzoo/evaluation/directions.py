"""Which way a score is better: the one table of it."""

from ganzoo.errors import InputError, did_you_mean

# Of a score's name up to the slash.
LOWER = ("class_kl", "fid", "frechet_distance", "kid", "reverse_kl")
HIGHER = (
    "classes_reached",
    "classifier_score",
    "classifier_score_10_splits",
    "classifier_score_ratio",
    "coverage",
    "density",
    "high_quality_share",
    "inception_score",
    "inception_score_10_splits",
    "inception_score_ratio",
    "mode_score",
    "modes_covered",
    "parzen",
    "precision",
    "recall",
)


def sign_of(metric: str) -> int:
    """Returns 1 where a higher score is better, -1 where a lower one is.

    Args:
        metric: a score's name, with or without `/<evaluator>`.

    Raises:
        InputError: if the score is not one by which generators are better or worse.
    """
    name = metric.partition("/")[0]
    if name in LOWER:
        return -1
    if name not in HIGHER:
        raise InputError(f"metric {metric!r} has no best value; {did_you_mean(name, (*LOWER, *HIGHER))}")
    return 1
