"""What the lint says: rules, and what was found by them in one document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
"""`error`: AWS refuses it, or it lets in whom nobody can mean. `warning`: it does not do what it seems to say.
`note`: right as it is, and good to know."""

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")

KEPT: Final = 100
"""How many findings of one rule in one document are told; the others are counted."""


class LintRule(NamedTuple):
    """One thing that can be wrong. Its texts stand in the reference page, in SARIF and in `dsops help CODE`."""

    code: str
    """Dotted and stable."""
    severity: Severity
    what: str
    why: str
    cure: str
    source: str
    """The page or section that says so."""


class Finding(NamedTuple):
    """A rule and a place. Never has the value of an external ID in it."""

    rule: LintRule
    severity: Severity
    """The rule's own, but for a few that are less in some files."""
    line: int
    path: str
    """The elements that lead to it from the top of the policy."""
    message: str
    hint: str


class FindingCollector:
    """Collects them: the first of each rule, and how many more there are."""

    __slots__ = ("_counts", "_kept")

    def __init__(self) -> None:
        self._kept: list[Finding] = []
        self._counts: dict[LintRule, int] = {}

    def add(
        self,
        rule: LintRule,
        line: int,
        path: str,
        message: str,
        *,
        hint: str | Callable[[], str] = "",
        severity: Severity | None = None,
    ) -> None:
        """One more. A hint that takes time to find is made only when the finding is kept; without one, the cure."""
        count = self._counts.get(rule, 0)
        self._counts[rule] = count + 1
        if count < KEPT:
            said = hint if isinstance(hint, str) else hint()
            self._kept.append(Finding(rule, severity or rule.severity, line, path, message, said or rule.cure))

    def is_full(self, rule: LintRule) -> bool:
        """Whether a further one of that rule would only be counted."""
        return self._counts.get(rule, 0) >= KEPT

    def in_order(self) -> tuple[Finding, ...]:
        """Those that were kept, by line; on one line as they were found."""
        return tuple(sorted(self._kept, key=lambda finding: finding.line))

    def left_out(self) -> dict[str, int]:
        """Rule by rule, how many more there are."""
        return {rule.code: count - KEPT for rule, count in self._counts.items() if count > KEPT}

    def worst(self) -> dict[Severity, int]:
        """How many there are of each severity, also of those that were not kept."""
        counts: dict[Severity, int] = dict.fromkeys(SEVERITIES, 0)
        for finding in self._kept:
            counts[finding.severity] += 1
        for rule, count in self._counts.items():
            counts[rule.severity] += max(0, count - KEPT)
        return counts
