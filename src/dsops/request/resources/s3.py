"""Determine the authorization checks of S3: bucket, object, copy source, encryption key.

A bucket's name does not contain its account, so the owner is looked up; a missing bucket is treated as the caller's
own. Access points are not supported: an access point's ARN in place of a bucket is allowed only by a policy for `*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final
from urllib.parse import parse_qsl, unquote

from dsops.errors import SandboxRefusal
from dsops.policy import is_public_policy
from dsops.request.context import request_tags, tag_keys
from dsops.request.lookups import Bucket, ResourceLookup, StoredObject
from dsops.request.parameter_values import Parameters, inside, key_if_given, listed_tags, many, text
from dsops.request.question import AuthorizationQuestion, CallerView, Context
from dsops.request.resources.kms import KmsResources
from dsops.request.resources.s3_actions import (
    ALSO_WITH,
    ALSO_WITH_NEW_BUCKET,
    CONDITION_KEYS,
    ON_BUCKET,
    ON_OBJECT,
    ON_VERSION,
)
from dsops.request.stored_policies import compiled
from dsops.request.wire.errors import access_denied, refusal

_READS = frozenset({"GetObject", "HeadObject", "GetObjectAttributes", "SelectObjectContent"})
_WRITES = frozenset({"PutObject", "CopyObject", "CreateMultipartUpload"})
_SOURCE: Final = re.compile(r"/?(?P<path>[^/?#;:\s][^?#;\s]*)(?:\?versionId=(?P<version>[A-Za-z0-9._-]+))?")
_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{1,255}")
_OF_DIRECTORY_BUCKETS = frozenset({"CreateSession", "ListDirectoryBuckets", "RenameObject"})


class S3Resources:
    """Yields the authorization checks of S3 in one sandbox."""

    def __init__(self, stored: ResourceLookup, kms: KmsResources) -> None:
        self._stored = stored
        self._kms = kms

    def questions(self, operation: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
        """Yield the authorization checks of an S3 operation."""
        call = _Asked(self._stored, operation, parameters, caller)
        if operation in _OF_DIRECTORY_BUCKETS or not call.is_plain:
            yield call.about_anything()
        elif operation == "ListBuckets":
            # AWS's own example policies allow ListAllMyBuckets on `arn:aws:s3:::*` (S3 User Guide, "Bucket policies and
            # user policies"), which would not match a check on `*`.
            yield AuthorizationQuestion("s3:ListAllMyBuckets", call.arn("*"), caller.account, call.context, shown="*")
        elif operation == "DeleteObjects":
            yield from self._deletions(call)
        elif "Key" in parameters:
            yield from self._of_object(call)
        else:
            yield from self._of_bucket(call)

    def _of_bucket(self, call: _Asked) -> Iterator[AuthorizationQuestion]:
        operation, parameters = call.operation, call.parameters
        context = call.context
        if operation == "CreateBucket":
            configuration = inside(parameters, "CreateBucketConfiguration")
            context = context | key_if_given("s3:locationconstraint", configuration, "LocationConstraint")
            context |= request_tags(listed_tags(configuration.get("Tags")))
            yield call.about_bucket("CreateBucket", context)
            further_actions = _further_actions(ALSO_WITH_NEW_BUCKET, parameters)
            if configuration.get("Tags"):
                further_actions["TagResource"] = None
            if parameters.get("ObjectLockEnabledForBucket"):
                further_actions["PutBucketVersioning"] = None
            for action in further_actions:
                yield call.about_bucket(action, context)
            return
        if operation == "PutBucketTagging":
            context = context | request_tags(listed_tags(inside(parameters, "Tagging").get("TagSet")))
        yield call.about_bucket(ON_BUCKET.get(operation, operation), context)
        is_blocked = call.bucket is not None and call.bucket.blocks_public_policy
        if operation == "PutBucketPolicy" and is_blocked and _is_public(text(parameters, "Policy")):
            raise access_denied(_PUBLIC_POLICY_BLOCKED % (call.caller.arn or "anonymous", call.name))

    def _of_object(self, call: _Asked) -> Iterator[AuthorizationQuestion]:
        operation, parameters = call.operation, call.parameters
        stored = call.stored(text(parameters, "Key"), text(parameters, "VersionId"))
        context = call.context | _tags_of(stored) | _tags_passed(operation, parameters)
        context |= _lock_keys(parameters)
        for action in _object_actions(operation, parameters):
            yield call.about_object(action, text(parameters, "Key"), context)
        if operation in _WRITES:
            for action in _further_actions(ALSO_WITH, parameters):
                yield call.about_object(action, text(parameters, "Key"), context)
            yield from self._encryption(call, text(parameters, "SSEKMSKeyId"))
        if parameters.get("BypassGovernanceRetention"):
            yield call.about_object("BypassGovernanceRetention", text(parameters, "Key"), context)
        if operation in {"CopyObject", "UploadPartCopy"}:
            yield from self._source(call)
        if operation in _READS:
            yield from self._reading(call, stored)

    def _reading(self, call: _Asked, stored: StoredObject | None) -> Iterator[AuthorizationQuestion]:
        if stored is None and not text(call.parameters, "VersionId") and call.bucket is not None:
            # Only a caller with ListBucket permission learns that the object does not exist (GetObject API reference,
            # "Permissions").
            yield call.about_bucket("ListBucket", {})
        elif stored is not None and stored.kms_key and call.operation in {"GetObject", "SelectObjectContent"}:
            yield from self._kms.through_s3("Decrypt", stored.kms_key, call.caller, call.owner, call.name)

    def _encryption(self, call: _Asked, key: str) -> Iterator[AuthorizationQuestion]:
        """Yield the KMS check for a customer key. S3's own keys require no permission."""
        algorithm = text(call.parameters, "ServerSideEncryption")
        if not algorithm and call.bucket is not None:
            algorithm, key = "aws:kms", call.bucket.kms_key
        if key and algorithm.startswith("aws:kms"):
            yield from self._kms.through_s3("GenerateDataKey", key, call.caller, call.owner, call.name)

    def _source(self, call: _Asked) -> Iterator[AuthorizationQuestion]:
        """Yield checks for reading the object to be copied, which may be in another account."""
        bucket, key, version = _copy_source(call.parameters.get("CopySource"))
        source = _Asked(self._stored, call.operation, {"Bucket": bucket, "VersionId": version}, call.caller)
        stored = source.stored(key, version)
        context = {"s3:ResourceAccount": (source.owner,), **_tags_of(stored)}
        if version:
            context["s3:VersionId"] = (version,)
        yield source.about_object("GetObjectVersion" if version else "GetObject", key, context)
        if stored is None:
            return
        if stored.tags and call.operation == "CopyObject" and text(call.parameters, "TaggingDirective") != "REPLACE":
            yield source.about_object("GetObjectVersionTagging" if version else "GetObjectTagging", key, context)
            yield call.about_object("PutObjectTagging", text(call.parameters, "Key"), call.context)
        if stored.kms_key:
            yield from self._kms.through_s3("Decrypt", stored.kms_key, source.caller, source.owner, source.name)

    def _deletions(self, call: _Asked) -> Iterator[AuthorizationQuestion]:
        """Yield a check for each object to be deleted.

        AWS deletes the allowed objects and reports an error for each denied object. The sandbox refuses the whole
        request if one object is denied.
        """
        for entry in many(inside(call.parameters, "Delete"), "Objects"):
            key, version = text(entry, "Key"), text(entry, "VersionId")
            context = call.context | _tags_of(call.stored(key, version))
            context |= {"s3:VersionId": (version,)} if version else {}
            yield call.about_object("DeleteObjectVersion" if version else "DeleteObject", key, context)
            if call.parameters.get("BypassGovernanceRetention"):
                yield call.about_object("BypassGovernanceRetention", key, context)


class _Asked:
    """A request's bucket with its owner; creates the authorization checks for the bucket and its objects."""

    def __init__(self, stored: ResourceLookup, operation: str, parameters: Parameters, caller: CallerView) -> None:
        self.operation = operation
        self.parameters = parameters
        self.caller = caller
        self.name = text(parameters, "Bucket")
        self.is_plain = "Bucket" not in parameters or (":" not in self.name and "/" not in self.name)
        self._stored = stored
        self.bucket: Bucket | None = stored.bucket(self.name, caller.partition) if self.name else None
        if operation == "CreateBucket" and self.bucket is not None and self.bucket.account != caller.account:
            # A bucket of another account is not checked, because the request fails with BucketAlreadyExists anyway.
            self.bucket = None
        self.owner = caller.account if self.bucket is None else self.bucket.account
        self.context: Context = {"s3:ResourceAccount": (self.owner,)}
        for name, key in CONDITION_KEYS.items():
            self.context |= key_if_given(key, parameters, name)

    def arn(self, resource: str) -> str:
        """Return the ARN of `BUCKET` or `BUCKET/KEY`."""
        return f"arn:{self.caller.partition}:s3:::{resource}"

    def stored(self, key: str, version: str) -> StoredObject | None:
        """Return the current state of an object; None if the object does not exist."""
        return self._stored.object(self.name, key, version, self.caller.partition)

    def about_bucket(self, action: str, context: Context) -> AuthorizationQuestion:
        """Return the authorization check for an action on the bucket."""
        return self._question(action, self.name, context)

    def about_object(self, action: str, key: str, context: Context) -> AuthorizationQuestion:
        """Return the authorization check for an action on an object."""
        return self._question(action, f"{self.name}/{key}", context)

    def about_anything(self) -> AuthorizationQuestion:
        """Return an authorization check on `*`, for a request whose resource is unknown."""
        prefix = "s3express" if self.operation in _OF_DIRECTORY_BUCKETS else "s3"
        return AuthorizationQuestion(f"{prefix}:{self.operation}", "*", self.caller.account, self.context)

    def _question(self, action: str, resource: str, context: Context) -> AuthorizationQuestion:
        bucket = self.bucket
        arn = self.arn(resource)
        policy = None if bucket is None else bucket.policy
        is_outsider = self.caller.account != self.owner
        if bucket is not None and bucket.restricts_public and is_outsider and policy is not None:
            # RestrictPublicBuckets means that a public policy applies only to the bucket's own account.
            policy = None if _is_public(policy.text) else policy
        # S3's error messages have quotes around ARNs.
        return AuthorizationQuestion(f"s3:{action}", arn, self.owner, context, policy, shown=f'"{arn}"')


_PUBLIC_POLICY_BLOCKED = (
    'User: %s is not authorized to perform: s3:PutBucketPolicy on resource: "arn:aws:s3:::%s" because public policies'
    " are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
)


def _further_actions(table: Mapping[str, str], parameters: Parameters) -> dict[str, None]:
    """Return the further actions that the parameters in the request require, without duplicates."""
    return dict.fromkeys(action for name, action in table.items() if parameters.get(name))


def _object_actions(operation: str, parameters: Parameters) -> tuple[str, ...]:
    actions = ON_OBJECT.get(operation, (operation,))
    if text(parameters, "VersionId"):
        return tuple(ON_VERSION.get(action, action) for action in actions)
    return actions


def _copy_source(value: object) -> tuple[str, str, str]:
    """Return the bucket, key and version of a copy source.

    A copy source is `BUCKET/KEY?versionId=ID` with an escaped key, or a structure with these three fields. Other forms
    are refused, because moto could parse them as a different object from the authorized one.
    """
    if isinstance(value, Mapping):
        bucket, key, version = text(value, "Bucket"), text(value, "Key"), text(value, "VersionId")
    else:
        source_match = _SOURCE.fullmatch(str(value or ""))
        if source_match is None:
            raise _no_source()
        bucket, _, key = unquote(source_match["path"]).partition("/")
        version = source_match["version"] or ""
    if not _BUCKET.fullmatch(bucket) or not key:
        raise _no_source()
    return bucket, key, version


def _no_source() -> SandboxRefusal:
    message = "Copy Source must mention the source bucket and key: sourcebucket/sourcekey"
    return refusal("InvalidArgument", message)


def _tags_of(stored: StoredObject | None) -> Context:
    return {} if stored is None else tag_keys(("s3:ExistingObjectTag",), stored.tags)


def _tags_passed(operation: str, parameters: Parameters) -> Context:
    """Return the condition keys of an object's new tags, from PutObject's header or PutObjectTagging's body."""
    if operation == "PutObjectTagging":
        tags = tuple(listed_tags(inside(parameters, "Tagging").get("TagSet")))
    else:
        tags = tuple(parse_qsl(text(parameters, "Tagging"), keep_blank_values=True))
    if not tags:
        return {}
    keys: Context = tag_keys(("s3:RequestObjectTag",), tags)
    return {**keys, "s3:RequestObjectTagKeys": tuple(key for key, _ in tags)}


def _lock_keys(parameters: Parameters) -> Context:
    retention = inside(parameters, "Retention")
    hold = inside(parameters, "LegalHold")
    return key_if_given("s3:object-lock-mode", retention, "Mode") | key_if_given(
        "s3:object-lock-legal-hold", hold, "Status"
    )


def _is_public(text: str) -> bool:
    """Whether a bucket policy is public as S3 Block Public Access defines it; False if it can't be parsed."""
    return is_public_policy(compiled(text, "resource", "a bucket's policy"))
