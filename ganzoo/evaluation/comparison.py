"""What two score records differ by, and many of them as a table."""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from ganzoo.errors import InputError, did_you_mean
from ganzoo.evaluation.records import Score, ScoreRecord, protocol_name

# What may differ between two records that are compared: it is what one compares, or random.
_SUBJECT = {
    "source", "name", "recipe", "variant", "training_seed", "trained_on", "step", "averaged", "seed", "versions",
    "created", "scores",
}  # fmt: skip


def compare(a: ScoreRecord, b: ScoreRecord, *, across: Iterable[str] = ()) -> dict[str, float]:
    """Returns metric -> value in `a` less value in `b`, of two records with like conditions.

    Models, steps, seeds and versions may differ. All else must be alike, the counts behind each score too.

    Args:
        a: The record subtracted from.
        b: The record subtracted.
        across: Conditions that may differ as well, because they are what is studied: `["checkpoint"]`.

    Raises:
        InputError: If the conditions differ; it names each one with both values.
    """
    conditions = [each.name for each in fields(ScoreRecord) if each.name not in _SUBJECT]
    across = set(across)
    for name in across - set(conditions):
        raise InputError(f"across {name!r}: not a condition of a score record; {did_you_mean(name, conditions)}")
    ours, theirs = _conditions(a, across), _conditions(b, across)
    unlike = [
        f"{name}: {ours.get(name, 'absent')} and {theirs.get(name, 'absent')}"
        for name in dict.fromkeys([*ours, *theirs])
        if ours.get(name) != theirs.get(name)
    ]
    if unlike:
        ours_name, theirs_name = (record.recipe or record.variant or record.name for record in (a, b))
        raise InputError(
            f"the records of {ours_name!r} and {theirs_name!r} do not compare; they differ in\n  "
            + "\n  ".join(unlike)
            + "\nEvaluate both models under the same conditions."
        )
    return {score.metric: score.value - b.score(score.metric).value for score in a.scores}


def table(records: Sequence[ScoreRecord]) -> str:
    """Returns a Markdown table, a column for each record: first the conditions, then one row per metric.

    Metrics are named with their protocol; a cell holds value, spread if known, and the counts of generated and real
    examples behind it.
    """
    if not records:
        raise InputError("no records to print; evaluate a model first")
    rows = {title: [cell(record) for record in records] for title, cell in _CONDITION_ROWS.items()}
    named = [{protocol_name(score, record): score for score in record.scores} for record in records]
    for name in dict.fromkeys(name for scores in named for name in scores):
        rows[name] = ["" if name not in scores else _cell(scores[name]) for scores in named]
    lines = [[title, *cells] for title, cells in rows.items()]
    lines.insert(1, ["---"] * (len(records) + 1))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


def remarks(records: Sequence[ScoreRecord]) -> list[str]:
    """Returns what a reader of these scores should know, a sentence for each thing that matters here."""
    scores = [(score, record) for record in records for score in record.scores]
    named = {score.metric.partition("/")[0] for score, _ in scores}
    found = []
    if {"fid", "real_fid"} & named:
        found.append(
            "FID falls as the number of examples grows, by different amounts for different models: compare at equal "
            "numbers only (arXiv:1911.07023); it wants more examples than features."
        )
    if any(score.spread_of == "splits" for score, _ in scores):
        found.append(
            "± of a score in splits is the spread of the splits' scores, not the error of their mean; fewer examples a "
            "split give lower scores."
        )
    if {"kid", "real_kid"} & named:
        found.append("± of KID is the standard error over its blocks; KID is unbiased and may come out below 0.")
    if "parzen" in named:
        found.append("Parzen windows do not rank models (arXiv:1511.01844): compare with early papers alone.")
    if any(name.startswith("inception_score") for name in named):
        found.append("The Inception score means something on images like ImageNet's only (arXiv:1801.01973).")
    if any(record.evaluator and record.evaluator_accuracy is not None for record in records):
        found.append(
            "These scores are by a classifier of the data set itself, not by Inception: they compare with scores by "
            "the same weights only."
        )
    if any(_saw(record) for record in records):
        found.append(
            "The real examples are those that a model was trained on, as in most published FIDs: copies of them score "
            "well."
        )
    if any(record.checkpoint == "best" for record in records):
        found.append("A best checkpoint was chosen by its score: expect less of the next run than of a last one.")
    return found


def _saw(record: ScoreRecord) -> bool:
    """Returns whether the model was trained on what it is compared with, a split of that name or a part of it."""
    seen = (record.trained_on or "").split("+")
    return record.split in seen or record.split.partition("[")[0] in seen


_CONDITION_ROWS = {
    "model": lambda record: record.recipe or record.variant or f"{record.source} {record.name}",
    "checkpoint": lambda record: (
        "none"
        if record.step is None
        else f"{record.checkpoint or 'in memory'}, step {record.step}"
        + (", averaged weights" if record.averaged else "")
    ),
    "data": lambda record: f"{record.dataset} {record.split}, {record.dataset_hash[:8]}",
    "preparation": lambda record: "; ".join(f"{key}: {value}" for key, value in record.preparation.items()),
    "evaluator": lambda record: _evaluator_cell(record),
    "seed": lambda record: str(record.seed),
}


def _evaluator_cell(record: ScoreRecord) -> str:
    if record.evaluator is None:
        return "none"
    accuracy = "" if record.evaluator_accuracy is None else f", accuracy {record.evaluator_accuracy:.4f}"
    engine = "" if record.engine == "ganzoo" else f", arithmetic of {record.engine}"
    return f"{record.evaluator}, {record.evaluator_hash[:8]}{accuracy}{engine}"


def _cell(score: Score) -> str:
    spread = "" if score.spread is None else f" ± {score.spread:.2g}"
    return f"{score.value:.4g}{spread} ({score.generated} / {score.real})"


def _conditions(record: ScoreRecord, across: set[str]) -> dict[str, str]:
    """Returns condition -> value, both printable; the counts behind each score are conditions too."""
    flat = {
        each.name: repr(getattr(record, each.name))
        for each in fields(record)
        if each.name not in _SUBJECT | {"preparation"}
    }
    flat |= {f"preparation.{key}": repr(value) for key, value in record.preparation.items()}
    flat |= {score.metric: f"{score.generated} generated, {score.real} real" for score in record.scores}
    return {name: value for name, value in flat.items() if name.partition(".")[0] not in across}
