"""moto's S3, taught to leave permissions to the judge, and looked into where a request names two things at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from dsops.sandbox.wire.errors import access_denied, refusal

# They read a bucket that may be another account's: the questions asked for it. CreateBucket learns whose a name is.
_ACROSS = frozenset({"CopyObject", "UploadPartCopy", "CreateBucket"})


@contextmanager
def reach(operation: str) -> Iterator[None]:
    """As long as this lasts moto looks into another account's buckets, where the operation is one that may."""
    models = _models()
    models.s3_allow_crossdomain_access = _yes if operation in _ACROSS else _no
    try:
        yield
    finally:
        # Firehose, Lambda and others look for buckets too, by their names alone.
        models.s3_allow_crossdomain_access = _no


def check_owners(parameters: Mapping[str, object]) -> None:
    """Refuses a bucket that is not whose the client expects it to be. Raises AccessDenied."""
    source = str(parameters.get("CopySource", "")).partition("/")[0]
    for name, bucket in (("ExpectedBucketOwner", parameters.get("Bucket")), ("ExpectedSourceBucketOwner", source)):
        _, owner = _models().s3_backends.bucket_accounts.get(bucket, ("", ""))
        if owner and parameters.get(name, owner) != owner:
            raise access_denied("Access Denied")


def check_upload(account: str, partition: str, bucket: str, key: str, upload_id: str) -> None:
    """Refuses an upload id that is missing or another key's: moto looks at the id alone. Raises NoSuchUpload."""
    held = _models().s3_backends[account][partition].buckets.get(bucket)
    upload = None if held is None else held.multiparts.get(upload_id)
    if held is not None and (upload is None or upload.key_name != key):
        raise refusal(
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
            "or completed.",
            404,
        )


def _yes() -> bool:
    return True


def _no() -> bool:
    return False


@cache
def _models() -> Any:  # a module has no type that could be named
    """moto's S3, whose buckets allow what has been allowed already.

    moto's own check of a bucket's policy knows neither principals nor conditions, and would refuse what AWS allows.
    """
    from moto.iam.access_control import PermissionResult
    from moto.s3 import models

    class SandboxBucket(models.FakeBucket):
        """A bucket that leaves its policy to the judge."""

        def get_permission(self, action: str, resource: str) -> Any:  # noqa: ARG002 - moto's signature
            return PermissionResult.PERMITTED

    models.FakeBucket = SandboxBucket  # type: ignore[misc]
    models.s3_allow_crossdomain_access = _no  # type: ignore[attr-defined]
    return models
