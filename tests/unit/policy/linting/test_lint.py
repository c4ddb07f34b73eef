"""The linter as a whole: lines and order of findings, policy kinds, limits of the report, and secrets."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest

from dsops.document import parse_json, parse_yaml
from dsops.policy.linting import lint
from tests.founding_page import blocks
from tests.unit.policy.linting.reference import FewServices, codes, policy, report
from tests.unit.policy.policies import Json, allow, deny

if TYPE_CHECKING:
    from dsops.policy import PolicyKind


def placed(document: str, kind: PolicyKind | None = None) -> list[tuple[int, str]]:
    """Return the line and code of each finding."""
    return [(finding.line, finding.rule.code) for finding in report(document, kind).findings]


def page(heading: str) -> str:
    """Return the AWS STS page's JSON block below this heading."""
    return next(block.text for block in blocks("json") if heading in block.heading)


class TestFoundingPage:
    """The linter reports on the policies of the AWS STS page (tests/founding-page), unchanged."""

    def test_comments_and_the_duplicate_key_are_told_in_line_order(self) -> None:
        """The report lists comments and the duplicate key in line order, and between them the note on a named user."""
        assert placed(page("Trust Policy Issues")) == [
            (6, "syntax.comment"),
            (7, "principal.one-user"),
            (8, "syntax.comment"),
            (9, "syntax.invalid"),
            (9, "syntax.duplicate-key"),
        ]

    def test_naming_a_user_is_valid(self) -> None:
        """A policy that names a user gets a note, not an error, since a user is narrower than the account root."""
        lint_report = next(finding for finding in report(page("Trust Policy Issues")).findings if finding.line == 7)

        assert lint_report.severity == "note"
        assert "naming the user `alice` is valid: narrower than the account's root" in lint_report.message
        assert "enough by itself" in lint_report.message

    def test_the_trust_policy_is_fine(self) -> None:
        """The page's trust policy, which requires an external ID and an address, has no findings."""
        lint_report = report(page("Trust Policy (in target account)"))

        assert (lint_report.kind, lint_report.findings) == ("trust", ())

    def test_the_permissions_are_fine(self) -> None:
        """The page's permissions are recognised as an identity policy and have no findings."""
        lint_report = report(page("Role Permissions"), has_reference=False)

        assert (lint_report.kind, lint_report.findings) == ("identity", ())

    def test_private_addresses_are_never_seen_and_a_user_id_is_one_user(self) -> None:
        """The linter checks the page's condition block, a part of a policy: private addresses never match."""
        document = page("4. Use Condition Keys")

        assert placed(document) == [
            (1, "grammar.fragment"),
            (4, "condition.private-address"),
            (7, "condition.userid-of-user"),
        ]
        assert "10.0.0.0/8, 172.16.0.0/12" in report(document).findings[1].message

    def test_the_session_policy_that_only_denies_leaves_nothing(self) -> None:
        """A session policy with only Deny statements has a finding; the page's policy that allows reading does not."""
        block = next(block.text for block in blocks("yaml") if "Least Privilege" in block.heading)
        denies = parse_yaml(block, "p.yaml").root
        text = denies.get("session_policy").text  # type: ignore[union-attr]
        allows = policy(allow("secretsmanager:GetSecretValue", "arn:aws:secretsmanager:*:*:secret:prod/*"))

        lint_report = report(text, "session", has_reference=False)

        assert [finding.rule.code for finding in lint_report.findings] == ["policy.allows-nothing"]
        assert "a session with it may do nothing at all" in lint_report.findings[0].message
        assert not lint_report.is_clean
        assert codes(allows, "session", has_reference=False) == []


class TestLines:
    """The line that each finding reports."""

    def test_each_value_has_its_own_line(self) -> None:
        """A finding about one value of a list has the line of that value."""
        document = """{
          "Version": "2012-10-17",
          "Statement": [{
            "Effect": "Allow",
            "Action": [
              "s3:GetObject",
              "s3:GetObjects"
            ],
            "Resource": "*",
            "Condition": {
              "StringEquals": {
                "s3:ExistingObjectTag/a": [
                  "x",
                  "y*"
                ]
              }
            }
          }]
        }"""
        assert placed(document) == [(7, "action.unknown"), (14, "condition.wildcard-is-text")]

    def test_paths_lead_from_the_top_of_the_policy(self) -> None:
        """A finding's path leads from the policy through the statement's index to the element."""
        findings = report(policy(allow(), allow(Condition={"StringEquals": {"aws:userid": "x*"}}))).findings

        assert [finding.path for finding in findings] == ["Statement[1].Condition.StringEquals.aws:userid"]

    def test_yaml_has_lines_too(self) -> None:
        """Findings in YAML documents have lines, too."""
        text = "Version: '2012-10-17'\nStatement:\n  - Effect: Allow\n    Action: s3:GetObjects\n    Resource: '*'\n"
        findings = lint(parse_yaml(text, "p.yaml"), len(text), reference=FewServices()).findings

        assert [(finding.line, finding.rule.code) for finding in findings] == [(4, "action.unknown")]

    def test_an_unquoted_account_in_yaml_is_told(self) -> None:
        """An unquoted account id in YAML, which is a number and may lose leading zeros, is a finding."""
        text = "Statement:\n  Effect: Allow\n  Principal: {AWS: 011122223333}\n  Action: sts:AssumeRole\n"
        findings = lint(parse_yaml(text, "p.yaml"), len(text)).findings

        assert (3, "grammar.principal") in [(finding.line, finding.rule.code) for finding in findings]


class TestKinds:
    """How the linter detects a policy's kind."""

    @pytest.mark.parametrize(
        ("statement", "kind"),
        [
            (allow("sts:AssumeRole", None, Principal={"AWS": "111122223333"}), "trust"),
            (allow("sts:AssumeRole", "*", Principal={"AWS": "111122223333"}), "trust"),
            (allow("sts:*", None, NotPrincipal={"AWS": "111122223333"}), "trust"),
            (allow("s3:GetObject", "*", Principal="*"), "resource"),
            (allow(["sts:AssumeRole", "s3:GetObject"], "*", Principal="*"), "resource"),
            (allow("sts:AssumeRole"), "identity"),
            (deny("s3:*"), "identity"),
        ],
    )
    def test_it_is_guessed_from_principals_and_actions(self, statement: Json, kind: PolicyKind) -> None:
        """The kind is guessed from principals and actions, and the report says why."""
        lint_report = report(policy(statement))

        assert lint_report.kind == kind
        assert lint_report.reason

    def test_a_given_kind_counts(self) -> None:
        """If the caller passes a kind, the linter uses it and the report gives no reason."""
        lint_report = report(policy(allow("sts:AssumeRole")), "session")

        assert (lint_report.kind, lint_report.reason) == ("session", "")

    @pytest.mark.parametrize("text", ["", "[]", "{}", "12", '{"Statement": 3}', '{"Statement": [3, null]}', "{"])
    def test_what_is_no_policy_has_a_kind_too(self, text: str) -> None:
        """A text that is not a policy is reported as an identity policy with errors."""
        lint_report = report(text)

        assert lint_report.kind == "identity"
        assert lint_report.counts["error"]


class TestCutShort:
    """Limits of the report for large policies and many findings."""

    def test_a_hundred_of_each_rule_are_told_and_the_others_counted(self) -> None:
        """The report lists a hundred findings of each rule and counts the rest; other rules are not affected."""
        lint_report = report(policy(*[allow("s3:GetObjects")] * 150, allow("s4:GetObject")), "identity")

        assert [finding.rule.code for finding in lint_report.findings].count("action.unknown") == 100
        assert [finding.rule.code for finding in lint_report.findings].count("action.unknown-service") == 1
        assert lint_report.left_out == {"action.unknown": 50}
        # ... and one for the policy's size
        assert lint_report.counts == {"error": 0, "warning": 152, "note": 0}

    def test_time_grows_with_the_size_and_no_faster(self) -> None:
        """Linting takes linear time: four times as many statements take about four times as long."""

        def seconds(count: int) -> float:
            statement = allow(
                ["s3:GetObject", "s3:GetObjects"],
                "bucket",
                Condition={"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}, "StringEquals": {"aws:PrincipalOrgld": "x*"}},
                Principal="*",
            )
            document = parse_json(policy(*[statement] * count), "p.json")
            start = time.process_time()
            lint(document, 1, "resource", reference=FewServices())
            return time.process_time() - start

        assert seconds(2000) < 12 * min(seconds(500) for _ in range(3))

    def test_beyond_what_aws_takes_no_name_is_looked_up(self) -> None:
        """If a policy exceeds AWS's size limit, the linter skips the service reference and applies all other rules."""
        answer = report(policy(*[allow("s3:GetObjects", Condition={"Bool": {"aws:Tokn": "true"}})] * 2000), "identity")
        rule_codes = [finding.rule.code for finding in answer.findings]

        assert rule_codes[0] == "size.too-long"
        assert answer.findings[0].message.endswith("in so long a policy no names are looked up")
        assert "condition.unknown-key" in rule_codes
        assert "action.unknown" not in rule_codes


SECRET = "agreed-0123456789"


class TestSecrets:
    """No finding shows an external ID."""

    @pytest.mark.parametrize(
        "condition",
        [
            {"StringEquals": {"sts:ExternalId": f"{SECRET}*"}},
            {"StringEqualsIfExists": {"sts:ExternalId": SECRET}},
            {"StringLike": {"sts:ExternalId": f"{SECRET}${{aws:usrname}}"}},
            {"StringLike": {"sts:ExternalId": f"${{{SECRET}"}},
            {"NumericEquals": {"sts:ExternalId": SECRET}},
            {"IpAddress": {"sts:ExternalId": SECRET}},
            {"Bool": {"sts:ExternalId": SECRET}},
            {"StringEquals": {"sts:ExternalIds": f"{SECRET}*"}},
            {"StringEquals": {"sts:External-ID": f"{SECRET}${{x}}"}},
            {"ForAllValues:StringEquals": {"sts:externalid": [SECRET, f"{SECRET}*"]}},
            {"StringEqual": {"sts:ExternalId": SECRET}},
            {"StringEquals": {"sts:ExternalId": {"a": SECRET}}},
            {"StringEquals": {"sts:ExternalId": [[SECRET]]}},
        ],
    )
    def test_no_finding_has_it(self, condition: Json) -> None:
        """No finding shows an external ID, whatever mistake its condition contains."""
        statement = allow("sts:AssumeRole", None, Principal={"AWS": "444455556666"}, Condition=condition)
        for kind in ("trust", "identity", None):
            assert SECRET not in repr(report(policy(statement), kind))

    def test_nor_when_the_text_breaks_off_in_it(self) -> None:
        """A syntax error within an external ID does not show the external ID."""
        assert SECRET not in repr(report(f'{{"Condition": {{"StringEquals": {{"sts:ExternalId": "{SECRET}'))


def test_notes_leave_a_policy_clean() -> None:
    """A policy with only notes counts as clean; a policy with warnings does not."""
    note = report(policy(allow("sts:AssumeRole", None, Principal={"AWS": "444455556666"})))
    warning = report(policy(allow("s3:GetObjects")))

    assert (note.is_clean, bool(note.findings)) == (True, True)
    assert not warning.is_clean


def test_a_comment_is_a_note_where_comments_belong() -> None:
    """A comment gets a note in a .jsonc file, whose readers remove comments, and an error in any other file."""
    text = '{"Version": "2012-10-17", // now\n"Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}'
    lint_report = lint(parse_json(text, "p.jsonc"), len(text), has_comments=True)

    assert [(finding.rule.code, finding.severity) for finding in lint_report.findings] == [("syntax.comment", "note")]
    assert lint_report.is_clean
    assert codes(text) == ["syntax.comment"]
    assert not report(text).is_clean


def test_without_a_reference_only_global_keys_are_known() -> None:
    """Without a service reference only global condition keys are checked."""
    statement = allow("s4:GetObject", Condition={"StringEquals": {"s3:prefixx": "x", "aws:Usernam": "y"}})

    assert codes(policy(statement), has_reference=False) == ["condition.unknown-key"]


def test_one_mistake_does_not_hide_another() -> None:
    """A grammar error in a statement hides no finding in other statements or in the rest of that statement."""
    broken = {"Effect": "allow", "Action": "s3:GetObjects", "Resource": "*"}

    assert sorted(codes(policy(broken, allow("s4:x")), "identity")) == [
        "action.unknown",
        "action.unknown-service",
        "grammar.effect",
    ]


def test_a_bare_statement_is_checked_by_the_grammar_too() -> None:
    """For a bare statement the linter checks the elements that are present, and does not report missing ones."""
    document = json.dumps({"Effect": "allow", "Action": "s3:*"})

    assert codes(document) == ["grammar.fragment", "grammar.effect"]


@pytest.mark.parametrize(
    ("condition", "effect", "consequence"),
    [
        ("IpAddress", "Allow", "the condition is met by no request"),
        ("IpAddress", "Deny", "the statement denies no request"),
        ("NotIpAddress", "Allow", "the condition excludes no request"),
        ("NotIpAddress", "Deny", "the statement denies every request"),
        ("IpAddressIfExists", "Allow", "the condition is met by requests without aws:SourceIp only"),
    ],
)
def test_a_private_range_has_a_consequence(condition: str, effect: str, consequence: str) -> None:
    """For a private range in aws:SourceIp the finding's consequence depends on the operator and the effect."""
    statement = allow(Condition={condition: {"aws:SourceIp": "10.0.0.0/8"}}) | {"Effect": effect}

    assert [finding.message for finding in report(policy(allow(), statement), "identity").findings] == [
        f"aws:SourceIp is never in 10.0.0.0/8, which is private: {consequence}"
    ]


@pytest.mark.parametrize(
    ("statement", "hint"),
    [
        (allow("s3:GetObjects"), "did you mean `s3:GetObject`?"),
        (allow("sq:SendMessage"), "did you mean `sqs:SendMessage`?"),
        (allow(Condition={"StringEquals": {"aws:PrincipalOrgld": "x"}}), "did you mean `aws:PrincipalOrgID`?"),
        (allow(Condition={"StringEquals": {"username": "x"}}), "did you mean `aws:username`?"),
        (allow("s3:GetObject", "arn:aws:s3:::b/${aws:usrname}"), "did you mean `aws:username`?"),
        (
            allow("sts:AssumeRole", None, Principal={"Federated": "accounts.google.com"}),
            "write `sts:AssumeRoleWithWebIdentity`",
        ),
    ],
)
def test_hints_say_what_to_write(statement: Json, hint: str) -> None:
    """The hint of a finding names the value that the author probably meant."""
    assert hint in [finding.hint for finding in report(policy(statement)).findings]
