"""The address of `--listen`."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from dsops.errors import UsageError


def parse_listen(listen: str) -> tuple[IPv4Address | IPv6Address, int]:
    """Parse an address with or without a port: `172.17.0.1`, `172.17.0.1:8080`, `::1`, `[::1]:8080`.

    Raises UsageError, also for an address that means all addresses of this machine.
    """
    host, _, port = listen.rpartition(":") if listen.count(":") == 1 or "]:" in listen else (listen, "", "0")
    try:
        address = ip_address(host.strip("[]"))
    except ValueError:
        raise UsageError(
            f"`--listen {listen}` is not an IP address",
            hint="write an IP address of this machine, optionally with a port, such as 172.17.0.1:8080",
        ) from None
    if address.is_unspecified:
        raise UsageError(
            f"`--listen {listen}` would listen on every address of this machine",
            why="only the container needs to reach the session",
            hint="name one address, such as the address of a container network's bridge",
        )
    if not (port.isascii() and port.isdigit() and len(port) <= len("65535") and int(port) < 2**16):
        raise UsageError(f"`--listen {listen}` has an invalid port", hint="a port is a number below 65536")
    return address, int(port)
