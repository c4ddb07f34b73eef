"""moto's S3 without its own permission checks, plus checks of expected bucket owners and upload ids."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from dsops.sandbox.wire.errors import access_denied, refusal

# These may read another account's bucket: the authorization has covered it. CreateBucket must see all bucket names.
_ACROSS = frozenset({"CopyObject", "UploadPartCopy", "CreateBucket"})


@contextmanager
def reach(operation: str) -> Iterator[None]:
    """Within the context, let moto read other accounts' buckets if the operation may."""
    models = _models()
    models.s3_allow_crossdomain_access = _yes if operation in _ACROSS else _no
    try:
        yield
    finally:
        # Firehose, Lambda and others look up buckets, too, by name alone.
        models.s3_allow_crossdomain_access = _no


def check_owners(parameters: Mapping[str, object]) -> None:
    """Refuse a bucket whose owner is not the expected one. Raises AccessDenied."""
    source = str(parameters.get("CopySource", "")).partition("/")[0]
    for name, bucket in (("ExpectedBucketOwner", parameters.get("Bucket")), ("ExpectedSourceBucketOwner", source)):
        _, owner = _models().s3_backends.bucket_accounts.get(bucket, ("", ""))
        if owner and parameters.get(name, owner) != owner:
            raise access_denied("Access Denied")


def check_upload(account: str, partition: str, bucket: str, key: str, upload_id: str) -> None:
    """Refuse an upload id that does not exist or is another key's: moto checks the id alone. Raises NoSuchUpload."""
    stored_bucket = _models().s3_backends[account][partition].buckets.get(bucket)
    upload = None if stored_bucket is None else stored_bucket.multiparts.get(upload_id)
    if stored_bucket is not None and (upload is None or upload.key_name != key):
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
def _models() -> Any:  # a module has no static type
    """moto's S3 models, with buckets that permit everything, because the judge has authorized the request.

    moto's own check of a bucket policy supports neither principals nor conditions and would refuse what AWS allows.
    """
    from moto.iam.access_control import PermissionResult
    from moto.s3 import models

    class SandboxBucket(models.FakeBucket):
        """A bucket that never checks its policy."""

        def get_permission(self, action: str, resource: str) -> Any:  # noqa: ARG002 - moto's signature
            return PermissionResult.PERMITTED

    models.FakeBucket = SandboxBucket  # type: ignore[misc]
    models.s3_allow_crossdomain_access = _no  # type: ignore[attr-defined]
    return models
