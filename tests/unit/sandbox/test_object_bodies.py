"""moto keeps the body of an S3 object without a copy, and large bodies in a file."""

from __future__ import annotations

from hashlib import md5
from io import BytesIO
from typing import Any

from dsops.sandbox.state.buckets import _models
from tests.sandboxes import ACCOUNT, Lab

SEED = 'accounts: {"111111111111": {}}'


def stored(body: bytes, limit: int | None = None) -> Any:  # moto ships no types for its objects
    """Return moto's object with this body."""
    return _models().FakeKey(name="key", value=body, account_id=ACCOUNT, region_name="us-east-1", max_buffer_size=limit)


def test_a_stored_body_is_not_copied() -> None:
    """A stored object, and each read of it, share the bytes of the request."""
    body = b"x" * 100_000

    kept = stored(body)

    assert kept.value is body
    assert kept.value is body
    assert (100_000, f'"{md5(body, usedforsecurity=False).hexdigest()}"') == (kept.contentsize, kept.etag)


def test_a_new_body_replaces_the_old_one() -> None:
    """After a second assignment an object has the second body, also if only one of them is in memory."""
    kept = stored(b"first, which is longer", limit=10)
    for body in (b"second", b"third, which is longer again", b""):
        kept.value = body

        assert (body, len(body)) == (kept.value, kept.contentsize)


def test_a_large_body_is_in_a_file() -> None:
    """A body above moto's limit is not kept in memory."""
    small, large = stored(b"x" * 10, limit=10), stored(b"x" * 11, limit=10)

    assert isinstance(small._value_buffer, BytesIO)
    assert not isinstance(large._value_buffer, BytesIO)
    assert (b"x" * 10, b"x" * 11) == (small.value, large.value)


def test_parts_of_a_body_are_read() -> None:
    """An object can be read in whole and in part, in any order, and copied."""
    admin = Lab.of(SEED).user("admin")
    admin.call("s3", "CreateBucket", Bucket="bucket")
    admin.call("s3", "PutObject", Bucket="bucket", Key="a", Body=b"0123456789")

    part = admin.call("s3", "GetObject", Bucket="bucket", Key="a", Range="bytes=2-4")
    admin.call("s3", "CopyObject", Bucket="bucket", Key="b", CopySource="bucket/a")
    whole = admin.call("s3", "GetObject", Bucket="bucket", Key="b")

    assert ("234", "0123456789") == (part["Body"], whole["Body"])
