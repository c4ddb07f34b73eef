"""The store type `aws.sso`: a session of an IAM Identity Center permission set.

The session is issued with the user's login, made by `dsops login` or the AWS CLI.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from dsops.aws.apis.sso import PortalClient, get_role_credentials, list_account_roles, list_accounts
from dsops.aws.identity.sso_cache import Cached, Token, read_token, token_path
from dsops.aws.identity.sso_session import SsoSession
from dsops.credentials import Credentials
from dsops.errors import DsopsError, LoginRequired, NotAssigned, nearest
from dsops.plan import Login, Proof, SecretReference, Settings, Step
from dsops.schema import BUILTIN_TYPES
from dsops.secret import Secret
from dsops.stores.endpoints import endpoint_of
from dsops.stores.interface import Context
from dsops.stores.session_parts import parts_of
from dsops.stores.sso_login import login_required, session_of, usable_token

_MOST_NAMED = 10


class Sso:
    """The store type `aws.sso`."""

    store_type = BUILTIN_TYPES["aws.sso"]

    def identify(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        digest_of: Callable[[Iterable[str]], str],
        folder: str = "",
    ) -> Proof:
        """Identify the login by its token, which only the user who logged in has."""
        session = session_of(settings, environ, folder)
        cached = read_token(token_path(session, environ, folder), session)
        mark = cached.token.mark if cached.token is not None else ""
        login = Login(_token_text(cached), mark, session.region, cached.note)
        return Proof(session.shown, digest_of((session.start_url, session.region, mark)), login=login)

    async def issue(self, step: Step, source: Credentials | None, context: Context) -> Credentials:
        """Issue a session of the permission set. If the portal refuses the token, renew the token once and retry."""
        del source
        session = session_of(step.settings, context.runtime.environ, context.runtime.folder)
        token = await usable_token(step, session, context)
        try:
            return await _credentials(step, session, context, token)
        except LoginRequired:
            token = await usable_token(step, session, context, refused=token)
        try:
            return await _credentials(step, session, context, token)
        except LoginRequired as error:
            raise login_required(step, session, f"it is not accepted: {error.why or error.message}") from error

    async def fetch(
        self, step: Step, references: Sequence[SecretReference], credentials: Credentials | None, context: Context
    ) -> Mapping[SecretReference, Secret | DsopsError]:
        """Return the requested parts of the session that this store issued."""
        del context
        return parts_of(step, references, credentials)


async def _credentials(step: Step, session: SsoSession, context: Context, token: Token) -> Credentials:
    endpoint = endpoint_of(step, "sso", context.runtime, session.region)
    portal = PortalClient(context.client, endpoint, token.access_token)
    account_id, role_name = str(step.settings["account_id"]), str(step.settings["role_name"])
    try:
        return await get_role_credentials(portal, account_id, role_name)
    except NotAssigned as error:
        message = f"store `{step.name}`: this login has no permission set {role_name} in account {account_id}"
        error.retell(message, hint=await _alternatives(portal, account_id, role_name), where=step.where)
        raise
    except LoginRequired:
        raise
    except DsopsError as error:
        error.retell(f"store `{step.name}`: {error.message}", where=step.where)
        raise


async def _alternatives(portal: PortalClient, account_id: str, role_name: str) -> str:
    """Return a hint that lists what the login can use: accounts, or permission sets of the account.

    If AWS does not list them, the hint is general.
    """
    try:
        accounts = {account.account_id: account.name for account in await list_accounts(portal)}
        if account_id not in accounts:
            meant = nearest(account_id, accounts)
            named = [f"{key} ({name})" if name not in ("", key) else key for key, name in accounts.items()]
            return f"did you mean {meant} ({accounts[meant]})?" if meant else f"its accounts: {_joined_names(named)}"
        roles = await list_account_roles(portal, account_id)
    except DsopsError:
        return "the access portal lists what a login may use; an administrator of Identity Center can assign more"
    meant = nearest(role_name, roles)
    return f"did you mean `{meant}`?" if meant else f"its permission sets there: {_joined_names(roles)}"


def _joined_names(names: Sequence[str]) -> str:
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    return f"{', '.join(names[:_MOST_NAMED])}{more}" if names else "none"


def _token_text(cached: Cached) -> str:
    token = cached.token
    if token is None:
        return cached.why
    renewal = ", then renewed" if token.refresh_token is not None and token.client is not None else ""
    return f"logged in until {token.expires_at:%Y-%m-%dT%H:%M:%SZ}{renewal}"


STORE = Sso()
