"""Convert authorization decisions to JSON for users: each policy's result, and why statements did not match."""

from __future__ import annotations

from dsops.policy import Policy, Reason, Statement, StatementReason, UnmetElement
from dsops.request.context import iso_time
from dsops.sandbox.authorization.authorizer import NO_ROLE, RecordedDecision


def decision_record(entry: RecordedDecision) -> dict[str, object]:
    """Return the decision as JSON types. `dsops.policy` masks secret condition values in it."""
    decision = entry.decision
    request = decision.request
    return {
        "request_id": entry.request_id,
        "time": iso_time(entry.at),
        "caller": request.principal.arn or request.principal.federated,
        "action": request.action,
        "resource": request.resource,
        "is_allowed": decision.is_allowed,
        "effect": decision.effect,
        "decided_by": decision.decided_by,
        "policy": None if decision.policy is None else decision.policy.name,
        "line": None if decision.statement is None else decision.statement.line,
        "statement": _number(decision.policy, decision.statement),
        "sid": None if decision.statement is None else decision.statement.sid,
        "reasons": [_reason(reason) for reason in decision.reasons],
    }


def _reason(reason: Reason) -> dict[str, object]:
    # The placeholder trust policy of a missing role is not shown, because no user wrote it.
    is_no_role = any(statement_reason.policy.name == NO_ROLE.name for statement_reason in reason.near)
    return {
        "policy_type": reason.policy_type,
        "level": reason.level,
        "effect": reason.effect,
        "is_needed": reason.is_needed,
        "matched": [_statement(statement_reason) for statement_reason in reason.matched],
        "near": [] if is_no_role else [_statement(statement_reason) for statement_reason in reason.near],
        "note": NO_ROLE.name if is_no_role else reason.note,
    }


def _statement(reason: StatementReason) -> dict[str, object]:
    return {
        "policy": reason.policy.name,
        "statement": _number(reason.policy, reason.statement),
        "sid": reason.statement.sid,
        "line": reason.statement.line,
        "effect": reason.statement.effect,
        "failures": [_failure(failure) for failure in reason.failures],
    }


def _number(policy: Policy | None, statement: Statement | None) -> int | None:
    """Return the statement's position in its policy, from 1.

    Line numbers are not used, because a policy may be a single line.
    """
    if policy is None or statement is None:
        return None
    return next((number for number, candidate in enumerate(policy.statements, 1) if candidate is statement), None)


def _failure(failure: UnmetElement) -> dict[str, object]:
    return {
        "element": failure.element,
        "operator": failure.operator,
        "key": failure.key,
        "wanted": list(failure.wanted),
        "actual": None if failure.actual is None else list(failure.actual),
        "hint": failure.hint,
        "line": failure.line,
    }
