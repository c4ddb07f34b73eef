"""Replace moto's S3 permission checks; check expected bucket owners and upload ids."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from typing import Any

from dsops.request.wire.errors import access_denied, refusal
from dsops.sandbox.state.quick_moto.object_bodies import keep_bodies
from dsops.sandbox.state.quick_moto.s3_results import ENCRYPTION, complete_headers

# These operations may read a bucket of another account, because the sandbox has already authorized that access.
# CreateBucket must see the bucket names of all accounts.
_ENCRYPTED = frozenset({"CreateMultipartUpload", "UploadPart", "UploadPartCopy", "CompleteMultipartUpload"})
_CHECKSUM = "x-amz-checksum-"
_ACCOUNT_ID = re.compile(r"[0-9]{12}")
_ACROSS = frozenset({"CopyObject", "UploadPartCopy", "CreateBucket"})


@contextmanager
def reach(operation: str) -> Iterator[None]:
    """Within the context, let moto access other accounts' buckets if the operation may access them."""
    models = _models()
    models.s3_allow_crossdomain_access = _yes if operation in _ACROSS else _no
    try:
        yield
    finally:
        # Firehose, Lambda and other services of moto also look buckets up by name, and must not reach other accounts.
        models.s3_allow_crossdomain_access = _no


def check_owners(parameters: Mapping[str, object]) -> None:
    """Raise AccessDenied if the bucket owner that the request expects is not the actual owner.

    Raises InvalidBucketOwnerAWSAccountID if the expected owner is no account id.
    """
    source = str(parameters.get("CopySource", "")).partition("/")[0]
    for name, bucket in (("ExpectedBucketOwner", parameters.get("Bucket")), ("ExpectedSourceBucketOwner", source)):
        expected = str(parameters.get(name, ""))
        if name in parameters and not _ACCOUNT_ID.fullmatch(expected):
            text = f"The value of the expected bucket owner parameter must be an AWS Account ID... [{expected}]"
            raise refusal("InvalidBucketOwnerAWSAccountID", text)
        _, owner = _models().s3_backends.bucket_accounts.get(bucket, ("", ""))
        if owner and name in parameters and expected != owner:
            raise access_denied("Access Denied")


def check_upload(account: str, partition: str, bucket: str, key: str, upload_id: str) -> None:
    """Raise NoSuchUpload if the upload id does not exist or belongs to another object key.

    moto itself checks only that the id exists.
    """
    stored_bucket = _models().s3_backends[account][partition].buckets.get(bucket)
    upload = None if stored_bucket is None else stored_bucket.multiparts.get(upload_id)
    if stored_bucket is not None and (upload is None or upload.key_name != key):
        raise refusal(
            "NoSuchUpload",
            "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted "
            "or completed.",
            404,
        )


def with_stored_headers(
    operation: str, headers: tuple[tuple[str, str], ...], bucket_arn: str
) -> tuple[tuple[str, str], ...]:
    """Return the headers of a successful answer about a bucket, an object that is stored, or a part of one."""
    if operation == "HeadBucket":
        return (*headers, ("x-amz-bucket-arn", bucket_arn), ("x-amz-access-point-alias", "false"))
    if operation == "CompleteMultipartUpload":
        headers = tuple(header for header in headers if header != ("x-amz-version-id", "null"))
    if operation == "PutObject":
        has_checksum = any(name.lower().startswith(_CHECKSUM) for name, _ in headers)
        headers = tuple(header for header in headers if header[0] != "last-modified")
        if has_checksum:
            headers += (("x-amz-checksum-type", "FULL_OBJECT"),)
    elif operation in _ENCRYPTED and not any(name.lower() == ENCRYPTION for name, _ in headers):
        headers += ((ENCRYPTION, "AES256"),)
    return headers


def _yes() -> bool:
    return True


def _no() -> bool:
    return False


@cache
def _models() -> Any:  # Any: the type of a module that is imported late
    """Return moto's S3 models with a bucket class that permits every action.

    The sandbox has already authorized the request. moto's own bucket policy check supports neither principals nor
    conditions, so it would refuse requests that AWS allows.
    """
    from moto.iam.access_control import PermissionResult
    from moto.s3 import models

    class SandboxBucket(models.FakeBucket):
        """A bucket whose own permission check permits every action."""

        def get_permission(self, action: str, resource: str) -> Any:  # noqa: ARG002 - moto's signature
            return PermissionResult.PERMITTED

    keep_bodies(models)
    complete_headers(models)
    models.FakeBucket = SandboxBucket  # type: ignore[misc]
    models.s3_allow_crossdomain_access = _no  # type: ignore[attr-defined]
    return models
