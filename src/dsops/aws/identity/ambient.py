"""Load the base credentials, which sign the first hop.

Keys in the environment are read here. botocore reads everything else, since it is the reference for profiles, SSO,
`credential_process`, web identity, containers and instances. botocore takes 190 ms to import and reads its process's
environment, so it runs in a new process with the client's environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from dsops.credentials import OF_ENVIRONMENT, Credentials
from dsops.errors import AmbientFailed, CredentialsExpired
from dsops.secret import Secret
from dsops.startup import TYPE_CHECKING

if TYPE_CHECKING:
    from dsops.aws.identity.ambient_advice import CredentialLookup

TIMEOUT_SECONDS = 120.0
"""The timeout of a lookup in seconds. A `credential_process` may open a browser, but must not hang forever."""

_ASK_YOURSELF = "`aws sts get-caller-identity` uses the same sources, and shows more details"
# The child process runs as `python -I -c`, so that neither the client's working directory nor PYTHON* variables affect
# which modules it imports.
_START = "import sys; sys.path[:] = sys.argv[2:]; from dsops.aws.identity.ambient_child import main; main(sys.argv[1])"

LOOKING = "DSOPS_LOOKING_UP"
"""The environment variable with the profiles that are being looked up, one per line.

When a `credential_process` runs dsops again, that dsops detects a loop by this variable.
"""


def ambient_from_environment(environ: Mapping[str, str], now: datetime | None = None) -> Credentials | None:
    """Return the keys in AWS_ACCESS_KEY_ID and related variables; None when they are not set.

    These keys take precedence over AWS_PROFILE, as in botocore and the AWS CLI. The order of precedence is:

    1. `--profile`, here a store's `profile`, for which this function is not called
    2. keys in the environment
    3. AWS_PROFILE
    4. `default`

    An empty variable counts as unset. Raises AmbientFailed for an incomplete key pair or an unreadable expiry. With
    `now`, raises CredentialsExpired for an AWS_CREDENTIAL_EXPIRATION in the past.
    """
    access_key_id = environ.get("AWS_ACCESS_KEY_ID", "").strip()
    secret_access_key = environ.get("AWS_SECRET_ACCESS_KEY", "").strip()
    if not access_key_id and not secret_access_key:
        return None
    if not access_key_id or not secret_access_key:
        name_set, missing = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"
        if not access_key_id:
            name_set, missing = missing, name_set
        raise AmbientFailed(f"{name_set} is set, but {missing} is not", hint=f"set {missing} too, or unset {name_set}")
    # The variable AWS_SECURITY_TOKEN is from before 2014; boto still accepts it.
    token = (environ.get("AWS_SESSION_TOKEN") or environ.get("AWS_SECURITY_TOKEN", "")).strip()
    expiration = _expiration_from(environ)
    if expiration is not None and now is not None and expiration <= now:
        raise CredentialsExpired(
            f"the keys in the environment expired at {expiration:%Y-%m-%d %H:%M:%S} UTC",
            why="AWS_CREDENTIAL_EXPIRATION contains this time",
            hint="get new keys, or unset AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
        )
    return Credentials(
        access_key_id, Secret(secret_access_key), Secret(token) if token else None, expiration, source=OF_ENVIRONMENT
    )


def passed_over(environ: Mapping[str, str]) -> str:
    """Return a warning that keys in the environment override AWS_PROFILE; "" when no profile is set."""
    for name in ("AWS_PROFILE", "AWS_DEFAULT_PROFILE"):
        if environ.get(name):
            return f"{name}={environ[name]} is ignored: keys in the environment override it"
    return ""


def load_ambient(
    environ: Mapping[str, str],
    folder: str,
    profile: str = "",
    *,
    now: datetime | None = None,
    timeout_seconds: float = TIMEOUT_SECONDS,
) -> Credentials:
    """Load the base credentials of a profile or, without a profile, of the default chain. Blocks.

    Raises NoCredentials with the sources searched, MfaRequired for a profile that needs an MFA code,
    CredentialsExpired, or AmbientFailed. Relative paths and commands of the profile start from `folder`.
    """
    if not profile:
        credentials = ambient_from_environment(environ, now)
        if credentials is not None:
            return credentials
    from dsops.aws.identity.ambient_advice import CredentialLookup, failure

    lookup = CredentialLookup(environ, folder, profile)
    _refuse_to_go_round(lookup)
    answer = _ask_child(lookup, timeout_seconds)
    error = answer.get("error")
    if isinstance(error, str):
        raise failure(lookup, error, answer)
    return _found(lookup, answer)


def _refuse_to_go_round(lookup: CredentialLookup) -> None:
    """Raise AmbientFailed if the profile's `credential_process` runs dsops with the same profile.

    Without this check, the lookups would form an endless loop.
    """
    if lookup.name in lookup.environ.get(LOOKING, "").split("\n"):
        raise AmbientFailed(
            f"the credentials of profile `{lookup.name}` depend on themselves",
            why="its credential_process runs dsops, which takes its base credentials from the same profile",
            hint=f"add `--for-profile {lookup.name}` to that credential_process, or unset AWS_PROFILE",
        )


def _looking(lookup: CredentialLookup) -> str:
    before = lookup.environ.get(LOOKING, "")
    return f"{before}\n{lookup.name}" if before else lookup.name


def _expiration_from(environ: Mapping[str, str]) -> datetime | None:
    text = environ.get("AWS_CREDENTIAL_EXPIRATION", "").strip()
    if not text:
        return None
    expiration = _instant(text)
    if expiration is None:
        raise AmbientFailed(
            "AWS_CREDENTIAL_EXPIRATION is not a timestamp", hint="write it as 2026-11-24T12:00:00Z, or unset it"
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


def _ask_child(lookup: CredentialLookup, timeout_seconds: float) -> Mapping[str, object]:
    """Run `ambient_child` and return its answer.

    Keys are passed through a pipe, never as an argument or in a file.
    """
    import json
    import subprocess
    import sys

    from dsops.aws.identity.ambient_advice import scrubbed

    path = [entry for entry in sys.path if entry.startswith("/") or entry[1:2] == ":"]
    # `-X utf8` makes botocore read files as UTF-8, as dsops itself does. By default it would use the locale's encoding.
    command = [sys.executable, "-I", "-X", "utf8", "-c", _START, lookup.profile, *path]
    try:
        child = subprocess.Popen(
            command,
            env={**lookup.environ, LOOKING: _looking(lookup)},
            cwd=lookup.folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
    except (OSError, ValueError) as error:
        raise AmbientFailed(f"could not look up {lookup.whose}", why=str(error), hint=_ASK_YOURSELF) from error
    try:
        out, err = child.communicate(timeout=timeout_seconds)
    except subprocess.TimeoutExpired as error:
        raise AmbientFailed(
            f"looking up {lookup.whose} took longer than {timeout_seconds:g} s",
            hint="check whether a credential_process or a metadata service does not answer",
        ) from error
    finally:
        # A `with` statement would wait until the pipes are closed, and a grandchild may keep them open.
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
        why = lines[-1] if lines else "the lookup process ended without an answer"
        raise AmbientFailed(f"could not look up {lookup.whose}", why=why, hint=_ASK_YOURSELF)
    return answer


def _found(lookup: CredentialLookup, answer: Mapping[str, object]) -> Credentials:
    """Parse the credentials in the child's answer."""
    from dsops.aws.identity.ambient_advice import source_text

    key_id, secret, token = (answer.get(name) for name in ("access_key_id", "secret_access_key", "session_token"))
    if not isinstance(key_id, str) or not isinstance(secret, str) or not isinstance(token, str | None):
        why = "the key id, secret access key or session token is not text"
        raise AmbientFailed(f"the {lookup.whose} are incomplete", why=why, hint=_ASK_YOURSELF)
    return Credentials(
        key_id,
        Secret(secret),
        Secret(token) if token else None,
        _instant(answer.get("expiration")),
        source=source_text(lookup, answer),
    )
