"""RESULTS.md, from the records that experiments left: each claim, what the paper has, what was found, the command."""

import json
import os
from pathlib import Path

from ganzoo.errors import InputError
from ganzoo.experiments.experiment import Experiment, known
from ganzoo.experiments.records import RECORD_FILE, ended

KEYS = (
    "id", "title", "command", "budget", "seeds", "differs", "scaled", "devices", "partial", "core_hours", "finished",
    "claims", "files", "runs",
)  # fmt: skip
HEADER = """# Results

What the papers claim (and a few checks of ours, which say so) and what was found when their experiments were run again
by this package; made by `tools/results.py` from the records in `results/`. A verdict follows from the rule beside it,
which is in the code of the experiment and was there before the run; CHANGELOG.md names those that were changed after a
first one.
**not confirmed**: the rule is not met; where the interval that it asks for holds 0, that is no refutation, and three
seeds have wide ones. **not tested at this scale**: the budget cannot tell, or seeds or runs are lacking. **left to the
reader**: a picture. **of before a change**: set-up or rule have been changed since, and it waits to be run again.
Core-hours are those that the runs' processes were there for: more than they worked where others had the cores, too.
Results that have games of others, too, rest on the same runs, which count in each, unless they were trained anew.
CIFAR-10 was a JPEG-compressed copy.

"""

# What no experiment here has: data that the papers have beside CIFAR-10 and MNIST.
NOT_HERE = """
## Data sets that were not run

CIFAR-100 (Zhang et al. 2018, supplement) has the recipe `dual_d_selu_cifar100`, CelebA (Kodali et al. 2018, figures 7
and 10) `dragan_celeba`: TensorFlow Datasets downloads both, and nothing was measured with them. Of the methods that
Padala & Gujar 2018 survey those of `z-table1`, `k-fig5` and `k-fdiv5` alone are run on CIFAR-10: `p-zoo` has points.
"""


def load(folder: str | os.PathLike) -> list[dict]:
    """Returns the records below a folder, each with the name of its own, `folder`, in the order of the experiments.

    Comparisons come after these.

    Raises:
        InputError: if a record cannot be read.
    """
    found = {}
    for path in Path(folder).glob(f"*/{RECORD_FILE}"):
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            found[path.parent.name] = {key: record[key] for key in KEYS} | {"folder": path.parent.name}
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path} is no record of an experiment ({error}); remove it or run it again") from None
    order = [*known(), *sorted(found.keys() - known().keys())]
    return [found[name] for name in order if name in found]


def page(folder: str | os.PathLike) -> str:
    """Returns the Markdown page of all records below a folder; links are relative to the folder's parent."""
    records = load(folder)
    counts = {}
    for record in records:
        for claim in record["claims"].values():
            counts[claim["verdict"]] = counts.get(claim["verdict"], 0) + 1
    summary = ", ".join(f"{count} {verdict}" for verdict, count in sorted(counts.items()))
    missing = [each for id, each in known().items() if id not in {record["id"] for record in records}]
    parts = [HEADER, f"{sum(counts.values())} claims: {summary}.\n"]
    parts += [_section(record, Path(folder), same_games(record, records)) for record in records]
    if missing:
        parts.append("\n## Not run yet\n\n" + "".join(_line(each) for each in missing))
    parts.append(NOT_HERE)
    return "".join(parts)


def outdated(record: dict, experiment: Experiment) -> bool:
    """Returns whether a record is of another set-up, or judged by another rule, than its experiment has now."""
    rules = {name: claim.rule for name, claim in experiment.claims.items()}
    return record["differs"] != experiment.differs or rules != {n: c["rule"] for n, c in record["claims"].items()}


def same_games(record: dict, records: list[dict]) -> list[str]:
    """Returns the other results that rest on games and seeds of a record's, too: a run's folder names both."""
    own = ended(record)
    return [each["folder"] for each in records if each is not record and own & ended(each)]


def _line(experiment: Experiment) -> str:
    return f"* `{experiment.id}`: {experiment.title}\n"


def _section(record: dict, folder: Path, others: list[str]) -> str:
    stop = "" if record["title"].endswith("?") else "."
    name = record["folder"]
    lines = [f"\n## {name}\n", f"{record['title']}{stop}\n", f"`{record['command']}`"]
    said = [f"budget {record['budget']}", f"seeds {', '.join(map(str, record['seeds']))}"]
    experiment = known().get(record["id"])
    if experiment and len(record["seeds"]) < experiment.seeds:
        said[-1] += f"; {experiment.seeds} are needed for a verdict"
    if record["core_hours"]:
        said.append(f"{record['core_hours']:.2g} core-hours")
    if others:
        said.append(f"games of {', '.join(others)}, too")
    if record["devices"]:
        said.append("on " + " and ".join(record["devices"]))
    if experiment and outdated(record, experiment):
        said.append("**of before a change**")
    if record["partial"]:
        said.append("**a part: not all of its runs have ended**")
    lines[-1] += f" ({'; '.join(said)}; judged {record['finished']})\n"
    if record["differs"]:
        lines.append(f"Otherwise than in the paper: {record['differs']}.\n")
    if record["scaled"]:
        lines.append(f"Scaled down: {record['scaled']}.\n")
    lines.append("| claim | published | rule | found | verdict |\n| --- | --- | --- | --- | --- |")
    for claim in record["claims"].values():
        cells = (f"{claim['says']} ({claim['source']})", claim["published"], claim["rule"], claim["found"])
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + f" | **{claim['verdict']}** |")
    lines.append("")
    tables = [folder / name / file for file in record["files"] if file.endswith(".md")]
    lines += [path.read_text(encoding="utf-8") for path in tables if path.exists()]
    pictures = [file for file in record["files"] if file.endswith((".png", ".gif"))]
    lines += [f"![{name}: {file}]({folder.name}/{name}/{file})\n" for file in pictures]
    return "\n".join(lines)
