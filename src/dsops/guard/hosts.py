"""Hosts that are not AWS's: which of them the guarded command may reach through the guard."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Final

from dsops.guard.destinations import Network
from dsops.guard.endpoints import is_aws_host
from dsops.guard.exchange import Forward, RequestHead, Tunnel
from dsops.guard.http.local import is_local_address
from dsops.request.messages import HttpAnswer

_HTTPS: Final = 443
_DROPPED: Final = frozenset(
    """
    connection content-length expect host keep-alive proxy-authenticate proxy-authorization proxy-connection te
    transfer-encoding upgrade
    """.split()
)


class OtherHosts:
    """Decides about hosts that are not AWS's, by name."""

    def __init__(self, network: Network) -> None:
        self._patterns = ("*",) if network == "all" else () if network == "aws" else network

    def is_other(self, head: RequestHead) -> bool:
        """Whether a request is for a host that is not AWS's."""
        return not head.is_direct and not is_aws_host(head.host)

    def tunnel(self, host: str, port: int) -> Tunnel | HttpAnswer:
        """Decide about a tunnel."""
        host = host.lower().rstrip(".")
        if is_aws_host(host):
            return "open" if port == _HTTPS else _refused(f"{host}:{port}", "AWS's endpoints use port 443")
        return "pass" if self._may_reach(host) else _not_listed(host)

    def forward(self, head: RequestHead) -> Forward | HttpAnswer:
        """Return a request without TLS to another host as it is, or the answer that refuses it."""
        if not self._may_reach(head.host):
            return _not_listed(head.host)
        authority = head.host if head.port == 80 else f"{head.host}:{head.port}"
        headers = (("host", authority), *(pair for pair in head.headers if pair[0] not in _DROPPED))
        target = f"{head.path}?{head.query}" if head.query else head.path
        return Forward(head.host, head.port, head.is_tls, target, head.method, headers, None)

    def _may_reach(self, host: str) -> bool:
        if host in self._patterns:
            return True
        # No pattern, not even `*`, allows this machine and its metadata service, because that service issues other
        # credentials.
        return any(fnmatchcase(host, pattern.lower()) for pattern in self._patterns) and not _is_local(host)


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return is_local_address(host.strip("[]"))
    except ValueError:
        # Some resolvers also accept `127.1` and `0x7f000001` as IP addresses.
        return host.rpartition(".")[2][:1].isdigit()


def _not_listed(host: str) -> HttpAnswer:
    return _refused(host, "it is not a host of AWS, and `--network` does not list it")


def _refused(host: str, why: str) -> HttpAnswer:
    text = f"dsops guard: {host} can't be reached through the guard: {why}\n"
    return HttpAnswer(403, (("Content-Type", "text/plain; charset=utf-8"),), text.encode("utf-8", "replace"))
