"""Prints the verdicts of `dsops plan --check` as text or JSON; values of external IDs are hidden."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from dsops.cli.framework.output import Json, answer, answer_json
from dsops.cli.policy.answers import answer_lines, place_of, row_value
from dsops.plan_check.reads import secret_name
from dsops.text import clean, counted

if TYPE_CHECKING:
    from dsops.plan import Plan
    from dsops.plan_check.hops import HopResult
    from dsops.policy import AnsweredCase


def show(plan: Plan, hops: Sequence[HopResult], assumed: Sequence[str], *, is_json: bool) -> None:
    """Print the verdicts on stdout."""
    if is_json:
        answer_json(_value(plan, hops, assumed))
    else:
        answer("\n".join(_lines(plan, hops, assumed)))


def _lines(plan: Plan, hops: Sequence[HopResult], assumed: Sequence[str]) -> Iterator[str]:
    for hop in hops:
        yield clean(f"{hop.verdict}: {_told(hop)}")
        if hop.why:
            yield clean(f"  {hop.why}")
        for row in hop.rows:
            if row.outcome.verdict == "allow":
                on = f" on {secret_name(row)}" if not hop.number else ""
                yield clean(f"  {row.outcome.decision.request.action}{on}: {_allowed_by(row)}")
            else:
                yield from (f"  {line}" for line in answer_lines(row))
    verdicts = ("allowed", "denied", "unknown")
    counts = [f"{sum(hop.verdict == verdict for hop in hops)} {verdict}" for verdict in verdicts]
    yield clean(f"environment {plan.environment}: {', '.join(counts)}") if hops else "the plan has no hop"
    for sentence in assumed if hops else ():
        yield f"assumed: {sentence}"


def _told(hop: HopResult) -> str:
    if not hop.number:
        return f"store `{hop.step.name}`: {counted(len(hop.rows), 'secret')} in {hop.step.region}"
    of = f" {hop.step.role}" if hop.step.role else ""
    return f"hop {hop.number}, store `{hop.step.name}`: {hop.step.session_source}{of}"


def _allowed_by(row: AnsweredCase) -> str:
    """Name the first statement that allows the request, for each policy that has to allow it."""
    places = []
    for reason in row.outcome.decision.reasons:
        if reason.is_needed and reason.matched:
            place = place_of(reason.matched[0].policy.name, reason.matched[0].statement.line)
            places.append(place if place.startswith("the ") else f"the {reason.policy_type} ({place})")
    return f"allowed by {' and '.join(places)}" if places else "it needs no permission"


def _value(plan: Plan, hops: Sequence[HopResult], assumed: Sequence[str]) -> Json:
    return {
        "environment": plan.environment or None,
        "is_denied": any(hop.verdict == "denied" for hop in hops),
        "hops": [
            {
                "store": hop.step.name,
                "hop": hop.number or None,
                "operation": hop.step.session_source if hop.number else "GetSecretValue",
                "role": hop.step.role or None,
                "where": {"file": hop.step.where.file, "line": hop.step.where.line},
                "verdict": hop.verdict,
                "why": hop.why or None,
                "questions": [_question_value(row) for row in hop.rows],
            }
            for hop in hops
        ],
        "assumed": list(assumed),
    }


def _question_value(row: AnsweredCase) -> Json:
    """Return the verdict as JSON, as in `policy simulate`, but without the fields that only tables have."""
    return {key: fact for key, fact in row_value(row).items() if key not in _OF_TABLES}


_OF_TABLES: Final = ("name", "line", "expected", "differences")
