"""What AWS's record of a denial proves, and what remains unknown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from dsops.aws.apis.iam_toolbox import (
    AuthorizationDetails,
    Evaluation,
    ListedPolicy,
    MatchedPolicy,
    MatchedStatement,
    ToolboxCheck,
)
from dsops.explain.evidence.recorded import Recorded, read_record, refused_evaluation
from dsops.explain.evidence.recorded_context import condition_keys
from dsops.explain.questions.sentence import RefusalMessage
from dsops.policy.simulation import CaseQuestion, Unread, read_caller

if TYPE_CHECKING:
    from collections.abc import Mapping

ACCOUNT, OTHER = "111122223333", "444455556666"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/ci/App"
SECRET = f"arn:aws:secretsmanager:us-east-1:{ACCOUNT}:secret:db-AbCdEf"
INLINE = "inline:b6cf943c21a1966b"
ROOT, UNIT = "arn:aws:organizations::9:root/o-1/r-1", "arn:aws:organizations::9:ou/o-1/ou-1"
FULL = "arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess"
ANY = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]})
DENY = json.dumps(
    {"Version": "2012-10-17", "Statement": [{"Sid": "No", "Effect": "Deny", "Action": "*", "Resource": "*"}]}
)
CONTEXT = {"aws:PrincipalAccount": ACCOUNT, "aws:PrincipalARN": ROLE, "aws:UserId": "AROAEXAMPLEEXAMPLE001:s"}


def check(
    kind: str, effect: str, *matched: MatchedPolicy, kinds: tuple[str, ...] = (), target: str = ""
) -> ToolboxCheck:
    """Return one policy check of a record."""
    return ToolboxCheck(kind, effect, target, kinds, matched)


def denies(uri: str, sid: str = "No") -> MatchedPolicy:
    """A policy with a denying statement."""
    return MatchedPolicy(uri, (MatchedStatement("Yes", is_deny=False), MatchedStatement(sid, is_deny=True)))


def listed(kind: str, uri: str = INLINE, *attached_to: str) -> ListedPolicy:
    """A policy listed in the record."""
    return ListedPolicy(kind, not uri.startswith("arn:"), uri, attached_to or (ROLE,))


def record(
    *checks: ToolboxCheck,
    policies: tuple[ListedPolicy, ...] = (),
    documents: dict[str, str] | None = None,
    action: str = "secretsmanager:GetSecretValue",
    resource: str = SECRET,
    effect: str = "IMPLICIT_DENY",
    said: RefusalMessage | None = None,
    matched: tuple[MatchedPolicy, ...] = (),
    context: Mapping[str, str] = CONTEXT,
) -> Recorded:
    """Return a parsed record with these checks, or without checks."""
    evaluation = Evaluation(action, resource, {}, effect, checks or None, matched)
    details = AuthorizationDetails(context, (evaluation,), policies)
    return read_record(details, evaluation, documents or {}, said or RefusalMessage())


# --- the denying policy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "policy_type"),
    [
        ("SERVICE_CONTROL_POLICY", "service control policy"),
        ("RESOURCE_CONTROL_POLICY", "resource control policy"),
        ("PRINCIPAL", "identity-based policy"),
        ("PERMISSIONS_BOUNDARY", "permissions boundary"),
        ("SESSION", "session policy"),
        ("VPC_ENDPOINT", "VPC endpoint policy"),
    ],
)
def test_a_check_that_nothing_allows_is_its_kind_of_policy(kind: str, policy_type: str) -> None:
    """If nothing in a check allows the request, the check's policy type is the cause.

    Several such policy types are listed in AWS's order.
    """
    message_text = record(check("RESOURCE", "ALLOW"), check(kind, "IMPLICIT_DENY")).said

    assert (policy_type, False, (policy_type,)) == (
        message_text.policy_type,
        message_text.is_deny,
        message_text.refusing,
    )


def test_a_deny_counts_before_a_missing_allow_and_is_told_with_its_statement() -> None:
    """An explicit Deny comes before a missing Allow, and the finding names it with Sid and policy ARN."""
    managed = f"arn:aws:iam::{ACCOUNT}:policy/Denies"
    message_text = record(
        check("RESOURCE_CONTROL_POLICY", "IMPLICIT_DENY"),
        check("PERMISSIONS_BOUNDARY", "EXPLICIT_DENY", denies(managed)),
        policies=(listed("PERMISSIONS_BOUNDARY", managed),),
    ).said

    assert (message_text.policy_type, message_text.is_deny) == ("permissions boundary", True)
    assert (message_text.policy_arn, message_text.sid) == (managed, "No")


def test_the_policy_says_of_which_kind_a_deny_is() -> None:
    """The policy type of a Deny is that of the matched policy.

    Within one account, the principal's check also covers the resource policy.
    """
    message_text = record(
        check("PRINCIPAL", "EXPLICIT_DENY", denies(INLINE), kinds=("IDENTITY_BASED_POLICY", "RESOURCE_BASED_POLICY")),
        policies=(listed("RESOURCE_BASED_POLICY", INLINE, SECRET),),
    ).said

    assert message_text.policy_type == "resource-based policy"
    assert message_text.policy_arn == f"the policy of {SECRET}"


def test_a_deny_of_a_policy_that_is_not_listed_may_be_of_either_kind() -> None:
    """A Deny in a policy that the record does not list may be of any policy type of that check."""
    both = ("IDENTITY_BASED_POLICY", "RESOURCE_BASED_POLICY")

    assert record(check("PRINCIPAL", "EXPLICIT_DENY", kinds=both)).said.policy_type == ""
    assert record(check("PRINCIPAL", "EXPLICIT_DENY", kinds=both[:1])).said.policy_type == "identity-based policy"


def test_a_trust_policy_is_the_resources_of_a_role() -> None:
    """A role's resource policy is its trust policy; if the record lists none, the role may not exist."""
    trust = listed("RESOURCE_BASED_POLICY", INLINE, ROLE)
    there = record(check("RESOURCE", "IMPLICIT_DENY"), policies=(trust,), action="sts:AssumeRole", resource=ROLE)
    gone = record(check("RESOURCE", "IMPLICIT_DENY"), action="sts:AssumeRole", resource=ROLE)

    assert (there.said.policy_type, there.lacks_role) == ("role trust policy", False)
    assert (gone.said.policy_type, gone.lacks_role) == ("", True)


def test_a_role_of_others_may_be_there_though_nothing_is_listed() -> None:
    """A role of another organization may exist even if the record lists no policy.

    AWS omits the policies of other organizations.
    """
    parsed_record = record(
        check("RESOURCE", "IMPLICIT_DENY"), action="sts:AssumeRole", resource=ROLE.replace(ACCOUNT, OTHER)
    )

    assert (parsed_record.is_whole, parsed_record.lacks_role, parsed_record.said.policy_type) == (False, False, "")


def test_without_checks_the_statement_that_denies_is_told() -> None:
    """If the record has no checks (an older API), a matched denying statement is the cause.

    The older API does not record a missing Allow.
    """
    policies = (listed("IDENTITY_BASED_POLICY"),)
    denied = record(policies=policies, matched=(denies(INLINE),), effect="EXPLICIT_DENY").said
    missing = record(policies=policies, said=RefusalMessage(policy_type="session policy")).said

    assert (denied.policy_type, denied.sid) == ("identity-based policy", "No")
    assert missing.policy_type == "session policy"


def test_what_has_a_new_kind_or_effect_is_no_reason() -> None:
    """Policy types and effects that dsops does not know are ignored."""
    assert record(check("SOMETHING_NEW", "IMPLICIT_DENY")).said.policy_type == ""
    assert record(check("PRINCIPAL", "SOMETHING_NEW")).said.policy_type == ""


def test_the_refused_question_is_the_one_of_the_message() -> None:
    """dsops uses the record's evaluation of the action in the message, or else the first denied evaluation."""
    allowed = Evaluation("sts:AssumeRole", ROLE, {}, "ALLOW", None, ())
    tagging = Evaluation("sts:TagSession", ROLE, {}, "IMPLICIT_DENY", None, ())
    passing = Evaluation("iam:PassRole", ROLE, {}, "EXPLICIT_DENY", None, ())
    details = AuthorizationDetails({}, (allowed, tagging, passing), ())

    assert refused_evaluation(details, "iam:passrole") is passing
    assert refused_evaluation(details, "") is tagging
    assert refused_evaluation(details._replace(evaluations=(allowed,)), "") is None


# --- policies --------------------------------------------------------------------------------------------------


def test_a_kind_is_given_when_all_of_it_is_there() -> None:
    """A record supplies a policy type only if all its documents are readable and valid."""
    two = (listed("IDENTITY_BASED_POLICY"), listed("IDENTITY_BASED_POLICY", "inline:2"))
    refusing = check("PRINCIPAL", "IMPLICIT_DENY")

    whole = record(refusing, policies=two, documents={INLINE: ANY, "inline:2": DENY}).given
    assert [policy.name for policy in whole["identity"][0]] == [
        "inline policy b6cf943c21a1966b of role App",
        "inline policy 2 of role App",
    ]
    assert "identity" not in record(refusing, policies=two, documents={INLINE: ANY}).given
    assert "identity" not in record(refusing, policies=two, documents={INLINE: ANY, "inline:2": "{}"}).given


def test_what_is_not_checked_is_not_there() -> None:
    """If the record has no check of a policy type, no such policy applies.

    AWS checks boundaries and session policies wherever they exist.
    """
    given_policies = record(check("PRINCIPAL", "IMPLICIT_DENY")).given

    assert (given_policies["boundary"], given_policies["session"], given_policies["scp"], given_policies["rcp"]) == (
        (),
        (),
        (),
        (),
    )
    assert "boundary" not in record(check("PERMISSIONS_BOUNDARY", "IMPLICIT_DENY")).given


def test_what_refuses_nothing_need_not_be_read() -> None:
    """If a policy type allows the request, its documents need not be readable, except for a trust policy.

    A trust policy must be read, because the way in which it names the caller matters.
    """
    given_policies = record(
        check("RESOURCE", "ALLOW"),
        check("PRINCIPAL", "ALLOW"),
        check("PERMISSIONS_BOUNDARY", "NO_IMPACT"),
        check("SERVICE_CONTROL_POLICY", "ALLOW", target=ROOT),
        check("SESSION", "IMPLICIT_DENY"),
        policies=(listed("IDENTITY_BASED_POLICY"), listed("SERVICE_CONTROL_POLICY", FULL, ROOT)),
    ).given

    assert {"identity", "boundary", "scp", "rcp"} == set(given_policies)
    assert all(policy.statements[0].effect == "Allow" for policy in given_policies["identity"][0])


def test_control_policies_stand_by_level() -> None:
    """Control policies are grouped by level; a level without policies allows nothing."""
    checks = [check("SERVICE_CONTROL_POLICY", "IMPLICIT_DENY", target=target) for target in (ROOT, UNIT)]
    parsed_record = record(
        *checks, policies=(listed("SERVICE_CONTROL_POLICY", FULL, ROOT),), documents={FULL: ANY}
    ).given
    nameless = record(check("SERVICE_CONTROL_POLICY", "IMPLICIT_DENY"), documents={FULL: ANY}).given

    assert [[policy.name for policy in level] for level in parsed_record["scp"]] == [[FULL], []]
    assert "scp" not in nameless


def test_the_policies_of_a_resource_are_its_own() -> None:
    """Only the resource's own policies are used, since a request may involve other resources."""
    other = listed("RESOURCE_BASED_POLICY", "inline:2", SECRET.replace("db", "other"))
    own = listed("RESOURCE_BASED_POLICY", INLINE, SECRET)
    parsed_record = record(
        check("PRINCIPAL", "IMPLICIT_DENY"),
        policies=(other, own),
        documents={INLINE: DENY.replace('"Sid"', '"Principal": "*", "Sid"'), "inline:2": ANY},
    ).given

    assert [policy.name for policy in parsed_record["resource"][0]] == [f"the policy of {SECRET}"]


# --- the context -----------------------------------------------------------------------------------------------


def test_context_is_read_as_awss_examples_write_it() -> None:
    """Context values are parsed as in AWS's examples: address with prefix length, time in seconds, lists as text."""
    found = condition_keys(
        {
            "aws:SourceIp": "192.0.2.1/32",
            "aws:EpochTime": "2026-01-01T00:00:00Z",
            "aws:TagKeys": "[a, b]",
            "aws:PrincipalOrgPaths": "[o-exampleorgid/r-examp/]",
            "aws:SecureTransport": True,
            "aws:UserAgent": "[x]",
            "sts:TransitiveTagKeys": ["a"],
            "aws:MultiFactorAuthAge": 5,
            "odd": {"a": 1},
            "odder": [None],
            "aws:vpcsourceip": "2001:db8::1/128",
        }
    )

    assert found == {
        "aws:SourceIp": ("192.0.2.1",),
        "aws:EpochTime": ("1767225600",),
        "aws:TagKeys": ("a", "b"),
        "aws:PrincipalOrgPaths": ("o-exampleorgid/r-examp/",),
        "aws:SecureTransport": ("true",),
        "aws:UserAgent": ("[x]",),
        "sts:TransitiveTagKeys": ("a",),
        "aws:MultiFactorAuthAge": ("5",),
        "aws:vpcsourceip": ("2001:db8::1",),
    }
    assert condition_keys({"aws:EpochTime": "1767225600"}) == {"aws:EpochTime": ("1767225600",)}
    assert condition_keys({"aws:EpochTime": "soon"}) == {"aws:EpochTime": ("soon",)}


def test_the_record_completes_the_question() -> None:
    """The record adds role path, role ID and context keys to the question, and keeps the plan's external ID."""
    principal = read_caller(f"arn:aws:sts::{ACCOUNT}:assumed-role/App/s")
    question = CaseQuestion(
        principal, "sts:AssumeRole", ROLE, ACCOUNT, {"AWS:userid": ("x",), "sts:ExternalId": ("hidden",)}
    )

    parsed_record = record(check("PRINCIPAL", "IMPLICIT_DENY")).complete(question)

    assert (parsed_record.principal.issuer_arn, parsed_record.principal.unique_id) == (ROLE, "AROAEXAMPLEEXAMPLE001")
    assert parsed_record.context["aws:UserId"] == ("AROAEXAMPLEEXAMPLE001:s",)
    assert "AWS:userid" not in parsed_record.context
    assert parsed_record.context["sts:ExternalId"] == ("hidden",)


def test_what_the_record_has_is_not_unread() -> None:
    """Keys that the record contains no longer count as unread.

    External IDs and keys of another organization stay unread.
    """
    unread = [Unread("context", "", ("aws:sourceip", "aws:resourcetag/", "sts:externalid")), Unread("trust", "")]
    keys = [unread[0].keys[2:], unread[0].keys[1:], unread[0].keys]
    whole = record(check("PRINCIPAL", "IMPLICIT_DENY"))
    half = record(check("PRINCIPAL", "IMPLICIT_DENY"), resource=SECRET.replace(ACCOUNT, OTHER))
    nobodys = record(check("PRINCIPAL", "IMPLICIT_DENY"), context={"aws:PrincipalAccount": ACCOUNT})

    for each, left in zip((whole, half, nobodys), keys, strict=True):
        assert list(each.still_unread(unread)) == [Unread("context", "", left), unread[1]]
