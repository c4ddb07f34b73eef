"""JUnit reports of policy test cases."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dsops.cli.policy.answers import junit_report
from dsops.policy.simulation import AnsweredCase, Case, CaseQuestion, Expected, differences, read_caller, simulate
from tests.fakes import NOON
from tests.unit.policy.policies import ACCOUNT, ROLE, trusting

etree: Any = pytest.importorskip("lxml.etree", reason="comes with the extra `sandbox`, for SAML")

SCHEMA = etree.XMLSchema(etree.parse(str(Path(__file__).with_name("junit.xsd"))))


def row(name: str, expected: str | None, **context: str) -> AnsweredCase:
    """An answered case for alice, with a trust policy that names her and requires an external ID."""
    condition = {"StringEquals": {"sts:ExternalId": "hush-id"}}
    alice = f"arn:aws:iam::{ACCOUNT}:user/alice"
    said = {key.replace("__", ":"): (value,) for key, value in context.items()}
    asked = CaseQuestion(read_caller(alice), "sts:AssumeRole", ROLE, ACCOUNT, said)
    outcome = simulate(asked, {"trust": ((trusting({"AWS": alice}, Condition=condition),),)}, (), NOON)
    wanted = Expected(expected) if expected else None  # type: ignore[arg-type]  # verdicts are plain texts here
    return AnsweredCase(Case(name, 3, asked, {}, wanted), outcome, differences(outcome, wanted) if wanted else ())


def read(*rows: AnsweredCase, file: str = "suite/trust-cases.yaml") -> Any:
    """The report, checked against the schema and parsed."""
    report = etree.fromstring(junit_report(rows, file, now=NOON).encode())
    SCHEMA.assertValid(report)
    return report


def test_a_case_that_is_not_as_expected_is_a_failure_with_its_reason() -> None:
    """A case with an unexpected answer is a failure with its reason, and the suite counts cases and failures."""
    report = read(row("gets in", "allow", sts__ExternalId="hush-id"), row("gets in without", "allow"))
    suite = report.find("testsuite")

    assert (suite.get("name"), suite.get("tests"), suite.get("failures"), suite.get("errors")) == (
        "trust-cases",
        "2",
        "1",
        "0",
    )
    assert suite.get("timestamp") == "2026-11-24T12:00:00"
    first, second = suite.findall("testcase")
    assert (first.get("name"), first.get("classname"), len(first)) == ("gets in", "trust-cases", 0)
    failure = second.find("failure")
    assert failure.get("message") == "expected allow, got implicit-deny"
    assert "StringEquals sts:ExternalId wants ***, the request has none" in failure.text


def test_no_external_id_is_in_it() -> None:
    """The JUnit report does not contain the external ID of a request."""
    text = junit_report([row("a", "allow", sts__ExternalId="Hush-Id")], "cases.yaml", now=NOON)

    assert "hush" not in text.lower()


def test_a_name_may_hold_anything() -> None:
    """In a case's name markup is escaped, newlines are kept, and characters that XML cannot express are replaced."""
    name = '<a href="x">&amp;</a>\n\x1b[2J\ud800]]>'
    report = read(row(name, "deny"), row(f"{name} fails", "allow"))

    assert [case.get("name") for case in report.iter("testcase")] == [
        '<a href="x">&amp;</a>\n\ufffd[2J\ufffd]]>',
        '<a href="x">&amp;</a>\n\ufffd[2J\ufffd]]> fails',
    ]


def test_a_question_without_a_name_is_called_by_what_it_asks() -> None:
    """A case without a name is named after its question, and a case without an expectation cannot fail."""
    (case,) = read(row("", None), file="").iter("testcase")

    assert (case.get("name"), case.get("classname"), len(case)) == (f"sts:AssumeRole on {ROLE}", "policies", 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("<properties/>", ""),
        (' hostname="localhost"', ""),
        ("2026-11-24T12:00:00", "2026-11-24T12:00:00Z"),
        (' type="unexpected"', ""),
        ("</testsuites>", "<testcase/></testsuites>"),
    ],
)
def test_the_schema_refuses_what_readers_refuse(old: str, new: str) -> None:
    """The schema refuses reports that JUnit readers refuse, so that validating against it is meaningful."""
    text = junit_report([row("a", "allow")], "cases.yaml", now=NOON)
    assert old in text

    assert not SCHEMA.validate(etree.fromstring(text.replace(old, new).encode()))
