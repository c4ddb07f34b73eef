"""Where a request is sent: to the host that the command named, or to the service's endpoint."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import quote, unquote

from dsops.errors import SandboxRefusal
from dsops.guard.destinations import EndpointOverride
from dsops.guard.endpoints import endpoint_of, is_account_endpoint, is_endpoint_of, names_a_bucket
from dsops.guard.exchange import RequestHead
from dsops.guard.received import Received
from dsops.request.wire.errors import access_denied
from dsops.request.wire.models import operation_model
from dsops.request.wire.s3_requests import bucket_in_host

_HTTPS: Final = 443
_PORTS: Final = frozenset((80, _HTTPS))
_NOT_BUCKETS: Final = ("-s3alias", "--ol-s3", "--x-s3", "--xa-s3", ".mrap")
"""Endings of names that stand in place of a bucket's name: access points, directory buckets."""


class SendTarget(NamedTuple):
    """The address, path and query of the request that is sent, and the region for which it is signed."""

    host: str
    port: int
    is_tls: bool
    path: str
    query: str
    region: str

    @property
    def authority(self) -> str:
        """The value of the header Host."""
        is_default = self.port == (_HTTPS if self.is_tls else 80)
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if is_default else f"{host}:{self.port}"


def target_of(received: Received, head: RequestHead, override: EndpointOverride | None) -> SendTarget:
    """Return where to send a request. Raises SandboxRefusal for a host that is not an endpoint of the service."""
    route, claim = received.route, received.claim
    bucket = _bucket(received) if route.service == "s3" else ""
    path = received.request.path or "/"
    if not head.is_direct:
        _check_host(received, head, bucket)
    if override is not None:
        address = (override.host, override.port, override.is_tls)
        return SendTarget(*address, _path_style(path, bucket), received.query, claim.region)
    # The policies were evaluated for the session's own account. Only an account's own endpoint can belong to another
    # account, so it is replaced by the region's endpoint.
    if not head.is_direct and not is_account_endpoint(head.host, route.service, claim.region):
        return SendTarget(head.host, _HTTPS, True, path, received.query, claim.region)
    endpoint = endpoint_of(route.service, claim.region)
    if endpoint is None:
        raise access_denied(f"dsops guard: {route.service} has no known endpoint in {claim.region}; not sent")
    host = _host_prefix(received) + endpoint.host
    return SendTarget(host, _HTTPS, True, _path_style(path, bucket), received.query, endpoint.signing_region)


def _bucket(received: Received) -> str:
    """Return the bucket in the host name. Raises SandboxRefusal for access points and directory buckets."""
    name = str(received.parameters.get("Bucket", ""))
    if ":" in name or "/" in name or name.endswith(_NOT_BUCKETS):
        raise access_denied(
            "dsops guard: the request is about an access point or a directory bucket, which the guard does not read; "
            "not sent"
        )
    _check_source(str(received.parameters.get("CopySource", "")))
    return bucket_in_host(received.request)


def _check_source(source: str) -> None:
    """Refuse a copy source that S3 may read as another object, and one in an access point or directory bucket."""
    path, _, _ = source.partition("?versionId=")
    bucket, _, key = unquote(path.removeprefix("/")).partition("/")
    if bucket.endswith(_NOT_BUCKETS) or "+" in path or "?versionId=" in key:
        raise access_denied("dsops guard: S3 may read another object in the copy source of the request; not sent")


def _path_style(path: str, bucket: str) -> str:
    return f"/{quote(bucket)}{path}" if bucket else path


def _host_prefix(received: Received) -> str:
    """Return the text that the operation's model puts in front of the host, such as `data-` or an account."""
    endpoint = operation_model(received.route.service, received.route.operation).endpoint
    if not endpoint:
        return ""
    prefix = str(endpoint.get("hostPrefix", ""))
    for name, value in received.parameters.items():
        prefix = prefix.replace(f"{{{name}}}", str(value))
    if not prefix.replace(".", "").replace("-", "").isalnum():
        raise _wrong_host(received)
    return prefix


def _check_host(received: Received, head: RequestHead, bucket: str) -> None:
    stated, _, port = received.request.headers.get("host", "").lower().partition(":")
    is_same = stated == head.host and port in {"", str(head.port)} and head.port in _PORTS
    host = head.host.removeprefix(f"{bucket}.") if bucket else head.host
    if not is_same or not is_endpoint_of(host, received.route.service, received.claim.region):
        raise _wrong_host(received)
    if received.route.service == "s3" and names_a_bucket(host):
        raise _wrong_host(received)


def _wrong_host(received: Received) -> SandboxRefusal:
    service, region = received.route.service, received.claim.region
    return access_denied(f"dsops guard: the host of the request is no endpoint of {service} in {region}; not sent")
