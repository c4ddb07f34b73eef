"""Formats the findings of `dsops explain` as text and as JSON; hidden values are not shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dsops.cli.framework.output import Json, answer, answer_json, answer_sentence
from dsops.cli.framework.screen import wrapped
from dsops.explain.finding import Fact, FaultLocation, Mismatch, RefusalFinding, Remedy
from dsops.text import clean

_MOST = 3
"""Maximum number of values of a condition to show."""

_LOOK_UP = " can look it up: "


def show(about: str, findings: Sequence[RefusalFinding], *, is_json: bool) -> None:
    """Print the findings, the first broken hop first."""
    if is_json:
        answer_json(
            {"about": about or None, "is_healthy": not findings, "findings": [_value(finding) for finding in findings]}
        )
        return
    if not findings:
        answer_sentence(f"{about}: every session is issued and every secret is read; nothing is wrong")
        return
    answer("\n\n".join("\n".join(_shown(clean(line)) for line in _lines(finding)) for finding in findings))


def _shown(line: str) -> str:
    """The line, wrapped for a terminal; statements and commands are not broken."""
    return line if line.startswith("    {") or _LOOK_UP in line else wrapped(line, 1, indent=6)


def _lines(finding: RefusalFinding) -> Iterator[str]:
    yield f"{_hop(finding.place)}{finding.message}"
    yield f"  how sure: {_HOW_SURE[finding.certainty]}"
    where = _where(finding.place)
    if where:
        yield f"  where: {where}"
    for mismatch in finding.mismatches:
        yield f"    {mismatch_text(mismatch)}"
    yield from _remedy_lines(finding.remedy)
    for fact in finding.facts:
        yield f"  not known: {fact.what} ({fact.why})"
        yield f"    {fact.who}{_LOOK_UP}{fact.command}" if fact.command else f"    {fact.who} can look it up"
    if finding.aws is not None:
        request = f", request {finding.aws.request_id}" if finding.aws.request_id else ""
        record = f", authorization id {finding.aws.authorization_id}" if finding.aws.authorization_id else ""
        yield f"  aws: {finding.aws.code}{request}{record} ({finding.aws.endpoint})"


_HOW_SURE = {
    "proven": "proven",
    "likely": "likely, from the policies that can be read",
    "missing": "not sure: it depends on facts that can't be read here",
}


def _hop(place: FaultLocation) -> str:
    if not place.store:
        return "" if place.policy_type or place.of else "base credentials: "
    return f"store `{place.store}`{f', hop {place.hop}' if place.hop else ''}: "


def _where(place: FaultLocation) -> str:
    """Return the name of the policy and its statement."""
    if not place.policy:
        return ""
    sid = f" `{place.sid}`" if place.sid else ""
    line = f", line {place.line}" if place.line > 1 else ""
    if not place.statement:
        return f"{place.policy}, statement{sid}" if sid else place.policy
    return f"{place.policy}, statement {place.statement}{sid}{line}"


def mismatch_text(mismatch: Mismatch) -> str:
    """Describe a condition that does not match: `StringEquals sts:ExternalId wants ***, the call has none`."""
    verb = "wants anything but" if mismatch.is_unwanted else "wants"
    actual = f"the call has {'none' if mismatch.actual is None else _listed(mismatch.actual)}"
    if mismatch.actual is None and not mismatch.is_known:
        actual = "what the call has is unknown"
    hint = f" ({mismatch.hint})" if mismatch.hint else ""
    return f"{mismatch.element} {verb} {_listed(mismatch.wanted)}, {actual}{hint}"


def _listed(values: Sequence[str]) -> str:
    shown = " or ".join(value or '""' for value in values[:_MOST]) or "something"
    return f"{shown} or {len(values) - _MOST} more" if len(values) > _MOST else shown


def _remedy_lines(remedy: Remedy) -> Iterator[str]:
    if not remedy.text:
        return
    yield f"  do: {remedy.text}{f' ({remedy.where})' if remedy.where and remedy.where.file else ''}"
    if remedy.statement is not None:
        yield f"  add to {remedy.add_to}:"
        yield f"    {statement_text(remedy.statement)}"


def statement_text(statement: object) -> str:
    """Return the statement as JSON on one line."""
    import json

    return json.dumps(statement, ensure_ascii=False)


def _value(finding: RefusalFinding) -> Json:
    place = finding.place
    return {
        "cause": finding.cause,
        "certainty": finding.certainty,
        "message": finding.message,
        "place": {
            "store": place.store or None,
            "hop": place.hop or None,
            "policy_type": place.policy_type or None,
            "of": place.of or None,
            "policy": place.policy or None,
            "statement": place.statement or None,
            "sid": place.sid or None,
            "line": place.line or None,
        },
        "mismatches": [_mismatch_value(each) for each in finding.mismatches],
        "remedy": _remedy_value(finding.remedy),
        "not_known": [_fact_value(each) for each in finding.facts],
        "aws": finding.aws._asdict() if finding.aws is not None else None,
    }


def _mismatch_value(mismatch: Mismatch) -> Json:
    return {
        "element": mismatch.element,
        "wanted": list(mismatch.wanted),
        "is_unwanted": mismatch.is_unwanted,
        "actual": list(mismatch.actual) if mismatch.actual is not None else None,
        "is_known": mismatch.is_known,
        "hint": mismatch.hint or None,
    }


def _remedy_value(remedy: Remedy) -> Json:
    where = remedy.where
    return {
        "text": remedy.text or None,
        "where": {"file": where.file, "line": where.line or None} if where is not None else None,
        "statement": remedy.statement,  # type: ignore[dict-item]  # made of texts and lists by remedies.py
        "add_to": remedy.add_to or None,
    }


def _fact_value(fact: Fact) -> Json:
    return {"what": fact.what, "why": fact.why, "who": fact.who, "command": fact.command or None}
