"""The base credentials, which sign the first hop: keys in the environment at once, everything else by botocore.

botocore is the reference for profiles, SSO, `credential_process`, web identity, containers and instances. It costs
190 ms to import and reads the environment of its process, so it runs in a fresh one with the client's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime

from dsops.aws.ambient_files import config_file, credentials_file
from dsops.credentials import Credentials
from dsops.errors import (
    AmbientFailed,
    CredentialsError,
    CredentialsExpired,
    MfaRequired,
    NoCredentials,
    nearest,
)
from dsops.secret import Secret
from dsops.startup import NamedTuple

TIMEOUT_SECONDS = 120.0
"""A `credential_process` may open a browser; one that hangs must not hang us for ever."""

# Run as `python -I -c`: the folder and the PYTHON* variables of the client don't decide what is imported.
_START = "import sys; sys.path[:] = sys.argv[2:]; from dsops.aws.ambient_child import main; main(sys.argv[1])"

# A secret key, a token or a part of one: long, and of all three kinds of characters. Paths and URLs are seldom.
_KEY_LIKE = r"[A-Za-z0-9+/=_-]{30,}"
_KEY_ID = r"\b(AKIA|ASIA)[A-Z0-9]{8,}\b"

_SOURCES = {
    "env": "environment",
    "shared-credentials-file": "the credentials file",
    "config-file": "the config file",
    "assume-role": "a role",
    "assume-role-with-web-identity": "a web identity token",
    "sso": "IAM Identity Center",
    "login": "`aws login`",
    "custom-process": "its credential_process",
    "container-role": "the container's role",
    "iam-role": "the instance's role",
}

_OF_A_PROFILE = frozenset({
    "shared-credentials-file", "config-file", "assume-role", "assume-role-with-web-identity", "sso", "login",
    "custom-process",
})  # fmt: skip
"""The sources that a profile itself names. botocore goes on to the container's and the instance's role when it has
none, which would be somebody else than the profile that a store names."""


class Ambient(NamedTuple):
    """Base credentials and, for people, where they came from."""

    credentials: Credentials
    source: str


def ambient_from_environment(environ: Mapping[str, str], now: datetime | None = None) -> Credentials | None:
    """The keys in AWS_ACCESS_KEY_ID and its sisters; None where there are none.

    They win over AWS_PROFILE, as in botocore and the AWS CLI, whose order is: `--profile` (here: a store's `profile`,
    with which this function is not asked), keys in the environment, AWS_PROFILE, `default`. An empty variable is an
    unset one. Raises AmbientFailed for half a pair or an expiry that can't be read, and, when `now` is given,
    CredentialsExpired for AWS_CREDENTIAL_EXPIRATION in the past.
    """
    access_key_id = environ.get("AWS_ACCESS_KEY_ID", "").strip()
    secret_access_key = environ.get("AWS_SECRET_ACCESS_KEY", "").strip()
    if not access_key_id and not secret_access_key:
        return None
    if not access_key_id or not secret_access_key:
        given, missing = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
        if not access_key_id:
            given, missing = missing, given
        raise AmbientFailed(f"{given} is set, but {missing} is not", hint=f"set {missing} too, or unset {given}")
    # The second name is from before 2014; boto still takes it.
    token = (environ.get("AWS_SESSION_TOKEN") or environ.get("AWS_SECURITY_TOKEN", "")).strip()
    expiration = _expiration_from(environ)
    if expiration is not None and now is not None and expiration <= now:
        raise CredentialsExpired(
            f"the keys in the environment expired at {expiration:%Y-%m-%d %H:%M:%S} UTC",
            why="AWS_CREDENTIAL_EXPIRATION says so",
            hint="get new ones, or unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
        )
    return Credentials(access_key_id, Secret(secret_access_key), Secret(token) if token else None, expiration)


def load_ambient(
    environ: Mapping[str, str],
    folder: str,
    profile: str = "",
    *,
    now: datetime | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Ambient:
    """The base credentials of a profile, or, without one, of the default chain; it blocks.

    Raises NoCredentials with what was looked at, MfaRequired for a profile that asks for a code, CredentialsExpired,
    or AmbientFailed. `folder` is where relative paths and commands of the profile start from.
    """
    if not profile:
        credentials = ambient_from_environment(environ, now)
        if credentials is not None:
            return Ambient(credentials, "environment")
    answer = _ask_child(environ, folder, profile, timeout_seconds)
    error = answer.get("error")
    if isinstance(error, str):
        raise _failure(environ, profile, error, answer)
    return _found(environ, profile, answer)


def _expiration_from(environ: Mapping[str, str]) -> datetime | None:
    text = environ.get("AWS_CREDENTIAL_EXPIRATION", "").strip()
    if not text:
        return None
    expiration = _instant(text)
    if expiration is None:
        raise AmbientFailed(
            "AWS_CREDENTIAL_EXPIRATION is not a time",
            hint="write it as 2026-11-24T12:00:00Z, or unset it",
        )
    return expiration


def _instant(text: object) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        return None
    return (instant if instant.tzinfo is not None else instant.replace(tzinfo=UTC)).astimezone(UTC)


def _ask_child(
    environ: Mapping[str, str], folder: str, profile: str, timeout_seconds: float
) -> Mapping[str, object]:
    """What `ambient_child` answers. Keys travel over a pipe, never as an argument or through a file."""
    import json
    import subprocess
    import sys

    path = [entry for entry in sys.path if entry.startswith("/") or entry[1:2] == ":"]
    command = [sys.executable, "-I", "-c", _START, profile, *path]
    try:
        child = subprocess.Popen(
            command,
            env=dict(environ),
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        raise AmbientFailed(f"could not look for {_whose(profile)}", why=str(error)) from error
    try:
        out, err = child.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise AmbientFailed(
            f"found no credentials of {_whose(profile)} within {timeout_seconds:g} s",
            hint="a credential_process, or a metadata service, does not answer",
        ) from error
    finally:
        # Not `with`: it would wait for the pipes' end, which a grandchild may hold.
        child.kill()
        for pipe in (child.stdout, child.stderr):
            if pipe is not None:
                pipe.close()
        child.wait()
    try:
        answer = json.loads(out)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        lines = scrubbed(err.decode("utf-8", "replace")).strip().splitlines()
        raise AmbientFailed(f"could not look for {_whose(profile)}", why=lines[-1] if lines else "")
    return answer


def scrubbed(text: str) -> str:
    """A text of somebody else's program without what looks like a key or a token."""

    def mask(match: re.Match[str]) -> str:
        word = match[0]
        kinds = (str.isupper, str.islower, str.isdigit)
        return "***" if all(any(map(kind, word)) for kind in kinds) else word

    printable = "".join(each if each.isprintable() or each == "\n" else " " for each in text)
    return re.sub(_KEY_LIKE, mask, re.sub(_KEY_ID, r"\1***", printable))


def _whose(profile: str) -> str:
    return f"credentials of profile `{profile}`" if profile else "base credentials"


def _found(environ: Mapping[str, str], profile: str, answer: Mapping[str, object]) -> Ambient:
    """The credentials in the child's answer."""
    key_id, secret, token = (answer.get(name) for name in ("access_key_id", "secret_access_key", "session_token"))
    if not isinstance(key_id, str) or not isinstance(secret, str) or not isinstance(token, str | None):
        raise AmbientFailed(f"the {_whose(profile)} are incomplete")
    expiration = _instant(answer.get("expiration"))
    credentials = Credentials(key_id, Secret(secret), Secret(token) if token else None, expiration)
    method = answer.get("method")
    source = _SOURCES.get(method, method) if isinstance(method, str) else "botocore"
    if profile and method not in _OF_A_PROFILE:
        raise _no_credentials(environ, profile, profile, instead=source)
    name = profile or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    of_profile = method in ("container-role", "iam-role", "env") and not profile
    return Ambient(credentials, source if of_profile else f"profile {name} ({source})")


def _failure(
    environ: Mapping[str, str], profile: str, error: str, answer: Mapping[str, object]
) -> CredentialsError:
    """What botocore's error means for the user. `error` is the name of its class."""
    message = answer.get("message")
    why = " ".join(scrubbed(message if isinstance(message, str) else "").split())
    name = profile or environ.get("AWS_PROFILE") or environ.get("AWS_DEFAULT_PROFILE") or "default"
    if error == "NoCredentials":
        return _no_credentials(environ, profile, name)
    if error == "MfaRequired":
        return MfaRequired(
            f"profile `{name}` asks for an MFA code",
            why="dsops can't pass one on to a profile",
            hint="put its role_arn and mfa_serial into an `aws.sts` store: dsops asks for the code itself",
        )
    if error == "ProfileNotFound":
        profiles = answer.get("profiles")
        names = [str(each) for each in profiles] if isinstance(profiles, list) else []
        meant = nearest(name, names)
        hint = f"did you mean `{meant}`? else" if meant else f"correct {'`profile`' if profile else 'AWS_PROFILE'}, or"
        return AmbientFailed(
            f"there is no profile `{name}`",
            why=f"{config_file(environ)} and {credentials_file(environ)} have {', '.join(names[:20]) or 'none'}",
            hint=f"{hint} make it with `aws configure --profile {name}`",
        )
    if "still expired" in why:
        return CredentialsExpired(f"the {_whose(name)} have expired", why=why)
    if error == "JSONDecodeError":
        why = "its `credential_process` does not print JSON"
    elif error == "CredentialRetrievalError" and why.endswith("custom-process:"):
        why = "its `credential_process` failed without a word"
    why = re.sub(r"^\[Errno -?\d+\] N", "n", why)
    hint = f"see what `aws sts get-caller-identity --profile {name}` says"
    if "SSO" in error or error == "TokenRetrievalError":
        hint = f"run `aws sso login --profile {name}`"
    elif error.startswith("Login"):
        hint = f"run `aws login --profile {name}`"
    return AmbientFailed(f"could not get the {_whose(name)}", why=why or error, hint=hint)


def _no_credentials(environ: Mapping[str, str], profile: str, name: str, *, instead: str = "") -> NoCredentials:
    """Nothing was found: the hint lists where it was looked for. `instead` is what stood in for a named profile."""
    files = f"profile `{name}` in {config_file(environ)} and {credentials_file(environ)}"
    if instead:
        return NoCredentials(
            f"profile `{profile}` gives no credentials",
            why=f"it names none, and {instead} is another identity than the one that was asked for",
            hint="leave `profile` out to use that one, or add keys, a role or `sso_session` to the profile",
        )
    if profile:
        return NoCredentials(
            f"profile `{profile}` gives no credentials",
            why=f"looked at {files}",
            hint=f"add keys, a role or `sso_session` to it, for example with `aws configure sso --profile {profile}`",
        )
    instance = "the instance's role"
    if environ.get("AWS_EC2_METADATA_DISABLED", "").lower() == "true":
        instance += " (switched off by AWS_EC2_METADATA_DISABLED)"
    return NoCredentials(
        "there are no AWS credentials to start from",
        why=f"looked at AWS_ACCESS_KEY_ID, {files}, the container's role, {instance}",
        hint="set AWS_PROFILE, or log in with `aws sso login` or `aws configure`; to try without an account, "
        "`dsops sandbox run --from dsops.yaml -- COMMAND`",
    )
