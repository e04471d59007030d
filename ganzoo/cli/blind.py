"""Judges two algorithms blindly: unlabelled pairs of score curves, a sheet to fill in, and its sums.

ganzoo blind --curves=results/k-bogonet/curves.csv --pair=dragan,non_saturating --output=blind --key=blind-key.csv
ganzoo blind --sheets=blind/sheet.csv --key=blind-key.csv

Each pair has 5 points, which a judge splits between left and right: 2.5 each where both do well or neither does, more
to the one that learns and keeps what it has. Of several judges' sheets the mean is taken.
"""

from absl import flags

from ganzoo.errors import InputError
from ganzoo.experiments.bogonet import blind

CURVES = flags.DEFINE_string("curves", None, "Table of curves that k-bogonet or `ganzoo bogonet` left.")
PAIR = flags.DEFINE_list("pair", ["dragan", "non_saturating"], "Two of its algorithms.")
SEED = flags.DEFINE_integer("seed", 0, "Of the order of games and sides.", lower_bound=0)
OUTPUT = flags.DEFINE_string("output", "blind", "Folder for the judges.")
KEY = flags.DEFINE_string("key", "blind-key.csv", "Who was where; not for the judges.")
SHEETS = flags.DEFINE_list("sheets", [], "Sheets that judges have filled in.")


def main() -> None:
    """Exports, or sums."""
    if bool(CURVES.value) == bool(SHEETS.value):
        raise InputError("give either --curves, to export pairs, or --sheets, to sum points")
    if CURVES.value:
        count = blind.export(CURVES.value, PAIR.value, OUTPUT.value, KEY.value, SEED.value)
        print(f"written: {count} pairs and {blind.SHEET} in {OUTPUT.value}; {KEY.value} says who is where")
        return
    for name, points in sorted(blind.scored(SHEETS.value, KEY.value).items(), key=lambda each: -each[1]):
        print(f"{name:24} {points:g}")
