"""From what looks measured to verdicts in words: a function of the rows alone, so a resume judges as if none was."""

import collections
import math
import statistics
from collections.abc import Mapping

from ganzoo.callbacks.looks import DISTANCE, DIVERSITY, NEAREST

Row = Mapping[str, float]

MEMORY = 20  # looks without a suspicion, whose median is the past
EARLIEST = 6  # such looks before there is a past
YOUNG = 1_000  # rounds in which samples may be alike that never differed

# Shares of what real examples have.
ALIKE = 0.1  # diversity
COPIES = 0.02  # nearest
# Shares of the past, or multiples.
FALLEN = 0.4  # diversity
FAR = 4.0  # distance
WIDE = 5.0  # gap
VANISHED = 1e-3  # gradient
EXPLODED = 100.0  # gradient
# Shares of pairs that an opponent tells apart, and of those it ranks the wrong way round.
APART = 0.98
FOOLED = 0.7
# Real examples of a class, below which the absence of its samples says nothing; samples that a class used to have.
EXPECTED = 4
REGULAR = 2


class Judge:
    """Follows the looks at a run and says what ails it.

    A suspicion that holds for `patience` looks becomes a verdict, and as many looks without it end the verdict: young
    games make samples that are alike, and a game may stumble. What is not finite is a verdict at once.

    Args:
        patience: looks.
    """

    def __init__(self, patience: int = 3):
        self.patience = patience
        self.past = collections.deque(maxlen=MEMORY)
        self.highest: dict[str, float] = {}
        self.suspected = collections.Counter()  # kind -> looks in succession
        self.absent = collections.Counter()
        self.verdicts: dict[str, str] = {}  # kind -> what was said, as long as it holds

    @property
    def last_clean(self) -> int:
        """The step of the last look that raised no suspicion; 0 if there is none."""
        return int(self.past[-1]["step"]) if self.past else 0

    def look(self, row: Row) -> list[str]:
        """Returns what there is to say after one more look: verdicts that are new or over."""
        suspicions = self.suspicions(row)
        if not suspicions:
            self.past.append(row)
        for name, value in row.items():
            if math.isfinite(value):
                self.highest[name] = max(value, self.highest.get(name, value))
        said = []
        for kind in {**suspicions, **self.verdicts}:
            self.absent[kind] = 0 if kind in suspicions else self.absent[kind] + 1
        for kind in self.suspected.keys() - suspicions.keys():
            self.suspected[kind] = 0
        for kind, words in suspicions.items():
            self.suspected[kind] += 1
            if kind not in self.verdicts and (self.suspected[kind] >= self.patience or kind == "not finite"):
                self.verdicts[kind] = f"{kind}: {words}"
                said.append(self.verdicts[kind])
        for kind in [kind for kind in self.verdicts if self.absent[kind] >= self.patience]:
            del self.verdicts[kind]
            said.append(f"{kind} is over")
        return said

    def suspicions(self, row: Row) -> dict[str, str]:
        """Returns kind -> words of what a look alone gives reason to suspect."""
        lost = [name for name, value in row.items() if not math.isfinite(value)]
        if lost:
            return {"not finite": ", ".join(lost)}
        found = {
            "mode collapse": self.collapse(row),
            "samples diverge": self.divergence(row),
            "class missing": self.missing(row),
        }
        for name in row:
            opponent, _, measure = name.rpartition("/")
            if measure == "gap":
                found[f"{opponent} won"] = self.won(row, opponent)
                found[f"{opponent} fooled"] = self.fooled(row, opponent)
                found[f"{opponent} gives no gradient"] = self.vanished(row, opponent)
                found[f"{opponent} explodes"] = self.exploded(row, opponent)
        return {kind: words for kind, words in found.items() if words}

    def before(self, name: str) -> float | None:
        """Returns the past size of a measure; None where there are too few looks."""
        values = [abs(row[name]) for row in self.past if name in row]
        return statistics.median(values) if len(values) >= EARLIEST else None

    def collapse(self, row: Row) -> str | None:
        """Returns what is said of samples that are alike, if they differed before or the game is no longer young."""
        before, words = self.before(DIVERSITY), None
        if self.alike(row, DIVERSITY, ALIKE) or (before and row[DIVERSITY] < FALLEN * before):
            words = f"samples differ by {percent(row[DIVERSITY])} of what real examples do"
        elif self.alike(row, NEAREST, COPIES):
            words = f"a sample is as near to the next as {percent(row[NEAREST])} of what real examples are"
        if words and before:
            words += f" ({percent(self.past[-1][DIVERSITY])} at step {self.last_clean:,})"
        return words

    def alike(self, row: Row, name: str, share: float) -> bool:
        """Returns whether a measure is below a share that it exceeded twice over, or had the time to exceed."""
        return row[name] < share and (self.highest.get(name, 0.0) > 2.0 * share or row["step"] > YOUNG)

    def divergence(self, row: Row) -> str | None:
        """Returns what is said of samples that leave the data."""
        before = self.before(DISTANCE)
        if before and row[DISTANCE] > FAR * max(before, 1.0):
            return f"samples are {times(row[DISTANCE] / before)} as far from real examples as before"
        return None

    def missing(self, row: Row) -> str | None:
        """Returns what is said of classes that have no sample, and were there before or had the time to come.

        Only of a game that has had all of them: the classes of what a young one makes come and go.
        """
        expected = [name.rpartition("/")[2] for name in row if name.startswith("real_class/") and row[name] >= EXPECTED]
        whole = [look for look in self.past if all(look.get(f"class/{label}", 0) for label in expected)]
        old = row["step"] > YOUNG
        if len(whole) < EARLIEST and not old:
            return None
        lost = []
        for label in expected:
            before = self.before(f"class/{label}")
            regular = before is not None and before >= REGULAR
            if row[f"class/{label}"] == 0 and (regular or (old and before == 0)):
                lost.append(label)
        return f"no sample is of class {', '.join(lost)}" if lost else None

    def won(self, row: Row, opponent: str) -> str | None:
        """Returns what is said of an opponent that tells all samples from real examples by far more than it did."""
        gap, before = abs(row[f"{opponent}/gap"]), self.before(f"{opponent}/gap")
        over = row[f"{opponent}/real_over_fake"]
        apart = max(over, 1.0 - over)
        if before and apart >= APART and gap > WIDE * before:
            return f"it tells {percent(apart)} of pairs apart, by {times(gap / before)} the gap of before"
        return None

    def fooled(self, row: Row, opponent: str) -> str | None:
        """Returns what is said of an opponent that ranks pairs the other way round than it did."""
        over, before = row[f"{opponent}/real_over_fake"], self.before(f"{opponent}/real_over_fake")
        if before is None:
            return None
        wrong = 1.0 - over if before > 0.5 else over
        return f"it ranks {percent(wrong)} of pairs the other way round than before" if wrong >= FOOLED else None

    def vanished(self, row: Row, opponent: str) -> str | None:
        """Returns what is said of an opponent from which a generator learns nothing."""
        gradient, before = row[f"{opponent}/gradient"], self.before(f"{opponent}/gradient")
        if gradient == 0.0 or (before and gradient < VANISHED * before):
            return f"that of its score at a sample is {gradient:.2g}" + (f" ({before:.2g} before)" if before else "")
        return None

    def exploded(self, row: Row, opponent: str) -> str | None:
        """Returns what is said of an opponent whose scores change ever faster."""
        gradient, before = row[f"{opponent}/gradient"], self.before(f"{opponent}/gradient")
        if before and gradient > EXPLODED * before:
            return f"the gradient of its score at a sample is {times(gradient / before)} that of before"
        return None


def percent(share: float) -> str:
    """Returns a share in words, `"4 %"`."""
    return f"{100.0 * share:.{0 if share >= 0.1 else 1}f} %"


def times(ratio: float) -> str:
    """Returns a ratio in words, `"5.2 times"`."""
    return f"{ratio:,.{0 if ratio >= 10 else 1}f} times"
