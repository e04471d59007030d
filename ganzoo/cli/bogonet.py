"""Plays random games by any variants: final scores, areas under their curves, collapses, paired differences.

ganzoo bogonet --variants=non_saturating,dragan,lsgan --games=30
ganzoo bogonet --variants=hinge,r1 --dataset=cifar10 --image_size=32 --divisor=2 --rounds=5000

Game i is the same for every variant: networks of both players drawn from three families. The paper's own comparison is
`ganzoo reproduce --experiment=k-bogonet`. The same command goes on where it was cut.
"""

import shlex

from absl import flags

from ganzoo.experiments.bogonet.play import Setting
from ganzoo.experiments.bogonet.table import ENOUGH, best_of, compared, comparison
from ganzoo.experiments.lab import Lab
from ganzoo.files import require_writable

VARIANTS = flags.DEFINE_list("variants", None, "Names of variants, or of recipes.", required=True)
GAMES = flags.DEFINE_integer("games", 30, "How many a seed.", lower_bound=1)
SEEDS = flags.DEFINE_integer("seeds", 1, "How many, from 0 on; each has games of its own.", lower_bound=1)
DATASET = flags.DEFINE_string("dataset", Setting.dataset, "Registry name of images with labels.")
IMAGE_SIZE = flags.DEFINE_integer("image_size", Setting.side, "Side of the images.", lower_bound=8)
DIVISOR = flags.DEFINE_integer("divisor", Setting.divisor, "Of the drawn widths.", lower_bound=1, upper_bound=32)
ROUNDS = flags.DEFINE_integer("rounds", Setting.rounds, "Updates of the generator.", lower_bound=1)
SET = flags.DEFINE_multi_string("set", [], "section.key=value over every game; may be repeated.")
OUTPUT = flags.DEFINE_string("output", None, "Folder; if not given results/bogonet-DATASET.")
RUNS = flags.DEFINE_string("runs", "runs/experiments", "Where runs go, which experiments share.")
CORE_HOURS = flags.DEFINE_float("core_hours", None, "Beyond which no further run begins.", lower_bound=0.0)
JOBS = flags.DEFINE_integer("jobs", None, "Runs at a time; if not given one a core, on a GPU one.", lower_bound=1)
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data sets.")
ASKED = (GAMES, SEEDS, DATASET, IMAGE_SIZE, DIVISOR, ROUNDS)  # what the record's command repeats


def main() -> None:
    """Plays."""
    setting = Setting(
        games=GAMES.value, dataset=DATASET.value, side=IMAGE_SIZE.value, divisor=DIVISOR.value,
        rounds=ROUNDS.value, changes=tuple(SET.value),
    )  # fmt: skip
    folder = OUTPUT.value or f"results/bogonet-{DATASET.value}"
    require_writable(f"{folder}/record.json")
    lab = Lab(
        comparison(setting), folder, RUNS.value,
        budget="short", seeds=SEEDS.value, core_hours=CORE_HOURS.value, jobs=JOBS.value, data_dir=DATA_DIR.value,
    )  # fmt: skip
    given = [f"--{flag.name}={flag.value}" for flag in (*ASKED, OUTPUT) if flag.value is not None]
    changes = [f"--set={change}" for change in SET.value]
    command = shlex.join(["ganzoo", "bogonet", f"--variants={','.join(VARIANTS.value)}", *given, *changes])
    with lab.recorded(command):
        played = compared(lab, setting, VARIANTS.value)
        best = best_of(played)
        told = lab.told and len(played.complete) >= ENOUGH and len(VARIANTS.value) > 1
        lab.judge("best", best is not None if told else None,
                  f"{best or 'none'} of {len(VARIANTS.value)}, {len(played.complete)} games")  # fmt: skip
        for row in played.summary():
            print(f"{row['algorithm']:24} final {row['final']:.2f} ± {row['final_sd']:.2f}, area {row['area']:.1f} ± "
                  f"{row['area_sd']:.1f}, collapsed {100 * row['collapse_rate']:.0f} %")  # fmt: skip
