"""The command line: `ganzoo <tool> --flags`; each tool is one file here, flags in, one library call out."""

import importlib
import os
import sys
from collections.abc import Sequence

from absl import app
from absl import logging as absl_logging

from ganzoo.errors import InputError, ServingError, did_you_mean
from ganzoo.sweeps import GPU_GROWTH, PROCESSES

CUT_STATUS = 130  # as the shell says of Ctrl-C
TOOLS = {
    "train": "train a recipe; the same command resumes",
    "sweep": "train many runs: recipes x seeds x settings",
    "compare": "compare variants over seeds: best and last scores, collapse rate, time to a score",
    "bogonet": "compare variants over random games: networks of both players drawn",
    "blind": "judge two variants by unlabelled curves",
    "reproduce": "run a paper's experiment again: tables, figures, verdicts",
    "export": "write a trained generator as a SavedModel",
    "check_export": "check whether TensorFlow Serving can serve an export: a line a rule",
    "sample": "draw pictures from a SavedModel: a grid, a latent walk, single files",
    "evaluate": "score a SavedModel and write the record",
    "train_classifier": "train the classifier of a data set, by which its generators are scored",
    "serve": "serve SavedModels on this machine as TensorFlow Serving would, for development",
    "list": "list variants and recipes",
    "benchmark": "measure rounds a second, what `fit` costs over a bare loop, what a served model bears",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Runs `ganzoo <tool> --flags`."""
    argv = list(sys.argv if argv is None else argv)
    if len(argv) < 2 or argv[1] in ("help", "-h", "--help"):
        print("usage: ganzoo <tool> --flags, or ganzoo <tool> --help\n")
        print("\n".join(f"  {tool:16} {what}" for tool, what in TOOLS.items()))
        return
    if argv[1] not in TOOLS:
        sys.exit(f"ganzoo: tool {argv[1]!r} is unknown; {did_you_mean(argv[1], TOOLS)}")
    run(argv[1], argv[2:])


def run(tool: str, flags: Sequence[str] | None = None) -> None:
    """Runs one tool; an error that the user can mend becomes one line on standard error, and its exit status."""
    os.environ.setdefault(GPU_GROWTH, "true")
    module = importlib.import_module(f"ganzoo.cli.{tool}")
    absl_logging.set_verbosity(absl_logging.ERROR)

    def refused(reason: str, status: int = 1) -> None:
        print(f"ganzoo {tool}: {reason}", file=sys.stderr)
        sys.exit(status)

    def guarded(argv: Sequence[str]) -> None:
        if len(argv) > 1:
            refused(f"{argv[1]!r} is no flag; write --name=value, see ganzoo {tool} --help")
        try:
            module.main()
            sys.stdout.flush()
        except KeyboardInterrupt:
            sys.exit(CUT_STATUS)
        except BrokenPipeError:  # `ganzoo list | head`: nothing is left to say, nor at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(141)  # as the shell says of SIGPIPE
        except (InputError, ServingError) as error:
            refused(f"{error}", getattr(error, "status", 1))
        except OSError as error:  # a full disk, say
            refused(f"{error}; once that is mended, give the same command again")
        if PROCESSES.told:  # to end: what runs, and tables of them, have been saved
            sys.exit(CUT_STATUS)

    app.run(guarded, argv=[f"ganzoo {tool}", *(sys.argv[1:] if flags is None else flags)])
