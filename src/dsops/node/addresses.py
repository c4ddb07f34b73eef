"""The addresses that only the processes and pods of one machine reach."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

_POD_IDENTITY: Final = ip_address("fd00:ec2::23")
"""The IPv6 address at which the SDKs reach EKS Pod Identity. Its IPv4 address, 169.254.170.23, is link-local."""


def is_of_pods(address: IPv4Address | IPv6Address) -> bool:
    """Whether the pods of a machine may reach the address, and no other machine."""
    return address.is_link_local or address == _POD_IDENTITY
