"""What AWS's record of a refusal proves, and what it leaves open."""

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
from dsops.explain.questions.sentence import Said
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
    """One requirement."""
    return ToolboxCheck(kind, effect, target, kinds, matched)


def denies(uri: str, sid: str = "No") -> MatchedPolicy:
    """A policy with a statement that denies."""
    return MatchedPolicy(uri, (MatchedStatement("Yes", is_deny=False), MatchedStatement(sid, is_deny=True)))


def listed(kind: str, uri: str = INLINE, *attached_to: str) -> ListedPolicy:
    """A policy that was weighed."""
    return ListedPolicy(kind, not uri.startswith("arn:"), uri, attached_to or (ROLE,))


def record(
    *checks: ToolboxCheck,
    policies: tuple[ListedPolicy, ...] = (),
    documents: dict[str, str] | None = None,
    action: str = "secretsmanager:GetSecretValue",
    resource: str = SECRET,
    effect: str = "IMPLICIT_DENY",
    said: Said | None = None,
    matched: tuple[MatchedPolicy, ...] = (),
    context: Mapping[str, str] = CONTEXT,
) -> Recorded:
    """What is read of a record with these checks; with none of one without any."""
    evaluation = Evaluation(action, resource, {}, effect, checks or None, matched)
    details = AuthorizationDetails(context, (evaluation,), policies)
    return read_record(details, evaluation, documents or {}, said or Said())


# --- what refuses ----------------------------------------------------------------------------------------------


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
    """The first of them, in AWS's order; all are told."""
    said = record(check("RESOURCE", "ALLOW"), check(kind, "IMPLICIT_DENY")).said

    assert (policy_type, False, (policy_type,)) == (said.policy_type, said.is_deny, said.refusing)


def test_a_deny_counts_before_a_missing_allow_and_is_told_with_its_statement() -> None:
    """Whatever stands first; a managed policy is its ARN."""
    managed = f"arn:aws:iam::{ACCOUNT}:policy/Denies"
    said = record(
        check("RESOURCE_CONTROL_POLICY", "IMPLICIT_DENY"),
        check("PERMISSIONS_BOUNDARY", "EXPLICIT_DENY", denies(managed)),
        policies=(listed("PERMISSIONS_BOUNDARY", managed),),
    ).said

    assert (said.policy_type, said.is_deny) == ("permissions boundary", True)
    assert (said.policy_arn, said.sid) == (managed, "No")


def test_the_policy_says_of_which_kind_a_deny_is() -> None:
    """In one account a resource's own policy counts within the principal's check."""
    said = record(
        check("PRINCIPAL", "EXPLICIT_DENY", denies(INLINE), kinds=("IDENTITY_BASED_POLICY", "RESOURCE_BASED_POLICY")),
        policies=(listed("RESOURCE_BASED_POLICY", INLINE, SECRET),),
    ).said

    assert said.policy_type == "resource-based policy"
    assert said.policy_arn == f"the policy of {SECRET}"


def test_a_deny_of_a_policy_that_is_not_listed_may_be_of_either_kind() -> None:
    """Then the record names none; where only one kind is weighed it does."""
    both = ("IDENTITY_BASED_POLICY", "RESOURCE_BASED_POLICY")

    assert record(check("PRINCIPAL", "EXPLICIT_DENY", kinds=both)).said.policy_type == ""
    assert record(check("PRINCIPAL", "EXPLICIT_DENY", kinds=both[:1])).said.policy_type == "identity-based policy"


def test_a_trust_policy_is_the_resources_of_a_role() -> None:
    """Where one is listed: a role that is not there has none, and is refused in the same way."""
    trust = listed("RESOURCE_BASED_POLICY", INLINE, ROLE)
    there = record(check("RESOURCE", "IMPLICIT_DENY"), policies=(trust,), action="sts:AssumeRole", resource=ROLE)
    gone = record(check("RESOURCE", "IMPLICIT_DENY"), action="sts:AssumeRole", resource=ROLE)

    assert (there.said.policy_type, there.lacks_role) == ("role trust policy", False)
    assert (gone.said.policy_type, gone.lacks_role) == ("", True)


def test_a_role_of_others_may_be_there_though_nothing_is_listed() -> None:
    """The record leaves out what is another organization's."""
    found = record(check("RESOURCE", "IMPLICIT_DENY"), action="sts:AssumeRole", resource=ROLE.replace(ACCOUNT, OTHER))

    assert (found.is_whole, found.lacks_role, found.said.policy_type) == (False, False, "")


def test_without_checks_the_statement_that_denies_is_told() -> None:
    """As the API had it before; of a missing Allow it said nothing."""
    policies = (listed("IDENTITY_BASED_POLICY"),)
    denied = record(policies=policies, matched=(denies(INLINE),), effect="EXPLICIT_DENY").said
    missing = record(policies=policies, said=Said(policy_type="session policy")).said

    assert (denied.policy_type, denied.sid) == ("identity-based policy", "No")
    assert missing.policy_type == "session policy"


def test_what_has_a_new_kind_or_effect_is_no_reason() -> None:
    """AWS may add some."""
    assert record(check("SOMETHING_NEW", "IMPLICIT_DENY")).said.policy_type == ""
    assert record(check("PRINCIPAL", "SOMETHING_NEW")).said.policy_type == ""


def test_the_refused_question_is_the_one_of_the_message() -> None:
    """Else the first that was refused; one that was allowed is none."""
    allowed = Evaluation("sts:AssumeRole", ROLE, {}, "ALLOW", None, ())
    tagging = Evaluation("sts:TagSession", ROLE, {}, "IMPLICIT_DENY", None, ())
    passing = Evaluation("iam:PassRole", ROLE, {}, "EXPLICIT_DENY", None, ())
    details = AuthorizationDetails({}, (allowed, tagging, passing), ())

    assert refused_evaluation(details, "iam:passrole") is passing
    assert refused_evaluation(details, "") is tagging
    assert refused_evaluation(details._replace(evaluations=(allowed,)), "") is None


# --- policies --------------------------------------------------------------------------------------------------


def test_a_kind_is_given_when_all_of_it_is_there() -> None:
    """One document that could not be read, or is no policy, leaves the kind to others."""
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
    """A boundary or a session policy is a check wherever it binds."""
    given = record(check("PRINCIPAL", "IMPLICIT_DENY")).given

    assert (given["boundary"], given["session"], given["scp"], given["rcp"]) == ((), (), (), ())
    assert "boundary" not in record(check("PERMISSIONS_BOUNDARY", "IMPLICIT_DENY")).given


def test_what_refuses_nothing_need_not_be_read() -> None:
    """AWS says that it allows; of a trust policy that does not tell whom it names."""
    given = record(
        check("RESOURCE", "ALLOW"),
        check("PRINCIPAL", "ALLOW"),
        check("PERMISSIONS_BOUNDARY", "NO_IMPACT"),
        check("SERVICE_CONTROL_POLICY", "ALLOW", target=ROOT),
        check("SESSION", "IMPLICIT_DENY"),
        policies=(listed("IDENTITY_BASED_POLICY"), listed("SERVICE_CONTROL_POLICY", FULL, ROOT)),
    ).given

    assert {"identity", "boundary", "scp", "rcp"} == set(given)
    assert all(policy.statements[0].effect == "Allow" for policy in given["identity"][0])


def test_control_policies_stand_by_level() -> None:
    """One may be attached to several; a level on which there is none allows nothing."""
    checks = [check("SERVICE_CONTROL_POLICY", "IMPLICIT_DENY", target=target) for target in (ROOT, UNIT)]
    found = record(*checks, policies=(listed("SERVICE_CONTROL_POLICY", FULL, ROOT),), documents={FULL: ANY}).given
    nameless = record(check("SERVICE_CONTROL_POLICY", "IMPLICIT_DENY"), documents={FULL: ANY}).given

    assert [[policy.name for policy in level] for level in found["scp"]] == [[FULL], []]
    assert "scp" not in nameless


def test_the_policies_of_a_resource_are_its_own() -> None:
    """A request may have asked about others too."""
    other = listed("RESOURCE_BASED_POLICY", "inline:2", SECRET.replace("db", "other"))
    own = listed("RESOURCE_BASED_POLICY", INLINE, SECRET)
    found = record(
        check("PRINCIPAL", "IMPLICIT_DENY"),
        policies=(other, own),
        documents={INLINE: DENY.replace('"Sid"', '"Principal": "*", "Sid"'), "inline:2": ANY},
    ).given

    assert [policy.name for policy in found["resource"][0]] == [f"the policy of {SECRET}"]


# --- the context -----------------------------------------------------------------------------------------------


def test_context_is_read_as_awss_examples_write_it() -> None:
    """An address without its length, a moment as seconds, lists without brackets; a plain text with some stays."""
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
    """The role with its path and id, and what the record says of a key counts; an external ID stays the plan's."""
    principal = read_caller(f"arn:aws:sts::{ACCOUNT}:assumed-role/App/s")
    asked = CaseQuestion(
        principal, "sts:AssumeRole", ROLE, ACCOUNT, {"AWS:userid": ("x",), "sts:ExternalId": ("hidden",)}
    )

    found = record(check("PRINCIPAL", "IMPLICIT_DENY")).complete(asked)

    assert (found.principal.issuer_arn, found.principal.unique_id) == (ROLE, "AROAEXAMPLEEXAMPLE001")
    assert found.context["aws:UserId"] == ("AROAEXAMPLEEXAMPLE001:s",)
    assert "AWS:userid" not in found.context
    assert found.context["sts:ExternalId"] == ("hidden",)


def test_what_the_record_has_is_not_unread() -> None:
    """The external ID always is; of two organizations the resource's keys are; without a caller everything is."""
    unread = [Unread("context", "", ("aws:sourceip", "aws:resourcetag/", "sts:externalid")), Unread("trust", "")]
    keys = [unread[0].keys[2:], unread[0].keys[1:], unread[0].keys]
    whole = record(check("PRINCIPAL", "IMPLICIT_DENY"))
    half = record(check("PRINCIPAL", "IMPLICIT_DENY"), resource=SECRET.replace(ACCOUNT, OTHER))
    nobodys = record(check("PRINCIPAL", "IMPLICIT_DENY"), context={"aws:PrincipalAccount": ACCOUNT})

    for each, left in zip((whole, half, nobodys), keys, strict=True):
        assert list(each.still_unread(unread)) == [Unread("context", "", left), unread[1]]
