"""What an experiment is: a function over the library, with claims whose rules stand before anything runs."""

import dataclasses
import importlib
import pkgutil
from collections.abc import Callable, Mapping
from typing import Any

from ganzoo.errors import InputError, did_you_mean

BUDGETS = ("smoke", "short", "full")


@dataclasses.dataclass(frozen=True)
class Claim:
    """What a paper says, and by what rule a run judges it.

    Args:
        source: the place in the paper.
        says: the claim, a sentence.
        rule: what has to be found for it to hold; none: it is left to the reader's eyes.
        published: the paper's figure; none: it gives none.
    """

    source: str
    says: str
    rule: str = ""
    published: str = ""


@dataclasses.dataclass(frozen=True)
class Experiment:
    """A figure or table of a paper that one command runs again.

    Args:
        id: by which it is asked for.
        title: a line.
        run: what does it, see `ganzoo.experiments.Lab`.
        claims: by name.
        hours: budget -> core-hours that it is expected to take, for one seed.
        seeds: how many it takes where nobody says, and at least to judge.
        differs: what every budget does otherwise than the paper; none: nothing.
        scaled: what `short` does less of; none: nothing.
        needs: names of the TFDS sets that it trains on.
        first_seed: from which on where nobody says: later ones if its set-up or rule was found on those before.
        one_seed: whether it draws the first seed alone, however many are asked for.
    """

    id: str
    title: str
    run: Callable[[Any], None]
    claims: Mapping[str, Claim]
    hours: Mapping[str, float]
    seeds: int = 1
    differs: str = ""
    scaled: str = ""
    needs: tuple[str, ...] = ()
    first_seed: int = 0
    one_seed: bool = False

    def asked_seeds(self, seeds: int | None = None, first_seed: int | None = None) -> range:
        """Returns the seeds that a call asks for; None: as many, or from the one on, as it has by itself."""
        first = self.first_seed if first_seed is None else first_seed
        return range(first, first + (1 if self.one_seed else seeds or self.seeds))


EXPERIMENTS: dict[str, Experiment] = {}


def experiment(
    id: str,
    *,
    claims: Mapping[str, Claim],
    hours: tuple[float, float, float] = (0.0, 0.0, 0.0),
    seeds: int = 1,
    differs: str = "",
    scaled: str = "",
    needs: tuple[str, ...] = (),
    first_seed: int = 0,
    one_seed: bool = False,
) -> Callable[[Callable], Callable]:
    """Registers the function below it as an experiment, its docstring as the title; `hours` are those of `BUDGETS`."""

    def register(run: Callable) -> Callable:
        cost, title = dict(zip(BUDGETS, hours, strict=True)), run.__doc__.splitlines()[0].rstrip(".")
        EXPERIMENTS[id] = Experiment(id, title, run, claims, cost, seeds, differs, scaled, needs, first_seed, one_seed)
        return run

    return register


def known() -> dict[str, Experiment]:
    """Returns all experiments by id, in the order of their files."""
    import ganzoo.experiments as package

    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    return EXPERIMENTS


def named(id: str) -> Experiment:
    """Returns the experiment of an id.

    Raises:
        InputError: if there is none.
    """
    if id not in known():
        raise InputError(f"experiment {id!r} is unknown; {did_you_mean(id, EXPERIMENTS)}")
    return EXPERIMENTS[id]
