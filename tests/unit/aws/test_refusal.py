"""What AWS answers, in words that say what to change."""

from __future__ import annotations

import pytest

from dsops.aws.refusal import as_error, permission_hint
from dsops.credentials import Credentials
from dsops.errors import AwsAnswer
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
            "a policy denies it explicitly: the message says of which kind",
        ),
    ],
)
def test_the_policy_to_change_is_named(caller: str, reason: str, hint: str) -> None:
    """As far as AWS says which: allowing the role what its session policy leaves out would change nothing."""
    message = f"User: {caller} is not authorized to perform: {ACTION} on resource: x {reason}"
    assert hint == permission_hint(said(message), ACTION)


@pytest.mark.parametrize(
    ("key_id", "token", "is_told"),
    [("ASIAEXAMPLE", None, True), ("ASIAEXAMPLE", "t", False), ("AKIAEXAMPLE", None, False)],
)
def test_a_temporary_key_without_its_token_is_told_so(key_id: str, token: str | None, *, is_told: bool) -> None:
    """AWS says only that the key is not known."""
    credentials = Credentials(key_id, Secret("s"), Secret(token) if token else None)
    refusal = said("The security token included in the request is invalid.", "InvalidClientTokenId")
    error = as_error(refusal, "read it", credentials)
    assert ("set AWS_SESSION_TOKEN too" in error.hint) == is_told
