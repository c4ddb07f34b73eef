"""Combine the parent's environment and the secrets into the child's environment; pure."""

from __future__ import annotations

import os
from collections.abc import Mapping

from dsops.errors import ValueUnusable
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dsops.credentials import Credentials

IDENTITY = (
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_ROLE_ARN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)
"""Variables that decide which identity an AWS SDK uses.

One of ours mixed with inherited ones would select another identity, or none.
"""

_ATTENDANTS = (
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    # Java's SDK of before 2016 reads these two after the names above.
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
)
"""Variables that belong to an identity and mislead without it, such as the expiry of a removed session."""

_BEARER_TOKEN = "AWS_BEARER_TOKEN_"  # noqa: S105 - how such a variable's name begins
"""`AWS_BEARER_TOKEN_BEDROCK` overrides every key for its service (AWS SDKs and Tools Reference Guide)."""

REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""The current name, and the one that boto3 and older SDKs read."""

_PRISTINE = frozenset(
    """
    PATH HOME USER LOGNAME SHELL PWD TMPDIR TMP TEMP TZ TERM TERMINFO COLORTERM NO_COLOR LANG LANGUAGE SYSTEMROOT
    SYSTEMDRIVE WINDIR COMSPEC PATHEXT USERPROFILE
    """.split()
)
"""Variables that programs need to run on a machine and talk to its user; `LC_*` is kept too."""


class ChildIdentity(NamedTuple):
    """The AWS identity that a command runs with; it replaces any inherited one."""

    variables: Mapping[str, Secret]
    """From `session_variables` or `endpoint_variables`."""
    region: str
    """The region for the command's calls, unless a variable sets another."""


class ChildEnvironment(NamedTuple):
    """The child's environment. Inherited values are plain text, ours are secrets."""

    variables: Mapping[str, str | Secret]
    removed: tuple[str, ...]
    """Inherited variables of another AWS identity, which were left out."""
    kept: tuple[str, ...]
    """Our variables that an inherited value replaced."""


def child_environment(
    parent: Mapping[str, str],
    secrets: Mapping[str, Secret],
    *,
    session: ChildIdentity | None = None,
    is_pristine: bool = False,
    keeps_existing: bool = False,
) -> ChildEnvironment:
    """Merge our variables over the parent's.

    `is_pristine` leaves out variables that no program needs; `keeps_existing` lets an inherited value win over ours.
    The variables of an AWS identity count as one value: when an inherited one is kept, all of ours are dropped; when
    ours are set, all inherited ones are removed. Two sessions are never mixed. A `session` was requested by name, so
    it always replaces inherited identities.
    """
    # A variable without a name (`=x`) can be inherited, and Python's exec refuses to pass it on.
    inherited = {name: value for name, value in parent.items() if name and (not is_pristine or _is_plain(name))}
    identity = {*IDENTITY, *_ATTENDANTS, *[name for name in inherited if name.startswith(_BEARER_TOKEN)]}
    kept: set[str] = set()
    removed: tuple[str, ...] = ()
    if keeps_existing:
        kept = secrets.keys() & inherited.keys()
        if not inherited.keys().isdisjoint(IDENTITY):
            kept |= secrets.keys() & identity
    if session is not None or any(name in secrets and name not in kept for name in IDENTITY):
        removed = tuple(sorted(inherited.keys() & identity - secrets.keys()))
    variables: dict[str, str | Secret] = {name: value for name, value in inherited.items() if name not in removed}
    variables.update((name, value) for name, value in secrets.items() if name not in kept)
    if session is not None:
        variables.update(session.variables)
        _name_region(variables, session.region)
    return ChildEnvironment(variables, removed, tuple(sorted(kept)))


def session_variables(credentials: Credentials) -> dict[str, Secret]:
    """The variables with which an AWS SDK uses these credentials."""
    variables = {
        "AWS_ACCESS_KEY_ID": Secret(credentials.access_key_id),
        "AWS_SECRET_ACCESS_KEY": credentials.secret_access_key,
    }
    if credentials.session_token is not None:
        variables["AWS_SESSION_TOKEN"] = credentials.session_token
    if credentials.expiration is not None:
        variables["AWS_CREDENTIAL_EXPIRATION"] = Secret(credentials.expiration_text)
    return variables


def endpoint_variables(address: str, token: Secret, empty_file: str) -> dict[str, Secret]:
    """The variables with which an AWS SDK fetches credentials only from a container endpoint.

    The SDKs read the config files first: keys under `[default]` there would give the command another identity.
    `empty_file` is the path of a file without content.
    """
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": Secret(address),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        "AWS_SHARED_CREDENTIALS_FILE": Secret(empty_file),
        "AWS_CONFIG_FILE": Secret(empty_file),
    }


def encode(environment: ChildEnvironment) -> dict[bytes, bytes]:
    """Encode the environment as bytes for starting the process.

    Inherited values are encoded back to their original bytes; ours are UTF-8, or the bytes of a binary secret. Raises
    ValueUnusable for a value that no variable can hold.
    """
    return {
        os.fsencode(name): _secret_bytes(name, value) if isinstance(value, Secret) else os.fsencode(value)
        for name, value in environment.variables.items()
    }


def _name_region(variables: dict[str, str | Secret], region: str) -> None:
    """Set both region variables to the one that is set, or else to `region`, because no SDK reads both."""
    chosen_region = next(
        (variables[name] for name in REGION if variables.get(name) not in {None, "", Secret("")}), region
    )
    for name in REGION:
        if chosen_region and variables.get(name) in {None, "", Secret("")}:
            variables[name] = chosen_region


def _is_plain(name: str) -> bool:
    return name.upper() in _PRISTINE or name.startswith("LC_")


def _secret_bytes(name: str, value: Secret) -> bytes:
    try:
        data = value.reveal_bytes()
    except UnicodeEncodeError:
        # From None: the original error contains the value.
        raise ValueUnusable(
            f"the value of `{name}` can't be put into an environment variable",
            why="it holds half of a UTF-16 surrogate pair, which no encoding has",
            hint="add `transform: base64_encode` and decode it in the command",
        ) from None
    if b"\0" in data:
        raise ValueUnusable(
            f"the value of `{name}` can't be put into an environment variable",
            why="it holds a NUL byte, which ends a variable",
            hint="add `transform: base64_encode` and decode it in the command",
        )
    return data
