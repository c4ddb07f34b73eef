"""Errors about credentials, as AWS's SDKs and programs print them: what they mean, and what looks closer."""

from __future__ import annotations

import pytest

from dsops.aws.identity.ambient import ambient_from_environment
from dsops.errors import Where
from dsops.explain.finding import RefusalFinding
from dsops.explain.findings.credential_error import ProgramView, credential_finding, read_credential_error
from dsops.plan import Fingerprint, Step
from dsops.schema import STS_TYPE

INVALID = "The security token included in the request is invalid."
BOTOCORE = f"An error occurred (InvalidClientTokenId) when calling the GetCallerIdentity operation: {INVALID}"
GO = "operation error STS: GetCallerIdentity, https response error StatusCode: 403, RequestID: 1f0, api error "
CALCULATED = (
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key "
    "and signing method. Consult the service documentation for details."
)
CLOCK = "Signature expired: 20220127T001427Z is now earlier than 20220127T014428Z (20220127T015928Z - 15 min.)"
AHEAD = "Signature not yet current: 20220127T040000Z is still later than 20220127T021428Z (20220127T015928Z + 15 min.)"
KEYS = {"AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE", "AWS_SECRET_ACCESS_KEY": "x" * 40}

PRINTED = {
    BOTOCORE: "key-invalid",
    f"\n{BOTOCORE.replace('InvalidClientTokenId', 'UnrecognizedClientException')}": "key-invalid",
    f"botocore.exceptions.ClientError: {BOTOCORE}": "key-invalid",
    f"{GO}InvalidClientTokenId: {INVALID}": "key-invalid",
    f"InvalidClientTokenId: {INVALID}\n\tstatus code: 403, request id: 1f0": "key-invalid",
    f"a.awssdk.services.sts.model.StsException: {INVALID} (Service: Sts, Status Code: 403)": "key-invalid",
    f"{INVALID} (Service: Ssm; Status Code: 400; Error Code: UnrecognizedClientException)": "key-invalid",
    f"UnrecognizedClientException: {INVALID}\n    at throwDefaultError (smithy-client/index.js:8)": "key-invalid",
    "│ Error: Retrieving AWS account details: validating provider credentials: retrieving caller identity from STS: "
    f"{GO}InvalidClientTokenId: The security token included\n│ in the request is invalid.": "key-invalid",
    "An error occurred (InvalidAccessKeyId) when calling the ListBuckets operation: The AWS Access Key Id you "
    "provided does not exist in our records.": "key-invalid",
    "UnauthorizedOperation AuthFailure: AWS was not able to validate the provided access credentials": "key-invalid",
    "An error occurred (ExpiredToken) when calling the GetCallerIdentity operation: The security token included in "
    "the request is expired": "base-expired",
    f"{GO}ExpiredToken: The security token included in the request is expired": "base-expired",
    "An error occurred (ExpiredTokenException) when calling the GetSecretValue operation: The security token "
    "included in the request is expired": "base-expired",
    "An error occurred (ExpiredToken) when calling the ListObjectsV2 operation: The provided token has "
    "expired.": "base-expired",
    "StsException: The security token included in the request is expired (Service: Sts)": "base-expired",
    f"An error occurred (SignatureDoesNotMatch) when calling the X operation: {CALCULATED}": "key-invalid",
    f"SignatureDoesNotMatch: {CALCULATED}\n\tstatus code: 403, request id: 1f0": "key-invalid",
    f"InvalidSignatureException: {CALCULATED}": "key-invalid",
    f"{GO}SignatureDoesNotMatch: Credential should be scoped to a valid region. ": "key-invalid",
    f"An error occurred (SignatureDoesNotMatch) when calling the GetCallerIdentity operation: {CLOCK}": "clock",
    f"An error occurred (InvalidSignatureException) when calling the GetSecretValue operation: {AHEAD}": "clock",
    "RequestExpired: Request has expired.\n\tstatus code: 400, request id: 1f0": "clock",
    "An error occurred (RequestExpired) when calling the DescribeInstances operation: Request has expired.": "clock",
    "An error occurred (RequestTimeTooSkewed) when calling the ListBuckets operation: The difference between the "
    "request time and the current time is too large.": "clock",
    "An error occurred (ExpiredTokenException) when calling the AssumeRoleWithWebIdentity operation: Token expired: "
    "current date/time 1700000000 must be before the expiration date/time1690000000": "token-expired",
    "An error occurred (RegionDisabledException) when calling the AssumeRole operation: STS is not activated in this "
    "region for account:111122223333. Your account administrator can activate it.": "region-disabled",
    "An error occurred (OptInRequired) when calling the DescribeInstances operation: You are not subscribed to this "
    "service.": "region-disabled",
}


def explained(text: str, store: str = "", region: str = "us-east-1", **environ: str) -> RefusalFinding:
    """Explain a text of a program that ran with a store's session, or with these variables."""
    answer = read_credential_error(text)
    assert answer is not None
    step = Step("", STS_TYPE, {}, region, store, "", Fingerprint(""), None, Where(""))
    environ = environ or KEYS
    view = ProgramView(environ, region, None if store else ambient_from_environment(environ))
    return credential_finding(answer, text, step, view)


@pytest.mark.parametrize(("text", "cause"), PRINTED.items())
def test_each_program_s_words_are_understood(text: str, cause: str) -> None:
    """The texts of botocore, of the SDKs for Go, Java and JavaScript, and of Terraform have the same causes."""
    finding = explained(text)
    assert finding.cause == cause
    assert finding.remedy.text
    assert finding.facts or cause == "region-disabled"


@pytest.mark.parametrize("text", ["", "it did not work", "token invalid", "NoSuchKey: the key does not exist"])
def test_other_errors_are_not_explained(text: str) -> None:
    """A text without an error about credentials is none."""
    assert read_credential_error(text) is None


def test_an_expired_session_of_a_store_is_renewed_by_serve() -> None:
    """For the session of a store, the remedy is another run, or `--serve`, and the command names the store."""
    finding = explained("ExpiredToken: The security token included in the request is expired", "prod")
    assert (finding.cause, finding.certainty, finding.place.store) == ("session-expired", "proven", "prod")
    assert "`dsops exec prod`; `--serve` renews" in finding.remedy.text
    assert [fact.command for fact in finding.facts] == ["dsops whoami prod"]


def test_an_unknown_key_has_the_causes_that_are_seen_from_here() -> None:
    """A missing or foreign session token, an opt-in region and another partition are named only where they apply."""
    temporary = {**KEYS, "AWS_ACCESS_KEY_ID": "ASIAIOSFODNN7EXAMPLE"}
    assert "set AWS_SESSION_TOKEN too" in explained(BOTOCORE, **temporary).remedy.text
    with_token = explained(BOTOCORE, **KEYS, AWS_SESSION_TOKEN="x").remedy.text
    assert "unset AWS_SESSION_TOKEN" in with_token
    plain, opt_in = explained(BOTOCORE), explained(BOTOCORE, region="eu-south-1")
    assert plain.certainty == "missing"
    assert not any(word in plain.remedy.text for word in ("AWS_SESSION_TOKEN", "AWS_STS_REGIONAL_ENDPOINTS"))
    assert "AWS_STS_REGIONAL_ENDPOINTS=regional" in opt_in.remedy.text
    assert "aws account get-region-opt-status --region-name eu-south-1" in [fact.command for fact in opt_in.facts]
    assert "another partition than aws-cn" in explained(BOTOCORE, region="cn-north-1").remedy.text
    named = explained(f"{BOTOCORE} (sts.me-south-1.amazonaws.com)")
    assert "me-south-1 must be enabled" in named.remedy.text


def test_a_wrong_signature_is_the_key_the_region_or_the_clock() -> None:
    """AWS's message tells a wrong secret access key from a wrong region and from a wrong clock."""
    cut = explained(f"SignatureDoesNotMatch: {CALCULATED}", **{**KEYS, "AWS_SECRET_ACCESS_KEY": "x" * 39})
    assert "AWS_SECRET_ACCESS_KEY has 39 of the 40 characters" in cut.remedy.text
    assert "characters" not in explained(f"SignatureDoesNotMatch: {CALCULATED}").remedy.text
    scoped = explained("SignatureDoesNotMatch: Credential should be scoped to a valid region. ")
    assert "set AWS_REGION" in scoped.remedy.text
    assert "signed 105 min before AWS received it" in explained(f"SignatureDoesNotMatch: {CLOCK}").message
    assert "signed 121 min after AWS received it" in explained(f"SignatureDoesNotMatch: {AHEAD}").message
    assert [fact.command for fact in explained(CLOCK).facts] == ["dsops doctor"]


def test_times_that_are_none_are_left_out() -> None:
    """A message with an impossible time is explained without it: the text may come from anywhere."""
    finding = explained(CLOCK.replace("20220127T001427Z", "20229999T001427Z"))
    assert finding.cause == "clock"
    assert "min before" not in finding.message


def test_a_presigned_url_expires_as_well() -> None:
    """RequestExpired comes from a wrong clock or an old presigned URL, so its cause stays open."""
    finding = explained("RequestExpired: Request has expired.")
    assert finding.certainty == "missing"
    assert "presigned URL" in finding.remedy.text
