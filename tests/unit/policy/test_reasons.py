"""The reasons for a decision: which statements matched, and why similar ones did not."""

from __future__ import annotations

import pytest

from dsops.policy import Decision, Policies, Reason, UnmetElement, parse_policy
from dsops.policy.evaluation.reasons import is_negated
from dsops.policy.language.operators import OPERATORS
from tests.unit.policy.policies import (
    ACCOUNT,
    ALICE,
    APP,
    BOB,
    LAMBDA,
    OTHER,
    OTHER_ROLE,
    ROLE,
    ROOT,
    SECRET,
    Json,
    allow,
    ask,
    assume,
    deny,
    identity,
    policy,
    trust,
    trusting,
)


def types(decision: Decision) -> list[tuple[str, str]]:
    """Return each consulted policy type with its effect."""
    return [(reason.policy_type, reason.effect) for reason in decision.reasons]


def reason(decision: Decision, policy_type: str) -> Reason:
    """Return the only reason of this policy type."""
    (matching_reason,) = [
        matching_reason for matching_reason in decision.reasons if matching_reason.policy_type == policy_type
    ]
    return matching_reason


def failures(decision: Decision, policy_type: str = "role trust policy") -> list[UnmetElement]:
    """Return the unmet elements of this policy type's nearest statement."""
    return list(reason(decision, policy_type).near[0].failures)


def identity_failures(statement: Json, **context: str) -> list[UnmetElement]:
    """Return the unmet elements of this statement in an identity policy."""
    return failures(ask(Policies(identity=(identity(statement),)), **context), "identity-based policy")


def test_every_type_that_was_consulted_is_told_in_awss_order() -> None:
    """The reasons list every consulted policy type in AWS's order, each with its level, layer and effect."""
    policies = Policies(
        identity=(identity(allow()),),
        boundary=policy("boundary", deny("iam:*"), allow()),
        session=((policy("session", allow()),), (policy("session", allow("s3:*")),)),
        resource=policy("resource", deny(Principal={"AWS": OTHER})),
        service_control=((policy("scp", allow()),), (policy("scp", allow()),)),
        resource_control=((policy("rcp", allow(Principal="*")),),),
    )
    decision = ask(policies, APP)
    assert [
        ("resource control policy", "Allow"),
        ("service control policy", "Allow"),
        ("service control policy", "Allow"),
        ("resource-based policy", "ImplicitDeny"),
        ("identity-based policy", "Allow"),
        ("permissions boundary", "Allow"),
        ("session policy", "Allow"),
        ("session policy", "ImplicitDeny"),
    ] == types(decision)
    assert [0, 0, 1, 0, 0, 0, 0, 1] == [consulted.level for consulted in decision.reasons]


def test_what_was_not_consulted_is_not_told() -> None:
    """The reasons omit policy types that do not apply.

    These are absent policies, and identity policies of a root user or a service.
    """
    assert [("identity-based policy", "ImplicitDeny")] == types(ask(Policies()))
    bound = Policies(identity=(identity(deny()),), boundary=policy("boundary", deny()))
    assert [] == types(ask(bound, ROOT))
    assert [("resource-based policy", "ImplicitDeny")] == types(ask(bound, LAMBDA))


def test_matching_statements_are_listed_all_of_them() -> None:
    """The reasons list all matching statements, Allow and Deny alike, as DecodeAuthorizationMessage does."""
    document = identity(allow(Sid="One"), deny(Sid="Two"), allow("s3:*", Sid="Three"))
    reason_found = reason(ask(Policies(identity=(document,))), "identity-based policy")
    assert "ExplicitDeny" == reason_found.effect
    assert ["One", "Two"] == [match.statement.sid for match in reason_found.matched]


def test_a_failed_condition_is_told_with_key_wanted_and_actual() -> None:
    """A failed condition reports operator, key, required and actual values, and the key's line."""
    document = parse_policy(
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole",\n'
        f'"Principal": {{"AWS": "{ALICE.arn}"}}, "Condition": {{\n'
        '"IpAddress": {\n'
        '"aws:SourceIp": ["203.0.113.0/24", "10.0.0.0/8"]}}}}',
        "trust",
    )
    (failed,) = failures(assume(Policies(resource=document), aws__SourceIp="198.51.100.1"))
    assert ("Condition", "IpAddress", "aws:SourceIp") == (failed.element, failed.operator, failed.key)
    assert ("203.0.113.0/24", "10.0.0.0/8") == failed.wanted
    assert ("198.51.100.1",) == failed.actual
    assert 4 == failed.line


def test_a_key_that_was_not_sent_has_no_actual_value() -> None:
    """If the request lacks a key, the reason's actual value is None, not ""."""
    condition = {"Bool": {"aws:MultiFactorAuthPresent": "true"}}
    (failed,) = failures(assume(Policies(resource=trusting({"AWS": ALICE.arn}, Condition=condition))))
    assert failed.actual is None
    assert "" == failed.hint


def test_an_external_id_is_hidden_and_its_near_misses_are_told() -> None:
    """The reason hides the external ID of policy and request; it hints at a difference in case or white space."""
    trusted = Policies(resource=trusting({"AWS": ALICE.arn}, Condition={"StringEquals": {"sts:ExternalId": "Hush-1"}}))
    for sent, hint in (
        ("hush-1", "they differ only in upper and lower case"),
        ("Hush-1 ", "they differ only in white space around the value"),
        ("other", ""),
    ):
        decision = assume(trusted, sts__ExternalId=sent)
        (failed,) = failures(decision)
        assert (("***",), ("***",), hint) == (failed.wanted, failed.actual, failed.hint)
        assert "hush" not in repr(decision.reasons).lower()
    assert failures(assume(trusted))[0].actual is None
    secret = {"StringEquals": {"sts:ExternalId": ["${aws:x, 'hush'}", "${aws:y}"]}}
    document = policy("trust", allow("sts:*", None, Principal="*", Condition=secret), version="2008-10-17")
    assert "hush" not in repr(assume(Policies(resource=document), sts__ExternalId="other").reasons)


@pytest.mark.parametrize(
    ("operator", "wanted", "hint"),
    [
        ("StringEquals", "repo:org/*", "`*` and `?` are plain text in StringEquals: StringLike would match"),
        (
            "StringEqualsIfExists",
            "repo:${aws:username}/ap?",
            "`*` and `?` are plain text in StringEqualsIfExists: StringLikeIfExists would match",
        ),
        ("StringEquals", "repo:other/*", ""),
        ("StringEquals", "repo:other/app", ""),
        ("StringEquals", "${aws:nothing}*", "${aws:nothing} has no value in this request"),
        ("StringEqualsIgnoreCase", "repo:org/*", ""),
        ("StringLike", "repo:other/*", ""),
        ("StringNotEquals", "repo:org/app", ""),
    ],
)
def test_a_wildcard_that_is_plain_text_is_told(operator: str, wanted: str, hint: str) -> None:
    """If an operator does not support wildcards, a wildcard in its value gives a hint, unless the value is secret."""
    condition = {operator: {"aws:Claim": wanted}}
    trusted = Policies(resource=trusting({"AWS": ALICE.arn}, Condition=condition))

    (failed,) = failures(assume(trusted, aws__Claim="repo:org/app", aws__username="org"))

    assert failed.hint == hint
    secret = trusting({"AWS": ALICE.arn}, Condition={"StringEquals": {"sts:ExternalId": "Hush-*"}})
    assert failures(assume(Policies(resource=secret), sts__ExternalId="Hush-1"))[0].hint == ""


def test_another_principal_is_told_with_all_names_of_the_caller() -> None:
    """If the principal does not match, the reason shows all names of the caller: session, role, ID, account."""
    other = f"arn:aws:iam::{ACCOUNT}:role/Other"
    (failed,) = failures(assume(Policies(resource=trusting({"AWS": other})), APP))
    assert "Principal" == failed.element
    assert (other,) == failed.wanted
    assert (APP.arn, APP.issuer_arn, APP.unique_id, ACCOUNT) == failed.actual
    (failed,) = failures(assume(Policies(resource=trusting({"Service": "ec2.amazonaws.com"}))))
    assert ("Service: ec2.amazonaws.com",) == failed.wanted


def test_a_resource_policys_statement_without_principal_is_told() -> None:
    """A statement without Principal in a resource policy grants nothing, and the reason says so."""
    decision = ask(Policies(resource=identity(allow())), LAMBDA)
    assert not decision.is_allowed
    assert ["Principal"] == [failed.element for failed in failures(decision, "resource-based policy")]


def test_a_deny_without_principal_in_the_place_of_a_resources_policy_still_denies() -> None:
    """A Deny without Principal in a resource policy still denies."""
    decision = ask(Policies(identity=(identity(allow()),), resource=identity(deny())))
    assert "ExplicitDeny" == decision.effect


def test_another_resource_and_another_action_are_told() -> None:
    """The reason shows a resource or action that does not match, and hints at a difference in case."""
    (failed,) = identity_failures(allow("*", SECRET.replace("prod", "Prod")))
    assert ("Resource", (SECRET,)) == (failed.element, failed.actual)
    assert "they differ only in upper and lower case" == failed.hint
    (failed,) = identity_failures(allow("secretsmanager:DescribeSecret"))
    assert ("Action", ("secretsmanager:DescribeSecret",)) == (failed.element, failed.wanted)
    assert ("secretsmanager:GetSecretValue",) == failed.actual
    (failed,) = identity_failures(allow("*", None, NotResource=SECRET))
    assert "NotResource" == failed.element
    (failed,) = identity_failures(allow(None, NotAction="secretsmanager:*"))
    assert "NotAction" == failed.element


def test_what_must_not_be_there_is_known_as_such() -> None:
    """`is_negated` recognises all negated operators and elements.

    Otherwise a text would say `wants x; the request has x`.
    """
    negated = {operator for operator in OPERATORS if is_negated("Condition", operator)}
    assert {
        "StringNotEquals",
        "StringNotEqualsIgnoreCase",
        "StringNotLike",
        "NumericNotEquals",
        "DateNotEquals",
        "NotIpAddress",
        "ArnNotEquals",
        "ArnNotLike",
    } == negated
    assert is_negated("Condition", "ForAnyValue:StringNotLikeIfExists")
    assert [True, True, False] == [is_negated(element, "") for element in ("NotAction", "NotPrincipal", "Action")]


def test_a_variable_without_value_is_named() -> None:
    """A reason names a variable without value, in Resource and in conditions, unless it has a default."""
    resource = "arn:aws:secretsmanager:*:*:secret:${aws:username}/*"
    (failed,) = identity_failures(allow("*", resource))
    assert "${aws:username} has no value in this request" == failed.hint
    (failed,) = identity_failures(allow("*", resource), aws__username="bob")
    assert "" == failed.hint
    condition = {"StringEquals": {"aws:userid": ["x", "${aws:PrincipalTag/a, 'd'}", "${aws:SourceIdentity}"]}}
    (failed,) = identity_failures(allow(Condition=condition), aws__userid="y")
    assert "${aws:SourceIdentity} has no value in this request" == failed.hint


def test_a_variable_in_an_old_version_is_told_to_be_text() -> None:
    """In version 2008-10-17 (the default) a variable is literal text, and the reason has a hint that says so."""
    for value, hint in (("${aws:username}", "${aws:username} is plain text in version 2008-10-17"), ("${", "")):
        statement = allow(Condition={"StringEquals": {"aws:userid": value}})
        decision = ask(Policies(identity=(identity(statement, version="2008-10-17"),)), aws__userid="bob")
        assert hint == failures(decision, "identity-based policy")[0].hint


def test_a_value_that_could_not_be_read_is_told() -> None:
    """If the operator cannot parse a value of the request, the reason has a hint."""
    condition = {"NumericLessThan": {"aws:MultiFactorAuthAge": "300"}}
    (failed,) = identity_failures(allow(Condition=condition), aws__MultiFactorAuthAge="long")
    assert "can't be read" in failed.hint


def test_every_failed_condition_is_told_not_the_first_alone() -> None:
    """The reasons list every failed condition, so that one correction suffices; conditions that held are omitted."""
    conditions = {"StringEquals": {"aws:a": "1", "aws:b": "2"}, "Null": {"aws:c": "true"}, "Bool": {"aws:d": "true"}}
    failed_conditions = identity_failures(allow(Condition=conditions), aws__a="9", aws__c="x", aws__d="true")
    assert ["aws:a", "aws:b", "aws:c"] == [failed.key for failed in failed_conditions]


def test_the_nearest_statement_comes_first_and_strangers_are_left_out() -> None:
    """The statement with the fewest failures comes first; statements about other services are omitted."""
    document = identity(
        allow("secretsmanager:*", "arn:aws:s3:::x", Sid="Two", Condition={"Bool": {"aws:d": "true"}}),
        allow("s3:GetObject", "arn:aws:s3:::bucket/*", Sid="Stranger"),
        allow("secretsmanager:*", "arn:aws:s3:::x", Sid="One"),
    )
    reason_found = reason(ask(Policies(identity=(document,))), "identity-based policy")
    assert ["One", "Two"] == [near.statement.sid for near in reason_found.near]


def test_what_the_naming_of_the_caller_means_is_said() -> None:
    """The reason explains how the resource policy names the caller, and which policy types must allow, too."""
    by_account = assume(Policies(resource=trusting({"AWS": ACCOUNT})))
    assert "it names the account" in reason(by_account, "role trust policy").note
    assert reason(by_account, "identity-based policy").is_needed
    by_user = assume(Policies(resource=trusting({"AWS": ALICE.arn})))
    assert "the caller itself" in reason(by_user, "role trust policy").note
    assert not reason(by_user, "identity-based policy").is_needed
    bounded = Policies(resource=trusting({"AWS": APP.issuer_arn}), boundary=policy("boundary", deny("s3:*")))
    by_role = assume(bounded, APP)
    assert "behind the session" in reason(by_role, "role trust policy").note
    assert reason(by_role, "permissions boundary").is_needed
    assert not reason(by_role, "identity-based policy").is_needed


def test_across_accounts_both_sides_are_needed() -> None:
    """Across accounts both sides must allow; the reasons report a missing resource policy as missing."""
    decision = assume(Policies(identity=(identity(allow()),)), role=OTHER_ROLE)
    reason_found = reason(decision, "resource-based policy")
    assert reason_found.is_needed
    named = Policies(identity=(identity(allow()),), resource=trusting("*"), boundary=policy("boundary", allow("s3:*")))
    assert reason(assume(named, role=OTHER_ROLE), "permissions boundary").is_needed
    assert not reason(assume(named), "permissions boundary").is_needed
    assert "no policy that could name the caller" in reason_found.note
    assert reason(decision, "identity-based policy").is_needed


def test_a_federated_session_without_session_policy_is_told_why() -> None:
    """For a federated session without session policy a note says that it has no permissions."""
    decision = ask(Policies(identity=(identity(allow()),)), BOB)
    assert "has none of its user's permissions" in reason(decision, "session policy").note


def test_reasons_agree_with_the_decision() -> None:
    """If a request is denied, the reasons contain a required policy type that does not allow it.

    If a request is allowed, all required policy types allow it.
    """
    trusted = trust(allow("sts:AssumeRole", None, Principal={"AWS": ACCOUNT}))
    for policies, allowed in (
        (Policies(resource=trusted), False),
        (Policies(resource=trusted, identity=(identity(allow("sts:*", ROLE)),)), True),
    ):
        decision = assume(policies)
        assert allowed is decision.is_allowed
        refusing = [entry for entry in decision.reasons if entry.is_needed and entry.effect != "Allow"]
        assert allowed is not bool(refusing)
