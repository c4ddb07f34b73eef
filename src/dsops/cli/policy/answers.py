"""Formats answers to questions about policies as text, JSON and JUnit; values of external IDs are hidden."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime

from dsops.cli.framework.output import Json, answer, answer_json
from dsops.policy import (
    POLICY_TYPES,
    SECRET_KEYS,
    AnsweredCase,
    Outcome,
    Reason,
    StatementReason,
    UnmetElement,
    is_negated,
)
from dsops.policy.simulation import VERDICTS, deciding
from dsops.policy.sources.text import STDIN
from dsops.text import clean, counted

_MOST = 3
"""Maximum number of statements that nearly match, and of values of a condition, that are shown."""


def show(rows: Sequence[AnsweredCase], file: str, form: str, *, now: datetime) -> None:
    """Print the answer to one question; for a table, the unexpected answers and the number of cases."""
    if form == "junit":
        answer(junit_report(rows, file, now=now))
    elif form == "json":
        answer_json(_value(rows, file))
    else:
        answer("\n".join(_lines(rows, file)))


def _lines(rows: Sequence[AnsweredCase], file: str) -> Iterator[str]:
    if not file:
        yield from answer_lines(rows[0])
        return
    wrong = [row for row in rows if row.differences]
    for row in wrong:
        yield clean(f"{file}:{row.case.line}: {row.case.name}: {'; '.join(row.differences)}")
        for line in answer_lines(row):
            yield f"  {line}"
    verb = "is" if len(wrong) == 1 else "are"
    yield f"{counted(len(rows), 'case')}, " + (f"{len(wrong)} {verb} not as expected" if wrong else "all as expected")


def answer_lines(row: AnsweredCase) -> Iterator[str]:
    """Yield the lines of an answer: the verdict, the statement that decides it, and what each policy contributes."""
    outcome, asked = row.outcome, row.outcome.decision.request
    caller = asked.principal.arn or asked.principal.federated or asked.principal.kind
    verb = {"allow": "may", "unknown": "may or may not"}.get(outcome.verdict, "may not")
    if not row.case.name and row.differences:
        yield clean("; ".join(row.differences))
    yield clean(f"{outcome.verdict}: {caller} {verb} {asked.action} on {asked.resource}")
    yield f"  decided by: {_decided_by(outcome)}"
    for unread in outcome.unread if len(outcome.possible) > 1 else ():
        yield clean(f"  not read: {unread.place}: {unread.why}")
    unread_types = {POLICY_TYPES[unread.place] for unread in outcome.unread if unread.place != "context"}
    for reason in outcome.decision.reasons if not outcome.refusal else ():
        yield from _reason_lines(
            reason, is_allowed=outcome.decision.is_allowed, is_unread=reason.policy_type in unread_types
        )


def _decided_by(outcome: Outcome) -> str:
    decision = outcome.decision
    if outcome.refusal:
        return f"AWS, whatever policies say: {outcome.refusal}"
    if outcome.verdict == "unknown":
        return "what could not be read"
    if decision.decided_by == "no policy":
        return "no policy: it needs no permission" if decision.policy is None else "no policy"
    types = deciding(decision)
    if len(types) > 1:
        return f"the {' and the '.join(types)}"
    if decision.policy is None or decision.statement is None:
        return f"the {decision.decided_by}, in which nothing allows it"
    return clean(f"the {decision.decided_by}, {place_of(decision.policy.name, decision.statement.line)}")


def place_of(policy: str, line: int) -> str:
    """Return the location of a statement: `trust.json:12`, or `ARN, line 12` for a policy without a file."""
    if not policy or policy.startswith("arn:") or " " in policy:
        return f"{policy or 'policy'}, line {line}"
    return f"{policy}:{line}"


def _reason_lines(reason: Reason, *, is_allowed: bool, is_unread: bool) -> Iterator[str]:
    if is_unread and not reason.matched and not reason.near:
        return
    number = f" {reason.level + 1}" if reason.level else ""
    extra = "" if reason.is_needed or reason.effect == "ExplicitDeny" else ", and need not allow"
    extra += ", as far as it was read" if is_unread else ""
    yield clean(f"  {reason.policy_type}{number}: {VERDICTS[reason.effect]}{extra}{_in_brackets(reason.note)}")
    for found in reason.matched:
        verb = "allows" if found.statement.effect == "Allow" else "denies"
        yield clean(f"    {_statement_text(found)} {verb} it")
    # If the request is allowed, show the Deny statements that nearly matched; otherwise the Allow statements.
    wanted = "Deny" if is_allowed else "Allow"
    near = [found for found in reason.near if found.statement.effect == wanted]
    for found in near[:_MOST]:
        yield clean(f"    {_statement_text(found)} does not {wanted.lower()} it:")
        for failure in found.failures:
            yield clean(f"      {_failure_text(found, failure)}")
    if len(near) > _MOST:
        yield f"    {len(near) - _MOST} more {'does' if len(near) == _MOST + 1 else 'do'} not either"


def _in_brackets(text: str) -> str:
    return f" ({text})" if text else ""


def _statement_text(found: StatementReason) -> str:
    sid = f" `{found.statement.sid}`" if found.statement.sid else ""
    return f"{place_of(found.policy.name, found.statement.line)}{sid}"


def _failure_text(found: StatementReason, failure: UnmetElement) -> str:
    name = " ".join(part for part in (failure.operator, failure.key) if part) or failure.element
    actual = "the request has none" if failure.actual is None else f"the request has {_listed(failure.actual)}"
    verb = "wants anything but" if is_negated(failure.element, failure.operator) else "wants"
    wanted = f"{verb} {_listed(failure.wanted)}" if failure.wanted else "is missing"
    return f"{place_of(found.policy.name, failure.line)}: {name} {wanted}, {actual}{_in_brackets(failure.hint)}"


def _listed(values: Sequence[str]) -> str:
    shown = " or ".join(value or '""' for value in values[:_MOST])
    return f"{shown} or {len(values) - _MOST} more" if len(values) > _MOST else shown


def _value(rows: Sequence[AnsweredCase], file: str) -> Json:
    has_expectation = any(row.case.expected is not None for row in rows)
    return {
        "file": file or None,
        "is_as_expected": not any(row.differences for row in rows) if has_expectation else None,
        "cases": [row_value(row) for row in rows],
    }


def row_value(row: AnsweredCase) -> dict[str, Json]:
    """Return the question and its answer as JSON."""
    outcome, decision, expected = row.outcome, row.outcome.decision, row.case.expected
    request = decision.request
    statement = decision.statement
    return {
        "name": row.case.name or None,
        "line": row.case.line or None,
        "verdict": outcome.verdict,
        "expected": expected.verdict if expected is not None else None,
        "differences": list(row.differences),
        "decided_by": decision.decided_by,
        "policy": decision.policy.name if decision.policy is not None else None,
        "sid": (statement.sid or None) if statement is not None else None,
        "statement_line": statement.line if statement is not None else None,
        "request": {
            "principal": request.principal.arn or request.principal.federated or request.principal.kind,
            "action": request.action,
            "resource": request.resource,
            "resource_account": request.resource_account or None,
            "context": _context_value(request.context),
        },
        "reasons": [_reason_value(reason) for reason in decision.reasons],
        "unread": [{"place": unread.place, "why": unread.why, "keys": list(unread.keys)} for unread in outcome.unread],
        "refusal": outcome.refusal or None,
    }


def _context_value(context: Mapping[str, tuple[str, ...]]) -> Json:
    return {
        key: ["***"] * len(values) if key.lower() in SECRET_KEYS else list(values)
        for key, values in sorted(context.items())
    }


def _reason_value(reason: Reason) -> Json:
    return {
        "policy_type": reason.policy_type,
        "level": reason.level,
        "verdict": VERDICTS[reason.effect],
        "is_needed": reason.is_needed,
        "note": reason.note or None,
        "matched": [_statement_value(found) for found in reason.matched],
        "near": [_statement_value(found) for found in reason.near],
    }


def _statement_value(found: StatementReason) -> Json:
    return {
        "policy": found.policy.name,
        "line": found.statement.line,
        "sid": found.statement.sid or None,
        "effect": found.statement.effect,
        "failures": [
            {
                "element": failure.element,
                "operator": failure.operator or None,
                "key": failure.key or None,
                "wanted": list(failure.wanted),
                "actual": None if failure.actual is None else list(failure.actual),
                "hint": failure.hint or None,
                "line": failure.line,
            }
            for failure in found.failures
        ],
    }


def junit_report(rows: Sequence[AnsweredCase], file: str, *, now: datetime) -> str:
    """Return the JUnit report: a suite named after the file, with a case for each row."""
    from dsops.cli.framework.junit import SuiteCase, junit_xml

    name = os.path.splitext(os.path.basename(file))[0] if file and file != STDIN else "policies"
    cases = [
        SuiteCase(
            row.case.name or f"{row.case.asked.action} on {row.case.asked.resource}",
            "; ".join(row.differences),
            "\n".join(answer_lines(row)) if row.differences else "",
        )
        for row in rows
    ]
    return junit_xml(name, "dsops.policy", cases, now=now)
