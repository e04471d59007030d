"""What a rule of the contract is: a function that yields what breaks it, its docstring the rule itself."""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Broken = Iterator[tuple[str, str]]  # where, what is wrong


class NotApplicable(Exception):
    """A rule has nothing to judge; the message says why."""


@dataclass(frozen=True)
class Rule:
    """A rule of the contract.

    Args:
        judge: What it judges -> (where, what is wrong), one by one.
        cure: What to do where it is broken.
    """

    judge: Callable[[Any], Broken]
    cure: str

    @property
    def name(self) -> str:
        """Returns the rule's name."""
        return self.judge.__name__

    @property
    def text(self) -> str:
        """Returns the rule, one line."""
        return inspect.getdoc(self.judge).splitlines()[0]


def rule(rules: list[Rule], cure: str) -> Callable[[Callable[[Any], Broken]], Callable[[Any], Broken]]:
    """Returns a decorator that appends a function to `rules`."""

    def add(judge: Callable[[Any], Broken]) -> Callable[[Any], Broken]:
        rules.append(Rule(judge, cure))
        return judge

    return add
