"""Refuse operations that behave differently in moto than on AWS, or that are unsafe in moto."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.arn import parse_arn
from dsops.errors import SandboxRefusal
from dsops.request.wire.errors import refusal

_RUNS_NOTHING = "it runs no code and no containers"
_MAKES_OTHERS = "moto would create resources of other services without checking permissions"
_TAGS_OTHERS = "moto would tag resources of other services without checking permissions"
_NO_KEYS = "moto would return credentials that no service accepts"
_SENDS_NOTHING = "it sends no requests to the network"
_CLOSED: Mapping[tuple[str, str], str] = {
    ("batch", "SubmitJob"): _RUNS_NOTHING,
    ("cognito-identity", "GetCredentialsForIdentity"): _NO_KEYS,
    ("lambda", "Invoke"): "it runs no code unless it is started with --run-functions",
    ("lambda", "InvokeAsync"): "AWS has deprecated it; use Invoke with InvocationType=Event",
    ("lambda", "InvokeWithResponseStream"): "functions run only through Invoke",
    ("resourcegroupstaggingapi", "TagResources"): _TAGS_OTHERS,
    ("resourcegroupstaggingapi", "UntagResources"): _TAGS_OTHERS,
    ("servicecatalog", "ProvisionProduct"): _MAKES_OTHERS,
    ("servicecatalog", "TerminateProvisionedProduct"): _MAKES_OTHERS,
    ("servicecatalog", "UpdateProvisionedProduct"): _MAKES_OTHERS,
}

# moto's S3 recognizes a few query parameters and treats every other request as a list or read, so operations that moto
# does not implement must be refused here.
_S3 = frozenset(
    """
    AbortMultipartUpload CompleteMultipartUpload CopyObject CreateBucket CreateMultipartUpload DeleteBucket
    DeleteBucketCors DeleteBucketEncryption DeleteBucketLifecycle DeleteBucketOwnershipControls DeleteBucketPolicy
    DeleteBucketReplication DeleteBucketTagging DeleteBucketWebsite DeleteObject DeleteObjectTagging DeleteObjects
    DeletePublicAccessBlock GetBucketAccelerateConfiguration GetBucketAcl GetBucketCors GetBucketEncryption
    GetBucketInventoryConfiguration GetBucketLifecycleConfiguration GetBucketLocation GetBucketLogging
    GetBucketNotificationConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus
    GetBucketReplication GetBucketTagging GetBucketVersioning GetBucketWebsite GetObject GetObjectAcl
    GetObjectAttributes GetObjectLegalHold GetObjectLockConfiguration GetObjectTagging GetPublicAccessBlock
    HeadBucket HeadObject ListBucketInventoryConfigurations ListBuckets ListMultipartUploads ListObjectVersions
    ListObjects ListObjectsV2 ListParts PutBucketAccelerateConfiguration PutBucketAcl PutBucketCors
    PutBucketEncryption PutBucketInventoryConfiguration PutBucketLifecycleConfiguration PutBucketLogging
    PutBucketNotificationConfiguration PutBucketOwnershipControls PutBucketPolicy PutBucketReplication
    PutBucketTagging PutBucketVersioning PutBucketWebsite PutObject PutObjectAcl PutObjectLegalHold
    PutObjectLockConfiguration PutObjectRetention PutObjectTagging PutPublicAccessBlock RestoreObject
    SelectObjectContent UploadPart UploadPartCopy
    """.split()
)
# In these services an ARN in a parameter names a principal, not the resource that the operation acts on.
_NAME_PRINCIPALS = frozenset({"iam", "sts", "organizations"})


def check_open(service: str, operation: str, parameters: Mapping[str, object]) -> None:
    """Refuse operations that the sandbox does not serve. Raises NotImplemented."""
    why = _CLOSED.get((service, operation), "")
    if service == "s3" and operation not in _S3:
        why = "moto has no such operation"
    elif _would_send(service, operation, parameters):
        why = _SENDS_NOTHING
    if why:
        raise not_served(service, operation, why)


def _would_send(service: str, operation: str, parameters: Mapping[str, object]) -> bool:
    """Whether moto would send requests, at once or later, to an address that the client chose."""
    if (service, operation) == ("sns", "Subscribe"):
        return str(parameters.get("Protocol", "")).lower().startswith("http")
    return service == "firehose" and any(name.startswith("HttpEndpoint") for name in parameters)


def check_own(
    service: str,
    operation: str,
    parameters: Mapping[str, object],
    account: str,
    accounts: Mapping[str, str],
    authorized_arns: frozenset[str],
) -> None:
    """Refuse an ARN of another account in the parameters, unless the caller was authorized for this ARN.

    moto uses such ARNs without a permission check. For example, its SNS delivers into a queue of any account. Raises
    NotImplemented.
    """
    if service in _NAME_PRINCIPALS:
        return
    for text in _texts(parameters):
        if not text.startswith("arn:") or text in authorized_arns:
            continue
        arn = parse_arn(text)
        if arn is None or arn.service in _NAME_PRINCIPALS or arn.account not in accounts or arn.account == account:
            continue
        if not any(
            resource.startswith(text) or text.startswith(resource.rstrip("*")) for resource in authorized_arns - {"*"}
        ):
            raise not_served(
                service, operation, f"{text} belongs to another account, and moto would not check permissions"
            )


def not_served(service: str, operation: str, why: str) -> SandboxRefusal:
    """Return a NotImplemented error (501) that states the reason `why`."""
    message = f"The dsops sandbox does not serve {service}:{operation}: {why}. Nothing was done."
    return refusal("NotImplemented", message, 501)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
