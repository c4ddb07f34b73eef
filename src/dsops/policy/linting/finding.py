"""The data types of the linter: rules and findings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal, NamedTuple

Severity = Literal["error", "warning", "note"]
"""The severity of a finding.

- `error`: AWS refuses the policy, or the policy allows unintended callers.
- `warning`: the policy has another effect than it seems to have.
- `note`: the policy is correct, and the finding is for information.
"""

SEVERITIES: Final[tuple[Severity, ...]] = ("error", "warning", "note")

KEPT: Final = 100
"""The maximum number of findings of one rule that a report keeps. Further findings are only counted."""


class LintRule(NamedTuple):
    """One rule. Its texts are shown on the reference page, in SARIF and by `dsops help CODE`."""

    code: str
    """The rule's code, dotted and stable."""
    severity: Severity
    what: str
    why: str
    cure: str
    source: str
    """The page or section of AWS's documentation that supports the rule."""


class Finding(NamedTuple):
    """One violation of a rule. Never contains the value of an external ID."""

    rule: LintRule
    severity: Severity
    """The rule's severity, or a lower severity set for this finding."""
    line: int
    path: str
    """The path of the element from the top of the policy."""
    message: str
    hint: str


class FindingCollector:
    """Collects findings: keeps the first hundred of each rule and counts the others."""

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
        """Add a finding. The hint (default: the rule's cure) is computed only if the finding is kept."""
        count = self._counts.get(rule, 0)
        self._counts[rule] = count + 1
        if count < KEPT:
            hint_text = hint if isinstance(hint, str) else hint()
            self._kept.append(Finding(rule, severity or rule.severity, line, path, message, hint_text or rule.cure))

    def is_full(self, rule: LintRule) -> bool:
        """Whether the rule has reached its maximum of kept findings. Further findings of it are only counted."""
        return self._counts.get(rule, 0) >= KEPT

    def in_order(self) -> tuple[Finding, ...]:
        """Return the kept findings by line; findings on one line are in order of discovery."""
        return tuple(sorted(self._kept, key=lambda finding: finding.line))

    def left_out(self) -> dict[str, int]:
        """Return the number of findings that were not kept, by rule code."""
        return {rule.code: count - KEPT for rule, count in self._counts.items() if count > KEPT}

    def worst(self) -> dict[Severity, int]:
        """Return the number of findings of each severity, including those that were not kept."""
        counts: dict[Severity, int] = dict.fromkeys(SEVERITIES, 0)
        for finding in self._kept:
            counts[finding.severity] += 1
        for rule, count in self._counts.items():
            counts[rule.severity] += max(0, count - KEPT)
        return counts
