"""Rules of the linter, and their findings in one document."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
"""How severe a finding is.

`error`: AWS refuses it, or it allows callers that can't be meant. `warning`: it does something else than it seems to.
`note`: correct, and worth knowing.
"""

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")

KEPT: Final = 100
"""Findings kept per rule and document; the others are counted."""


class LintRule(NamedTuple):
    """One rule. Its texts appear in the reference page, in SARIF and in `dsops help CODE`."""

    code: str
    """Dotted and stable."""
    severity: Severity
    what: str
    why: str
    cure: str
    source: str
    """The page or section that says so."""


class Finding(NamedTuple):
    """One violation of a rule. Never contains the value of an external ID."""

    rule: LintRule
    severity: Severity
    """The severity of the rule, or a lower one that the rule gave for this finding."""
    line: int
    path: str
    """The elements that lead to it from the top of the policy."""
    message: str
    hint: str


class FindingCollector:
    """Collects findings: the first hundred of each rule, and the number of others."""

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
        """Add a finding. The hint (default: the rule's cure) is computed only when the finding is kept."""
        count = self._counts.get(rule, 0)
        self._counts[rule] = count + 1
        if count < KEPT:
            hint_text = hint if isinstance(hint, str) else hint()
            self._kept.append(Finding(rule, severity or rule.severity, line, path, message, hint_text or rule.cure))

    def is_full(self, rule: LintRule) -> bool:
        """Whether a further finding of that rule would only be counted."""
        return self._counts.get(rule, 0) >= KEPT

    def in_order(self) -> tuple[Finding, ...]:
        """The findings that were kept, by line; in the order of discovery within a line."""
        return tuple(sorted(self._kept, key=lambda finding: finding.line))

    def left_out(self) -> dict[str, int]:
        """The number of further findings, by rule."""
        return {rule.code: count - KEPT for rule, count in self._counts.items() if count > KEPT}

    def worst(self) -> dict[Severity, int]:
        """The number of findings of each severity, including those that were not kept."""
        counts: dict[Severity, int] = dict.fromkeys(SEVERITIES, 0)
        for finding in self._kept:
            counts[finding.severity] += 1
        for rule, count in self._counts.items():
            counts[rule.severity] += max(0, count - KEPT)
        return counts
