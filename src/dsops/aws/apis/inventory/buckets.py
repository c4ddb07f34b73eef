"""S3: the buckets of an account, their policies, their encryption, and their block of public access."""

from __future__ import annotations

import re

from dsops.aws.apis.inventory.pages import Absence, ServiceApi, all_pages, no_refusal
from dsops.aws.http.answer import Element, lacks, parse_xml
from dsops.aws.http.call import Call, Refusal
from dsops.aws.http.client import call_s3, quote
from dsops.endpoint import Endpoint

_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}\Z")
_NO_POLICY = Absence(
    (
        "NoSuchBucket",
        "NoSuchBucketPolicy",
        "NoSuchPublicAccessBlockConfiguration",
        "OwnershipControlsNotFoundError",
        "ServerSideEncryptionConfigurationNotFoundError",
    )
)
_BLOCKS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


async def list_buckets(api: ServiceApi) -> list[tuple[str, str]]:
    """Return name and region of each bucket; the region is "" if S3 does not say it."""

    async def page(token: str) -> tuple[list[object], str]:
        more = f"&continuation-token={quote(token)}" if token else ""
        body = await _get(api, "ListBuckets", f"/?max-buckets=1000{more}", no_refusal)
        root = parse_xml(body)
        buckets = root.find("Buckets") if root is not None else None
        if root is None or buckets is None:
            raise lacks(api.endpoint, "ListBuckets", "Buckets")
        return list(buckets.children), root.text_of("ContinuationToken")

    elements = [element for element in await all_pages(api, "ListBuckets", page) if isinstance(element, Element)]
    return [(element.text_of("Name"), element.text_of("BucketRegion")) for element in elements]


async def get_bucket_policy(api: ServiceApi, bucket: str) -> str:
    """Return the policy of a bucket in the endpoint's region. Raises EntityNotFound if it has none."""
    return (await _get(api, "GetBucketPolicy", f"{_path(api, bucket)}?policy=", _NO_POLICY.refusal)).decode()


async def get_public_access_block(api: ServiceApi, bucket: str) -> dict[str, bool]:
    """Return the bucket's own settings that block public access. Raises EntityNotFound if it has none."""
    path = f"{_path(api, bucket)}?publicAccessBlock="
    return _blocks_in(api, await _get(api, "GetPublicAccessBlock", path, _NO_POLICY.refusal))


async def get_account_public_access_block(api: ServiceApi, account: str) -> dict[str, bool]:
    """Return the settings of an account that block public access. Raises EntityNotFound if it has none.

    `api` is that of S3 Control.
    """
    endpoint = endpoint_of_account(api.endpoint, account)
    action, path = "GetAccountPublicAccessBlock", "/v20180820/configuration/publicAccessBlock"
    refusal = _NO_POLICY.refusal
    call = Call(endpoint, api.credentials, action, f"call s3:{action}", refusal, method="GET", path=path)
    return _blocks_in(api, await call_s3(api.client, call, (("X-Amz-Account-Id", account),)))


def endpoint_of_account(endpoint: Endpoint, account: str) -> Endpoint:
    """Return S3 Control's endpoint for an account: AWS's own host names of this service begin with the account."""
    hosts = tuple(f"https://{name}.{endpoint.region}." for name in ("s3-control", "s3-control-fips"))
    is_own = endpoint.url.startswith(hosts)
    return endpoint._replace(url=endpoint.url.replace("//", f"//{account}.", 1)) if is_own else endpoint


def _blocks_in(api: ServiceApi, body: bytes) -> dict[str, bool]:
    root = parse_xml(body)
    if root is None:
        raise lacks(api.endpoint, "GetPublicAccessBlock", "PublicAccessBlockConfiguration")
    return {name: root.text_of(name) == "true" for name in _BLOCKS}


async def get_bucket_encryption(api: ServiceApi, bucket: str) -> list[dict[str, dict[str, str]]]:
    """Return the rules of the bucket's default encryption. Raises EntityNotFound if it has none."""
    root = parse_xml(await _get(api, "GetBucketEncryption", f"{_path(api, bucket)}?encryption=", _NO_POLICY.refusal))
    if root is None:
        raise lacks(api.endpoint, "GetBucketEncryption", "ServerSideEncryptionConfiguration")
    defaults = [rule.find("ApplyServerSideEncryptionByDefault") for rule in root.children if rule.name == "Rule"]
    names = ("SSEAlgorithm", "KMSMasterKeyID")
    return [
        {"ApplyServerSideEncryptionByDefault": {name: default.text_of(name) for name in names if default.text_of(name)}}
        for default in defaults
        if default is not None
    ]


async def get_object_ownership(api: ServiceApi, bucket: str) -> str:
    """Return who owns a bucket's objects, such as `BucketOwnerEnforced`. Raises EntityNotFound if it has no rule."""
    path = f"{_path(api, bucket)}?ownershipControls="
    root = parse_xml(await _get(api, "GetBucketOwnershipControls", path, _NO_POLICY.refusal))
    rule = root.find("Rule") if root is not None else None
    if rule is None:
        raise lacks(api.endpoint, "GetBucketOwnershipControls", "Rule")
    return rule.text_of("ObjectOwnership")


def _path(api: ServiceApi, bucket: str) -> str:
    # The name comes from the service, and becomes a part of the path that is signed.
    if not _BUCKET.match(bucket) or ".." in bucket:
        raise lacks(api.endpoint, "ListBuckets", "valid names of buckets")
    return f"/{bucket}"


async def _get(api: ServiceApi, action: str, path: str, refusal: Refusal) -> bytes:
    call = Call(api.endpoint, api.credentials, action, f"call s3:{action}", refusal, method="GET", path=path)
    return await call_s3(api.client, call)
