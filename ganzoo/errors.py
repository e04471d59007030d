"""What is said to a user whose input cannot be used."""

import difflib
from collections.abc import Iterable

DIVERGED_STATUS = 3
IN_USE_STATUS = 4


class InputError(ValueError):
    """What the user gave cannot be used: the message says the value, the reason and the cure.

    The command line prints the message without a traceback and exits with `status`.
    """

    status = 1


class Diverged(InputError):
    """A run whose numbers are no longer finite."""

    status = DIVERGED_STATUS


class NotFinite(InputError):
    """Examples of which no score is defined."""


class InUse(InputError):
    """A folder that another process holds."""

    status = IN_USE_STATUS


class WorkerLost(InputError):
    """Another worker of this run is gone; the run can be started again."""


class ServingError(RuntimeError):
    """A model server refused a request, or did not answer.

    The command line prints the message as it does that of an `InputError`.

    Args:
        code: the gRPC status by its name, `"INVALID_ARGUMENT"` say; over REST, the one the HTTP status stands for.
        text: what the server said.
        address: whom was asked.
    """

    def __init__(self, code: str, text: str, address: str):
        super().__init__(code, text, address)  # all of them: so it can be sent from one process to another
        self.code = code
        self.text = text
        self.address = address

    def __str__(self) -> str:
        return f"{self.address}: {self.code}: {self.text}"


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns "did you mean 'x'?" for the known word nearest to `word`, or the list of what is known."""
    known = sorted(known)
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known) or 'nothing'}"
