"""What two score records differ by, and many of them as a table."""

from collections.abc import Iterable, Sequence
from dataclasses import fields

from ganzoo.errors import InputError, did_you_mean
from ganzoo.evaluation.records import Score, ScoreRecord

# What may differ between two records that are compared: it is what one compares, or random.
_SUBJECT = {"recipe", "variant", "training_seed", "step", "averaged", "seed", "versions", "created", "scores"}


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
        ours_name, theirs_name = (record.recipe or record.variant for record in (a, b))
        raise InputError(
            f"the records of {ours_name!r} and {theirs_name!r} do not compare; they differ in\n  "
            + "\n  ".join(unlike)
            + "\nEvaluate both models under the same conditions."
        )
    return {score.metric: score.value - b.score(score.metric).value for score in a.scores}


def table(records: Sequence[ScoreRecord]) -> str:
    """Returns a Markdown table, a column for each record: first the conditions, then one row per metric.

    A cell holds value, spread if known, and the counts of generated and real examples behind it.
    """
    if not records:
        raise InputError("no records to print; evaluate a model first")
    rows = {title: [cell(record) for record in records] for title, cell in _CONDITION_ROWS.items()}
    for metric in dict.fromkeys(score.metric for record in records for score in record.scores):
        named = [{score.metric: score for score in record.scores}.get(metric) for record in records]
        rows[metric] = ["" if score is None else _cell(score) for score in named]
    lines = [[title, *cells] for title, cells in rows.items()]
    lines.insert(1, ["---"] * (len(records) + 1))
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"


_CONDITION_ROWS = {
    "recipe": lambda record: record.recipe or f"none, {record.variant}",
    "checkpoint": lambda record: (
        f"{record.checkpoint}, step {record.step}" + (", averaged weights" if record.averaged else "")
    ),
    "data": lambda record: f"{record.dataset} {record.split}, {record.dataset_hash[:8]}",
    "preparation": lambda record: "; ".join(f"{key}: {value}" for key, value in record.preparation.items()),
    "evaluator": lambda record: (
        "none"
        if record.evaluator is None
        else f"{record.evaluator}, {record.evaluator_hash[:8]}, accuracy {record.evaluator_accuracy:.4f}"
    ),
    "seed": lambda record: str(record.seed),
}


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
