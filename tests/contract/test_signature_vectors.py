"""Checks the sandbox's signature verification with AWS's published test vectors."""

from __future__ import annotations

from hashlib import sha256

import pytest

from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import answer_of
from dsops.request.wire.signature import _canonical_request, check_scope, check_signature, read_claim
from tests.contract.signature_vectors.vectors import MOMENT, SECRET, Vector, vectors
from tests.installed import OUTSIDE, ToolMissingError

# The first run downloads botocore's sources.
pytestmark = [pytest.mark.clients, pytest.mark.timeout(300)]
MINUTES = 15
TOKEN_AFTERWARDS = "post-sts-token/post-sts-header-after"
"""The vector whose session token is added after the request was signed."""


@pytest.fixture(scope="module")
def published() -> list[Vector]:
    """All vectors, without the unsigned token; skipped if they cannot be downloaded."""
    try:
        return [_as_signed(vector) for vector in vectors(OUTSIDE)]
    except ToolMissingError as missing:
        pytest.skip(str(missing))


def _as_signed(vector: Vector) -> Vector:
    headers = dict(vector.signed.headers)
    if vector.name == TOKEN_AFTERWARDS:
        del headers["x-amz-security-token"]
    return vector._replace(signed=vector.signed._replace(headers=headers))


def test_there_are_as_many_as_aws_publishes(published: list[Vector]) -> None:
    """AWS published 34 signature vectors, which have unique names."""
    assert len({vector.name for vector in published}) == len(published) == 34


def test_every_canonical_request_is_awss(published: list[Vector]) -> None:
    """Every canonical request equals AWS's, byte for byte."""
    for vector in published:
        claim = read_claim(vector.signed, MOMENT, MINUTES)
        canonical = _canonical_request(vector.signed, claim, sha256(vector.signed.body).hexdigest())

        assert vector.canonical == canonical, vector.name
        assert vector.to_sign.split("\n")[-1] == sha256(canonical).hexdigest(), vector.name


def test_every_signature_of_aws_is_accepted(published: list[Vector]) -> None:
    """The sandbox accepts every signature that AWS published within its scope."""
    for vector in published:
        claim = read_claim(vector.signed, MOMENT, MINUTES)
        check_scope(claim, "service")
        try:
            check_signature(vector.signed, claim, SECRET)
        except SandboxRefusal as refused:
            pytest.fail(f"{vector.name}: {answer_of(refused).message}")


def test_no_signature_fits_another_request(published: list[Vector]) -> None:
    """Each signature becomes invalid if a header, path, query, body or secret changes."""
    for vector in published:
        request = vector.signed
        headers = {**request.headers, "host": "example.amazonaws.con"}
        for other, secret in (
            (request._replace(headers=headers), SECRET),
            (request._replace(path=f"{request.path}x"), SECRET),
            (request._replace(query=f"{request.query}&x=1"), SECRET),
            (request._replace(body=request.body + b"x"), SECRET),
            (request, SECRET.lower()),
        ):
            claim = read_claim(other, MOMENT, MINUTES)
            with pytest.raises(SandboxRefusal) as caught:
                check_signature(other, claim, secret)
            assert answer_of(caught.value).code == "SignatureDoesNotMatch", vector.name


def test_a_token_that_was_not_signed_is_refused(published: list[Vector]) -> None:
    """The sandbox refuses an unsigned session token in every service, unlike some services of AWS."""
    vector = next(vector for vector in published if vector.name == TOKEN_AFTERWARDS)
    late = vector.signed._replace(headers={**vector.signed.headers, "x-amz-security-token": "token"})

    with pytest.raises(SandboxRefusal) as caught:
        read_claim(late, MOMENT, MINUTES)
    assert answer_of(caught.value).message.startswith("'x-amz-security-token' must be a 'SignedHeader'")
