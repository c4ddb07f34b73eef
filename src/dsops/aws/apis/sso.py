"""The access portal of IAM Identity Center, with one function per API action.

Requests are not signed. They carry the access token of a login.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime

from dsops.aws.http.answer import Content, lacks, objects_in, text_in
from dsops.aws.http.call import Call, Client
from dsops.aws.http.client import call_rest, quote
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint
from dsops.errors import AwsAnswer, DsopsError, LoginRequired, NotAssigned, SsoRefused
from dsops.secret import Secret
from dsops.startup import NamedTuple

_BEARER = "x-amz-sso_bearer_token"
_MOST_PAGES = 500
_KEY = re.compile(r"[\w+=,.@-]+", re.ASCII)
"""The characters of account ids and permission set names (Identity Center API reference, CreatePermissionSet)."""
_PARTS = ("accessKeyId", "secretAccessKey", "sessionToken")


class PortalClient(NamedTuple):
    """Endpoint and access token for calls to the portal."""

    client: Client
    endpoint: Endpoint
    access_token: Secret


class Account(NamedTuple):
    """An account in which the user has a permission set."""

    account_id: str
    name: str


async def get_role_credentials(portal: PortalClient, account_id: str, role_name: str) -> Credentials:
    """Return credentials of the permission set's role.

    Raises LoginRequired, NotAssigned or SsoRefused, in addition to the errors of every call.
    """
    path = f"/federation/credentials?role_name={quote(role_name)}&account_id={quote(account_id)}"
    action, doing = "GetRoleCredentials", f"get credentials of {role_name} in {account_id}"
    content = await _ask(portal, action, path, doing)
    role_credentials = content.get("roleCredentials")
    if not isinstance(role_credentials, dict):
        raise lacks(portal.endpoint, action, "roleCredentials")
    parts = {name: text_in(role_credentials, name) for name in _PARTS}
    for name, text in parts.items():
        if not text or not text.isascii() or not text.isprintable() or " " in text:
            raise lacks(portal.endpoint, action, f"roleCredentials/{name} that could be one")
    expiration = _from_milliseconds(role_credentials.get("expiration"))
    if expiration is None:
        raise lacks(portal.endpoint, action, "roleCredentials/expiration that is a time")
    key_id, secret_key, session_token = parts.values()
    return Credentials(
        key_id,
        Secret(secret_key),
        Secret(session_token),
        expiration,
        issued_at=portal.client.runtime.now(),
        request_id=content.request_id,
    )


async def list_accounts(portal: PortalClient) -> list[Account]:
    """Return the accounts in which the user has a permission set. Raises AnswerInvalid for an incomplete list."""
    listing = _Listing("ListAccounts", "/assignment/accounts?", "list the accounts", "accountList", "accountId")
    return [Account(text_in(item, "accountId"), text_in(item, "accountName")) for item in await _list(portal, listing)]


async def list_account_roles(portal: PortalClient, account_id: str) -> list[str]:
    """Return the names of the user's permission sets in the account. Raises AnswerInvalid for an incomplete list."""
    path, doing = f"/assignment/roles?account_id={quote(account_id)}&", f"list the permission sets in {account_id}"
    listing = _Listing("ListAccountRoles", path, doing, "roleList", "roleName")
    return [text_in(item, "roleName") for item in await _list(portal, listing)]


async def logout(portal: PortalClient) -> None:
    """End the login for every program that uses its token. Raises LoginRequired when it had already ended."""
    await _ask(portal, "Logout", "/logout", "end the login", method="POST")


class _Listing(NamedTuple):
    """An action that returns a list in pages."""

    action: str
    path: str
    doing: str
    member: str
    key: str
    """The name of the field that each object of the list must have; its value must be a string."""


async def _list(portal: PortalClient, listing: _Listing) -> list[dict[str, object]]:
    """Return the objects of all pages. A page must not be missing, because callers delete what is not in the list."""
    objects: list[dict[str, object]] = []
    tokens = [""]
    while len(tokens) <= _MOST_PAGES:
        more = f"&next_token={quote(tokens[-1])}" if tokens[-1] else ""
        content = await _ask(portal, listing.action, f"{listing.path}max_result=100{more}", listing.doing)
        page, whole = objects_in(content, listing.member), content.get(listing.member)
        is_whole = isinstance(whole, list) and len(page) == len(whole)
        # Callers write these strings into a dsops.yaml, where `${NAME}` would be replaced by an environment variable.
        if not is_whole or not all(_KEY.fullmatch(text_in(each, listing.key)) for each in page):
            raise lacks(portal.endpoint, listing.action, f"{listing.member} with {listing.key}")
        objects += page
        token = text_in(content, "nextToken")
        if not token:
            return objects
        if token in tokens:
            break
        tokens.append(token)
    raise lacks(portal.endpoint, listing.action, "last page")


async def _ask(portal: PortalClient, action: str, path: str, doing: str, method: str = "GET") -> Content:
    call = Call(portal.endpoint, None, action, doing, _refused, (portal.access_token,), method=method, path=path)
    return await call_rest(portal.client, call, headers=((_BEARER, portal.access_token.reveal()),))


def _refused(answer: AwsAnswer, doing: str) -> DsopsError:
    """Return the error for any refusal. Requests are unsigned, so a refusal never concerns a key or a clock."""
    if answer.code == "UnauthorizedException" or answer.status == 401:
        message = f"{answer.endpoint} does not accept the login to {doing}"
        return LoginRequired(message, why=answer.message, hint="log in again: `dsops login STORE`", aws=answer)
    if answer.code in ("ForbiddenException", "ResourceNotFoundException") or answer.status in (403, 404):
        hint = "check the account and the permission set's name, or ask for the permission set to be assigned to you"
        return NotAssigned(f"not allowed to {doing}", why=answer.message, hint=hint, aws=answer)
    hint = "check the start URL and the region of the Identity Center"
    return SsoRefused(f"{answer.endpoint} refused to {doing}", why=answer.message, hint=hint, aws=answer)


def _from_milliseconds(value: object) -> datetime | None:
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return datetime.fromtimestamp(int(value) // 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None
