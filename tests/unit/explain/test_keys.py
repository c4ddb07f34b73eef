"""Failures caused by the KMS key of a secret, including keys that dsops may not look up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from dsops.errors import AwsAnswer
from dsops.explain.evidence.keys import is_about_keys
from tests.explain.build import built
from tests.explain.explained import explained
from tests.explain.set_up import faults, with_less

if TYPE_CHECKING:
    from pathlib import Path

FAULTS = {fault.broken.name.removeprefix("keys: "): fault for fault in faults()}
SECRET = "arn:aws:secretsmanager:us-east-1:222222222222:secret:shared/token"


@pytest.mark.parametrize(
    ("code", "message", "is_about"),
    [
        ("AccessDeniedException", "Access to KMS is not allowed", True),
        ("DecryptionFailure", "Secrets Manager can't decrypt the protected secret text", True),
        ("InvalidKeyId", "arn:aws:kms:us-east-1:111111111111:key/k is pending deletion. (Service: AWSKMS;", True),
        ("AccessDeniedException", "User: u is not authorized to perform: kms:Decrypt (Service: AWSKMS; Status", True),
        ("AccessDeniedException", "User: u is not authorized to perform: secretsmanager:GetSecretValue", False),
        ("InvalidRequestException", "... if you encrypt the secret with the default KMS service key.", False),
    ],
)
def test_aws_says_that_it_is_the_key(code: str, message: str, is_about: bool) -> None:  # noqa: FBT001 - a column
    """AWS's message shows whether the KMS key is the cause.

    The default key, used from another account, is a separate cause.
    """
    assert is_about_keys(AwsAnswer(code, message, 400, "id", "secretsmanager")) is is_about


@pytest.mark.parametrize(
    ("actions", "cause", "certainty"),
    [(("iam:List*", "iam:Get*"), "key-policy", "likely"), (("s3:ListAllMyBuckets",), "not-read", "missing")],
    ids=["his own policies", "nothing"],
)
def test_a_key_that_no_caller_may_look_up_is_a_missing_fact(
    actions: tuple[str, ...], cause: str, certainty: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """If the key may not be looked up, the finding lists this fact, a command and an administrator to ask."""
    fault = FAULTS["the key's policy names another account"]
    with built(with_less(fault.broken, actions), tmp_path / "project") as found:
        finding = explained(found, capfd)[1][0]

    assert (finding["cause"], finding["certainty"]) == (cause, certainty)
    fact = next(entry for entry in finding["not_known"] if "KMS key" in entry["what"])
    assert fact["command"] == f"aws secretsmanager describe-secret --secret-id {SECRET} --query KmsKeyId"
    assert fact["who"] == "an administrator of account 222222222222"


def test_a_key_that_no_caller_may_look_up_and_none_can_use(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    """If the caller can't use or look up the KMS key, AWS's message alone proves that the key is the cause."""
    fault = FAULTS["the secret's key is switched off"]
    with built(with_less(fault.broken, ("s3:ListAllMyBuckets",)), tmp_path / "project") as found:
        finding = explained(found, capfd)[1][0]

    assert (finding["cause"], finding["certainty"]) == ("key-unusable", "likely")
    assert [fact["what"].partition(" of ")[0] for fact in finding["not_known"]] == ["the KMS key"]
