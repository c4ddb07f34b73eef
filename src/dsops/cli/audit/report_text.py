"""A report as text for a terminal: what needs attention, anomalies, the four main metrics, then the rest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from dsops.audit.cloudtrail.findings import (
    REVOKE_DOES,
    ReportFinding,
    finding_counts,
    group_findings,
    is_new_unknown,
    make_findings,
    nothing_found,
)
from dsops.audit.cloudtrail.question import AuditQuestion
from dsops.audit.cloudtrail.questions import (
    ACCOUNTS,
    CHAINS,
    DURATIONS,
    EVENTS,
    FAILURES,
    HISTORY,
    PRINCIPALS,
    QUESTIONS,
    SAVED,
    SUMMARY,
    THROTTLING,
)
from dsops.audit.cloudtrail.unusual_questions import (
    DENIALS,
    LONG_USE,
    NEW_ACCOUNTS,
    NEW_ADDRESSES,
    NEW_PRINCIPALS,
    SHORT_USE,
    WITHOUT_EXTERNAL_ID,
    WITHOUT_MFA,
)
from dsops.audit.report import Answer, AuditReport
from dsops.cli.framework.output import table
from dsops.text import clean, counted

_UNUSUAL = (
    NEW_PRINCIPALS,
    NEW_ACCOUNTS,
    NEW_ADDRESSES,
    WITHOUT_MFA,
    WITHOUT_EXTERNAL_ID,
    DENIALS,
    LONG_USE,
    SHORT_USE,
    CHAINS,
)
_METRICS = (FAILURES, DURATIONS, PRINCIPALS, ACCOUNTS)
_REST = (THROTTLING, SAVED, EVENTS, SUMMARY)

_ADVICE: Mapping[str, str] = {
    NEW_PRINCIPALS.name: (
        "do you know them? the trust policy lets them in: `dsops policy check`;"
        " `dsops revoke ROLE_ARN --apply` denies all older sessions of the role"
    ),
    NEW_ACCOUNTS.name: "is the other account one of yours, or a customer's with an external ID?",
    NEW_ADDRESSES.name: "is it a new machine or network of theirs? if not, deactivate the key that the principal uses",
    WITHOUT_MFA.name: "let the trust policy ask for it: Bool aws:MultiFactorAuthPresent",
    WITHOUT_EXTERNAL_ID.name: "let the trust policy require sts:ExternalId, unless the account is your own",
    DENIALS.name: "`dsops explain` names the policy that decides",
    LONG_USE.name: "a longer `duration_seconds` would do, or `dsops exec --credentials STORE --serve`",
    SHORT_USE.name: "a shorter `duration_seconds` would do: 900 is the least",
    CHAINS.name: "a hop after the first lasts an hour at most; `--session` shows who is behind one",
}
_EARLIER: Final = "sessions that began before these logs are unknown: add an older folder, or an earlier day"
_SECONDS = frozenset({"asked_median", "asked_max", "used_median", "used_max"})
_UNITS = ((86_400, "d"), (3600, "h"), (60, "m"))


def report_text(report: AuditReport, *, most: int) -> str:
    """Return the report as tables of at most `most` rows each; 0 for all rows."""
    parts = [_head(report), *([_first_page(report)] if report.calls or report.defects else [])]
    unusual = _with_rows(report, _UNUSUAL)
    parts.append("Unusual" if unusual else "Nothing is unusual.")
    parts += [_section(each, most) for each in unusual]
    parts.append("Overview")
    parts += [_section(each, most) for each in _with_rows(report, (*_METRICS, *_REST))]
    if not report.calls:
        return "\n\n".join([f"{parts[0]}\nit contains no AWS call", *([parts[1]] if report.defects else [])])
    if not any(each.rows for each in report.answers if QUESTIONS[each.question].needs != "calls"):
        is_later = report.since and report.last and report.since > report.last
        parts.append("There is no call after that time." if is_later else "No session was requested.")
    return "\n\n".join(parts)


def _first_page(report: AuditReport) -> str:
    """Return the findings by severity, each with its reason and the command that shows more."""
    findings = make_findings(report)
    lines = [f"Needs attention: {finding_counts(findings)}" if findings else nothing_found(report)]
    if is_new_unknown(report):
        lines.append("Which principals, accounts and addresses are new is unknown: these logs have no earlier call.")
    for group in group_findings(report, findings):
        for finding in group.findings:
            lines += ["", *_finding_lines(finding)]
        if group.others:
            lines += ["", f"{'':8}{group.others} more of this kind: {group.look}"]
    return "\n".join(lines)


def _finding_lines(finding: ReportFinding) -> list[str]:
    lines = [
        f"{finding.severity.upper():8}{clean(finding.what)}",
        f"{'':8}{finding.why}",
        f"{'':8}look closer: {clean(finding.look)}",
    ]
    if finding.revoke:
        lines += [f"{'':8}if not intended: {clean(finding.revoke)}", f"{'':8}{REVOKE_DOES}"]
    return lines


def answers_text(report: AuditReport, *, most: int) -> str:
    """Return the tables of the answers, including empty tables, without the overview of the report."""
    return "\n\n".join(_section(each, most) for each in report.answers)


def history_text(report: AuditReport, session: str) -> str:
    """Return the hops of a session, from its first caller to the session itself."""
    (answer,) = report.answers
    return answer_text(answer, most=0, session=session)


def answer_text(answer: Answer, *, most: int, session: str = "") -> str:
    """Return the table of one question with at most `most` rows (0: all); the question `history` needs `session`."""
    if answer.question == HISTORY.name:
        nothing = f"no session has the name, key or ARN {clean(session)}\n  hint: {_EARLIER}"
        return _section(answer, 0) if answer.rows else nothing
    return _section(answer, most)


def _with_rows(report: AuditReport, questions: Sequence[AuditQuestion]) -> list[Answer]:
    answers = [report.answer(question.name) for question in questions]
    return [answer for answer in answers if answer is not None and answer.rows]


def _head(report: AuditReport) -> str:
    period = f" from {_text('', report.first)} to {_text('', report.last)}" if report.first is not None else ""
    calls = counted(report.calls, "call")
    more = f"; {_no_records(report.skipped)}" if report.skipped else ""
    since = f"\nreported: since {_text('', report.since)}" if report.since is not None else ""
    match = f"\nshown: rows that contain {clean(report.match)}" if report.match else ""
    place = report.sources[0] if report.files is None else counted(report.files, "file")
    return f"{calls}{period}, in {clean(place)}{more}{since}{match}"


def _no_records(count: int) -> str:
    return "1 element is not a record" if count == 1 else f"{count} elements are not records"


def _section(answer: Answer, most: int) -> str:
    heading = f"{answer.question}: {QUESTIONS[answer.question].asks}"
    if not answer.rows:
        return f"{heading}\n  none"
    rows = answer.rows[:most] if most else answer.rows
    headings = [column.upper().replace("_", " ") for column in answer.columns]
    cells = [[_text(column, cell) for column, cell in zip(answer.columns, row, strict=True)] for row in rows]
    lines = [heading, table(headings, cells, indent=2)]
    left = len(answer.rows) - len(rows)
    if left:
        lines.append(f"  ... and {left} more: `--top 0`, or `--json`")
    advice = _ADVICE.get(answer.question)
    return "\n".join([*lines, *([f"  hint: {advice}"] if advice else [])])


def _text(column: str, cell: object) -> str:
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%dT%H:%M:%SZ}"
    if isinstance(cell, int) and column in _SECONDS:
        return duration(cell)
    return "" if cell is None else str(cell)


def duration(seconds: int) -> str:
    """Format a duration in its two largest units: `1h`, `1h30m`, `45s`."""
    parts: list[str] = []
    for size, unit in (*_UNITS, (1, "s")):
        if seconds >= size or (unit == "s" and not parts):
            parts.append(f"{seconds // size}{unit}")
            seconds %= size
            if not seconds or len(parts) == 2:
                break
    return "".join(parts)
