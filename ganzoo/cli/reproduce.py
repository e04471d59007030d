"""Runs a paper's experiment again: tables, figures, resolved recipes and a record of what was found.

ganzoo reproduce --list
ganzoo reproduce --experiment=z-kl
ganzoo reproduce --experiment=z-table2 --budget=short --seeds=3 --core_hours=4

The same command goes on where it was cut; runs that another experiment has finished are not run again. With
--core_hours no run begins beyond that, and what there is is published as a part, unless the folder has more already.
A folder with a result of another budget, or of seeds that are not asked for, is refused: --output gives another.
"""

from absl import flags

from ganzoo import experiments
from ganzoo.errors import InputError
from ganzoo.experiments.reproduction import checked
from ganzoo.sweeps import PROCESSES

EXPERIMENT = flags.DEFINE_list("experiment", [], "Ids, separated by commas; see --list.")
BUDGET = flags.DEFINE_string(
    "budget", "short", "smoke (minutes at most), short (two cores) or full (the papers' setting)."
)
SEEDS = flags.DEFINE_integer("seeds", None, "How many; if not given the experiment's own number.")
FIRST_SEED = flags.DEFINE_integer("first_seed", None, "From which on; if not given the experiment's own.")
LIST = flags.DEFINE_bool(
    "list", False, "Print every experiment: the core-hours that one seed of it takes, the data it needs."
)
OUTPUT = flags.DEFINE_string(
    "output", None, "Where each experiment gets a folder; if not given results, of smoke results-smoke."
)
RUNS = flags.DEFINE_string("runs", "runs/experiments", "Where runs go, which experiments share.")
CORE_HOURS = flags.DEFINE_float("core_hours", None, "Beyond which no further run begins.", lower_bound=0.0)
JOBS = flags.DEFINE_integer("jobs", None, "Runs at a time; if not given one a core, on a GPU one.", lower_bound=1)
DATA_DIR = flags.DEFINE_string("data_dir", None, "Where TFDS keeps its data sets.")


def main() -> None:
    """Reproduces."""
    if LIST.value:
        print(listed())
        return
    if not EXPERIMENT.value:
        raise InputError("give --experiment=ID, or --list to see them")
    asked = {"seeds": SEEDS.value, "first_seed": FIRST_SEED.value, "output": OUTPUT.value}
    for id in EXPERIMENT.value:
        checked(id, BUDGET.value, **asked)
    for id in EXPERIMENT.value:
        experiments.reproduce(
            id, BUDGET.value, **asked, runs=RUNS.value,
            core_hours=CORE_HOURS.value, jobs=JOBS.value, data_dir=DATA_DIR.value,
        )  # fmt: skip
        if PROCESSES.told:
            break


def listed() -> str:
    """Returns a line an experiment: id, core-hours of a seed at each budget, data to have, title."""
    lines = [f"{'id':18} {'smoke':>7} {'short':>7} {'full':>7}  core-hours a seed, data, title"]
    for each in experiments.known().values():
        cost = " ".join(f"{each.hours[budget]:7.2g}" for budget in experiments.BUDGETS)
        lines.append(f"{each.id:18} {cost}  {', '.join(each.needs) or '-':8} {each.title}")
    return "\n".join(lines)
