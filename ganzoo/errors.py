"""What is said to a user whose input cannot be used."""

import difflib
from collections.abc import Iterable


class InputError(ValueError):
    """What the user gave cannot be used: the message says the value, the reason and the cure.

    The command line prints the message without a traceback and exits with status 1.
    """


class Diverged(InputError):
    """A run whose numbers are no longer finite."""


class WorkerLost(InputError):
    """Another worker of this run is gone; the run can be started again."""


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns "did you mean 'x'?" for the known word nearest to `word`, or the list of what is known."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'nothing'}"
