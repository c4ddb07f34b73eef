"""AWS's refusals, translated into hints that say what to change."""

from __future__ import annotations

import pytest

from dsops.aws.http.refusal import as_error, permission_hint
from dsops.credentials import Credentials
from dsops.errors import AwsAnswer, RegionDisabled
from dsops.secret import Secret

ACTION = "secretsmanager:GetSecretValue"


def said(message: str, code: str = "AccessDeniedException") -> AwsAnswer:
    """An answer of AWS."""
    return AwsAnswer(code, message, 400, "", "secretsmanager.us-east-1")


@pytest.mark.parametrize(
    ("caller", "reason", "hint"),
    [
        (
            "arn:aws:sts::111122223333:assumed-role/Deploy/ada",
            "because no identity-based policy allows the action",
            f"allow {ACTION} on it to the role Deploy",
        ),
        (
            "arn:aws:iam::111122223333:user/team/ada",
            "because no identity-based policy allows the action",
            f"allow {ACTION} on it to the user ada",
        ),
        (
            "somebody",
            "because no identity-based policy allows the action",
            f"allow {ACTION} on it to the role that reads it",
        ),
        (
            "arn:aws:sts::111122223333:assumed-role/Deploy/ada",
            "because no session policy allows the action",
            f"allow {ACTION} in the session policy too: the session gets what it and the role both allow",
        ),
        (
            "arn:aws:sts::111122223333:assumed-role/Deploy/ada",
            "because no permissions boundary allows the action",
            f"allow {ACTION} in the permissions boundary of the role Deploy",
        ),
        (
            "arn:aws:sts::111122223333:assumed-role/Deploy/ada",
            "with an explicit deny in a service control policy",
            "a policy denies it explicitly: the message names the policy's type",
        ),
    ],
)
def test_the_policy_to_change_is_named(caller: str, reason: str, hint: str) -> None:
    """The hint names the policy type from AWS's message, because an Allow in other policies would not help."""
    message = f"User: {caller} is not authorized to perform: {ACTION} on resource: x {reason}"
    assert hint == permission_hint(said(message), ACTION)


@pytest.mark.parametrize(
    ("key_id", "token", "is_told"),
    [("ASIAEXAMPLE", None, True), ("ASIAEXAMPLE", "t", False), ("AKIAEXAMPLE", None, False)],
)
def test_a_temporary_key_without_its_token_is_told_so(key_id: str, token: str | None, *, is_told: bool) -> None:
    """If a temporary key is used without its token, the hint is to set AWS_SESSION_TOKEN.

    AWS itself only says that the key is unknown.
    """
    credentials = Credentials(key_id, Secret("s"), Secret(token) if token else None)
    refusal = said("The security token included in the request is invalid.", "InvalidClientTokenId")
    error = as_error(refusal, "read it", credentials)
    assert ("set AWS_SESSION_TOKEN too" in error.hint) == is_told


INVALID = "The security token included in the request is invalid."


@pytest.mark.parametrize(
    ("region", "token", "parts"),
    [
        ("af-south-1", None, ("enable-region --region-name af-south-1",)),
        ("af-south-1", "t", ("enable-region --region-name af-south-1", "global endpoint sts.amazonaws.com")),
        ("us-east-1", "t", ()),
        ("ap-northeast-3", None, ()),
        ("us-gov-west-1", "t", ()),
        ("", "t", ()),
    ],
)
def test_a_key_that_is_not_known_in_an_opt_in_region(region: str, token: str | None, parts: tuple[str, ...]) -> None:
    """For an unknown key in an opt-in region the hints are to enable the region or use a regional endpoint."""
    credentials = Credentials("ASIAEXAMPLE" if token else "AKIAEXAMPLE", Secret("s"), Secret(token) if token else None)
    hint = as_error(said(INVALID, "InvalidClientTokenId"), "read it", credentials, region).hint
    assert hint.startswith("was it deleted or deactivated")
    assert all(part in hint for part in parts)
    assert ("enable-region" in hint) == bool(parts)
    assert ("global endpoint" in hint) == (len(parts) == 2)


OFF = "STS is not activated in this region for account:123456789012. Your account administrator can activate STS ..."


@pytest.mark.parametrize(
    ("region", "message", "whom", "hint"),
    [
        ("eu-west-3", OFF, "account 123456789012", "STS in eu-west-3: IAM console, Account settings, Endpoints"),
        ("il-central-1", OFF, "account 123456789012", "`aws account enable-region --region-name il-central-1`"),
        ("cn-north-1", "Not here.", "the account", "activate STS in cn-north-1"),
        ("", "Not here.", "the account", "administrator"),
    ],
)
def test_what_to_switch_on_is_named(region: str, message: str, whom: str, hint: str) -> None:
    """RegionDisabled names what to enable (STS in an always-on region, or the region itself) and in which account."""
    error = as_error(said(message, "RegionDisabledException"), "assume it", None, region)
    assert isinstance(error, RegionDisabled)
    assert error.message.startswith("could not assume it: ")
    assert error.message.endswith(f" is not activated for {whom}")
    assert hint in error.hint
    assert error.hint.endswith("or set another `region`")
