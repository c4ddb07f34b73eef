"""Choose the proxy and the trusted certificates for an address, from the environment variables that are passed.

libcurl, OpenSSL and urllib3 would read the environment of this process. The agent has to use the environment of its
client instead.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from dsops.endpoint import Address, is_loopback, parse_address
from dsops.errors import VariableInvalid
from dsops.secret import Secret
from dsops.startup import NamedTuple

# Environment variables with certificates: the first two in botocore's order; users of OpenSSL and curl set the others.
TRUST_VARIABLES = ("AWS_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE", "CURL_CA_BUNDLE")

# The folders and files with the operating system's certificates: Debian, Alpine, Arch; RHEL, Fedora; SUSE; macOS, BSD.
_SYSTEM_FOLDERS = ("/etc/ssl/certs",)
_SYSTEM_FILES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
)

# Address prefixes of metadata services, which are never reached through a proxy.
_LINK_LOCAL = ("169.254.", "fd00:ec2:", "fe80:")


class Proxy(NamedTuple):
    """A proxy. `origin` is the environment variable that contained its address. The password is never shown."""

    address: Address
    username: str
    password: Secret | None
    origin: str

    @property
    def url(self) -> str:
        """The proxy's URL without user and password."""
        host = f"[{self.address.host}]" if ":" in self.address.host else self.address.host
        return f"{self.address.scheme}://{host}:{self.address.port}"


class Trust(NamedTuple):
    """Trusted certificates: a PEM file, or a folder of hashed certificates.

    The unused field is "".
    """

    file: str
    folder: str


def proxy_for(address: Address, environ: Mapping[str, str]) -> Proxy | None:
    """Return the proxy from HTTPS_PROXY or HTTP_PROXY (lower case first), unless NO_PROXY excludes the host.

    Loopback is never proxied, because the proxy would connect to its own machine. Raises ConfigError when the
    variable contains no usable proxy.
    """
    name = f"{address.scheme}_proxy"
    origin = name if environ.get(name) else name.upper()
    value = environ.get(origin, "")
    if not value or is_loopback(address.host) or address.host.startswith(_LINK_LOCAL):
        return None
    if is_excepted(address, environ):
        return None
    scheme, separator, rest = value.partition("://")
    if not separator:
        scheme, rest = "http", value
    login, at, authority = rest.rstrip("/").rpartition("@")
    parsed = parse_address(f"{scheme}://{authority}")
    if parsed is None or parsed.path:
        # The value is not shown: it may contain a password.
        hint = "write http://[user:password@]host:port"
        raise VariableInvalid(f"{origin} is not a valid proxy address", hint=hint)
    username, colon, password = login.partition(":")
    return Proxy(parsed, _unquote(username), Secret(_unquote(password)) if at and colon else None, origin)


def is_excepted(address: Address, environ: Mapping[str, str]) -> bool:
    """Return whether NO_PROXY lists this host: as `*`, host, domain (leading dot and port are optional), or network."""
    value = environ.get("no_proxy") or environ.get("NO_PROXY", "")
    for entry in re.split(r"[,\s]+", value.lower()):
        host, colon, port = entry.rpartition(":")
        if not colon or not port.isdigit() or (":" in host and not host.startswith("[")):
            host, port = entry, ""
        host = host.strip("[]").removeprefix("*").strip(".")
        if entry == "*":
            return True
        if not host or (port and int(port) != address.port):
            continue
        if address.host == host or address.host.endswith(f".{host}"):
            return True
        if "/" in host and _in_network(address.host, host):
            return True
    return False


def trust_from(environ: Mapping[str, str], folder: str = "") -> Trust | None:
    """Return the certificates that an environment variable names, relative to `folder`.

    Returns None if the system's certificates are to be used. Raises ConfigError when the path does not exist.
    """
    for name in TRUST_VARIABLES:
        named = environ.get(name, "")
        if not named:
            continue
        path = os.path.join(folder, named)
        if os.path.isdir(path):
            return Trust("", path)
        if os.path.isfile(path):
            return Trust(path, "")
        raise VariableInvalid(f"{name} is set to {named}, which does not exist", hint=f"correct or unset {name}")
    return None


def system_trust() -> Trust | None:
    """Return the operating system's certificates, or else botocore's; None when neither exist.

    A hashed folder is preferred: reading one certificate instead of 140 saves 5 ms of a cold run.
    """
    for folder in _SYSTEM_FOLDERS:
        try:
            names = os.listdir(folder)
        except OSError:
            continue
        # `openssl rehash` creates links whose names end in .0.
        if sum(name.endswith(".0") for name in names) >= 20:
            return Trust("", folder)
    for file in _SYSTEM_FILES:
        if os.path.isfile(file):
            return Trust(file, "")
    from importlib.util import find_spec

    botocore = find_spec("botocore")
    if botocore is None or not botocore.submodule_search_locations:
        return None
    return Trust(os.path.join(botocore.submodule_search_locations[0], "cacert.pem"), "")


class CurrentTrust:
    """Gives a certificate path a new name whenever the file has changed, so that TLS libraries read it again.

    TLS libraries cache certificates by path (libcurl for a day) together with connections, and during the life of an
    agent the file may change many times.
    """

    def __init__(self) -> None:
        self._seen: dict[str, tuple[object, int]] = {}

    def of(self, trust: Trust) -> Trust:
        """Return the certificates under a path that differs after each change, since libcurl caches them by path.

        The path is the absolute path with one `/.` in front for each change.
        """
        return Trust(self._named(trust.file), self._named(trust.folder))

    def _named(self, path: str) -> str:
        try:
            status = os.stat(path)
        except OSError:
            return path
        now = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        before, changes = self._seen.get(path, (now, 0))
        changes += before != now
        self._seen[path] = (now, changes)
        return "/." * changes + path if path.startswith("/") else path


def _in_network(host: str, network: str) -> bool:
    from ipaddress import ip_address, ip_network

    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def _unquote(text: str) -> str:
    """Decode percent escapes; a `%` that starts no escape is left unchanged."""
    raw = text.encode("utf-8", "surrogateescape")
    raw = re.sub(rb"%([0-9A-Fa-f]{2})", lambda match: bytes([int(match[1], 16)]), raw)
    return raw.decode("utf-8", "surrogateescape")
