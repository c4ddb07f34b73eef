"""Attacks on IAM Roles Anywhere: certificates of others, replayed and changed requests, smuggled headers."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.serialization import Encoding

from tests.anywhere import ANCHOR, MACHINE, ROLE, ROOT, call, person, seed, send, trust
from tests.certificates import RSA_KEY, Authority, Holder
from tests.sandboxes import ACCOUNT, OTHER, Lab

if TYPE_CHECKING:
    from dsops.request.messages import HttpRequest

EVIL = Authority.root("Evil")
"""A certificate authority of an attacker."""


@pytest.fixture
def lab() -> Lab:
    """A sandbox whose role trusts only one machine."""
    return Lab.of(seed(trust_policy=trust(StringEquals={"aws:PrincipalTag/x509Subject/CN": "machine-1"})))


def outcome(lab: Lab, request: HttpRequest) -> tuple[int, str]:
    """Status and body of the answer."""
    answer = lab.sandbox.handle(request).answer
    return answer.status, answer.body.decode()


def test_the_certificate_of_another_machine_is_useless_without_its_key(lab: Lab) -> None:
    """An attacker who copies a certificate, which is public, can't sign with its key."""
    thief = ROOT.machine("thief")
    answer = send(lab, call(thief, presented=MACHINE.certificate))
    assert (answer.status, answer.message.partition(":")[0]) == (403, "Invalid signature")
    # Nor with the serial number of the copied certificate in the scope.
    forged = Holder(certificate=MACHINE.certificate, key=thief.key)
    answer = send(lab, call(forged))
    assert (answer.status, answer.message.partition(":")[0]) == (403, "Invalid signature")


def test_another_machine_of_the_same_ca_may_not_assume_the_role(lab: Lab) -> None:
    """A valid certificate is not enough: the trust policy names the machine."""
    assert send(lab, call(ROOT.machine("machine-2"))).message == f"Unable to assume role for {ROLE}"


def test_a_ca_with_the_same_name_is_not_trusted(lab: Lab) -> None:
    """The name of a CA proves nothing; its key signs the certificates."""
    fake = Authority.root(ROOT.certificate.subject.rfc4514_string().removeprefix("CN="))
    assert fake.certificate.subject == ROOT.certificate.subject
    machine = fake.machine()
    assert send(lab, call(machine)).status == 403
    # Nor if the attacker sends the CA as an intermediate, or the real root beside it.
    for chain in ((fake.certificate,), (fake.certificate, ROOT.certificate), (ROOT.certificate,)):
        presented = Holder(certificate=machine.certificate, key=machine.key, chain=chain)
        assert send(lab, call(presented)).status == 403


def test_a_recorded_request_expires_after_15_minutes(lab: Lab) -> None:
    """A replayed request is refused once its signature is too old, or if it is from the future."""
    now = datetime.now(UTC)
    assert send(lab, call(signed_at=now - timedelta(minutes=13))).status == 201
    old = send(lab, call(signed_at=now - timedelta(minutes=17)))
    assert (old.status, old.code) == (403, "InvalidSignatureException")
    assert old.message.startswith("Signature expired")
    assert send(lab, call(signed_at=now + timedelta(minutes=17))).message.startswith("Signature not yet current")


def test_a_replay_grants_no_more_than_the_original(lab: Lab) -> None:
    """A request that is sent twice gets two sessions of the same machine; nothing in it can be changed."""
    request = call().request()
    assert outcome(lab, request)[0] == outcome(lab, request)[0] == 201
    for changed in (
        request._replace(query=request.query.replace("Deploy", "Other")),
        request._replace(body=b'{"durationSeconds": 43200}'),
        request._replace(headers={**request.headers, "x-amz-date": "20261129T000000Z"}),
        request._replace(headers={**request.headers, "host": "rolesanywhere.eu-west-1.amazonaws.com"}),
    ):
        status, body = outcome(lab, changed)
        assert status == 403, body


def test_a_signed_role_is_not_replaced_by_one_in_the_body(lab: Lab) -> None:
    """A parameter in the signed query counts, whatever the body says; of repeated parameters the first counts."""
    body = {"roleArn": ROLE.replace("Deploy", "Other"), "trustAnchorArn": "arn:aws:rolesanywhere:::"}
    assert person(lab, send(lab, call(body=body))).arn.startswith("arn:aws:sts::111111111111:assumed-role/Deploy/")


def test_smuggled_headers_are_refused(lab: Lab) -> None:
    """Headers that the signature does not cover, and joined headers, never name the certificate."""
    request, other = call().request(), ROOT.machine("thief")
    encoded = base64.b64encode(other.certificate.public_bytes(Encoding.DER)).decode()
    own = request.headers["x-amz-x509"]
    for headers in (
        {"x-amz-x509-chain": encoded},
        {"x-amz-x509": f"{own},{encoded}"},
        {"x-amz-x509": f"{encoded},{own}"},
        {"x-amz-x509": f"{own} "},
        {"x-amz-security-token": "token"},
        {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"},
    ):
        status, _ = outcome(lab, request._replace(headers={**request.headers, **headers}))
        assert status in (400, 403), headers
    for names in ("host;x-amz-date", "host;x-amz-x509", "x-amz-date;x-amz-x509"):
        authorization = request.headers["authorization"]
        signed = authorization.partition("SignedHeaders=")[2].partition(",")[0]
        changed = authorization.replace(f"SignedHeaders={signed}", f"SignedHeaders={names}")
        assert outcome(lab, request._replace(headers={**request.headers, "authorization": changed}))[0] == 403


def test_the_algorithm_must_fit_the_key(lab: Lab) -> None:
    """Neither the name of another algorithm nor that of the HMAC signature is accepted."""
    for holder in (MACHINE, ROOT.machine(key=RSA_KEY)):
        request = call(holder).request()
        algorithm = request.headers["authorization"].partition(" ")[0]
        for other in ("AWS4-X509-RSA-SHA256", "AWS4-X509-ECDSA-SHA256", "AWS4-HMAC-SHA256", "AWS4-X509-MLDSA", ""):
            if other != algorithm:
                authorization = request.headers["authorization"].replace(algorithm, other)
                status, body = outcome(
                    lab, request._replace(headers={**request.headers, "authorization": authorization})
                )
                assert status in (400, 403), body


def test_a_session_or_key_can_not_sign_create_session(lab: Lab) -> None:
    """A request with an ordinary signature is no CreateSession, even if an administrator signed it."""
    admin = lab.user("admin")
    request = admin.request("rolesanywhere", "ListProfiles")._replace(method="POST", path="/sessions")
    assert outcome(lab, request)[0] in (400, 403)


def test_a_certificate_can_not_sign_other_operations(lab: Lab) -> None:
    """The certificate's signature is accepted for CreateSession only."""
    request = call().request()._replace(method="GET", path="/trustanchors", query="", body=b"")
    assert outcome(lab, request)[0] in (400, 403)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "AAAA",
        "!" * 40,
        base64.b64encode(b"\x30\x82\xff\xff").decode(),
        base64.b64encode(ROOT.pem.encode()).decode(),
    ],
)
def test_rubbish_as_certificate_is_refused(lab: Lab, text: str) -> None:
    """Bytes that are no certificate get an error of the service, not a failure of the sandbox."""
    request = call().request()
    for name in ("x-amz-x509", "x-amz-x509-chain"):
        status, _ = outcome(lab, request._replace(headers={**request.headers, name: text}))
        assert status in (400, 403)


def _evil(lab: Lab, account: str) -> str:
    """Create a trust anchor of the attacker's own CA in that account; return its ARN."""
    source = {"sourceType": "CERTIFICATE_BUNDLE", "sourceData": {"x509CertificateData": EVIL.pem}}
    made = lab.user("admin", account).call(
        "rolesanywhere", "CreateTrustAnchor", name="evil", source=source, enabled=True
    )
    return str(made["trustAnchor"]["trustAnchorArn"])


def test_another_account_opens_no_role_of_this_account() -> None:
    """A trust anchor and profile of the attacker's account don't reach roles of other accounts."""
    text = json.loads(seed())
    text["accounts"][OTHER] = {"roles_anywhere": {"profiles": {"evil": {"roles": [ROLE]}}}}
    lab = Lab.of(json.dumps(text))
    anchor = _evil(lab, OTHER)
    mixed = send(lab, call(EVIL.machine(), trust_anchor_arn=anchor))
    assert mixed.message == "The trust anchor and the profile belong to different accounts."
    [profile] = lab.user("admin", OTHER).call("rolesanywhere", "ListProfiles")["profiles"]
    own = send(lab, call(EVIL.machine(), trust_anchor_arn=anchor, profile_arn=profile["profileArn"]))
    assert own.message == f"Unable to assume role for {ROLE}"


def test_a_trust_policy_can_require_the_trust_anchor() -> None:
    """With `aws:SourceArn`, a second trust anchor of the account issues no session of the role."""
    lab = Lab.of(seed())
    assert send(lab, call(EVIL.machine(), trust_anchor_arn=_evil(lab, ACCOUNT))).status == 201
    lab = Lab.of(seed(trust_policy=trust(ArnEquals={"aws:SourceArn": ANCHOR})))
    refused = send(lab, call(EVIL.machine(), trust_anchor_arn=_evil(lab, ACCOUNT)))
    assert refused.message == f"Unable to assume role for {ROLE}"
    assert send(lab, call()).status == 201
