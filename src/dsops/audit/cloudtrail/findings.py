"""Selects from a report what needs attention first: findings by severity, each with a command for details.

Every finding comes from the rows of the report's answers, from unreadable log files, or from the verification of
dsops' own trail. Nothing is estimated. The limits are in `docs/reference/audit-report.md`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from shlex import quote
from typing import Literal, NamedTuple

from dsops.arn import parse_arn
from dsops.audit.cloudtrail.questions import THROTTLED
from dsops.audit.cloudtrail.unusual_questions import is_denial
from dsops.audit.report import AuditReport
from dsops.text import counted

Severity = Literal["high", "medium", "low"]
SEVERITIES: tuple[Severity, ...] = ("high", "medium", "low")

MANY_DENIALS = 10
"""A principal with at least this number of denied requests for sessions has a finding of high severity."""

MANY_TARGETS = 3
"""A principal denied at this number of different roles or operations has a finding of high severity."""

FEW_ADDRESSES = 3
"""A new address is a medium finding if the principal has used at most this many addresses before, else a low one."""

MANY_FAILURES = 3
"""A role for which at least this number of requests fail with the same error code has a finding."""

REVOKE_DOES = (
    "This prints a policy that denies all older sessions of the role, those of other principals too; "
    "with `--apply` it attaches the policy."
)
"""What `dsops revoke` does. Each text that recommends the command includes this sentence."""

MOST_OF_A_KIND = 3
"""Maximum number of findings of one kind and severity that the first page shows."""

_LONGEST_MATCH = 2048

Row = Mapping[str, object]


class ReportFinding(NamedTuple):
    """One fact in the logs that an administrator should check."""

    severity: Severity
    kind: str
    """The question whose answer contains the fact; otherwise `unreadable` (log files) or `trail` (dsops' own trail)."""
    what: str
    """What happened. The text contains names from the logs, and is not escaped."""
    why: str
    """One sentence: why an administrator should look at the fact."""
    look: str
    """The command line that shows more about the fact, quoted for a shell."""
    revoke: str = ""
    """The command that ends unintended sessions. A text that shows it must also contain REVOKE_DOES."""


class FindingGroup(NamedTuple):
    """The findings of one kind and severity: the first few, and the number of further ones."""

    findings: tuple[ReportFinding, ...]
    others: int
    look: str
    """The command that shows the findings that the group leaves out."""


def make_findings(report: AuditReport) -> tuple[ReportFinding, ...]:
    """Return all findings of a report, the most severe first."""
    findings = [*_of_trail(report), *_of_files(report)]
    for question, make in _MAKERS.items():
        answer = report.answer(question)
        findings += make(report, answer.records()) if answer is not None else ()
    return tuple(sorted(findings, key=lambda finding: SEVERITIES.index(finding.severity)))


def can_be_judged(report: AuditReport) -> bool:
    """Whether the report answers every question that can have findings, so that no finding means no anomaly."""
    return all(report.answer(question) is not None for question in _MAKERS)


def nothing_found(report: AuditReport) -> str:
    """Return the sentence that a report without findings shows."""
    if not report.calls:
        return "There was no call to look at."
    return "Nothing needs attention in the rows that are shown." if report.match else "Nothing needs attention."


def group_findings(report: AuditReport, findings: Sequence[ReportFinding]) -> list[FindingGroup]:
    """Group the findings by severity and kind, and shorten each group."""
    groups: dict[tuple[str, str], list[ReportFinding]] = {}
    for finding in findings:
        groups.setdefault((finding.severity, finding.kind), []).append(finding)
    return [
        FindingGroup(
            tuple(group[:MOST_OF_A_KIND]), max(0, len(group) - MOST_OF_A_KIND), _question(report, kind, "--top 0")
        )
        for (_, kind), group in groups.items()
    ]


def finding_counts(findings: Sequence[ReportFinding]) -> str:
    """Return the number of findings by severity: `2 high, 1 medium`."""
    numbers = {severity: sum(finding.severity == severity for finding in findings) for severity in SEVERITIES}
    return ", ".join(f"{number} {severity}" for severity, number in numbers.items() if number)


def is_new_unknown(report: AuditReport) -> bool:
    """Whether the report can't say what is new, because it has no call before the period that is reported."""
    return report.boundary is not None and (report.first is None or report.first >= report.boundary)


def _of_trail(report: AuditReport) -> Iterator[ReportFinding]:
    if report.defects:
        more = f", and {len(report.defects) - 1} more" if len(report.defects) > 1 else ""
        yield ReportFinding(
            "high",
            "trail",
            f"The audit trail of dsops has lost or changed lines: {report.defects[0]}{more}",
            "This report may lack what was done, and a change by hand may hide a use of a role or secret.",
            "dsops audit verify",
        )


def _of_files(report: AuditReport) -> Iterator[ReportFinding]:
    if report.unreadable:
        path = report.unreadable[0][0]
        yield ReportFinding(
            "medium",
            "unreadable",
            f"{counted(len(report.unreadable), 'log file')} could not be read",
            "The figures of this report lack the calls in such a file.",
            f"dsops audit report {quote(path)}" if _can_be_pasted(path) else f"{report.command} --json",
        )


def _new_principals(report: AuditReport, rows: Sequence[Row]) -> Iterator[ReportFinding]:
    for row in rows:
        role, principal = str(row["role"]), str(row["principal"])
        yield ReportFinding(
            "high",
            "new-principals",
            f"{short_name(principal)} got a session of {short_name(role)} for the first time, at {_time(row['first'])}",
            "Other principals had sessions of this role before, and this one had none.",
            _match(report, principal, "new-principals"),
            _revocation(role),
        )


def _revocation(role: str) -> str:
    """Return the command that ends the sessions of a role; "" for a session without a role.

    AWS allows only role names that are safe to paste into a shell. For any other name in a log, the result is "".
    """
    arn = parse_arn(role)
    if arn is None or not arn.resource.startswith("role/"):
        return ""
    return f"dsops revoke {quote(role) if _can_be_pasted(role) else 'ROLE_ARN'}"


def _root_use(report: AuditReport, rows: Sequence[Row]) -> Iterator[ReportFinding]:
    """Yield a finding for each account whose root user requested a session, or for which a root session was issued."""
    by_root: dict[str, list[Row]] = {}
    for row in rows:
        root = next((name for name in (str(row["principal"]), str(row["role"])) if _is_root(name)), "")
        if root and _number(row["sessions"]):
            by_root.setdefault(root, []).append(row)
    for root, used in by_root.items():
        sessions = sum(_number(row["sessions"]) for row in used)
        callers = ", ".join(dict.fromkeys(short_name(str(row["principal"])) for row in used[:2]))
        yield ReportFinding(
            "high",
            "principals",
            f"{counted(sessions, 'session')} of the root user: {short_name(root)}, issued to {callers}",
            "The root user is not limited by the policies of its account, so each use has to be a known one.",
            _match(report, root, "principals"),
        )


def _is_root(name: str) -> bool:
    arn = parse_arn(name)
    return arn is not None and arn.service == "iam" and arn.resource == "root"


def _new_accounts(report: AuditReport, rows: Sequence[Row]) -> Iterator[ReportFinding]:
    for row in rows:
        calls, failures = _number(row["calls"]), _number(row["failures"])
        is_refused = calls == failures
        failed = "all of which failed" if is_refused else f"{failures} of which failed"
        yield ReportFinding(
            "medium" if is_refused else "high",
            "new-accounts",
            f"Account {row['from_account']} requested sessions in account {row['to_account']} for the first time: "
            f"{counted(calls, 'request')}, {failed}",
            "No caller of the first account had requested a role of the second account before.",
            _match(report, str(row["from_account"]), "new-accounts"),
        )


def _new_addresses(report: AuditReport, rows: Sequence[Row]) -> Iterator[ReportFinding]:
    """Yield one finding for each principal with new addresses, however many addresses the principal has."""
    by_principal: dict[str, list[Row]] = {}
    for row in rows:
        by_principal.setdefault(str(row["principal"]), []).append(row)
    for principal, new in by_principal.items():
        known, addresses = _number(new[0]["known"]), [str(row["address"]) for row in new]
        more = f" and {len(addresses) - 2} more" if len(addresses) > 2 else ""
        calls = sum(_number(row["calls"]) for row in new)
        yield ReportFinding(
            "medium" if known <= FEW_ADDRESSES else "low",
            "new-addresses",
            f"{short_name(principal)} requested sessions from {', '.join(addresses[:2])}{more} for the first time: "
            f"{counted(calls, 'request')}, and {known} other {'address' if known == 1 else 'addresses'} before",
            "A stolen key or session is used from another address than its owner's.",
            _match(report, principal, "new-addresses"),
        )


def _denials(report: AuditReport, rows: Sequence[Row]) -> Iterator[ReportFinding]:
    """Yield one finding for each principal with denied calls, however many they are."""
    by_principal: dict[str, list[Row]] = {}
    for row in rows:
        by_principal.setdefault(str(row["principal"]), []).append(row)
    for principal, denied in by_principal.items():
        targets = list(dict.fromkeys(_target(row) for row in denied))
        sessions = sum(_number(row["calls"]) for row in denied if row["role"])
        is_high = sessions >= MANY_DENIALS or len(targets) >= MANY_TARGETS
        more = f" and {len(targets) - 2} more" if len(targets) > 2 else ""
        calls = sum(_number(row["calls"]) for row in denied)
        yield ReportFinding(
            "high" if is_high else "medium",
            "denials",
            f"{short_name(principal)} was denied {counted(calls, 'call')}: {', '.join(targets[:2])}{more}",
            "Many denials, or denials of many things, are those of a program that is set up wrong or of a caller that "
            "searches for permissions."
            if is_high
            else "A program keeps requesting what it is not allowed to do.",
            _match(report, principal, "denials"),
        )


def _target(row: Row) -> str:
    call = f"{row['service']}:{row['name']}"
    return f"{call} on {short_name(str(row['role']))}" if row["role"] else call


def _failures(report: AuditReport, rows: Sequence[Row]) -> Iterator[ReportFinding]:
    for row in rows:
        code, failures = str(row["code"]), _number(row["failures"])
        if failures >= MANY_FAILURES and not is_denial(code) and code not in THROTTLED:
            yield ReportFinding(
                "medium",
                "failures",
                f"{counted(failures, 'request')} for {short_name(str(row['role']))} failed with {code}",
                "A request that always fails for the same reason is an error in a program or in its configuration.",
                _match(report, str(row["role"]), "failures"),
            )


def _without_mfa(report: AuditReport, rows: Sequence[Row]) -> Iterator[ReportFinding]:
    for row in rows:
        yield ReportFinding(
            "medium",
            "without-mfa",
            f"{short_name(str(row['principal']))} assumed {short_name(str(row['role']))} without MFA "
            f"{counted(_number(row['calls']), 'time')}",
            "Other users assume the role with MFA, so its trust policy does not require MFA.",
            _match(report, str(row["principal"]), "without-mfa"),
        )


def _without_external_id(report: AuditReport, rows: Sequence[Row]) -> Iterator[ReportFinding]:
    for row in rows:
        account = str(row["from_account"])
        yield ReportFinding(
            "medium",
            "without-external-id",
            f"Account {account}, of which there are no logs here, got a session of {short_name(str(row['role']))} "
            f"without an external ID {counted(_number(row['calls']), 'time')}",
            "If it is a service provider's account, another customer of the provider may get into the role through it.",
            _match(report, account, "without-external-id"),
        )


def _throttling(report: AuditReport, rows: Sequence[Row]) -> Iterator[ReportFinding]:
    for row in rows:
        yield ReportFinding(
            "medium",
            "throttling",
            f"AWS throttled {counted(_number(row['calls']), 'call')} of {row['service']}:{row['name']}",
            "Programs wait or fail when AWS throttles their calls.",
            _question(report, "throttling"),
        )


def _long_use(report: AuditReport, rows: Sequence[Row]) -> Iterator[ReportFinding]:
    for row in rows:
        yield ReportFinding(
            "low",
            "long-use",
            f"{counted(_number(row['sessions']), 'session')} of {short_name(str(row['role']))} "
            f"{'was' if row['sessions'] == 1 else 'were'} used to the last minute",
            "Work may have been cut off when the session expired.",
            _match(report, str(row["role"]), "long-use"),
        )


def _short_use(report: AuditReport, rows: Sequence[Row]) -> Iterator[ReportFinding]:
    for row in rows:
        yield ReportFinding(
            "low",
            "short-use",
            f"{counted(_number(row['sessions']), 'session')} of {short_name(str(row['role']))} "
            f"{'was' if row['sessions'] == 1 else 'were'} used for seconds only",
            "A stolen session stays valid long after the work is done; a shorter `duration_seconds` is enough.",
            _match(report, str(row["role"]), "short-use"),
        )


def _chains(report: AuditReport, rows: Sequence[Row]) -> Iterator[ReportFinding]:
    if rows:
        hops = max(_number(row["hops"]) for row in rows)
        yield ReportFinding(
            "low",
            "chains",
            f"{counted(len(rows), 'chain')} of three or more hops, the longest of {hops}",
            "AWS records the calls of the last session under its own name, not under that of the first caller.",
            _question(report, "chains"),
        )


_MAKERS: Mapping[str, Callable[[AuditReport, Sequence[Row]], Iterator[ReportFinding]]] = {
    "principals": _root_use,
    "new-principals": _new_principals,
    "new-accounts": _new_accounts,
    "new-addresses": _new_addresses,
    "denials": _denials,
    "failures": _failures,
    "without-mfa": _without_mfa,
    "without-external-id": _without_external_id,
    "throttling": _throttling,
    "long-use": _long_use,
    "short-use": _short_use,
    "chains": _chains,
}


def short_name(text: str) -> str:
    """Shorten a name: an IAM or STS ARN becomes `user/ada of 111111111111`; any other long text is truncated."""
    arn = parse_arn(text)
    if arn is None or arn.service not in {"iam", "sts"} or not arn.resource:
        return text if len(text) <= 120 else f"{text[:119]}…"
    return f"{arn.resource} of {arn.account}" if arn.account else arn.resource


def _match(report: AuditReport, name: str, question: str) -> str:
    """Return the command that shows all rows with the name.

    A name from a log may be impossible to paste, for example with a control character. Then the command shows the
    whole question.
    """
    return f"{report.command} --match {quote(name)}" if _can_be_pasted(name) else _question(report, question)


def _can_be_pasted(text: str) -> bool:
    return text.isprintable() and 0 < len(text) <= _LONGEST_MATCH and not text.startswith("-")


def _question(report: AuditReport, question: str, flags: str = "") -> str:
    return f"{report.command} --question {question}" + (f" {flags}" if flags else "")


def _number(cell: object) -> int:
    return cell if isinstance(cell, int) else 0


def _time(cell: object) -> str:
    return f"{cell:%Y-%m-%dT%H:%M:%SZ}" if isinstance(cell, datetime) else str(cell)
