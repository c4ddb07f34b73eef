"""What became of a guarded request, as an act of the audit trail and as a line for the terminal."""

from __future__ import annotations

from dsops.errors import AccessDenied, AwsAnswer, DsopsError
from dsops.guard.decision import RETURNS_KEYS, GuardDecision, GuardQuestion, unknown_words
from dsops.policy import shown
from dsops.runtime import Act

GUARD = "guard"
"""The fact that marks the records of the guard. Its value is `allowed`, `denied`, `refused` or `asked`."""
_FAILURES = 400


def act_of(decision: GuardDecision, *, caller: str, store: str) -> Act:
    """Return the act for the audit trail. `caller` is the ARN of the real session."""
    facts: dict[str, object] = {GUARD: "asked" if decision.is_asked else decision.outcome, "store": store}
    if decision.questions:
        facts["actions"] = [[question.action, shown(question.resource)] for question in decision.questions]
        facts["resource"] = shown(decision.questions[-1].resource)
        facts["statement"] = statement_of(decision.questions[-1])
    facts["host"] = decision.host
    if decision.status:
        facts["status"] = decision.status
        facts["milliseconds"] = round(decision.seconds * 1000, 1)
    return Act(
        decision.operation or "Request",
        service=decision.service,
        region=decision.region,
        caller=caller,
        error=_error(decision),
        facts=facts,
    )


def statement_of(question: GuardQuestion) -> str:
    """Return the statement that decided: the policy's name, and the statement's Sid or line; "" if none did."""
    if question.statement is None:
        return ""
    return f"{question.policy}, {question.statement.sid or f'line {question.statement.line}'}"


def denial_text(decision: GuardDecision) -> str:
    """Return why a request was not sent, in one line that names the action, the resource and the statement."""
    if not decision.questions or decision.outcome == "refused":
        what = f"{decision.service}:{decision.operation}" if decision.operation else f"a request to {decision.host}"
        return f"the guard refused {what}: {decision.reason.removeprefix('dsops guard: ')}"
    question = decision.questions[-1]
    if question.effect == "ExplicitDeny" and question.statement is not None:
        why = f"{statement_of(question)} denies it"
    else:
        why = "no statement of the guard's policies allows it"
    more = unknown_words([question])
    if question.effect == "ImplicitDeny" and question.action.lower() in RETURNS_KEYS:
        more = "an action that returns keys has to be named without a wildcard"
    return f"the guard denied {question.action} on {shown(question.resource)}: {why}{f' ({more})' if more else ''}"


def _error(decision: GuardDecision) -> DsopsError | None:
    if decision.outcome != "allowed":
        aws = AwsAnswer("AccessDenied", decision.reason, 403, "", decision.host)
        return AccessDenied(denial_text(decision), hint="allow it in the policy of `--guard`", aws=aws)
    if decision.status >= _FAILURES or not decision.status:
        aws = AwsAnswer(f"status {decision.status}", decision.error, decision.status, "", decision.host)
        return AccessDenied("AWS refused the request", hint="`dsops explain --message -` explains a denial", aws=aws)
    return None
