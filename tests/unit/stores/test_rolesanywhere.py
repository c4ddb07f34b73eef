"""Sessions by certificate: the signed request, the checks before it, and the errors of AWS."""

from __future__ import annotations

import os
import shutil
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from dsops.errors import (
    AssumeRoleDenied,
    CertificateExpired,
    CertificateRefused,
    CertificateUnusable,
    DsopsError,
    NoCredentials,
    StsRefused,
)
from tests.anywhere import ANCHOR, MACHINE, ROLE, ROOT, seed, trust
from tests.anywhere_in_memory import make_pipeline, store, write_files
from tests.certificates import RSA_KEY, Authority, SessionCall, name_of
from tests.pipeline import Pipeline, words

if TYPE_CHECKING:
    from pathlib import Path

SIGNED = "arn:aws:sts::111111111111:assumed-role/Deploy"
OPENSSL = "sign_process: [openssl, dgst, -sha256, -sign, '{}/machine.key']"


@pytest.fixture
def pipeline() -> Pipeline:
    """A process without credentials."""
    return make_pipeline()[0]


def failure(pipeline: Pipeline, text: str) -> DsopsError:
    """Return the error of the session; assert that it shows nothing of a key."""
    with pytest.raises(DsopsError) as caught:
        pipeline.credentials(text, "m")
    assert "PRIVATE KEY" not in words(caught.value)
    return caught.value


@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP384R1()), RSA_KEY], ids=["ECDSA", "RSA"])
def test_the_sandbox_accepts_the_signed_request(tmp_path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    """The session has the role's ARN, its end, and the certificate's common name as source identity."""
    pipeline, aws = make_pipeline()
    machine = ROOT.intermediate().machine(key=key)
    write_files(tmp_path, machine)
    session = pipeline.credentials(store(tmp_path, f"intermediates: '{tmp_path}/chain.pem'"), "m")
    assert session.arn == f"{SIGNED}/{machine.certificate.serial_number:x}"
    assert session.source_identity == "machine-1"
    assert session.expiration is not None
    assert round((session.expiration - pipeline.clock.time).total_seconds()) == 3600
    assert [request.address.host for request in aws.requests] == ["rolesanywhere.us-east-1.amazonaws.com"]


def test_the_request_is_that_of_botocores_signer(tmp_path: Path) -> None:
    """For the same time and parameters, botocore's canonicalization gives the same signed headers, scope and date.

    An RSA signature (PKCS #1 v1.5) is deterministic, so the whole Authorization header is the same.
    """
    pipeline, aws = make_pipeline()
    machine = ROOT.intermediate().machine(key=RSA_KEY)
    write_files(tmp_path, machine)
    pipeline.credentials(store(tmp_path, f"intermediates: '{tmp_path}/chain.pem', duration_seconds: 900"), "m")
    [request] = aws.requests
    ours = {name.lower(): value for name, value in request.headers}
    expected = SessionCall(
        holder=machine,
        trust_anchor_arn=ANCHOR,
        profile_arn=request.url.partition("profileArn=")[2].partition("&")[0].replace("%3A", ":").replace("%2F", "/"),
        role_arn=ROLE,
        data=request.body,
        host=request.address.authority,
        signed_at=pipeline.clock.time,
    ).request()
    for name in ("authorization", "x-amz-date", "x-amz-x509", "x-amz-x509-chain"):
        assert ours[name] == expected.headers[name]


def test_role_session_name_and_duration_are_sent(tmp_path: Path) -> None:
    """Both keys are sent if they are set; the profile decides otherwise."""
    pipeline, _ = make_pipeline(seed(profile={"accept_role_session_name": True, "duration_seconds": 7200}))
    write_files(tmp_path)
    session = pipeline.credentials(store(tmp_path, "role_session_name: press-4, duration_seconds: 900"), "m")
    assert session.arn == f"{SIGNED}/press-4"
    assert session.expiration is not None
    assert round((session.expiration - pipeline.clock.time).total_seconds()) == 900


@pytest.mark.parametrize("form", [PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL])
@pytest.mark.parametrize("key", [ec.generate_private_key(ec.SECP256R1()), RSA_KEY], ids=["EC", "RSA"])
def test_all_forms_of_a_key_are_read(
    pipeline: Pipeline, tmp_path: Path, form: PrivateFormat, key: ec.EllipticCurvePrivateKey
) -> None:
    """PKCS #8, PKCS #1 and EC private keys are read."""
    machine = ROOT.machine(key=key)
    write_files(tmp_path, machine)
    (tmp_path / "machine.key").write_text(machine.key_pem(form))
    assert pipeline.credentials(store(tmp_path), "m").arn.startswith(SIGNED)


def test_another_role_is_assumed_with_the_session(tmp_path: Path) -> None:
    """A role chain begins with the certificate: `credentials_from` names the store."""
    pipeline, aws = make_pipeline()
    write_files(tmp_path)
    second = f"  r: {{type: aws.sts, role_arn: '{ROLE.replace('Deploy', 'Second')}', credentials_from: m}}\n"
    session = pipeline.credentials(store(tmp_path) + second, "r")
    assert session.arn.startswith("arn:aws:sts::111111111111:assumed-role/Second/")
    [call] = aws.calls
    assert aws.issued[call.access_key_id].startswith(SIGNED)
    # The region of the trust anchor is used where nothing else names one.
    assert (call.host, call.region) == ("sts.us-east-1.amazonaws.com", "us-east-1")


def test_a_session_is_cached_for_the_same_certificate_and_key(tmp_path: Path) -> None:
    """A second run uses the session; a renewed certificate, and a configuration without the key, do not."""
    pipeline, aws = make_pipeline()
    write_files(tmp_path)
    first = pipeline.credentials(store(tmp_path), "m")
    assert pipeline.credentials(store(tmp_path), "m").access_key_id == first.access_key_id
    assert len(aws.requests) == 1
    other = tmp_path / "copy"
    other.mkdir()
    (other / "machine.pem").write_text(MACHINE.pem)
    error = failure(pipeline, store(other))
    assert isinstance(error, CertificateUnusable)
    write_files(tmp_path, ROOT.machine())
    assert pipeline.credentials(store(tmp_path), "m").access_key_id != first.access_key_id


def test_the_certificate_of_the_plan_is_used(tmp_path: Path) -> None:
    """A certificate that is replaced between plan and request is not sent, so no session has a wrong cache key."""
    pipeline, aws = make_pipeline()
    write_files(tmp_path)
    resolver = pipeline.resolver(pipeline.plan(store(tmp_path), store="m"))
    write_files(tmp_path, ROOT.machine())
    with pytest.raises(NoCredentials) as caught:
        pipeline.time.run(resolver.credentials("m"), aws)
    assert "has changed since this run was planned" in caught.value.message
    assert aws.requests == []


# --- before the call --------------------------------------------------------------------------------------------------


def test_an_expired_certificate_is_not_sent(tmp_path: Path) -> None:
    """The error says when the certificate expired, and no request is sent."""
    pipeline, aws = make_pipeline()
    write_files(tmp_path, ROOT.machine(valid=(-3, -1)))
    error = failure(pipeline, store(tmp_path))
    assert isinstance(error, CertificateExpired)
    assert "expired at" in error.message
    assert aws.requests == []


def test_a_certificate_of_the_future_is_not_sent(tmp_path: Path) -> None:
    """The error shows the machine's clock, which is the likely cause."""
    pipeline, aws = make_pipeline()
    write_files(tmp_path, ROOT.machine(valid=(1, 3)))
    error = failure(pipeline, store(tmp_path))
    assert isinstance(error, CertificateExpired)
    assert f"{pipeline.clock.time:%Y-%m-%dT%H:%M:%SZ}" in error.why
    assert aws.requests == []


def test_a_key_of_another_certificate_is_not_used(pipeline: Pipeline, tmp_path: Path) -> None:
    """A key that does not belong to the certificate is an error before the request."""
    write_files(tmp_path)
    (tmp_path / "machine.key").write_text(ROOT.machine().key_pem())
    assert "does not belong to the certificate" in failure(pipeline, store(tmp_path)).message


def test_an_encrypted_key_is_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    """An encrypted key is named as such, in both PEM forms."""
    write_files(tmp_path)
    for form in (PrivateFormat.PKCS8, PrivateFormat.TraditionalOpenSSL):
        text = MACHINE.key.private_bytes(Encoding.PEM, form, BestAvailableEncryption(b"x"))
        (tmp_path / "machine.key").write_bytes(text)
        error = failure(pipeline, store(tmp_path))
        assert isinstance(error, CertificateUnusable)
        assert error.message.endswith("is encrypted")


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no file modes")
def test_a_key_that_every_user_can_access_is_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    """A private key must not be readable or writable by every user of the machine."""
    write_files(tmp_path)
    for mode in (0o604, 0o602):
        (tmp_path / "machine.key").chmod(mode)
        assert failure(pipeline, store(tmp_path)).hint.startswith("`chmod 600")
    (tmp_path / "machine.key").chmod(0o640)
    assert pipeline.credentials(store(tmp_path), "m").arn


def test_files_that_are_none_are_named(pipeline: Pipeline, tmp_path: Path) -> None:
    """Missing files, files of another format, and unusable keys are named in the error."""
    write_files(tmp_path)
    files = {name: (tmp_path / name).read_bytes() for name in ("machine.pem", "machine.key")}
    edwards = ed25519.Ed25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    der = MACHINE.certificate.public_bytes(Encoding.DER)
    for name, data, message in (
        ("machine.pem", None, "can't be read"),
        ("machine.key", None, "can't be read"),
        ("machine.pem", der, "is not a certificate in PEM format"),
        ("machine.pem", b"\n", "is not a certificate in PEM format"),
        ("machine.key", b"key", "is not a private key in PEM format"),
        ("machine.key", edwards, "is neither RSA nor ECDSA"),
        ("machine.key", b"x" * (1 << 20) + b"x", "is larger than 1 MB"),
    ):
        (tmp_path / name).unlink() if data is None else (tmp_path / name).write_bytes(data)
        error = failure(pipeline, store(tmp_path))
        assert message in error.message
        for each, content in files.items():
            (tmp_path / each).write_bytes(content)
            (tmp_path / each).chmod(0o600)


def test_too_many_intermediates_are_refused(pipeline: Pipeline, tmp_path: Path) -> None:
    """AWS accepts five certificates in the chain."""
    write_files(tmp_path)
    (tmp_path / "chain.pem").write_text(ROOT.pem * 6)
    error = failure(pipeline, store(tmp_path, f"intermediates: '{tmp_path}/chain.pem'"))
    assert "has 6 certificates" in error.message


# --- a command that signs ---------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("openssl") is None, reason="there is no openssl here")
def test_a_command_signs(tmp_path: Path) -> None:
    """`openssl dgst -sign` reads the data on its stdin, and its signature is accepted."""
    pipeline, _ = make_pipeline()
    pipeline.environ = {"PATH": os.environ["PATH"]}
    pipeline.folder = str(tmp_path)
    write_files(tmp_path)
    text = store(tmp_path, key=OPENSSL)
    assert pipeline.credentials(text, "m").arn.startswith(SIGNED)


def python(code: str) -> str:
    """A `sign_process` that runs Python code."""
    return f"sign_process: ['{sys.executable}', -c, '{code}']"


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ('print("00" * 32)', "returned no signature"),
        ("pass", "returned no signature"),
        ("raise SystemExit(3)", "could not sign"),
        ('print("x" * 9000)', "could not sign"),
    ],
)
def test_a_command_that_signs_something_else_is_refused(
    pipeline: Pipeline, tmp_path: Path, code: str, why: str
) -> None:
    """The signature is verified with the certificate before it is sent."""
    pipeline.folder = str(tmp_path)
    write_files(tmp_path)
    error = failure(pipeline, store(tmp_path, key=python(code)))
    assert isinstance(error, CertificateUnusable)
    assert why in error.message


def test_hexadecimal_digits_are_a_signature(pipeline: Pipeline, tmp_path: Path) -> None:
    """A command may print the signature as hexadecimal digits in quotes."""
    pipeline.folder = str(tmp_path)
    write_files(tmp_path)
    (tmp_path / "sign.py").write_text(
        "import sys\n"
        "from cryptography.hazmat.primitives.asymmetric.ec import ECDSA\n"
        "from cryptography.hazmat.primitives.hashes import SHA256\n"
        "from cryptography.hazmat.primitives.serialization import load_pem_private_key\n"
        "key = load_pem_private_key(open(sys.argv[1], 'rb').read(), None)\n"
        "print('\"' + key.sign(sys.stdin.buffer.read(), ECDSA(SHA256())).hex() + '\"')\n"
    )
    key = f"sign_process: ['{sys.executable}', '{tmp_path}/sign.py', '{tmp_path}/machine.key']"
    assert pipeline.credentials(store(tmp_path, key=key), "m").arn.startswith(SIGNED)


# --- what AWS answers -------------------------------------------------------------------------------------------------


def test_a_wrong_clock_is_corrected(tmp_path: Path) -> None:
    """A request whose time AWS refuses is signed again with AWS's time, once."""
    pipeline, aws = make_pipeline()
    aws.ahead_seconds = 1200
    write_files(tmp_path)
    assert pipeline.credentials(store(tmp_path), "m").arn.startswith(SIGNED)
    first, second = (dict(request.headers)["x-amz-date"] for request in aws.requests)
    times = [datetime.strptime(each, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC) for each in (first, second)]
    assert (times[1] - times[0]).total_seconds() == 1200


def test_an_untrusted_certificate_is_named(pipeline: Pipeline, tmp_path: Path) -> None:
    """A certificate of another CA gets AWS's message, and what to compare."""
    write_files(tmp_path, Authority.root().machine())
    error = failure(pipeline, store(tmp_path))
    assert isinstance(error, CertificateRefused)
    assert error.why.startswith("Untrusted signing certificate")
    assert error.message.startswith("store `m`: ")


def test_a_role_that_does_not_trust_the_certificate_is_named(tmp_path: Path) -> None:
    """The error names the role, the certificate, and what the trust policy must allow."""
    pipeline, _ = make_pipeline(seed(trust_policy=trust(StringEquals={"sts:SourceIdentity": "other"})))
    write_files(tmp_path)
    error = failure(pipeline, store(tmp_path))
    assert isinstance(error, AssumeRoleDenied)
    assert "CN=machine-1" in error.hint
    assert f"{MACHINE.certificate.serial_number:x}" in error.hint


def test_unknown_resources_and_refused_values_are_named(tmp_path: Path) -> None:
    """A trust anchor that does not exist, and a duration above the role's maximum, have their own hints."""
    pipeline, _ = make_pipeline(seed(anchor={"id": "11111111-2222-3333-4444-555555555555"}))
    write_files(tmp_path)
    error = failure(pipeline, store(tmp_path))
    assert isinstance(error, CertificateRefused)
    assert "`trust_anchor_arn`" in error.hint
    short, _ = make_pipeline(seed(profile={"duration_seconds": 7200}, max_session_duration=3600))
    error = failure(short, store(tmp_path))
    assert isinstance(error, StsRefused)
    assert "MaxSessionDuration" in error.why
    strict, _ = make_pipeline(seed(profile={"require_instance_properties": True}))
    assert isinstance(failure(strict, store(tmp_path)), StsRefused)


def test_a_subject_is_shown_safely(pipeline: Pipeline, tmp_path: Path) -> None:
    """A subject with control characters is escaped in the error, so that it can't change the terminal."""
    write_files(tmp_path, ROOT.machine(subject=name_of("a\x1b[31mb")))
    assert "\x1b" not in words(failure(pipeline, store(tmp_path)))


# --- configuration and plan -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("private_key: k, sign_process: 'x'", "name two keys"),
        ("", "nothing says with which key to sign"),
        ("private_key: k, credentials_from: m", "`credentials_from`"),
        ("private_key: k, duration_seconds: 60", "duration_seconds"),
        ("private_key: k, session_policy: auto", "session_policy"),
    ],
)
def test_wrong_keys_are_reported(pipeline: Pipeline, tmp_path: Path, text: str, message: str) -> None:
    """Keys that contradict each other, or that the service has elsewhere, are problems of the configuration."""
    write_files(tmp_path)
    with pytest.raises(DsopsError) as caught:
        pipeline.plan(store(tmp_path, key=text or "timeout_ms: 1000"), store="m")
    assert message in words(caught.value)


def test_a_plan_needs_no_certificate(pipeline: Pipeline, tmp_path: Path) -> None:
    """A plan can be made on a machine that has no certificate, and says that its identity may change."""
    plan = pipeline.plan(store(tmp_path), store="m")
    step = plan.steps["m"]
    assert step.proof is not None
    assert (step.proof.may_change, step.region) == (True, "us-east-1")
    write_files(tmp_path)
    known = pipeline.plan(store(tmp_path), store="m").steps["m"].proof
    assert known is not None
    assert (known.may_change, known.source) == (False, f"the certificate in {tmp_path}/machine.pem")


def test_each_command_has_its_own_identity(pipeline: Pipeline, tmp_path: Path) -> None:
    """Sessions of two commands, keys or environments are never shared."""
    write_files(tmp_path)
    pipeline.folder = str(tmp_path)
    texts = [store(tmp_path), store(tmp_path, key="sign_process: [a]"), store(tmp_path, key="sign_process: [b]")]
    prints = {pipeline.plan(text, store="m").steps["m"].fingerprint for text in texts}
    pipeline.environ = {**pipeline.environ, "TPM": "2"}
    prints |= {pipeline.plan(text, store="m").steps["m"].fingerprint for text in texts}
    assert len(prints) == 5
