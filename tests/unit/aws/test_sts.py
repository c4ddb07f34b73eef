"""STS operations: the parameters sent, the results, and the errors."""

from __future__ import annotations

from typing import Any

import pytest

from dsops.aws.apis.sts import AssumedRole, CallerIdentity, assume_role, get_caller_identity, get_session_token
from dsops.credentials import Credentials
from dsops.errors import (
    AccessDenied,
    AnswerInvalid,
    AssumeRoleDenied,
    ClockSkewed,
    CredentialsExpired,
    CredentialsInvalid,
    DsopsError,
    MfaRefused,
    RegionDisabled,
    ServiceError,
    StsRefused,
)
from dsops.secret import Secret
from tests.fakes import NOON
from tests.stubs.aws import assume_role_answer, parameters_of, signature_is_right, sts_error
from tests.stubs.server import Answer, StubServer
from tests.unit.aws.scene import SESSION, USER, Scene, endpoint_at

ROLE = "arn:aws:iam::111122223333:role/path/ROLE"


def assume(server: StubServer, credentials: Credentials = USER, **options: Any) -> AssumedRole:
    """Assume the role. Any: the options are those of `assume_role`."""
    scene = Scene()
    work = assume_role(
        scene.client, credentials, endpoint_at(server), role_arn=ROLE, role_session_name="session", **options
    )
    return scene.run(work)


def refusal(code: str, message: str, status: int = 403, **options: Any) -> DsopsError:
    """The error of AssumeRole for this answer. Any: the options are those of `assume_role`."""
    with StubServer(lambda _: sts_error(code, message, status)) as server, pytest.raises(DsopsError) as caught:
        assume(server, **options)
    return caught.value


def test_a_role_is_assumed() -> None:
    """A role session has credentials, ARN and issue time, and the AssumeRole request is signed."""
    with StubServer(lambda _: assume_role_answer()) as server:
        role = assume(server, SESSION)
    credentials = role.credentials
    assert credentials.access_key_id == "ASIAEXAMPLEEXAMPLE01"
    assert credentials.secret_access_key == Secret("se/cret+of+the+session")
    assert credentials.session_token == Secret("token/of+the/session==")
    assert credentials.expiration == NOON.replace(hour=13)
    assert credentials.issued_at == NOON
    assert credentials.arn == "arn:aws:sts::111122223333:assumed-role/ROLE/session"
    assert not role.source_identity
    assert signature_is_right(server.seen[0], server.url, "session/secret", service="sts")


def test_only_what_is_given_is_sent() -> None:
    """Only the parameters that the caller passes are sent."""
    with StubServer(lambda _: assume_role_answer()) as server:
        assume(server)
    assert parameters_of(server.seen[0]) == {
        "Action": "AssumeRole",
        "Version": "2011-06-15",
        "RoleArn": ROLE,
        "RoleSessionName": "session",
    }


def test_every_parameter_is_sent_as_aws_wants_it() -> None:
    """Lists are sent numbered from 1, and policy ARNs with a lower-case member name."""
    with StubServer(lambda _: assume_role_answer()) as server:
        assume(
            server,
            duration_seconds=900,
            external_id=Secret("ext/1&2"),
            serial_number="arn:aws:iam::111122223333:mfa/ada",
            token_code=Secret("012345"),
            policy='{"Version": "2012-10-17"}',
            policy_arns=("arn:aws:iam::aws:policy/A", "arn:aws:iam::aws:policy/B"),
            tags=(("team", "caf\u00e9 + bar"), ("empty", "")),
            transitive_tag_keys=("team",),
            source_identity="ada",
        )
    sent = parameters_of(server.seen[0])
    for name in ("Action", "Version", "RoleArn", "RoleSessionName"):
        del sent[name]
    assert sent == {
        "DurationSeconds": "900",
        "ExternalId": "ext/1&2",
        "SerialNumber": "arn:aws:iam::111122223333:mfa/ada",
        "TokenCode": "012345",
        "Policy": '{"Version": "2012-10-17"}',
        "PolicyArns.member.1.arn": "arn:aws:iam::aws:policy/A",
        "PolicyArns.member.2.arn": "arn:aws:iam::aws:policy/B",
        "Tags.member.1.Key": "team",
        "Tags.member.1.Value": "caf\u00e9 + bar",
        "Tags.member.2.Key": "empty",
        "Tags.member.2.Value": "",
        "TransitiveTagKeys.member.1": "team",
        "SourceIdentity": "ada",
    }


def test_every_parameter_is_one_that_botocore_knows() -> None:
    """Every parameter exists in botocore's model, and botocore serializes the same values to the same request."""
    from botocore.serialize import create_serializer
    from botocore.session import Session

    model = Session().get_service_model("sts").operation_model("AssumeRole")
    theirs = create_serializer("query").serialize_to_request(
        {
            "RoleArn": ROLE,
            "RoleSessionName": "session",
            "PolicyArns": [{"arn": "arn:aws:iam::aws:policy/A"}],
            "Tags": [{"Key": "k", "Value": "v"}],
            "TransitiveTagKeys": ["k"],
            "ExternalId": "e1",
            "SerialNumber": "s12345678",
            "TokenCode": "012345",
            "Policy": "{}",
            "DurationSeconds": 900,
            "SourceIdentity": "ada",
        },
        model,
    )["body"]
    with StubServer(lambda _: assume_role_answer()) as server:
        assume(
            server,
            policy_arns=("arn:aws:iam::aws:policy/A",),
            tags=(("k", "v"),),
            transitive_tag_keys=("k",),
            external_id=Secret("e1"),
            serial_number="s12345678",
            token_code=Secret("012345"),
            policy="{}",
            duration_seconds=900,
            source_identity="ada",
        )
    assert parameters_of(server.seen[0]) == {name: str(value) for name, value in theirs.items()}


def test_a_session_has_the_source_identity_of_the_response() -> None:
    """A session has the source identity that the response names, even one inherited from the caller."""
    extra = "<PackedPolicySize>42</PackedPolicySize><SourceIdentity>ada</SourceIdentity>"
    with StubServer(lambda _: assume_role_answer(extra=extra)) as server:
        role = assume(server)
    assert role.source_identity == "ada"


def test_a_lifetime_is_by_the_clock_that_set_it() -> None:
    """A session's lifetime begins at AWS's Date, because the machine's clock may be wrong.

    STS accepts a clock that is ten minutes off without a notice.
    """
    answer = assume_role_answer(expiration="2026-11-24T13:10:00Z")
    late = answer._replace(headers=(("Date", "Tue, 24 Nov 2026 12:10:00 GMT"),))
    with StubServer(lambda _: late) as server:
        credentials = assume(server).credentials
    assert credentials.issued_at is not None
    assert credentials.expiration is not None
    assert (credentials.expiration - credentials.issued_at).total_seconds() == 3600


def test_without_a_date_a_lifetime_begins_now() -> None:
    """Without a Date header, a session's issue time is the runtime's time."""
    with StubServer(lambda _: assume_role_answer()._replace(headers=())) as server:
        assert assume(server).credentials.issued_at == NOON


@pytest.mark.parametrize(
    "answer",
    [
        assume_role_answer(access_key_id=""),
        assume_role_answer(secret_access_key=""),
        assume_role_answer(session_token=""),
        assume_role_answer(session_token="to\nken"),
        assume_role_answer(secret_access_key="caf\u00e9"),
        assume_role_answer(expiration=""),
        assume_role_answer(expiration="tomorrow"),
        assume_role_answer(expiration="2026-11-24T13:00:00"),
        assume_role_answer(arn=""),
        assume_role_answer(action="GetFederationToken"),
        Answer(body=b"<AssumeRoleResponse><AssumeRoleResult/></AssumeRoleResponse>"),
    ],
)
def test_an_incomplete_answer_is_invalid(answer: Answer) -> None:
    """Incomplete credentials raise AnswerInvalid, which shows nothing of the response."""
    with StubServer(lambda _: answer) as server, pytest.raises(AnswerInvalid, match="an invalid response") as caught:
        assume(server)
    assert "se/cret" not in f"{caught.value.message}{caught.value.why}{caught.value.hint}"


NOT_AUTHORIZED = f"User: arn:aws:iam::1:user/ada is not authorized to perform: sts:AssumeRole on resource: {ROLE}"


def test_a_refused_role_names_the_role() -> None:
    """A denied AssumeRole names the role and hints at both trust policy and external ID, as AWS does not say which."""
    error = refusal("AccessDenied", NOT_AUTHORIZED)
    assert isinstance(error, AssumeRoleDenied)
    assert error.message == f"not allowed to assume {ROLE}"
    assert error.why == NOT_AUTHORIZED
    assert "trust policy" in error.hint
    assert "`external_id`" in error.hint
    assert error.exit_code == 3


def test_an_external_id_that_was_sent_is_not_asked_for() -> None:
    """If an external ID was sent, the hint does not suggest one, and the ID is masked in AWS's message."""
    error = refusal("AccessDenied", f"{NOT_AUTHORIZED} (external id ext-id-1)", external_id=Secret("ext-id-1"))
    assert "external_id" not in error.hint
    assert "ext-id-1" not in error.why


@pytest.mark.parametrize(
    ("code", "message", "kind", "hint"),
    [
        ("AccessDenied", NOT_AUTHORIZED.replace("AssumeRole", "TagSession"), AssumeRoleDenied, "sts:TagSession"),
        (
            "AccessDenied",
            NOT_AUTHORIZED.replace("AssumeRole", "SetSourceIdentity"),
            AssumeRoleDenied,
            "sts:SetSourceIdentity",
        ),
        ("AccessDenied", "Roles may not be assumed by root accounts.", AssumeRoleDenied, "the root user"),
        (
            "AccessDenied",
            "MultiFactorAuthentication failed with invalid MFA one time pass code. ",
            MfaRefused,
            "wait for the next one",
        ),
        (
            "AccessDenied",
            "MultiFactorAuthentication failed, unable to validate MFA code.  Please verify your MFA serial number is",
            MfaRefused,
            "`serial_number`",
        ),
        (
            "AccessDenied",
            "MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code.",
            MfaRefused,
            "both",
        ),
        (
            "ValidationError",
            "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
            StsRefused,
            "maximum session duration",
        ),
        (
            "ValidationError",
            "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
            StsRefused,
            "3600",
        ),
        (
            "ValidationError",
            "The source identity is already set for this assume role session",
            StsRefused,
            "`source_identity`",
        ),
        ("PackedPolicyTooLarge", "Packed policy consumes 157% of allotted space", StsRefused, "shorten"),
        ("PackedPolicyTooLargeException", "It is too large.", StsRefused, "shorten"),
        ("MalformedPolicyDocument", "Unexpected character", StsRefused, "`session_policy`"),
        ("InvalidContextAssertion", "It could not be verified.", StsRefused, "new assertion"),
        (
            "InvalidParameterValue",
            "The specified transitive tag key must be included in the requested tags.",
            StsRefused,
            "keys",
        ),
        ("RegionDisabledException", "STS is not activated in this region", RegionDisabled, "`region`"),
        ("InvalidClientTokenId", "The security token included in the request is invalid.", CredentialsInvalid, "token"),
        ("ExpiredToken", "The security token included in the request is expired", CredentialsExpired, "new"),
        ("SignatureDoesNotMatch", "The request signature we calculated ...", CredentialsInvalid, "secret access key"),
        ("RequestTimeTooSkewed", "The difference ...", ClockSkewed, "clock"),
    ],
)
def test_refusals_of_sts(code: str, message: str, kind: type[DsopsError], hint: str) -> None:
    """Each STS error code gives its own error class and hint."""
    error = refusal(code, message)
    assert type(error) is kind
    assert hint in error.hint
    assert error.aws is not None
    assert error.aws.code == code


def test_an_mfa_code_is_not_repeated() -> None:
    """An MFA code is masked in AWS's message, because the code stays valid for some seconds."""
    error = refusal(
        "ValidationError",
        "1 validation error detected: Value '12345' at 'tokenCode' failed to satisfy constraint",
        400,
        token_code=Secret("12345"),
        serial_number="s",
    )
    assert "12345" not in error.why


def test_an_mfa_code_is_sent_once() -> None:
    """A request with an MFA code is sent once; without a code it is retried."""
    broken = sts_error("InternalFailure", "oops", 500)
    with StubServer(lambda _: broken) as server:
        with pytest.raises(ServiceError):
            assume(server, serial_number="arn:aws:iam::111122223333:mfa/ada", token_code=Secret("012345"))
        assert len(server.seen) == 1
        with pytest.raises(ServiceError):
            assume(server)
        assert len(server.seen) == 5


def test_a_session_token() -> None:
    """A GetSessionToken session has the ARN of the user who requested it."""
    body = assume_role_answer(action="GetSessionToken")
    user = Credentials("AKIAX", Secret("user/secret"), arn="arn:aws:iam::111122223333:user/ada")
    scene = Scene()
    with StubServer(lambda _: body) as server:
        credentials = scene.run(
            get_session_token(
                scene.client,
                user,
                endpoint_at(server),
                duration_seconds=43200,
                serial_number="arn:aws:iam::111122223333:mfa/ada",
                token_code=Secret("012345"),
            )
        )
    assert parameters_of(server.seen[0]) == {
        "Action": "GetSessionToken",
        "Version": "2011-06-15",
        "DurationSeconds": "43200",
        "SerialNumber": "arn:aws:iam::111122223333:mfa/ada",
        "TokenCode": "012345",
    }
    assert (credentials.access_key_id, credentials.arn) == ("ASIAEXAMPLEEXAMPLE01", user.arn)
    assert credentials.is_temporary


def test_a_session_can_get_no_session_token() -> None:
    """GetSessionToken called with a session is denied; the hint is to use long-term keys, as no policy would help."""
    scene = Scene()
    answer = sts_error("AccessDenied", "Cannot call GetSessionToken with session credentials")
    with StubServer(lambda _: answer) as server, pytest.raises(StsRefused) as caught:
        scene.run(get_session_token(scene.client, SESSION, endpoint_at(server)))
    assert "long-term keys" in caught.value.hint


def test_get_caller_identity() -> None:
    """GetCallerIdentity returns account, ARN and user id."""
    body = (
        b'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
        b"<Arn>arn:aws:iam::098765432109:user/ada</Arn><UserId>AIDA1</UserId><Account>098765432109</Account>"
        b"</GetCallerIdentityResult></GetCallerIdentityResponse>"
    )
    scene = Scene()
    with StubServer(lambda _: Answer(body=body)) as server:
        identity = scene.run(get_caller_identity(scene.client, USER, endpoint_at(server)))
    assert identity == CallerIdentity("098765432109", "arn:aws:iam::098765432109:user/ada", "AIDA1")


def test_get_caller_identity_denied_by_an_endpoint_policy() -> None:
    """If an endpoint policy denies GetCallerIdentity, AccessDenied is raised, not AssumeRoleDenied."""
    scene = Scene()
    with StubServer(lambda _: sts_error("AccessDenied", "no")) as server, pytest.raises(AccessDenied) as caught:
        scene.run(get_caller_identity(scene.client, USER, endpoint_at(server)))
    assert not isinstance(caught.value, AssumeRoleDenied)


def test_an_incomplete_identity_is_invalid() -> None:
    """A GetCallerIdentity response without a field raises AnswerInvalid."""
    result = b"<GetCallerIdentityResult><Arn>a</Arn></GetCallerIdentityResult>"
    body = b"<GetCallerIdentityResponse>" + result + b"</GetCallerIdentityResponse>"
    scene = Scene()
    with StubServer(lambda _: Answer(body=body)) as server, pytest.raises(AnswerInvalid):
        scene.run(get_caller_identity(scene.client, USER, endpoint_at(server)))
