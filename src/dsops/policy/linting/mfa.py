"""Rules about MFA conditions that are true for requests signed with long-term keys.

`aws:MultiFactorAuthPresent` is absent from such requests, `false` in a temporary session without MFA, and `true` in a
session with MFA.
"""

from __future__ import annotations

from typing import Final

from dsops.policy.language.letters import lower_case
from dsops.policy.linting.document_view import Clause, DocumentView, View
from dsops.policy.linting.finding import FindingCollector, LintRule
from dsops.policy.linting.guards import is_required

_PRESENT: Final = "aws:multifactorauthpresent"
_AGE: Final = "aws:multifactorauthage"
_SOURCE: Final = "AWS IAM User Guide, AWS global condition context keys, aws:MultiFactorAuthPresent"

LONG_TERM_KEYS: Final = LintRule(
    "mfa.long-term-keys",
    "warning",
    "requests signed by long-term keys bypass an MFA condition",
    why="A request signed with a user's access key has no `aws:MultiFactorAuthPresent` and no "
    "`aws:MultiFactorAuthAge`. In a Deny the plain operator does not match such a request; in an Allow "
    "the operator with IfExists matches it.",
    cure="in a Deny write BoolIfExists (NumericGreaterThanIfExists), in an Allow plain Bool with `true`",
    source=_SOURCE,
)
NULL_TEST: Final = LintRule(
    "mfa.null-test",
    "warning",
    "a Null operator cannot test whether MFA was used",
    why="A Null operator on aws:MultiFactorAuthPresent distinguishes temporary credentials from long-term "
    "keys: the key is present in every temporary session, with `false` if no MFA was used.",
    cure="write BoolIfExists with `false` in a Deny, Bool with `true` in an Allow",
    source=_SOURCE,
)

_ABOVE: Final = ("NumericGreaterThan", "NumericGreaterThanEquals")


def check_mfa(document: DocumentView, findings: FindingCollector) -> None:
    """Check every statement that tests one of the two MFA keys."""
    for view in document.statements:
        clauses = [clause for clause in view.clauses if clause.lower in {_PRESENT, _AGE}]
        for clause in clauses:
            if clause.parsed.family != "Null":
                _check_operator(view, clause, findings)
        # If the statement also tests the key with another operator, Null only requires that the key is present.
        if all(clause.parsed.family == "Null" for clause in clauses):
            for clause in clauses:
                _check_null(view, clause, findings)


def _check_operator(view: View, clause: Clause, findings: FindingCollector) -> None:
    values = {lower_case(value.text) for value in clause.values}
    parsed = clause.parsed
    if view.effect == "Deny" and not parsed.is_if_exists and not parsed.is_negated:
        is_without_mfa = (clause.lower == _PRESENT and values == {"false"}) or parsed.family in _ABOVE
        # With a Null operator, the statement covers sessions only. Another statement may deny long-term keys.
        if is_without_mfa and clause.lower not in view.nulls:
            message = f"a request signed by long-term keys has no `{clause.key}`, so this does not deny it"
            findings.add(LONG_TERM_KEYS, clause.line, clause.path, message, hint=f"write `{clause.operator}IfExists`")
    elif view.effect == "Allow" and parsed.is_if_exists and clause.lower == _PRESENT and "true" in values:
        if is_required(view, clause.lower):
            return
        if not parsed.is_negated:
            message = f"a request signed by long-term keys has no `{clause.key}`, so this allows it"
            operator = clause.operator.removesuffix("IfExists")
            findings.add(LONG_TERM_KEYS, clause.line, clause.path, message, hint=f"write `{operator}`")


def _check_null(view: View, clause: Clause, findings: FindingCollector) -> None:
    if clause.lower != _PRESENT:
        return
    values = {lower_case(value.text) for value in clause.values}
    if view.effect == "Deny" and values == {"true"}:
        message = "this denies long-term keys only: a temporary session without MFA has the key, with `false`"
        findings.add(NULL_TEST, clause.line, clause.path, message)
    elif view.effect == "Allow" and values == {"false"}:
        message = "this allows every temporary session: the key is there without MFA too, with `false`"
        findings.add(NULL_TEST, clause.line, clause.path, message)
