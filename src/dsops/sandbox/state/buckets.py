"""Replace moto's S3 permission checks; check expected bucket owners, ACLs and upload ids."""

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
_OWNER_ENFORCED = "BucketOwnerEnforced"
_CANNED = frozenset(
    """
    private public-read public-read-write authenticated-read aws-exec-read bucket-owner-read
    bucket-owner-full-control log-delivery-write
    """.split()
)
_GRANTS = ("ACL", "GrantFullControl", "GrantRead", "GrantReadACP", "GrantWrite", "GrantWriteACP")


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


def check_acl(account: str, partition: str, operation: str, parameters: Mapping[str, object]) -> None:
    """Refuse an ACL for a bucket whose object ownership is `BucketOwnerEnforced`, the default of new buckets.

    Raises AccessControlListNotSupported, or InvalidBucketAclWithObjectOwnership for a new bucket, or InvalidArgument
    for an unknown canned ACL. S3 User Guide, "Controlling ownership of objects and disabling ACLs for your bucket".
    """
    acls = [str(parameters[name]) for name in _GRANTS if parameters.get(name)]
    if str(parameters.get("ACL", "private")) not in _CANNED:
        # AWS checks this first, and returns no message (recorded).
        raise refusal("InvalidArgument", None)
    if operation == "CreateBucket":
        ownership = str(parameters.get("ObjectOwnership", _OWNER_ENFORCED))
        is_taken = parameters.get("Bucket") in _models().s3_backends.bucket_accounts
        if ownership == _OWNER_ENFORCED and set(acls) - {"private"} and not is_taken:
            text = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
            raise refusal("InvalidBucketAclWithObjectOwnership", text)
        return
    # An upload may name an ACL that gives rights to the bucket's owner only. rclone always sends `private`.
    for_owner = {"bucket-owner-full-control", "private"}
    sets_acl = operation in {"PutBucketAcl", "PutObjectAcl"} or bool(set(acls) - for_owner)
    bucket = _models().s3_backends[account][partition].buckets.get(parameters.get("Bucket")) if sets_acl else None
    if bucket is not None and bucket.ownership_rule == _OWNER_ENFORCED:
        raise refusal("AccessControlListNotSupported", "The bucket does not allow ACLs")


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
        """A bucket whose own permission check permits every action, and whose owner owns its objects."""

        def __init__(self, *arguments: Any, **named: Any) -> None:
            super().__init__(*arguments, **named)
            self.ownership_rule = _OWNER_ENFORCED  # type: ignore[assignment]  # moto stores the text, not a dict

        def get_permission(self, action: str, resource: str) -> Any:  # noqa: ARG002 - moto's signature
            return PermissionResult.PERMITTED

    keep_bodies(models)
    complete_headers(models)
    models.FakeBucket = SandboxBucket  # type: ignore[misc]
    models.s3_allow_crossdomain_access = _no  # type: ignore[attr-defined]
    return models
