"""Compares variants on one data set: best and last scores, spread over seeds, collapse rate, core-seconds to a score.

ganzoo compare --variants=dcgan,dragan,dual_d_selu --dataset=digits --seeds=5 --output=runs/compare
ganzoo compare --variants=wgan_gp,unrolled --dataset=ring8 --steps=2000

Each plays its small recipe for the data set, or its paper's if that is of it; it says which, and for how many rounds.
Where it has neither, its paper's recipe plays there for --steps rounds.

The same command goes on where it was cut. Collapsed: fewer than half of the classes have 2 % of the samples (of points:
half of the modes have one), the last score is more than 1.5 times worse than the best, or the run diverged. A variant
keeps its score if on 4 of 5 seeds the last one is within 1.2 times the best, without a collapse.
"""

import shlex

from absl import flags

from ganzoo.data.toy import DENSITIES
from ganzoo.errors import InputError
from ganzoo.experiments.comparison import compared, comparison, judge, mode_count
from ganzoo.experiments.lab import Lab
from ganzoo.files import require_writable

VARIANTS = flags.DEFINE_list("variants", None, "Names of variants, or of recipes.", required=True)
DATASET = flags.DEFINE_string("dataset", "digits", "Registry name, see ganzoo.data.load.")
METRIC = flags.DEFINE_string(
    "metric",
    None,
    "Score that ranks; if not given fid, on points high_quality_share or, without modes, frechet_distance.",
)
SEEDS = flags.DEFINE_integer("seeds", 5, "How many, from 0 on.", lower_bound=1)
STEPS = flags.DEFINE_integer("steps", None, "Rounds; if not given the recipes' own.", lower_bound=1)
SCORE = flags.DEFINE_float("score", None, "After how many rounds and core-seconds was it reached?")
SET = flags.DEFINE_multi_string("set", [], "section.key=value over the recipes'; may be repeated.")
OUTPUT = flags.DEFINE_string("output", None, "Folder; if not given results/compare-DATASET.")
RUNS = flags.DEFINE_string("runs", "runs/experiments", "Where runs go, which experiments share.")
CORE_HOURS = flags.DEFINE_float("core_hours", None, "Beyond which no further run begins.", lower_bound=0.0)
JOBS = flags.DEFINE_integer("jobs", None, "Runs at a time; if not given one a core, on a GPU one.", lower_bound=1)
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data sets.")


def main() -> None:
    """Compares."""
    points = "high_quality_share" if mode_count(DATASET.value) else "frechet_distance"
    metric = METRIC.value or (points if DATASET.value in DENSITIES else "fid")
    names = VARIANTS.value
    if not names or len(set(names)) < len(names):
        raise InputError(f"--variants={','.join(names)}: give names, each once")
    experiment = comparison(DATASET.value)
    folder = OUTPUT.value or f"results/{experiment.id}"
    require_writable(f"{folder}/record.json")
    lab = Lab(
        experiment, folder, RUNS.value,
        budget="short", seeds=SEEDS.value, core_hours=CORE_HOURS.value, jobs=JOBS.value, data_dir=DATA_DIR.value,
    )  # fmt: skip
    asked = {"variants": ",".join(names), "dataset": DATASET.value, "metric": metric, "seeds": SEEDS.value,
             "steps": STEPS.value, "score": SCORE.value, "output": OUTPUT.value}  # fmt: skip
    given = [f"--{flag}={value}" for flag, value in asked.items() if value is not None]
    command = shlex.join(["ganzoo", "compare", *given, *(f"--set={change}" for change in SET.value)])
    with lab.recorded(command):
        rows = compared(
            lab, names, DATASET.value, metric, steps=STEPS.value, changes=SET.value, wanted=SCORE.value
        )  # fmt: skip
        judge(lab, rows)
        print((lab.folder / "variants.md").read_text(encoding="utf-8"), end="")
