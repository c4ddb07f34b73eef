"""Parsing a caller's ARN or name, and the context keys that every request of the caller has."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from dsops.policy import Principal
from dsops.policy.simulation import CaseQuestion, known_context, read_caller

NOW = datetime(2026, 11, 24, 12, 0, 0, tzinfo=UTC)
ACCOUNT = "111122223333"
SESSION = f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/run-1"
GITHUB = f"arn:aws:iam::{ACCOUNT}:oidc-provider/token.actions.githubusercontent.com"


@pytest.mark.parametrize(
    ("text", "principal"),
    [
        (f"arn:aws:iam::{ACCOUNT}:user/team/alice", ("user", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:user/team/alice")),
        (f"arn:aws:iam::{ACCOUNT}:root", ("root", ACCOUNT, f"arn:aws:iam::{ACCOUNT}:root")),
        (
            f"arn:aws:iam::{ACCOUNT}:role/ci/Deploy",
            (
                "role-session",
                ACCOUNT,
                f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/simulated",
                f"arn:aws:iam::{ACCOUNT}:role/ci/Deploy",
            ),
        ),
        (SESSION, ("role-session", ACCOUNT, SESSION, f"arn:aws:iam::{ACCOUNT}:role/Deploy")),
        (
            f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
            ("federated-session", ACCOUNT, f"arn:aws:sts::{ACCOUNT}:federated-user/bob"),
        ),
        (GITHUB, ("web-identity", "", "", "", "", GITHUB)),
        ("accounts.google.com", ("web-identity", "", "", "", "", "accounts.google.com")),
        (
            f"arn:aws:iam::{ACCOUNT}:saml-provider/Corp",
            ("saml", "", "", "", "", f"arn:aws:iam::{ACCOUNT}:saml-provider/Corp"),
        ),
        ("ec2.amazonaws.com", ("service", "", "", "", "", "ec2.amazonaws.com")),
        ("anonymous", ("anonymous", "", "")),
    ],
)
def test_a_caller_is_read_from_its_arn_or_name(text: str, principal: tuple[str, ...]) -> None:
    """Every kind of principal is parsed; a role ARN stands for a session of the role."""
    assert read_caller(text) == Principal(*principal)  # type: ignore[arg-type]  # the kinds are texts here


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("alice", "neither an ARN"),
        ("", "neither an ARN"),
        (ACCOUNT, "an account is not a caller"),
        ("arn:aws:s3:::bucket", "can't call"),
        (f"arn:aws:iam::{ACCOUNT}:group/developers", "can't call"),
        (f"arn:aws:iam::{ACCOUNT}:user/", "can't call"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy", "can't call"),
        ("arn:aws:iam::1234:user/alice", "can't call"),
    ],
)
def test_who_can_not_call_is_refused(text: str, why: str) -> None:
    """A string that is not a caller is refused, and the error says what to write instead."""
    with pytest.raises(ValueError, match=why):
        read_caller(text)


def test_the_path_and_the_id_of_a_role_can_be_said() -> None:
    """A case can give a role's path and unique ID, which the ARN of the role's session does not contain."""
    caller = read_caller(SESSION, role_arn=f"arn:aws:iam::{ACCOUNT}:role/ci/Deploy", unique_id="AROAEXAMPLE0000000001")

    assert (caller.issuer_arn, caller.unique_id) == (f"arn:aws:iam::{ACCOUNT}:role/ci/Deploy", "AROAEXAMPLE0000000001")


def context(principal: Principal, said: dict[str, tuple[str, ...]] | None = None) -> dict[str, tuple[str, ...]]:
    """Return the context keys of a request by this caller."""
    return known_context(CaseQuestion(principal, "s3:GetObject", "arn:aws:s3:::b/k", ACCOUNT, said or {}), NOW)


def test_a_user_signs_without_a_word_about_mfa() -> None:
    """A user's request has no key aws:MultiFactorAuthPresent, so a condition with BoolIfExists is met."""
    keys = context(read_caller(f"arn:aws:iam::{ACCOUNT}:user/team/alice", unique_id="AIDAEXAMPLE0000000001"))

    assert keys == {
        "aws:CurrentTime": ("2026-11-24T12:00:00Z",),
        "aws:EpochTime": ("1795521600",),
        "aws:PrincipalAccount": (ACCOUNT,),
        "aws:PrincipalArn": (f"arn:aws:iam::{ACCOUNT}:user/team/alice",),
        "aws:PrincipalIsAWSService": ("false",),
        "aws:PrincipalType": ("User",),
        "aws:ResourceAccount": (ACCOUNT,),
        "aws:SecureTransport": ("true",),
        "aws:ViaAWSService": ("false",),
        "aws:userid": ("AIDAEXAMPLE0000000001",),
        "aws:username": ("alice",),
    }


def test_a_session_says_that_it_has_no_mfa() -> None:
    """A role session has MFA false and the role's ARN as aws:PrincipalArn.

    A federated user has MFA false and the federated user's own ARN.
    """
    session = context(read_caller(SESSION, unique_id="AROAEXAMPLE0000000001"))
    federated = context(read_caller(f"arn:aws:sts::{ACCOUNT}:federated-user/bob"))

    assert session["aws:MultiFactorAuthPresent"] == federated["aws:MultiFactorAuthPresent"] == ("false",)
    assert session["aws:PrincipalArn"] == (f"arn:aws:iam::{ACCOUNT}:role/Deploy",)
    assert session["aws:userid"] == ("AROAEXAMPLE0000000001:run-1",)
    assert federated["aws:PrincipalArn"] == (f"arn:aws:sts::{ACCOUNT}:federated-user/bob",)
    assert federated["aws:userid"] == (f"{ACCOUNT}:bob",)
    assert "aws:username" not in session


def test_a_service_and_a_stranger_have_no_account() -> None:
    """Services and anonymous callers have no account and no context keys that are derived from an account."""
    service = context(read_caller("ec2.amazonaws.com"))
    stranger = context(read_caller("anonymous"))

    assert service["aws:PrincipalIsAWSService"] == ("true",)
    assert service["aws:PrincipalServiceName"] == ("ec2.amazonaws.com",)
    assert stranger["aws:PrincipalType"] == ("Anonymous",)
    assert "aws:PrincipalAccount" not in service | stranger


def test_what_the_author_says_wins_in_any_case_of_letters() -> None:
    """Context keys in the case override derived keys, ignoring case; an empty value removes a key.

    A time sets both aws:CurrentTime and aws:EpochTime.
    """
    case_context = {
        "AWS:principaltype": ("Odd",),
        "aws:ViaAWSService": (),
        "aws:CurrentTime": ("2027-01-01T00:00:00Z",),
    }
    keys = context(read_caller(f"arn:aws:iam::{ACCOUNT}:root"), case_context)

    assert keys["AWS:principaltype"] == ("Odd",)
    assert "aws:PrincipalType" not in keys
    assert "aws:ViaAWSService" not in keys
    assert keys["aws:EpochTime"] == ("1798761600",)


def test_a_question_keeps_values_to_itself() -> None:
    """The repr of a question shows context keys without values, since a value may be an external ID."""
    question = CaseQuestion(read_caller("anonymous"), "sts:AssumeRole", "*", "", {"sts:ExternalId": ("hush",)})

    assert "hush" not in repr(question)
    assert "sts:ExternalId" in repr(question)
