"""The address of a Trino cluster, as `--engine` names it, and the credentials for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple
from urllib.parse import unquote

from dsops.endpoint import Address, parse_address
from dsops.errors import UsageError, VariableInvalid
from dsops.secret import Secret

PASSWORD, TOKEN = "TRINO_PASSWORD", "TRINO_ACCESS_TOKEN"
CERTIFICATE, KEY = "TRINO_CLIENT_CERTIFICATE", "TRINO_CLIENT_KEY"
"""The environment variables with the credentials: a password, a JWT, or the paths of two PEM files."""

_SCHEMES: Mapping[str, str] = {"trino": "https", "trino+http": "http"}
_DEFAULT_PORTS: Mapping[str, int] = {"https": 443, "http": 8080}
_FORM = "trino://USER@HOST:PORT/CATALOG/SCHEMA"
_NAME = re.compile(r"[\x21-\x7e]+")


class TrinoAddress(NamedTuple):
    """A catalog and schema of a Trino cluster, and the user who queries them."""

    server: Address
    """The coordinator. The scheme is `https` for `trino://`, and `http` for `trino+http://`."""
    user: str
    catalog: str
    schema: str

    @property
    def short(self) -> str:
        """The server without the scheme, for texts: `trino.example.com:8443`."""
        host = f"[{self.server.host}]" if ":" in self.server.host else self.server.host
        return f"{host}:{self.server.port}"


class TrinoCredentials(NamedTuple):
    """How the user authenticates. All fields are empty for a cluster without authentication."""

    password: Secret | None = None
    token: Secret | None = None
    certificate: str = ""
    """The path of a PEM file with the client's certificate; `key` is the path of its private key."""
    key: str = ""

    @property
    def variable(self) -> str:
        """The variable that contains the credentials; "" without credentials."""
        if self.password is not None:
            return PASSWORD
        return TOKEN if self.token is not None else CERTIFICATE if self.certificate else ""


def parse_trino_address(text: str) -> TrinoAddress:
    """Parse `trino://USER@HOST:PORT/CATALOG/SCHEMA`. Raises UsageError, which never contains a password of the text."""
    scheme, separator, rest = text.partition("://")
    login, at, location = rest.rpartition("@")
    if separator and ":" in login:
        hint = f"write {_FORM}, and set the variable {PASSWORD}"
        raise UsageError(
            "`--engine` contains a password", why="other users of this machine can read command lines", hint=hint
        )
    if scheme not in _SCHEMES or not at:
        raise _invalid("it does not have the form of a Trino address")
    authority, _, path = location.partition("/")
    server = _server(_SCHEMES[scheme], authority)
    names = [unquote(name) for name in path.split("/")]
    user = unquote(login)
    if len(names) != 2 or not all(_NAME.fullmatch(name) for name in (user, *names)):
        raise _invalid("it needs a user, a catalog and a schema, in printable ASCII")
    return TrinoAddress(server, user, *names)


def _server(scheme: str, authority: str) -> Address:
    has_port = authority.rpartition("]")[2].count(":") == 1
    address = parse_address(
        f"{scheme}://{authority}" if has_port else f"{scheme}://{authority}:{_DEFAULT_PORTS[scheme]}"
    )
    if address is None or address.path:
        raise _invalid("its host or port is invalid")
    return address


def _invalid(why: str) -> UsageError:
    return UsageError(
        "the address of `--engine` is invalid", why=why, hint=f"write {_FORM}, or trino+http://... without TLS"
    )


def trino_credentials(environ: Mapping[str, str], address: TrinoAddress) -> TrinoCredentials:
    """Return the credentials in the environment variables. Raises ConfigError if they can't be sent to this address.

    Credentials are sent only over TLS, also to this machine: Trino refuses others, too.
    """
    found = TrinoCredentials(
        Secret(environ[PASSWORD]) if environ.get(PASSWORD) else None,
        Secret(environ[TOKEN]) if environ.get(TOKEN) else None,
        environ.get(CERTIFICATE, ""),
        environ.get(KEY, ""),
    )
    if found.password is not None and found.token is not None:
        hint = f"unset one of them: `unset {PASSWORD}`, or `unset {TOKEN}`"
        raise VariableInvalid(f"both {PASSWORD} and {TOKEN} are set", hint=hint)
    if bool(found.certificate) != bool(found.key):
        missing, present = (KEY, CERTIFICATE) if found.certificate else (CERTIFICATE, KEY)
        raise VariableInvalid(
            f"{present} is set, but {missing} is not", hint=f"set {missing} to the path of a PEM file"
        )
    if found.variable and address.server.scheme == "http":
        raise UsageError(
            f"the credentials in {found.variable} can't be sent to Trino without TLS",
            why="`--engine` begins with `trino+http://`",
            hint=f"write `trino://`, or unset {found.variable}",
        )
    return found
