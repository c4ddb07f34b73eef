"""A certificate authority for tests, and requests to IAM Roles Anywhere that botocore's signer canonicalizes."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from dsops.request.messages import HttpRequest
from tests.sandboxes import HOST, PEER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey

_USAGES = (
    "digital_signature",
    "content_commitment",
    "key_encipherment",
    "data_encipherment",
    "key_agreement",
    "key_cert_sign",
    "crl_sign",
    "encipher_only",
    "decipher_only",
)
_MACHINE = ("digital_signature",)
_AUTHORITY = ("key_cert_sign", "crl_sign")
RSA_KEY = rsa.generate_private_key(65537, 2048)
"""An RSA key for all tests of a process, because making one takes long."""


def name_of(common_name: str, **others: str) -> x509.Name:
    """A distinguished name. `others` are attributes such as `organizational_unit_name`."""
    oids = [(NameOID.COMMON_NAME, common_name)] if common_name else []
    oids += [(getattr(NameOID, key.upper()), value) for key, value in others.items()]
    return x509.Name([x509.NameAttribute(oid, value) for oid, value in oids])


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A certificate with its private key."""

    certificate: x509.Certificate
    key: Key
    chain: tuple[x509.Certificate, ...] = ()
    """The intermediate CAs between the certificate and the root."""

    @property
    def pem(self) -> str:
        """The certificate in PEM."""
        return self.certificate.public_bytes(Encoding.PEM).decode()

    @property
    def chain_pem(self) -> str:
        """The intermediate CAs in PEM."""
        return "".join(certificate.public_bytes(Encoding.PEM).decode() for certificate in self.chain)

    def key_pem(self, form: PrivateFormat = PrivateFormat.PKCS8) -> str:
        """The private key in PEM, without encryption."""
        return self.key.private_bytes(Encoding.PEM, form, NoEncryption()).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority(Holder):
    """A certificate authority: a root, or an intermediate CA."""

    @classmethod
    def root(cls, common_name: str = "Example Root", **options: object) -> Authority:
        """A self-signed root."""
        certificate, key = _issue(None, name_of(common_name), is_authority=True, **options)  # type: ignore[arg-type]
        return cls(certificate=certificate, key=key)

    def intermediate(self, common_name: str = "Example Intermediate", **options: object) -> Authority:
        """A CA below this one."""
        certificate, key = _issue(self, name_of(common_name), is_authority=True, **options)  # type: ignore[arg-type]
        return Authority(certificate=certificate, key=key, chain=self._chain_below(certificate))

    def machine(self, common_name: str = "machine-1", **options: object) -> Holder:
        """An end-entity certificate. Options are those of `_issue`, and `subject`."""
        subject = options.pop("subject", None) or name_of(common_name)
        certificate, key = _issue(self, subject, **options)  # type: ignore[arg-type]
        return Holder(certificate=certificate, key=key, chain=self._own_chain())

    def crl(self, *revoked: Holder) -> str:
        """A revocation list in PEM with these certificates."""
        now = datetime.now(UTC)
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now).next_update(now + timedelta(days=1))
        for holder in revoked:
            number = holder.certificate.serial_number
            entry = x509.RevokedCertificateBuilder().serial_number(number).revocation_date(now).build()
            builder = builder.add_revoked_certificate(entry)
        return builder.sign(self.key, SHA256()).public_bytes(Encoding.PEM).decode()

    def _own_chain(self) -> tuple[x509.Certificate, ...]:
        is_root = self.certificate.subject == self.certificate.issuer
        return () if is_root else self.chain

    def _chain_below(self, certificate: x509.Certificate) -> tuple[x509.Certificate, ...]:
        return (certificate, *self._own_chain())


def _issue(
    issuer: Authority | None,
    subject: x509.Name,
    *,
    is_authority: bool = False,
    path_length: int | None = None,
    key: Key | None = None,
    valid: tuple[float, float] = (-1, 365),
    usages: Sequence[str] | None = None,
    names: Sequence[x509.GeneralName] = (),
    serial: int | None = None,
) -> tuple[x509.Certificate, Key]:
    """A certificate. `valid` is its period in days from now; `usages` None means those that it needs."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(key.public_key())
        .serial_number(serial or x509.random_serial_number())
        .not_valid_before(now + timedelta(days=valid[0]))
        .not_valid_after(now + timedelta(days=valid[1]))
        .add_extension(x509.BasicConstraints(is_authority, path_length), critical=True)
    )
    wanted = (_AUTHORITY if is_authority else _MACHINE) if usages is None else usages
    if wanted:
        builder = builder.add_extension(x509.KeyUsage(**{each: each in wanted for each in _USAGES}), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(key if issuer is None else issuer.key, SHA256()), key


class CertificateAuth(SigV4Auth):  # type: ignore[misc]  # botocore ships no type hints
    """botocore's Signature Version 4 with the algorithm and key of a certificate."""

    def __init__(self, holder: Holder, region: str, timestamp: str) -> None:
        super().__init__(Credentials(str(holder.certificate.serial_number), "unused"), "rolesanywhere", region)
        self._holder = holder
        self._timestamp = timestamp

    def add_auth(self, request: AWSRequest) -> None:
        """Add the headers of the signature."""
        request.context["timestamp"] = self._timestamp
        request.headers["X-Amz-Date"] = self._timestamp
        key = self._holder.key
        kind = "RSA" if isinstance(key, rsa.RSAPrivateKey) else "ECDSA"
        algorithm = f"AWS4-X509-{kind}-SHA256"
        text = self.string_to_sign(request, self.canonical_request(request))
        data = text.replace("AWS4-HMAC-SHA256", algorithm, 1).encode()
        if isinstance(key, rsa.RSAPrivateKey):
            signature = key.sign(data, padding.PKCS1v15(), SHA256())
        else:
            signature = key.sign(data, ec.ECDSA(SHA256()))
        signed = self.signed_headers(self.headers_to_sign(request))
        request.headers["Authorization"] = (
            f"{algorithm} Credential={self.scope(request)}, SignedHeaders={signed}, Signature={signature.hex()}"
        )


@dataclass(slots=True, kw_only=True)
class SessionCall:
    """A CreateSession request of a certificate's holder."""

    holder: Holder
    trust_anchor_arn: str
    profile_arn: str
    role_arn: str
    body: Mapping[str, object] = field(default_factory=dict)
    region: str = "us-east-1"
    presented: x509.Certificate | None = None
    """The certificate in the request, if it is not the holder's own."""
    signed_at: datetime | None = None
    data: bytes | None = None
    """The request's body, if it is not made from `body`."""
    host: str = HOST

    def request(self) -> HttpRequest:
        """The signed request."""
        query = urlencode(
            {"profileArn": self.profile_arn, "roleArn": self.role_arn, "trustAnchorArn": self.trust_anchor_arn}
        )
        certificate = self.presented or self.holder.certificate
        headers = {"Host": self.host, "Content-Type": "application/json", "X-Amz-X509": _encoded(certificate)}
        if self.holder.chain:
            headers["X-Amz-X509-Chain"] = ",".join(_encoded(each) for each in self.holder.chain)
        data = json.dumps(dict(self.body)).encode() if self.data is None else self.data
        request = AWSRequest(method="POST", url=f"http://{self.host}/sessions?{query}", data=data, headers=headers)
        timestamp = (self.signed_at or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
        CertificateAuth(self.holder, self.region, timestamp).add_auth(request)
        sent = {name.lower(): str(value) for name, value in request.headers.items()}
        return HttpRequest("POST", "/sessions", query, sent, data, PEER)


def _encoded(certificate: x509.Certificate) -> str:
    return base64.b64encode(certificate.public_bytes(Encoding.DER)).decode()
