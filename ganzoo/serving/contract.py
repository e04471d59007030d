"""Whether TensorFlow Serving can serve an exported generator: the rules, one by one, judged without a server."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ganzoo.serving import static_rules, trial_rules
from ganzoo.serving.rules import NotApplicable, Rule
from ganzoo.serving.saved import open_saved
from ganzoo.serving.trial import tried

TIMEOUT = 600.0  # seconds


@dataclass(frozen=True)
class Finding:
    """What breaks a rule.

    Args:
        rule: Its name.
        wrong: What is wrong.
        where: A signature, a file, a node of the graph.
        cure: What to do about it.
    """

    rule: str
    wrong: str
    where: str
    cure: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.where}: {self.wrong}; {self.cure}"


@dataclass(frozen=True)
class Verdict:
    """What came of a rule.

    Args:
        rule: Its name.
        state: `"held"`, `"broken"`, or `"not applicable"`.
        remark: The rule where it is held, what breaks it, or why it is not applicable.
    """

    rule: str
    state: Literal["held", "broken", "not applicable"]
    remark: str


@dataclass(frozen=True)
class Report:
    """What `check` found; as text, a line a rule.

    Args:
        path: The version that was looked at, `<name>/<version>`.
        verdicts: One for each rule.
        findings: What breaks rules.
        untried: Signature -> why it was not called, although it is there.
    """

    path: Path
    verdicts: tuple[Verdict, ...]
    findings: tuple[Finding, ...]
    untried: dict[str, str]

    @property
    def ok(self) -> bool:
        """Returns whether no rule is broken."""
        return not self.findings

    def __str__(self) -> str:
        width = max(len(verdict.rule) for verdict in self.verdicts)
        lines = [f"{verdict.rule:{width}}  {verdict.state:14}  {verdict.remark}" for verdict in self.verdicts]
        lines += [f"not called: {name}, {reason}" for name, reason in self.untried.items()]
        if self.findings:
            lines += ["", "What to do:", *(f"* {finding}" for finding in self.findings)]
        return "\n".join(lines)


def check(directory: str | os.PathLike, *, timeout: float = TIMEOUT) -> Report:
    """Returns which rules of TensorFlow Serving's contract an exported generator keeps.

    First by its files alone; then by calls, in a process that has TensorFlow's C library and no Python TensorFlow.
    Generators of other packages can be checked too: then rows are made up by the names and types of inputs.

    Args:
        directory: `<name>/<version>`, or `<name>` for its newest version.
        timeout: Seconds that the calls may take in all.

    Raises:
        InputError: If there is no such folder, or nothing in it that a server would try to load.
    """
    saved = open_saved(directory)
    judged = [_judged(rule, saved) for rule in static_rules.RULES]
    trial, reason = None, "there is no graph to call"
    if saved.meta is not None:
        try:
            trial = tried(saved, timeout)
        except NotApplicable as error:
            reason = str(error)
    judged += [_judged(rule, trial, reason) for rule in trial_rules.RULES]
    return Report(
        saved.folder,
        tuple(verdict for verdict, _ in judged),
        tuple(finding for _, findings in judged for finding in findings),
        {} if trial is None else trial.untried,
    )


def _judged(rule: Rule, subject: Any, reason: str = "") -> tuple[Verdict, list[Finding]]:
    """Returns what a rule says of its subject; None cannot be judged, for a reason."""
    if subject is None:
        return Verdict(rule.name, "not applicable", reason), []
    try:
        findings = [Finding(rule.name, wrong, where, rule.cure) for where, wrong in rule.judge(subject)]
    except NotApplicable as error:
        return Verdict(rule.name, "not applicable", str(error)), []
    if not findings:
        return Verdict(rule.name, "held", rule.text), []
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    return Verdict(rule.name, "broken", f"{findings[0].where}: {findings[0].wrong}{more}"), findings
