"""Lint policy documents: find what AWS refuses, and what has another effect than it seems to have.

The input is a document, and a reference with the actions and keys of AWS's services; the output is a report with
findings. Imports `policy.language`. Imported by `simulation`; others import `lint` from `dsops.policy`.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dsops.document import Document, Mapping
from dsops.policy.language.policy import PolicyKind
from dsops.policy.linting import (
    actions,
    conditions,
    documents,
    federation,
    keynames,
    mfa,
    principals,
    resource_reach,
    resources,
    syntax,
    values,
)
from dsops.policy.linting.document_view import look
from dsops.policy.linting.finding import SEVERITIES, Finding, FindingCollector, LintRule, Severity
from dsops.policy.linting.kind_guess import guess_kind
from dsops.policy.linting.name_lookup import NameLookup
from dsops.policy.linting.reference import ActionFacts, AuthorizationReference, ServiceFacts

__all__ = [
    "RULES",
    "SEVERITIES",
    "ActionFacts",
    "AuthorizationReference",
    "Finding",
    "LintReport",
    "LintRule",
    "ServiceFacts",
    "Severity",
    "lint",
]

_MODULES: Final = (
    documents,
    principals,
    federation,
    mfa,
    conditions,
    keynames,
    values,
    actions,
    resources,
    resource_reach,
)

RULES: Final[tuple[LintRule, ...]] = (
    *syntax.RULES,
    *(rule for module in _MODULES for rule in vars(module).values() if isinstance(rule, LintRule)),
)
"""All rules, by topic."""


class LintReport(NamedTuple):
    """The findings in one document."""

    kind: PolicyKind
    reason: str
    """Why the linter guessed this kind of policy; "" if the kind was passed in."""
    findings: tuple[Finding, ...]
    """The findings by line, at most a hundred of each rule."""
    left_out: dict[str, int]
    """The number of findings beyond the first hundred, by rule code."""
    counts: dict[Severity, int]
    """The number of findings by severity, including those in `left_out`."""

    @property
    def is_clean(self) -> bool:
        """Whether there is no error and no warning. Notes are allowed."""
        return not self.counts["error"] and not self.counts["warning"]


def lint(
    document: Document,
    size: int,
    kind: PolicyKind | None = None,
    *,
    reference: AuthorizationReference | None = None,
    has_comments: bool = False,
) -> LintReport:
    """Lint a document of `size` characters. Guesses the kind of policy if `kind` is None.

    - `reference`: without it, the names of services, actions and their condition keys are not checked. They are also
      not checked in documents that are longer than IAM's API accepts.
    - `has_comments`: whether the file format has comments (.jsonc).
    """
    reason = ""
    if kind is None:
        kind, reason = guess_kind(document.root)
    findings = FindingCollector()
    syntax.check_syntax(document, kind, findings, has_comments=has_comments)
    if isinstance(document.root, Mapping):
        _check_policy(document.root, size, kind, reference, findings)
    return LintReport(kind, reason, findings.in_order(), findings.left_out(), findings.worst())


def _check_policy(
    root: Mapping, size: int, kind: PolicyKind, reference: AuthorizationReference | None, findings: FindingCollector
) -> None:
    view = look(root, kind)
    compact_size = documents.compact_length(view)
    documents.check_document(view, size, compact_size, findings)
    is_storable = compact_size <= documents.API_LIMIT
    # Comparing all pairs and looking up names takes long, so both are done only for documents within AWS's size limit.
    if kind in {"trust", "resource"}:
        principals.check_principals(view, findings, has_fences=is_storable)
    if kind == "trust" and is_storable:
        federation.check_federation(view, findings)
    lookup = NameLookup(reference if is_storable else None)
    mfa.check_mfa(view, findings)
    conditions.check_conditions(view, lookup, findings)
    keynames.check_keys(view, lookup, findings)
    values.check_values(view, findings)
    actions.check_actions(view, lookup, findings)
    resources.check_resources(view, findings)
    if kind != "trust":
        resource_reach.ResourceReachCheck(lookup).check(view, findings)
