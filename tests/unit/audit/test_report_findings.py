"""What needs attention first: severities, one finding a principal, and commands that can be pasted as they are."""

from __future__ import annotations

import shlex
from dataclasses import replace
from datetime import timedelta

import pytest

from dsops.audit.cloudtrail.findings import (
    FEW_ADDRESSES,
    MANY_DENIALS,
    MOST_OF_A_KIND,
    REVOKE_DOES,
    ReportFinding,
    can_be_judged,
    finding_counts,
    group_findings,
    make_findings,
    nothing_found,
)
from dsops.audit.page import page_of
from dsops.audit.report import Answer, AuditReport
from dsops.cli.audit.report_text import report_text
from tests.markup import read
from tests.reports import ACCOUNTS, BOUNDARY, END, PEOPLE, ROLES, START, answer, busy_report, report_of

ROOT = f"arn:aws:iam::{ACCOUNTS[1]}:root"


def only(*answers: Answer) -> ReportFinding:
    """Return the one finding of a report with these answers."""
    (finding,) = make_findings(report_of(*answers))
    return finding


def denial(principal: str, calls: int, name: str = "AssumeRole", role: str = ROLES[0]) -> tuple[object, ...]:
    """Return a row of `denials`."""
    return principal, "sts", name, role, "AccessDenied", calls, START, END


def test_the_most_severe_come_first_and_each_kind_is_found() -> None:
    """A busy report has findings of each severity, sorted by severity, with a reason and a command for each."""
    findings = make_findings(replace(busy_report(), defects=("line 3 was changed", "line 9 was removed")))
    assert [finding.severity for finding in findings] == ["high"] * 5 + ["medium"] * 10 + ["low"] * 4
    assert finding_counts(findings) == "5 high, 10 medium, 4 low"
    assert {finding.kind for finding in findings} == {
        "trail",
        "new-principals",
        "new-accounts",
        "new-addresses",
        "denials",
        "unreadable",
        "failures",
        "without-mfa",
        "without-external-id",
        "throttling",
        "long-use",
        "short-use",
        "chains",
    }
    for finding in findings:
        assert finding.why.count(".") >= 1
        assert shlex.split(finding.look)[:2] == ["dsops", "audit"]
    assert findings[0].what.endswith("line 3 was changed, and 1 more")


def test_the_first_session_of_a_principal_is_high_and_can_be_ended() -> None:
    """A principal's first session of a role is a finding; it names both, and the command that ends the sessions."""
    finding = only(answer("new-principals", (ROLES[4], PEOPLE[4], 1, END)))
    assert finding.what == (
        "user/emery of 111122223333 got a session of role/BreakGlass of 555566667777 for the first time, "
        "at 2026-11-20T05:59:58Z"
    )
    assert (finding.severity, finding.revoke) == ("high", f"dsops revoke {ROLES[4]}")
    assert finding.look == f"dsops audit report --match {PEOPLE[4]}"
    assert not only(answer("new-principals", ("GetSessionToken", PEOPLE[4], 1, END))).revoke
    hostile = only(answer("new-principals", (f"{ROLES[4]}\n", PEOPLE[4], 1, END)))
    assert hostile.revoke == "dsops revoke ROLE_ARN"


def test_denials_are_one_finding_a_principal_and_high_if_they_are_many() -> None:
    """A few denials of one principal are medium; ten denied session requests, or three different targets, are high."""
    few = answer("denials", denial(PEOPLE[0], MANY_DENIALS - 1))
    assert (only(few).severity, only(few).kind) == ("medium", "denials")
    many = only(answer("denials", denial(PEOPLE[0], MANY_DENIALS - 3), denial(PEOPLE[0], 3, role=ROLES[1])))
    assert many.severity == "high"
    assert many.what == (
        "user/ada of 111122223333 was denied 10 calls: sts:AssumeRole on role/deploy/ProdDeploy of 222233334444, "
        "sts:AssumeRole on role/StagingDeploy of 333344445555"
    )
    rows = [(PEOPLE[0], "s3", f"Get{index}", "", "AccessDenied", 3, START, END) for index in range(3)]
    assert only(answer("denials", *rows)).severity == "high"
    assert only(answer("denials", *rows)).what.endswith("was denied 9 calls: s3:Get0, s3:Get1 and 1 more")
    (one, other) = make_findings(report_of(answer("denials", denial(PEOPLE[0], 3), denial(PEOPLE[1], 3))))
    assert one.what != other.what


def test_a_new_pair_of_accounts_is_less_severe_if_every_request_was_refused() -> None:
    """A new pair of accounts is high if a request was granted, and medium if all requests failed."""
    pair = (ACCOUNTS[1], ACCOUNTS[3])
    assert only(answer("new-accounts", (*pair, 4, 3, END))).severity == "high"
    refused = only(answer("new-accounts", (*pair, 4, 4, END)))
    assert (refused.severity, refused.look) == ("medium", f"dsops audit report --match {pair[0]}")


def test_new_addresses_are_one_finding_a_principal_and_low_if_it_had_many() -> None:
    """A new address is medium for a principal with up to three earlier addresses, else low; the finding shows two."""
    rows = [(PEOPLE[0], f"203.0.113.{number}", 2, 1, FEW_ADDRESSES, END) for number in (7, 8, 9)]
    few = only(answer("new-addresses", *rows))
    assert (few.severity, few.look) == ("medium", f"dsops audit report --match {PEOPLE[0]}")
    assert few.what == (
        "user/ada of 111122223333 requested sessions from 203.0.113.7, 203.0.113.8 and 1 more for the first time: "
        "6 requests, and 3 other addresses before"
    )
    many = only(answer("new-addresses", (PEOPLE[0], "203.0.113.7", 1, 0, FEW_ADDRESSES + 1, END)))
    assert many.severity == "low"
    assert len(make_findings(report_of(answer("new-addresses", *rows, (PEOPLE[1], "203.0.113.7", 1, 0, 1, END))))) == 2


def test_a_role_assumed_from_outside_without_an_external_id_is_medium() -> None:
    """A role assumed from another account without an external ID is a medium finding with account, role and number."""
    finding = only(answer("without-external-id", (ROLES[0], "900000000001", 7, 2, START, END)))
    assert (finding.severity, finding.look) == ("medium", "dsops audit report --match 900000000001")
    assert finding.what == (
        "Account 900000000001, of which there are no logs here, got a session of role/deploy/ProdDeploy of "
        "222233334444 without an external ID 7 times"
    )
    assert not make_findings(report_of(answer("without-external-id")))


def test_the_root_user_is_high() -> None:
    """Sessions of an account's root user are one finding; if all requests were refused, there is no finding."""
    rows = ((ROOT, PEOPLE[0], 2, 0, START, END), (ROOT, PEOPLE[1], 1, 0, START, END))
    finding = only(answer("principals", *rows))
    assert (finding.severity, finding.look) == ("high", f"dsops audit report --match {ROOT}")
    assert finding.what.startswith("3 sessions of the root user: root of 222233334444, issued to user/ada of ")
    assert not make_findings(report_of(answer("principals", (ROOT, PEOPLE[0], 0, 4, START, END))))
    assert not make_findings(report_of(answer("principals", (ROLES[0], PEOPLE[0], 9, 0, START, END))))


def test_failures_for_another_reason_than_a_denial_are_found_once() -> None:
    """Repeated failures are a finding, unless they are denials or throttling, which have their own findings."""
    for code, number, count in (
        ("ExpiredTokenException", 3, 1),
        ("ExpiredTokenException", 2, 0),
        ("AccessDenied", 30, 0),
        ("ThrottlingException", 30, 0),
    ):
        report = report_of(answer("failures", (ROLES[0], code, number, 1, START, END)))
        assert len(make_findings(report)) == count, (code, number)


@pytest.mark.parametrize(
    "name", ["a b; rm -rf ~", "$(reboot)", "`id`", "it's", "x\nreboot", "\x1b[2J", "-v", "\u202eevil", "x" * 5000]
)
def test_a_name_from_a_log_can_never_become_another_command(name: str) -> None:
    """The command of a finding quotes the name as one word; it leaves out a name that can't be pasted into a shell."""
    finding = only(answer("denials", denial(name, 3)))
    words = shlex.split(finding.look)
    assert "\n" not in finding.look
    assert words in (
        ["dsops", "audit", "report", "--match", name],
        ["dsops", "audit", "report", "--question", "denials"],
    )
    assert ("--match" in words) == (name.isprintable() and len(name) < 2000 and not name.startswith("-"))
    text = report_text(report_of(answer("denials", denial(name, 3))), most=10)
    assert "\x1b" not in text
    assert "\u202e" not in text


def test_many_of_a_kind_are_counted_with_the_command_that_shows_them() -> None:
    """The report shows three findings of a kind, then the number of others and the command that shows them."""
    report = report_of(answer("throttling", *(("s3", f"Get{n}", "SlowDown", 1, START, END) for n in range(7))))
    (group,) = group_findings(report, make_findings(report))
    assert (len(group.findings), group.others) == (MOST_OF_A_KIND, 4)
    assert group.look == "dsops audit report --question throttling --top 0"
    assert f"4 more of this kind: {group.look}" in report_text(report, most=1)
    assert f"4 more findings of this kind: {group.look}" in read(page_of(report)).one("li", "others").text


def test_revoke_is_never_named_without_what_it_does() -> None:
    """Text and page say, beside `dsops revoke ROLE`, that all older sessions of the role are denied."""
    report = report_of(answer("new-principals", (ROLES[4], PEOPLE[4], 1, END)))
    lines = report_text(report, most=10).splitlines()
    at = lines.index(f"        if not intended: dsops revoke {ROLES[4]}")
    assert lines[at + 1].strip() == REVOKE_DOES
    assert "denies all older sessions of the role" in REVOKE_DOES
    (item,) = read(page_of(report)).all("li", "high")
    assert [part.text for part in item.all("dd")] == [
        f"dsops audit report --match {PEOPLE[4]}",
        f"dsops revoke {ROLES[4]} {REVOKE_DOES.replace('`', '')}",
    ]


def test_the_report_begins_with_it() -> None:
    """The findings stand first: after the head of the text report, and in the page's first section."""
    text, page = report_text(busy_report(), most=10), read(page_of(busy_report()))
    assert text.split("\n\n")[1] == "Needs attention: 4 high, 10 medium, 4 low"
    assert page.all("section")[0].attributes["id"] == "attention"
    assert [item.one("b", "severity").text for item in page.all("li", "high")] == ["high"] * 4


def test_nothing_is_said_too() -> None:
    """A report without findings says so; without earlier calls, it adds that new callers are unknown."""
    assert "\n\nNothing needs attention.\n\n" in report_text(report_of(), most=10)
    assert read(page_of(report_of())).all("section")[0].one("p", "lead").text == "Nothing needs attention."
    unknown = report_of(first=BOUNDARY + timedelta(seconds=1))
    words = "Which principals, accounts and addresses are new is unknown: these logs have no earlier call."
    assert f"Nothing needs attention.\n{words}\n" in report_text(unknown, most=10)
    assert read(page_of(unknown)).all("section")[0].one("p", "notes").text == words
    assert words not in report_text(report_of(), most=10)
    assert nothing_found(report_of().matching("x")) == "Nothing needs attention in the rows that are shown."
    assert nothing_found(report_of(calls=0)) == "There was no call to look at."


def test_a_report_on_some_questions_does_not_say_that_nothing_needs_attention() -> None:
    """If the report lacks a question that can have findings, it has no list of findings, which could be incomplete."""
    some: AuditReport = replace(report_of(), answers=(answer("failures"),))
    assert can_be_judged(report_of())
    assert not can_be_judged(some)
    assert "Needs attention" not in page_of(some)


def test_match_leaves_the_rows_of_one_name() -> None:
    """With `--match`, the report has only the rows that name the principal; the number of read calls is unchanged."""
    report = busy_report().matching(PEOPLE[3])
    rows = [row for part in report.answers for row in part.rows]
    assert rows
    assert all(any(isinstance(cell, str) and PEOPLE[3] in cell for cell in row) for row in rows)
    assert (report.calls, report.match) == (52_310, PEOPLE[3])
    assert f"\nshown: rows that contain {PEOPLE[3]}\n" in report_text(report, most=10)
    assert f"Shown are rows that contain {PEOPLE[3]}." in read(page_of(report)).one("p", "notes").text.replace(
        "user/devon 111122223333", PEOPLE[3]
    )
