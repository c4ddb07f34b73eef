"""Addresses of this machine and of its metadata services, which have credentials of their own."""

from __future__ import annotations

import ipaddress
from typing import Final

_METADATA: Final = ipaddress.ip_network("fd00:ec2::/32")
"""The IPv6 addresses of EC2's metadata service and of EKS's pod identities."""


def is_local_address(text: str) -> bool:
    """Whether an IP address is loopback, link-local, unspecified or a metadata service. Raises ValueError."""
    address = ipaddress.ip_address(text.partition("%")[0])
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_loopback or mapped.is_link_local or mapped.is_unspecified or mapped in _METADATA)


def is_hidden_local(host: str, address: str) -> bool:
    """Whether a name that does not say so leads to this machine or a metadata service."""
    if host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return is_local_address(address)
    return False
