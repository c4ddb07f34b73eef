"""CreateSession: which certificates and requests the sandbox accepts, and which session it issues."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec

from tests.anywhere import ANCHOR, ANYWHERE_PROFILE, MACHINE, ROLE, ROOT, allow, arn_of, call, person, seed, send, trust
from tests.certificates import RSA_KEY, Authority, Holder, name_of
from tests.sandboxes import ACCOUNT, Lab

if TYPE_CHECKING:
    from tests.certificates import SessionCall

UNTRUSTED = "Untrusted signing certificate"


@pytest.fixture
def lab() -> Lab:
    """A sandbox with the seed as it is."""
    return Lab.of(seed())


def refused(lab: Lab, request: SessionCall) -> tuple[int, str, str]:
    """Status, code and message of a request that must be refused."""
    answer = send(lab, request)
    assert answer.status >= 400, answer.content
    return answer.status, answer.code, answer.message


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), RSA_KEY], ids=["ECDSA", "RSA"])
def test_a_machine_gets_a_session_that_works(lab: Lab, key: ec.EllipticCurvePrivateKey) -> None:
    """The session is named after the serial number, has the common name as source identity, and may act."""
    machine = ROOT.machine(key=key)
    answer = send(lab, call(machine))
    number = f"{machine.certificate.serial_number:x}"
    assert answer.session["sourceIdentity"] == "machine-1"
    assert answer.session["assumedRoleUser"]["arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/Deploy/{number}"
    caller = person(lab, answer)
    assert caller.arn == answer.session["assumedRoleUser"]["arn"]
    assert caller.call("secretsmanager", "GetSecretValue", SecretId="token")["SecretString"] == "value"


def test_a_chain_with_an_intermediate_ca_is_accepted(lab: Lab) -> None:
    """X-Amz-X509-Chain names the CAs between the certificate and the trust anchor."""
    intermediate = ROOT.intermediate()
    machine = intermediate.machine()
    assert send(lab, call(machine)).status == 201
    alone = Holder(certificate=machine.certificate, key=machine.key)
    assert UNTRUSTED in refused(lab, call(alone))[2]


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda: ROOT.machine(valid=(-3, -1)), "not valid at validation time"),
        (lambda: ROOT.machine(valid=(1, 3)), "not valid at validation time"),
        (lambda: ROOT.machine(usages=("key_encipherment",)), "Digital Signature"),
        (lambda: ROOT.machine(usages=()), "missing required extension"),
        (lambda: Authority.root().machine(), "signature does not match"),
        (lambda: Authority.root("Another").machine(), ""),
        (lambda: ROOT, "is a CA certificate"),
        (lambda: ROOT.intermediate(path_length=0).intermediate("Below").machine(), "path length"),
        (lambda: ROOT.intermediate(usages=("crl_sign",)).machine(), "Certificate Sign"),
        (lambda: ROOT.intermediate(valid=(-3, -1)).machine(), "not valid at validation time"),
    ],
    ids=[
        "expired",
        "not yet valid",
        "other key usage",
        "no key usage",
        "CA with the same name",
        "other CA",
        "the CA's own certificate",
        "path length",
        "issuer without Certificate Sign",
        "expired intermediate",
    ],
)
def test_a_certificate_without_a_valid_chain_is_refused(lab: Lab, make: object, why: str) -> None:
    """Each broken chain is refused with AccessDeniedException, and the reason."""
    assert callable(make)
    status, code, message = refused(lab, call(make()))
    assert (status, code) == (403, "AccessDeniedException")
    assert message.startswith(UNTRUSTED)
    assert why in message


def test_an_expired_ca_is_refused() -> None:
    """The certificate of the trust anchor has expired: no certificate of this CA gets a session, even a valid one."""
    root = Authority.root(valid=(-3, -1))
    lab = Lab.of(seed(anchor={"certificates": root.pem}))
    status, code, message = refused(lab, call(root.machine(valid=(-2, 30))))
    assert (status, code) == (403, "AccessDeniedException")
    assert message.startswith(UNTRUSTED)
    assert "not valid at validation time" in message


def test_a_certificate_issued_by_a_machine_is_refused(lab: Lab) -> None:
    """A certificate that is no CA can't issue certificates."""
    forger = Authority(certificate=MACHINE.certificate, key=MACHINE.key)
    machine = forger.machine("machine-2")
    presented = Holder(certificate=machine.certificate, key=machine.key, chain=(MACHINE.certificate,))
    assert refused(lab, call(presented))[2].startswith(UNTRUSTED)


def test_more_than_five_certificates_in_the_chain_are_refused(lab: Lab) -> None:
    """The header X-Amz-X509-Chain may have at most five certificates."""
    below = ROOT
    for number in range(5):
        below = below.intermediate(f"CA {number}")
    assert send(lab, call(below.machine())).status == 201
    status, code, message = refused(lab, call(below.intermediate("CA 5").machine()))
    assert (status, code) == (400, "ValidationException")
    assert "more than 5" in message


def test_a_disabled_trust_anchor_or_profile_is_refused() -> None:
    """A disabled trust anchor and a disabled profile issue no sessions."""
    for parts in ({"anchor": {"enabled": False}}, {"profile": {"enabled": False}}):
        status, code, message = refused(Lab.of(seed(**parts)), call())  # type: ignore[arg-type]
        assert (status, code) == (403, "AccessDeniedException")
        assert message.endswith("is disabled.")


def test_unknown_resources_are_not_found(lab: Lab) -> None:
    """A trust anchor or profile that does not exist, or is in another region, is ResourceNotFoundException."""
    for request in (
        call(trust_anchor_arn=arn_of("trust-anchor", "none")),
        call(profile_arn=arn_of("profile", "none")),
        call(trust_anchor_arn=ANYWHERE_PROFILE),
        call(region="eu-west-1"),
    ):
        assert refused(lab, request)[:2] == (404, "ResourceNotFoundException")


def test_only_the_roles_of_the_profile_are_issued(lab: Lab) -> None:
    """A role that trusts the service but is not in the profile is refused."""
    status, code, message = refused(lab, call(role_arn=f"arn:aws:iam::{ACCOUNT}:role/Other"))
    assert (status, code) == (403, "AccessDeniedException")
    assert "does not contain the role" in message


def test_a_revoked_certificate_is_refused() -> None:
    """A revocation list of the trust anchor refuses its certificates, and no others."""
    lab = Lab.of(seed(anchor={"crl": ROOT.crl(MACHINE)}))
    assert refused(lab, call()) == (403, "AccessDeniedException", "Certificate revoked")
    assert send(lab, call(ROOT.machine("machine-2"))).status == 201


def test_a_revoked_intermediate_ca_is_refused() -> None:
    """A revocation list also applies to the CAs of the chain."""
    intermediate = ROOT.intermediate()
    lab = Lab.of(seed(anchor={"crl": ROOT.crl(intermediate)}))
    assert refused(lab, call(intermediate.machine()))[2] == "Certificate revoked"


def test_the_list_of_an_intermediate_ca_counts_only_with_its_signature() -> None:
    """A list that an intermediate CA signed revokes its certificates; a forged list with its name does not."""
    intermediate = ROOT.intermediate()
    machine = intermediate.machine()
    lab = Lab.of(seed(anchor={"crl": intermediate.crl(machine)}))
    assert refused(lab, call(machine))[2] == "Certificate revoked"
    forged = Authority.root().intermediate().crl(machine)
    assert send(Lab.of(seed(anchor={"crl": forged})), call(machine)).status == 201


def test_the_trust_policy_sees_the_certificate() -> None:
    """Conditions on the certificate's attributes, the trust anchor and the source identity decide."""
    right = {"aws:PrincipalTag/x509Subject/OU": "Robots", "aws:PrincipalTag/x509SAN/DNS": "m1.example.com"}
    right |= {"aws:PrincipalTag/x509Issuer/CN": "Example Root", "sts:SourceIdentity": "machine-1"}
    right |= {"aws:SourceAccount": ACCOUNT}
    policy = trust(StringEquals=right, ArnEquals={"aws:SourceArn": ANCHOR})
    subject = name_of("machine-1", organizational_unit_name="Robots")
    machine = ROOT.machine(subject=subject, names=[x509.DNSName("m1.example.com")])
    lab = Lab.of(seed(trust_policy=policy))
    assert send(lab, call(machine)).status == 201
    assert refused(lab, call()) == (403, "AccessDeniedException", f"Unable to assume role for {ROLE}")
    other = trust(StringEquals=right, ArnEquals={"aws:SourceArn": arn_of("trust-anchor", "other")})
    assert refused(Lab.of(seed(trust_policy=other)), call(machine))[2] == f"Unable to assume role for {ROLE}"


@pytest.mark.parametrize("missing", ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"])
def test_the_trust_policy_must_allow_all_three_actions(missing: str) -> None:
    """The service assumes the role, tags the session and sets its source identity."""
    actions = [action for action in ("sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity") if action != missing]
    lab = Lab.of(seed(trust_policy=trust(actions)))
    assert refused(lab, call())[2] == f"Unable to assume role for {ROLE}"


def test_attributes_are_session_tags_and_repeated_ones_are_joined(lab: Lab) -> None:
    """The attributes become tags of the session, and several values of one attribute become one tag."""
    subject = x509.Name([*name_of("m1"), *name_of("", organizational_unit_name="a"), *name_of("", title="t")])
    subject = x509.Name([*subject, *name_of("", organizational_unit_name="b")])
    answer = send(lab, call(ROOT.machine(subject=subject)))
    session = lab.sandbox.sessions.get(answer.session["credentials"]["accessKeyId"])
    assert session is not None
    expected = {"x509Issuer/CN": "Example Root", "x509Subject/CN": "m1", "x509Subject/OU": "a/b", "x509Subject/T": "t"}
    assert dict(session.tags) == expected


def test_the_duration_is_the_least_of_request_and_profile() -> None:
    """The profile's duration is the default and the limit; the role's maximum refuses the request."""
    lab = Lab.of(seed(profile={"duration_seconds": 1800}))
    lab.sandbox.clock.freeze(is_frozen=True)

    def seconds(**body: object) -> float:
        answer = send(lab, call(body=body))
        return datetime.fromisoformat(answer.session["credentials"]["expiration"]).timestamp() - lab.sandbox.clock.now()

    assert 1799 <= seconds() <= 1800
    assert 899 <= seconds(durationSeconds=900) <= 900
    assert 1799 <= seconds(durationSeconds=3600) <= 1800
    short = Lab.of(seed(profile={"duration_seconds": 7200}, max_session_duration=3600))
    assert refused(short, call())[2] == (
        f"Unable to assume role for {ROLE}\n"
        "The requested DurationSeconds exceeds the MaxSessionDuration set for this role."
    )


def test_a_custom_session_name_needs_the_profiles_consent(lab: Lab) -> None:
    """`roleSessionName` is accepted only by a profile with `acceptRoleSessionName`."""
    named = call(body={"roleSessionName": "press-4"})
    assert refused(lab, named)[:2] == (403, "AccessDeniedException")
    willing = Lab.of(seed(profile={"accept_role_session_name": True}))
    assert send(willing, named).session["assumedRoleUser"]["arn"].endswith("/Deploy/press-4")


def test_required_instance_properties_must_be_sent() -> None:
    """A profile with `requireInstanceProperties` refuses a request without them."""
    lab = Lab.of(seed(profile={"require_instance_properties": True}))
    assert refused(lab, call())[:2] == (400, "ValidationException")
    assert send(lab, call(body={"instanceProperties": {"rack": "4"}})).status == 201


def test_the_profiles_policies_limit_the_session() -> None:
    """The session may do what both the role and the profile's session policy allow."""
    lab = Lab.of(seed(profile={"session_policy": allow("ssm:*")}))
    caller = person(lab, send(lab, call()))
    assert caller.refused("secretsmanager", "GetSecretValue", SecretId="token").code == "AccessDeniedException"


def test_a_subject_without_common_name_is_refused(lab: Lab) -> None:
    """The common name becomes the source identity, so a certificate must have one."""
    machine = ROOT.machine(subject=name_of("", organizational_unit_name="Robots"))
    assert "no common name" in refused(lab, call(machine))[2]


def test_a_value_that_sts_refuses_as_source_identity_is_refused(lab: Lab) -> None:
    """A common name with characters that a source identity can't have gets STS's message."""
    code, message = refused(lab, call(ROOT.machine("two words")))[1:]
    assert code == "AccessDeniedException"
    assert "sourceIdentity" in message


def test_the_sandboxes_clock_decides_about_validity(lab: Lab) -> None:
    """A certificate expires when the sandbox's clock passes its end."""
    machine = ROOT.machine(valid=(-1, 10))
    assert send(lab, call(machine)).status == 201
    lab.sandbox.move_clock((datetime.now(UTC) + timedelta(days=11)).timestamp())
    assert "not valid at validation time" in refused(lab, call(machine))[2]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({"durationSeconds": 60}, "durationSeconds"),
        ({"durationSeconds": True}, "durationSeconds"),
        ({"durationSeconds": "3600"}, "durationSeconds"),
        ({"roleSessionName": 7}, "roleSessionName"),
    ],
)
def test_invalid_parameters_are_refused(lab: Lab, body: dict[str, object], why: str) -> None:
    """Values of a wrong type or outside of the limits are ValidationException."""
    status, code, message = refused(lab, call(body=body))
    assert (status, code) == (400, "ValidationException")
    assert why in message


def test_an_arn_that_is_none_is_refused(lab: Lab) -> None:
    """Text that is no ARN is ValidationException, and names the parameter."""
    status, code, message = refused(lab, call(role_arn="Deploy"))
    assert (status, code) == (400, "ValidationException")
    assert "roleArn" in message


def test_both_calls_are_recorded(lab: Lab) -> None:
    """CloudTrail has CreateSession with the certificate, and the service's AssumeRole call; no secret is in them."""
    answer = send(lab, call())
    assume, create = lab.sandbox.events.records()
    assert (assume["eventName"], assume["userIdentity"]) == (
        "AssumeRole",
        {"type": "AWSService", "invokedBy": "rolesanywhere.amazonaws.com"},
    )
    assert assume["requestParameters"]["sourceIdentity"] == "machine-1"
    assert (create["eventSource"], create["eventName"]) == ("rolesanywhere.amazonaws.com", "CreateSession")
    assert create["requestParameters"]["roleArn"] == ROLE
    assert create["recipientAccountId"] == ACCOUNT
    text = f"{assume}{create}"
    assert answer.session["credentials"]["secretAccessKey"] not in text
    assert answer.session["credentials"]["sessionToken"] not in text


def test_a_refusal_is_recorded(lab: Lab) -> None:
    """A refused CreateSession is recorded with its error; a refused AssumeRole is recorded, too."""
    refused(lab, call(Authority.root().machine()))
    [record] = lab.sandbox.events.records()
    assert record["errorCode"] == "AccessDeniedException"
    untrusting = Lab.of(seed(trust_policy=trust(StringEquals={"sts:SourceIdentity": "other"})))
    refused(untrusting, call())
    assert [(each["eventName"], each["errorCode"]) for each in untrusting.sandbox.events.records()] == [
        ("AssumeRole", "AccessDenied"),
        ("CreateSession", "AccessDeniedException"),
    ]


def test_requests_are_throttled(lab: Lab) -> None:
    """The rate limit of the service counts CreateSession."""
    lab.sandbox.throttle.limit({"rolesanywhere": 0.001})
    assert send(lab, call()).status == 201
    assert refused(lab, call())[1] == "ThrottlingException"
