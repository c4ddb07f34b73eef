"""Builds the environment of the child process from the parent's variables and the secrets. No side effects."""

from __future__ import annotations

import sys
from collections.abc import Mapping

from dsops.errors import ValueUnusable
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from dsops.credentials import Credentials

IDENTITY = tuple(
    """
    AWS_ACCESS_KEY_ID AWS_SECRET_ACCESS_KEY AWS_SESSION_TOKEN AWS_SECURITY_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE
    AWS_ROLE_ARN AWS_WEB_IDENTITY_TOKEN_FILE AWS_CONTAINER_CREDENTIALS_RELATIVE_URI
    AWS_CONTAINER_CREDENTIALS_FULL_URI
    """.split()
)
"""Variables that determine which identity an AWS SDK uses.

If new and inherited variables are mixed, the SDK uses a wrong identity or finds none.
"""

_ATTENDANTS = (
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_ROLE_SESSION_NAME",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    # Versions of the Java SDK from before 2016 read these two variables after the names above.
    "AWS_ACCESS_KEY",
    "AWS_SECRET_KEY",
)
"""Variables that belong to an identity and are misleading without it, such as the expiry of another session."""

_BEARER_TOKEN = "AWS_BEARER_TOKEN_"  # noqa: S105 - how such a variable's name begins
"""The prefix of variables with a bearer token. The token takes precedence over every access key.

Source: AWS SDKs and Tools Reference Guide.
"""

REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")
"""The region variables: the newer name, and the name that boto3 and older SDKs read."""

_PRISTINE = frozenset(
    """
    PATH HOME USER LOGNAME SHELL PWD TMPDIR TMP TEMP TZ TERM TERMINFO COLORTERM NO_COLOR LANG LANGUAGE SYSTEMROOT
    SYSTEMDRIVE WINDIR COMSPEC PATHEXT USERPROFILE
    """.split()
)
"""Variables that programs need on any machine and at any terminal; variables `LC_*` are kept as well."""


ACTIVE, EXPIRES, DANGER = "DSOPS_ACTIVE", "DSOPS_EXPIRES", "DSOPS_DANGER"
PROMPT = "DSOPS_PROMPT"
"""The variable which says that the user's prompt shows DSOPS_ACTIVE and DSOPS_EXPIRES.

The code of `dsops hook prompt` sets it.
"""
"""Variables that tell a prompt and a nested dsops which environment or store the process was started with."""


class ChildIdentity(NamedTuple):
    """The AWS identity that the user requested for the command; it replaces any inherited identity."""

    variables: Mapping[str, Secret]
    """The variables from `session_variables` or `endpoint_variables`."""
    region: str
    """The region for the command's AWS calls, unless a variable of the dsops environment sets a region."""


class ChildEnvironment(NamedTuple):
    """The child's variables: inherited values are plain text, values from stores are secrets."""

    variables: Mapping[str, str | Secret]
    removed: tuple[str, ...]
    """Inherited variables that were left out because they belong to another AWS identity."""
    kept: tuple[str, ...]
    """Variables of dsops that were left out because an inherited value takes precedence."""


def child_environment(
    parent: Mapping[str, str],
    secrets: Mapping[str, Secret],
    *,
    session: ChildIdentity | None = None,
    is_pristine: bool = False,
    keeps_existing: bool = False,
    marks: Mapping[str, str] | None = None,
) -> ChildEnvironment:
    """Merge the secrets into the parent's variables.

    - `session`: the identity for the command; no inherited identity is kept.
    - `is_pristine`: keep only the inherited variables that every program needs.
    - `keeps_existing`: an inherited value takes precedence over a secret.
    - `marks`: replace the inherited ACTIVE, EXPIRES and DANGER; if None, these three are inherited.

    The variables of an AWS identity are kept or dropped together, so that two sessions never mix. If an inherited
    identity variable is kept, all identity variables of dsops are dropped. If dsops sets an identity variable, all
    inherited identity variables are removed.
    """
    # A process can inherit a variable without a name (`=x`), which Python's exec refuses to pass on.
    inherited = {name: value for name, value in parent.items() if name and (not is_pristine or _is_plain(name))}
    identity = {*IDENTITY, *_ATTENDANTS, *[name for name in inherited if name.startswith(_BEARER_TOKEN)]}
    kept_names: set[str] = set()
    removed: tuple[str, ...] = ()
    if keeps_existing:
        kept_names = secrets.keys() & inherited.keys()
        if not inherited.keys().isdisjoint(IDENTITY):
            kept_names |= secrets.keys() & identity
    if session is not None or any(name in secrets and name not in kept_names for name in IDENTITY):
        removed = tuple(sorted(inherited.keys() & identity - secrets.keys()))
    variables: dict[str, str | Secret] = {name: value for name, value in inherited.items() if name not in removed}
    variables.update((name, value) for name, value in secrets.items() if name not in kept_names)
    if session is not None:
        variables.update(session.variables)
        _name_region(variables, session.region)
    if marks is not None:
        for name in (ACTIVE, EXPIRES, DANGER):
            variables.pop(name, None)
        variables.update(marks)
    return ChildEnvironment(variables, removed, tuple(sorted(kept_names)))


def session_variables(credentials: Credentials) -> dict[str, Secret]:
    """Return the variables that give an AWS SDK these credentials with their expiry."""
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
    """Return the variables that make an AWS SDK fetch credentials only from a container endpoint.

    SDKs read the credential files first, where keys under `[default]` would be another identity. So the variables set
    the paths of these files to `empty_file`, the path of an empty file.
    """
    return {
        "AWS_CONTAINER_CREDENTIALS_FULL_URI": Secret(address),
        "AWS_CONTAINER_AUTHORIZATION_TOKEN": token,
        "AWS_SHARED_CREDENTIALS_FILE": Secret(empty_file),
        "AWS_CONFIG_FILE": Secret(empty_file),
    }


def encode(environment: ChildEnvironment) -> dict[bytes, bytes]:
    """Encode the environment to the bytes with which the process is started.

    Inherited values are encoded back to their original bytes; secrets become UTF-8, or the bytes of a binary secret.
    Raises ValueUnusable for a value that a variable can't contain.
    """
    # Does the same as os.fsencode, in a third of the time.
    encoding, errors = sys.getfilesystemencoding(), sys.getfilesystemencodeerrors()
    return {
        name.encode(encoding, errors): (
            _secret_bytes(name, value) if isinstance(value, Secret) else value.encode(encoding, errors)
        )
        for name, value in environment.variables.items()
    }


def _name_region(variables: dict[str, str | Secret], region: str) -> None:
    """Set both region variables, because no SDK reads both.

    They get the value of the region variable that is already set, or else `region`.
    """
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
        # The error is raised `from None`, because the original error contains the value.
        raise ValueUnusable(
            f"the value of `{name}` can't be put into an environment variable",
            why="it contains an unpaired UTF-16 surrogate, which can't be encoded",
            hint="add `transform: base64_encode` and decode it in the command",
        ) from None
    if b"\0" in data:
        raise ValueUnusable(
            f"the value of `{name}` can't be put into an environment variable",
            why="it contains a NUL byte, which ends an environment variable",
            hint="add `transform: base64_encode` and decode it in the command",
        )
    return data
