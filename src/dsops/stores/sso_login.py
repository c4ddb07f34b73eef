"""Read the token of a login to IAM Identity Center from its file; renew the token before it expires.

If the user has to log in, the error says so. Other programs also read the file and renew the token. Therefore dsops
reads the file again before every decision and after a refusal. A lock ensures that only one dsops process renews the
token at a time.
"""

from __future__ import annotations

from datetime import timedelta

from dsops.aws.identity.sso_cache import Token, read_token, token_path, write_token
from dsops.aws.identity.sso_session import SsoSession, named_session
from dsops.errors import FileNotWritten, LoginRequired, ServiceError, SsoRefused
from dsops.plan import Settings, Step
from dsops.runtime import Event
from dsops.startup import TYPE_CHECKING
from dsops.stores.endpoints import endpoint_of
from dsops.stores.interface import Context
from dsops.tasks import pause

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dsops.config.file_lock import FileLock

_EARLY = timedelta(minutes=15)
"""How long before its expiry a token is renewed.

botocore uses the same time, so other programs find a token that they need not renew.
"""

_USABLE = timedelta(seconds=30)

_REREADS, _REREAD_SECONDS = 10, 0.1
"""How often, and at which interval in seconds, to reread the file while another program renews the token.

Programs such as the AWS CLI do not use the lock.
"""


def session_of(settings: Settings, environ: Mapping[str, str], folder: str) -> SsoSession:
    """Return the login session that a store's settings name. Raises ConfigError if there is no such session."""
    name = str(settings.get("sso_session", ""))
    if name:
        return named_session(name, environ, folder)
    return SsoSession("", str(settings.get("start_url", "")), str(settings.get("sso_region", "")))


async def usable_token(step: Step, session: SsoSession, context: Context, refused: Token | None = None) -> Token:
    """Return the token to send. `refused` is a token that the portal rejected before its expiry.

    Raises LoginRequired if the user has to log in, and ServiceError if the server that renews tokens is unreachable.
    """
    runtime = context.runtime
    path = token_path(session, runtime.environ, runtime.folder)
    gate = f"login {path}"
    await context.memory.gates.enter(gate)
    try:
        token, is_good = _current(step, session, context, path, refused)
        if is_good and not _is_due(token, context):
            return token
        return await _renewed_in_turn(step, session, context, path, refused)
    finally:
        context.memory.gates.leave(gate)


async def _renewed_in_turn(
    step: Step, session: SsoSession, context: Context, path: str, refused: Token | None
) -> Token:
    """Renew the token while holding the lock of its file.

    Does not renew the token if another process has just renewed it or is about to renew it.
    """
    from dsops.config.file_lock import FileLock

    lock = FileLock(path)
    try:
        token, is_good = _current(step, session, context, path, refused)
        if not await _is_taken(lock, wants_to_wait=not is_good):
            return token
        token, is_good = _current(step, session, context, path, refused)
        if is_good and not _is_due(token, context):
            return token
        return await _renewed(step, session, context, path, token, is_good=is_good)
    finally:
        lock.release()


def _current(step: Step, session: SsoSession, context: Context, path: str, refused: Token | None) -> tuple[Token, bool]:
    """Return the saved token, and whether it can be sent as it is. Raises LoginRequired."""
    cached = read_token(path, session)
    token = cached.token
    _check_planned(step, session, token, context)
    if token is None:
        raise login_required(step, session, cached.why)
    is_good = _is_good(token, context) and not (refused and refused.access_token == token.access_token)
    if not is_good and not token.can_be_refreshed(context.runtime.now()):
        raise login_required(step, session, _ended(token, refused))
    return token, is_good


def _is_due(token: Token, context: Context) -> bool:
    """Whether to renew the token: it expires soon, and it has a refresh token."""
    now = context.runtime.now()
    return token.expires_at - now < _EARLY and token.can_be_refreshed(now)


async def _is_taken(lock: FileLock, *, wants_to_wait: bool) -> bool:
    """Whether this process should renew the token now; False if a process that holds the lock renews it.

    With `wants_to_wait`, wait for the lock. If it is not released in time, the process that holds it may be suspended.
    This process then renews the token without the lock.
    """
    from dsops.config.file_lock import LOCK_SECONDS, LOOK_SECONDS

    seconds = 0.0
    while not lock.take():
        if not wants_to_wait:
            return False
        if seconds >= LOCK_SECONDS:
            break
        await pause(LOOK_SECONDS)
        seconds += LOOK_SECONDS
    return True


def login_required(step: Step, session: SsoSession, why: str) -> LoginRequired:
    """Return the error that tells the user to log in."""
    if not step.name:
        message, hint = f"{session.shown} is needed", f"dsops login --start-url {session.start_url}"
        return LoginRequired(message, why=why, hint=hint)
    return LoginRequired(
        f"store `{step.name}` needs {session.shown}", why=why, hint=f"dsops login {step.name}", where=step.where
    )


async def _renewed(
    step: Step, session: SsoSession, context: Context, path: str, token: Token, *, is_good: bool
) -> Token:
    """Renew the token and save the new one.

    If the renewal fails, return a new token that another process has saved, or the old token while it is valid.
    """
    from dsops.aws.apis.sso_oidc import refreshed

    endpoint = endpoint_of(step, "sso-oidc", context.runtime, session.region)
    try:
        new = await refreshed(context.client, endpoint, token)
    except SsoRefused as error:
        if is_good:
            return token
        other = await _renewed_by_another(path, session, context, token)
        if other is not None:
            _check_planned(step, session, other, context)
            return other
        raise login_required(step, session, f"it can't be renewed: {error.why or error.message}") from error
    except ServiceError:
        if is_good:
            return token
        raise
    # If the response has no new refresh token, the old one stays valid (RFC 6749, section 6).
    new = new._replace(refresh_token=new.refresh_token or token.refresh_token)
    for mark in {token.mark, _planned(step)}:
        context.memory.learn(new.mark, _follows(mark))
    until = f"{new.expires_at:%Y-%m-%dT%H:%M:%SZ}"
    why = _save(path, session, token, new)
    context.runtime.report(Event("login.renewed", {"login": session.shown, "until": until, "why": why}))
    return new


async def _renewed_by_another(path: str, session: SsoSession, context: Context, token: Token) -> Token | None:
    """Return the token with which another program has replaced `token`; wait a short time for it.

    Returns None if no such token appears. If a refresh token works only once, the program that has used it saves the
    new token a moment later.
    """
    for _ in range(_REREADS):
        other = read_token(path, session).token
        if other is None:
            return None
        if other.access_token != token.access_token and _is_good(other, context):
            return other
        await pause(_REREAD_SECONDS)
    return None


def _save(path: str, session: SsoSession, token: Token, new: Token) -> str:
    """Replace the saved token by the new one. Return why it could not be saved, or "".

    Writes nothing if the user has logged in or out since the token was read.
    """
    there = read_token(path, session).token
    if there is None or there.mark != token.mark:
        return ""
    try:
        write_token(path, session, new)
    except FileNotWritten as error:
        return f"but not kept: {error.message}, {error.why}"
    return ""


def _check_planned(step: Step, session: SsoSession, token: Token | None, context: Context) -> None:
    """Raise LoginRequired if the login differs from the planned login.

    Sessions are cached under the identity of the planned login.
    """
    mark, planned = token.mark if token is not None else "", _planned(step)
    if mark == planned or context.memory.is_of_one_run or context.memory.knows(mark, _follows(planned)):
        return
    raise LoginRequired(
        f"{session.shown} for store `{step.name}` has changed since this run was planned",
        hint="run the command again",
        where=step.where,
    )


def _planned(step: Step) -> str:
    """Return the mark (digest) of the planned login; "" if there was no login."""
    return step.proof.login.mark if step.proof is not None and step.proof.login is not None else ""


def _follows(mark: str) -> str:
    """Return the fact to store in the memory for a login that renews the login with this mark."""
    return f"renewal of {mark}"


def _is_good(token: Token, context: Context) -> bool:
    return token.expires_at - context.runtime.now() >= _USABLE


def _ended(token: Token, refused: Token | None) -> str:
    if refused is not None:
        return "it was ended elsewhere, or taken away"
    return f"it ended at {token.expires_at:%Y-%m-%dT%H:%M:%SZ}"
