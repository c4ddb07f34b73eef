"""The key pair of a KMS key is generated at its first use."""

from __future__ import annotations

from base64 import b64encode

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.sandboxes import Person
from tests.unit.sandbox.conftest import LabFactory

SEED = """
accounts:
  "111111111111":
    users:
      admin:
        policies:
        - {Version: "2012-10-17", Statement: {Effect: Allow, Action: "*", Resource: "*"}}
"""


@pytest.fixture
def admin(make_lab: LabFactory) -> Person:
    """A user who may do everything."""
    return make_lab(SEED).user("admin")


def create(admin: Person, spec: str, usage: str) -> str:
    """Create a key of this kind; return its id."""
    key_id: str = admin.call("kms", "CreateKey", KeySpec=spec, KeyUsage=usage)["KeyMetadata"]["KeyId"]
    return key_id


def test_a_symmetric_key_needs_no_pair(admin: Person, monkeypatch: pytest.MonkeyPatch) -> None:
    """A symmetric key needs no key pair; an asymmetric key gets one when its public key is read."""
    drawn: list[int] = []

    def draw(public_exponent: int, key_size: int) -> rsa.RSAPrivateKey:
        drawn.append(key_size)
        return generate(public_exponent, key_size)

    generate = rsa.generate_private_key
    monkeypatch.setattr(rsa, "generate_private_key", draw)
    symmetric = create(admin, "SYMMETRIC_DEFAULT", "ENCRYPT_DECRYPT")
    encrypted = admin.call("kms", "Encrypt", KeyId=symmetric, Plaintext=b"text")["CiphertextBlob"]
    assert admin.call("kms", "Decrypt", CiphertextBlob=encrypted)["Plaintext"] == b"text"
    pair = create(admin, "RSA_3072", "SIGN_VERIFY")
    assert drawn == []
    admin.call("kms", "GetPublicKey", KeyId=pair)
    assert drawn == [3072]


def test_a_key_keeps_its_pair(admin: Person) -> None:
    """Signatures of one key are valid for its public key, which stays the same, and not for another key's."""
    key, other = (create(admin, "RSA_2048", "SIGN_VERIFY") for _ in range(2))
    method = {"SigningAlgorithm": "RSASSA_PKCS1_V1_5_SHA_256"}
    signature = admin.call("kms", "Sign", KeyId=key, Message=b"text", **method)["Signature"]
    public = [admin.call("kms", "GetPublicKey", KeyId=key)["PublicKey"] for _ in range(2)]

    assert b64encode(public[0]) == b64encode(public[1])
    loaded = load_der_public_key(public[0])
    assert isinstance(loaded, rsa.RSAPublicKey)
    loaded.verify(signature, b"text", PKCS1v15(), SHA256())
    assert admin.call("kms", "Verify", KeyId=key, Message=b"text", Signature=signature, **method)["SignatureValid"]
    of_other = admin.refused("kms", "Verify", KeyId=other, Message=b"text", Signature=signature, **method)
    assert of_other.code == "KMSInvalidSignatureException"


def test_an_elliptic_curve_has_its_own_pair(admin: Person) -> None:
    """A key of an elliptic curve signs with that curve."""
    key = create(admin, "ECC_NIST_P384", "SIGN_VERIFY")
    method = {"SigningAlgorithm": "ECDSA_SHA_384"}
    signature = admin.call("kms", "Sign", KeyId=key, Message=b"text", **method)["Signature"]

    assert admin.call("kms", "Verify", KeyId=key, Message=b"text", Signature=signature, **method)["SignatureValid"]
