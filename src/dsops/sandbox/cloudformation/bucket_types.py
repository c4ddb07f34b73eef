"""The resource types of S3. The calls are those of AWS's handlers (`handlers.*.permissions` in the types' schemas)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from dsops.request.wire.errors import refusal
from dsops.sandbox.cloudformation.handler import Handler, Made, Properties, ResourceType, as_text, words

_MISSING: Final = frozenset({"NoSuchBucket", "NoSuchBucketPolicy"})


def _encryption(written: Properties) -> dict[str, Any]:
    rules = written.get("ServerSideEncryptionConfiguration") or []
    names = {"ServerSideEncryptionByDefault": "ApplyServerSideEncryptionByDefault"}
    return {"Rules": [{names.get(key, key): value for key, value in rule.items()} for rule in rules]}


def _lifecycle(written: Properties) -> dict[str, Any]:
    return {"Rules": [_lifecycle_rule(rule) for rule in written.get("Rules") or []]}


def _lifecycle_rule(written: Properties) -> dict[str, Any]:
    rule = {"Status": written.get("Status"), "Filter": {"Prefix": str(written.get("Prefix", ""))}}
    for key, value in written.items():
        if key == "Id":
            rule["ID"] = value
        elif key == "ExpirationInDays":
            rule["Expiration"] = {"Days": value}
        elif key == "NoncurrentVersionExpirationInDays":
            rule["NoncurrentVersionExpiration"] = {"NoncurrentDays": value}
        elif key in {"AbortIncompleteMultipartUpload", "NoncurrentVersionExpiration"}:
            rule[key] = value
        elif key not in {"Status", "Prefix"}:
            raise refusal("ValidationError", f"The dsops sandbox does not support {key} in a lifecycle rule")
    return rule


def _same(written: Properties) -> Properties:
    return written


def _cors(written: Properties) -> dict[str, Any]:
    names = {"MaxAge": "MaxAgeSeconds", "ExposedHeaders": "ExposeHeaders", "Id": "ID"}
    rules = written.get("CorsRules") or []
    return {"CORSRules": [{names.get(key, key): value for key, value in rule.items()} for rule in rules]}


def _acl(written: str) -> str:
    """Return S3's name of a canned ACL, such as `log-delivery-write` for `LogDeliveryWrite`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", written).lower()


_PARTS: Final[tuple[tuple[str, str, str, Callable[[Any], object]], ...]] = (
    ("AccessControl", "PutBucketAcl", "ACL", _acl),
    ("BucketEncryption", "PutBucketEncryption", "ServerSideEncryptionConfiguration", _encryption),
    ("VersioningConfiguration", "PutBucketVersioning", "VersioningConfiguration", _same),
    ("PublicAccessBlockConfiguration", "PutPublicAccessBlock", "PublicAccessBlockConfiguration", _same),
    ("OwnershipControls", "PutBucketOwnershipControls", "OwnershipControls", _same),
    ("LifecycleConfiguration", "PutBucketLifecycleConfiguration", "LifecycleConfiguration", _lifecycle),
    ("CorsConfiguration", "PutBucketCors", "CORSConfiguration", _cors),
)
"""For each property the call that sets it, the call's parameter, and the conversion of the value."""
_DELETIONS: Final = {
    "BucketEncryption": "DeleteBucketEncryption",
    "PublicAccessBlockConfiguration": "DeletePublicAccessBlock",
    "OwnershipControls": "DeleteBucketOwnershipControls",
    "LifecycleConfiguration": "DeleteBucketLifecycle",
    "CorsConfiguration": "DeleteBucketCors",
}


def _create_bucket(handler: Handler, properties: Properties) -> Made:
    name = handler.name(properties, "BucketName", 63, is_lower=True)
    region = handler.place.region
    place = None if region == "us-east-1" else {"LocationConstraint": region}
    handler.call("s3", "CreateBucket", {"Bucket": name, "CreateBucketConfiguration": place})
    host = f"{name}.s3.{region}.amazonaws.com"
    attributes = {
        "Arn": f"arn:{handler.place.partition}:s3:::{name}",
        "DomainName": f"{name}.s3.amazonaws.com",
        "RegionalDomainName": host,
        "DualStackDomainName": f"{name}.s3.dualstack.{region}.amazonaws.com",
        "WebsiteURL": f"http://{name}.s3-website-{region}.amazonaws.com",
    }
    made = handler.keep(Made(name, attributes))
    return _update_bucket(handler, made, {}, properties)


def _update_bucket(handler: Handler, made: Made, old: Properties, new: Properties) -> Made:
    for name, operation, parameter, convert in _PARTS:
        before, after = old.get(name), new.get(name)
        if after is not None and after != before:
            handler.call("s3", operation, {"Bucket": made.id, parameter: convert(after)})
        elif after is None and before is not None:
            _take_away(handler, made, name)
    tags = handler.tag_list(new)
    if tags and new.get("Tags") != old.get("Tags", ()):
        handler.call("s3", "PutBucketTagging", {"Bucket": made.id, "Tagging": {"TagSet": tags}})
    return made


def _take_away(handler: Handler, made: Made, name: str) -> None:
    if name in _DELETIONS:
        handler.call("s3", _DELETIONS[name], {"Bucket": made.id})
    else:
        suspended = {"Status": "Suspended"}
        handler.call("s3", "PutBucketVersioning", {"Bucket": made.id, "VersioningConfiguration": suspended})


def _put_policy(handler: Handler, properties: Properties) -> Made:
    bucket = str(properties.get("Bucket", ""))
    policy = as_text(properties.get("PolicyDocument"))
    handler.call("s3", "PutBucketPolicy", {"Bucket": bucket, "Policy": policy})
    return Made(bucket)


BUCKET_TYPES: Final[Mapping[str, ResourceType]] = {
    "AWS::S3::Bucket": ResourceType(
        words("BucketName Tags") | frozenset(name for name, *_ in _PARTS),
        _create_bucket,
        lambda handler, made, _: handler.unless(_MISSING, "s3", "DeleteBucket", {"Bucket": made.id}),
        _update_bucket,
        words("BucketName"),
    ),
    "AWS::S3::BucketPolicy": ResourceType(
        words("Bucket PolicyDocument"),
        _put_policy,
        lambda handler, made, _: handler.unless(_MISSING, "s3", "DeleteBucketPolicy", {"Bucket": made.id}),
        lambda handler, _made, _old, new: _put_policy(handler, new),
        words("Bucket"),
    ),
}
