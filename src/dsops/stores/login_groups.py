"""Group stores by their shared login to IAM Identity Center; list a login's permission sets; end a login."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from dsops.aws.apis.sso import PortalClient, logout
from dsops.aws.http.call import Client, make_client
from dsops.aws.identity.sso_cache import read_token, remove_file, token_path
from dsops.aws.identity.sso_session import SsoSession
from dsops.aws.sso_accounts import Assignments, list_assignments
from dsops.cache import CredentialCache
from dsops.config.file_lock import locked
from dsops.errors import DsopsError, LoginRequired, Where
from dsops.plan import Fingerprint, Step
from dsops.runtime import Runtime
from dsops.schema import SSO_TYPE
from dsops.stores.endpoints import endpoint_of
from dsops.stores.interface import Context
from dsops.stores.sso_login import login_required, session_of, usable_token


class RequestedLogin(NamedTuple):
    """A login that the user wants to begin or end."""

    session: SsoSession
    step: Step
    """One of the stores that use the login. The login's requests use this store's endpoint and timeout."""
    stores: tuple[str, ...]
    """All stores of the configuration that use the login. A store that could not be planned is missing."""


def grouped_logins(steps: Iterable[Step], runtime: Runtime) -> list[RequestedLogin]:
    """Return the logins that these steps use, each with its stores."""
    by_session: dict[SsoSession, list[Step]] = {}
    for step in steps:
        by_session.setdefault(session_of(step.settings, runtime.environ, runtime.folder), []).append(step)
    return [
        RequestedLogin(session, group[0], tuple(step.name for step in group)) for session, group in by_session.items()
    ]


def login_of(step: Step, logins: Iterable[RequestedLogin], runtime: Runtime) -> RequestedLogin:
    """Return the login that a step uses, with the stores that share it."""
    session = session_of(step.settings, runtime.environ, runtime.folder)
    stores = next((login.stores for login in logins if login.session == session), (step.name,))
    return RequestedLogin(session, step, stores)


def login_without_store(session: SsoSession, profiles: tuple[str, ...] = ()) -> RequestedLogin:
    """Return a login that no store of the configuration uses.

    AWS profiles may use it. The login's step has no name.
    """
    named = {"sso_session": session.name} if session.name else {}
    settings = named or {"start_url": session.start_url, "sso_region": session.region}
    step = Step("", SSO_TYPE, settings, session.region, "", "", Fingerprint(""), None, Where(""))
    return RequestedLogin(session, step, profiles)


async def list_login(login: RequestedLogin, runtime: Runtime, report: Callable[[int, int], None]) -> Assignments:
    """Return the accounts and permission sets of the login. `report` is passed on to `list_assignments`.

    If the portal refuses the token, the token is renewed once. Raises LoginRequired if the user has to log in.
    """
    step, session, client = login.step, login.session, client_of(login, runtime)
    context = Context(runtime, client, CredentialCache(runtime.now, is_of_one_run=True).memory)
    endpoint = endpoint_of(step, "sso", runtime, session.region)
    token = await usable_token(step, session, context)
    try:
        return await list_assignments(PortalClient(client, endpoint, token.access_token), report)
    except LoginRequired:
        token = await usable_token(step, session, context, refused=token)
    try:
        return await list_assignments(PortalClient(client, endpoint, token.access_token), report)
    except LoginRequired as error:
        raise login_required(step, session, f"it is not accepted: {error.why or error.message}") from error


def client_of(login: RequestedLogin, runtime: Runtime) -> Client:
    """Return the client for requests about the login, with the store's timeout."""
    client, milliseconds = make_client(runtime), login.step.settings.get("timeout_ms")
    return client._replace(total_timeout_ms=milliseconds) if isinstance(milliseconds, int) else client


class Ended(NamedTuple):
    """The outcome of ending a login."""

    was_logged_in: bool
    failure: DsopsError | None
    """The error if the portal did not end the login; None otherwise. The token file is removed in any case."""


async def end_login(login: RequestedLogin, runtime: Runtime) -> Ended:
    """End the login at the portal, and remove its token file."""
    session = login.session
    path = token_path(session, runtime.environ, runtime.folder)
    token = read_token(path, session).token
    failure: DsopsError | None = None
    if token is not None:
        endpoint = endpoint_of(login.step, "sso", runtime, session.region)
        try:
            await logout(PortalClient(client_of(login, runtime), endpoint, token.access_token))
        except LoginRequired:
            pass  # the login had already ended
        except DsopsError as error:
            failure = error
    with locked(path):  # A renewal that is running ends before the file is removed; the next renewal finds no file.
        remove_file(path)  # also removes a file without a usable token, because the next login writes to that path
    return Ended(token is not None, failure)
