"""Read a certificate and its private key, check both before the first request, and sign with the key.

Each file that can't work is an error that ends the run: no request would succeed with it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Awaitable, Callable
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from dsops.aws.apis.rolesanywhere import CertificateSigner
from dsops.errors import CertificateExpired, CertificateUnusable, DsopsError
from dsops.extras import install_command
from dsops.input_file import read_file, reason
from dsops.plan import Settings
from dsops.runtime import Runtime
from dsops.stores.aws_rolesanywhere.sign_process import sign_with
from dsops.tasks import blocking

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
    from cryptography.x509 import Certificate

    PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey
    PublicKey = RSAPublicKey | EllipticCurvePublicKey

MOST_BYTES: Final = 1 << 20
_MOST_INTERMEDIATES: Final = 5
_RSA: Final = "AWS4-X509-RSA-SHA256"
_ECDSA: Final = "AWS4-X509-ECDSA-SHA256"
_OTHERS: Final = 0o007
_CLOCK: Final = "renew the certificate, or set this machine's clock if it is wrong"


class CheckedSigner(NamedTuple):
    """A signer whose certificate is valid and belongs to its key."""

    signer: CertificateSigner
    subject: str
    """The certificate's subject and serial number in words, for messages."""
    expires_at: datetime


def read_signer(settings: Settings, runtime: Runtime) -> CheckedSigner:
    """Return the signer that the settings name. Reads files and starts no process.

    Raises CertificateUnusable or CertificateExpired.
    """
    certificate = read_certificate(str(settings["certificate"]))
    check_validity(certificate, str(settings["certificate"]), runtime.now())
    public = _public_key(certificate, str(settings["certificate"]))
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import Encoding

    path = str(settings.get("private_key", ""))
    sign = _key_signer(_matching_key(path, public)) if path else _process_signer(settings, runtime, public)
    chain = _intermediates(str(settings.get("intermediates", "")))
    signer = CertificateSigner(
        certificate.public_bytes(Encoding.DER),
        tuple(each.public_bytes(Encoding.DER) for each in chain),
        certificate.serial_number,
        _RSA if isinstance(public, RSAPublicKey) else _ECDSA,
        sign,
    )
    name = "".join(each if each.isprintable() else "?" for each in certificate.subject.rfc4514_string())
    subject = f"the subject {name} and the serial number {certificate.serial_number:x}"
    return CheckedSigner(signer, subject, certificate.not_valid_after_utc)


def read_certificate(path: str) -> Certificate:
    """Return the first certificate of a PEM file. Raises CertificateUnusable."""
    return _certificates(path)[0]


def check_validity(certificate: Certificate, path: str, now: datetime) -> None:
    """Raise CertificateExpired if the certificate has expired or is not valid yet."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now >= end:
        raise CertificateExpired(f"the certificate in {path} expired at {_shown(end)}", hint=_CLOCK)
    if now < begin:
        why = f"this machine's clock says {_shown(now)}"
        raise CertificateExpired(
            f"the certificate in {path} is not valid before {_shown(begin)}",
            why=why,
            hint="set this machine's clock, or wait until the certificate is valid",
        )


def _certificates(path: str) -> list[Certificate]:
    _require_cryptography()
    from cryptography.x509 import load_pem_x509_certificates

    data = _read(path, "certificate")
    try:
        return load_pem_x509_certificates(data)
    except ValueError as error:
        raise CertificateUnusable(
            f"{path} is not a certificate in PEM format",
            hint="the file has to begin with `-----BEGIN CERTIFICATE-----`; `openssl x509 -inform DER` converts others",
        ) from error


def _intermediates(path: str) -> list[Certificate]:
    if not path:
        return []
    found = _certificates(path)
    if len(found) > _MOST_INTERMEDIATES:
        message = f"{path} has {len(found)} certificates, and AWS accepts {_MOST_INTERMEDIATES}"
        raise CertificateUnusable(message, hint="name only the CAs between the certificate and the trust anchor")
    return found


def _public_key(certificate: Certificate, path: str) -> PublicKey:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    key = certificate.public_key()
    if not isinstance(key, RSAPublicKey | EllipticCurvePublicKey):
        message = f"the key of the certificate in {path} is neither RSA nor ECDSA"
        raise CertificateUnusable(message, hint="issue a certificate with an RSA or ECDSA key")
    return key


def _matching_key(path: str, public: PublicKey) -> PrivateKey:
    """Return the private key in a PEM file. Raises CertificateUnusable if it belongs to another certificate."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read(path, "private key", check=partial(_check_mode, path))
    try:
        key = load_pem_private_key(data, None)
    except TypeError as error:  # the key is encrypted, so `cryptography` asks for a password
        raise CertificateUnusable(
            f"the private key in {path} is encrypted",
            hint="store it without a passphrase (`openssl pkey`), or sign with `sign_process`, which may ask for it",
        ) from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise CertificateUnusable(
            f"{path} is not a private key in PEM format", hint="a PKCS#8, PKCS#1 or EC key in PEM is needed"
        ) from error
    if not isinstance(key, RSAPrivateKey | EllipticCurvePrivateKey):
        message = f"the private key in {path} is neither RSA nor ECDSA"
        raise CertificateUnusable(message, hint="AWS accepts RSA and ECDSA keys")
    if key.public_key() != public:
        raise CertificateUnusable(
            f"the private key in {path} does not belong to the certificate",
            hint="after a renewal with a new key, both files have to be replaced",
        )
    return key


def _check_mode(path: str, status: os.stat_result) -> None:
    """Raise CertificateUnusable if users other than the file's owner and group can access it."""
    mode = stat.S_IMODE(status.st_mode)
    if os.name == "posix" and mode & _OTHERS:
        raise CertificateUnusable(
            f"every user of this machine can access the private key {path}",
            why=f"its mode is {mode:03o}",
            hint=f"`chmod 600 {path}`; for a Kubernetes secret, set `defaultMode: 0400`",
        )


def _read(path: str, noun: str, check: Callable[[os.stat_result], None] | None = None) -> bytes:
    try:
        data = read_file(path, MOST_BYTES + 1, check=check).data
    except OSError as error:
        hint = "check the path, and that this user can read the file"
        raise CertificateUnusable(f"the {noun} {path} can't be read: {reason(error)}", hint=hint) from error
    if len(data) > MOST_BYTES:
        raise CertificateUnusable(f"the {noun} {path} is larger than 1 MB", hint="name a PEM file")
    return data


def _key_signer(key: PrivateKey) -> Callable[[bytes], Awaitable[bytes]]:
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.hashes import SHA256

    async def sign(data: bytes) -> bytes:
        if isinstance(key, RSAPrivateKey):
            return key.sign(data, PKCS1v15(), SHA256())
        return key.sign(data, ECDSA(SHA256()))

    return sign


def _process_signer(settings: Settings, runtime: Runtime, public: PublicKey) -> Callable[[bytes], Awaitable[bytes]]:
    async def sign(data: bytes) -> bytes:
        signature = await blocking(lambda: sign_with(settings, runtime, data))
        if not _is_valid(public, signature, data):
            raise CertificateUnusable(
                "`sign_process` returned no signature of its input by the certificate's key",
                hint=(
                    "the command has to sign its standard input with SHA-256 (PKCS #1 v1.5, or ECDSA in DER); "
                    "`aws_signing_helper sign-string` signs a fixed text instead"
                ),
            )
        return signature

    return sign


def _is_valid(public: PublicKey, signature: bytes, data: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        if isinstance(public, RSAPublicKey):
            public.verify(signature, data, PKCS1v15(), SHA256())
        else:
            public.verify(signature, data, ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


def _shown(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def _require_cryptography() -> None:
    from importlib.util import find_spec

    if find_spec("cryptography") is None:
        raise _not_installed()


def _not_installed() -> DsopsError:
    hint = f"install the extra: `{install_command('rolesanywhere')}`"
    return CertificateUnusable("the package `cryptography` is not installed", hint=hint)
