"""Complete the results of moto's S3 with the fields that S3 returns.

Recorded on live AWS (LocalStack's snapshots of S3, 2025 and 2026). S3 encrypts every new object, with SSE-S3 unless the
bucket or the request asks for KMS (S3 User Guide, "Setting default server-side encryption behavior"), and returns no
DisplayName of an owner since November 2025 (API reference, `Owner`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final
from urllib.parse import quote, unquote

# moto's classes and results have no static type.
Result = dict[str, Any]

ENCRYPTION: Final = "x-amz-server-side-encryption"


def complete_headers(models: Any) -> None:
    """Make moto's S3 objects return the encryption and the checksum type among their headers."""
    object_class = models.FakeKey
    incomplete = object_class.response_dict.fget

    def headers_of(self: Any) -> Result:
        headers: Result = incomplete(self)
        headers.setdefault(ENCRYPTION, "AES256")
        headers.pop("x-amz-sdk-checksum-algorithm", None)
        return headers

    def type_of(self: Any) -> str | None:
        chosen: str | None = vars(self).get("checksum_type")
        if chosen or not self.checksum_algorithm:
            return chosen
        return "COMPOSITE" if self.multipart and self.checksum_algorithm != "CRC64NVME" else "FULL_OBJECT"

    def choose_type(self: Any, chosen: str | None) -> None:
        vars(self)["checksum_type"] = chosen

    object_class.response_dict = property(headers_of)
    object_class.checksum_type = property(type_of, choose_type)


@cache
def complete_s3(owner: Any) -> type:
    """Return a subclass of moto's S3 response class that adds the fields that moto omits from its results."""
    serialized = owner.serialized

    def serialize(self: Any, action_result: Any) -> Any:
        complete = _COMPLETIONS.get(self.data.get("Action", ""))
        if complete is not None and isinstance(action_result.result, dict):
            complete(self, action_result.result)
        return serialized(self, action_result)

    return type(owner.__name__, (owner,), {"serialized": serialize})


def _buckets(response: Any, result: Result) -> None:
    for bucket in result["Buckets"]:
        bucket["BucketArn"] = f"arn:{response.partition}:s3:::{bucket['Name']}"
    _without_names(response, result)


def _objects(response: Any, result: Result) -> None:
    stored = response.backend.get_bucket(response.bucket_name).keys
    is_escaped = result.get("EncodingType") == "url"
    for entry in result["Contents"]:
        name = unquote(entry["Key"]) if is_escaped else entry["Key"]
        _describe(entry, stored.get(name))
    result["Prefix"] = result.get("Prefix") or ""


def _first_objects(response: Any, result: Result) -> None:
    marker = response.querystring.get("marker", [""])[0]
    result["Marker"] = quote(marker) if result.get("EncodingType") == "url" else marker
    _objects(response, result)


def _versions(response: Any, result: Result) -> None:
    stored = response.backend.get_bucket(response.bucket_name).keys
    for entry in result["Versions"]:
        versions = (version for version in stored.getlist(entry["Key"]) if version.version_id == entry["VersionId"])
        _describe(entry, next(versions, None))
    for marker in result["DeleteMarkers"]:
        _without_name(marker)
    _escape(response, result, ("Versions", "DeleteMarkers"), ("Prefix", "Delimiter", "KeyMarker", "NextKeyMarker"))


def _describe(entry: Result, stored: Any) -> None:
    if getattr(stored, "checksum_algorithm", None):
        entry["ChecksumAlgorithm"] = [stored.checksum_algorithm]
        entry["ChecksumType"] = stored.checksum_type
    _without_name(entry)


def _copied(response: Any, result: Result) -> None:
    stored = response.backend.get_object(response.bucket_name, response.parse_key_name())
    if stored is not None and stored.checksum_value:
        result["CopyObjectResult"]["ChecksumType"] = stored.checksum_type


def _uploaded(response: Any, result: Result) -> None:
    stored = response.backend.get_object(response.bucket_name, result["Key"])
    if stored is not None and stored.checksum_value and stored.checksum_algorithm:
        count = f"-{stored.checksum_parts}" if stored.checksum_type == "COMPOSITE" and stored.checksum_parts else ""
        result[f"Checksum{stored.checksum_algorithm}"] = f"{stored.checksum_value}{count}"
        result["ChecksumType"] = stored.checksum_type
    result["Location"] = f"http://{result['Bucket']}.s3.amazonaws.com/{quote(result['Key'], safe='')}"


def _uploads(response: Any, result: Result) -> None:
    for upload in result.get("Uploads") or ():
        for role in ("Owner", "Initiator"):
            upload.get(role, {}).pop("DisplayName", None)
    _escape(response, result, ("Uploads",), ("Prefix", "Delimiter", "KeyMarker", "NextKeyMarker"))


def _escape(response: Any, result: Result, lists: Sequence[str], texts: Sequence[str]) -> None:
    """Percent-encode keys and prefixes, if the client asks for `encoding-type=url`; S3 then says so in its answer."""
    if response.querystring.get("encoding-type") != ["url"]:
        return
    result["EncodingType"] = "url"
    for entry in (entry for name in lists for entry in result.get(name) or ()):
        entry["Key"] = quote(entry["Key"])
    for entry in result.get("CommonPrefixes") or ():
        entry["Prefix"] = quote(entry["Prefix"])
    for name in texts:
        if result.get(name):
            result[name] = quote(result[name])


def _without_names(_: Any, result: Result) -> None:
    for role in ("Owner", "Initiator"):
        result.get(role, {}).pop("DisplayName", None)
    for grant in result.get("Grants", ()):
        grant["Grantee"].pop("DisplayName", None)


def _without_name(entry: Result) -> None:
    entry.get("Owner", {}).pop("DisplayName", None)


_COMPLETIONS: Final[Mapping[str, Callable[[Any, Result], None]]] = {
    "CompleteMultipartUpload": _uploaded,
    "CopyObject": _copied,
    "GetBucketAcl": _without_names,
    "GetObjectAcl": _without_names,
    "ListBuckets": _buckets,
    "ListMultipartUploads": _uploads,
    "ListObjectVersions": _versions,
    "ListObjects": _first_objects,
    "ListObjectsV2": _objects,
    "ListParts": _without_names,
}
"""The value of moto's `Action` -> the function that completes the result."""
