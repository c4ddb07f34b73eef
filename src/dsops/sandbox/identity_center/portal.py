"""The access portal of IAM Identity Center (`sso`): lists a user's accounts and roles, and issues credentials.

IAM Identity Center Portal API Reference. The credentials are ordinary sessions, as on AWS: the sandbox enforces their
policies, the permission set limits their duration, and they stay valid after the user logs out.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, TypeVar
from uuid import uuid4

from dsops.request.wire.errors import refusal
from dsops.sandbox.identity_center.directory import AssignedRole, Instance
from dsops.sandbox.identity_center.logins import ACCOUNT_ACCESS, PortalLogins
from dsops.sandbox.identity_center.records import PortalLogin
from dsops.sandbox.identity_center.responses import no_access, unauthorized
from dsops.sandbox.saml.response import name_qualifier
from dsops.sandbox.state.sessions import Issued, Session, SessionTable
from dsops.sandbox.state.world import Role, SamlProvider, World

PERSISTENT = "persistent"
_MOST_LISTED = 100
T = TypeVar("T")

Parameters = Mapping[str, object]


class Assumed(NamedTuple):
    """The result of the AssumeRoleWithSAML call that GetRoleCredentials made on behalf of the user."""

    role: Role
    assigned: AssignedRole
    issued: Issued
    qualifier: str
    """The value of `saml:namequalifier` for Identity Center's SAML provider in that account."""
    assertion_id: str


class Performed(NamedTuple):
    """The content of a response, and the role that the operation assumed."""

    content: Mapping[str, object] | None
    """The content of the response; None if its body is empty."""
    assumed: Assumed | None = None


class AccessPortal:
    """The portal's operations for one Identity Center instance."""

    def __init__(
        self, instance: Callable[[], Instance | None], logins: PortalLogins, world: World, sessions: SessionTable
    ) -> None:
        self._instance = instance
        self._logins = logins
        self._world = world
        self._sessions = sessions
        self._operations: Mapping[str, Callable[[Instance, PortalLogin, Parameters, float], Performed]] = {
            "GetRoleCredentials": self._get_role_credentials,
            "ListAccounts": self._list_accounts,
            "ListAccountRoles": self._list_account_roles,
            "Logout": self._logout,
        }

    def login(self, parameters: Parameters, now: float) -> tuple[Instance, PortalLogin]:
        """Return the instance and the session of the request's access token. Raises UnauthorizedException."""
        instance = self._instance()
        login = self._logins.session(str(parameters.get("accessToken", "")), now)
        if instance is None or login is None:
            raise unauthorized()
        return instance, login

    def perform(
        self, operation: str, instance: Instance, login: PortalLogin, parameters: Parameters, now: float
    ) -> Performed:
        """Perform the operation. Raises SandboxRefusal if AWS would refuse the request."""
        if operation != "Logout" and login.scopes and ACCOUNT_ACCESS not in login.scopes:
            raise no_access()
        return self._operations[operation](instance, login, parameters, now)

    def _get_role_credentials(
        self, instance: Instance, login: PortalLogin, parameters: Parameters, now: float
    ) -> Performed:
        account, name = _needed(parameters, "accountId"), _needed(parameters, "roleName")
        assigned_role = instance.role_of(self._world, login.user, account, name)
        if assigned_role is None:
            raise no_access()
        assigned, role = assigned_role
        provider = SamlProvider(assigned.provider_arn, account, assigned.provider_arn.rpartition("/")[2], "")
        qualifier = name_qualifier(instance.saml_issuer, provider)
        person = instance.users[login.user]
        issued = self._sessions.issue(
            Session(
                "role",
                account,
                role.unique_id,
                login.user,
                int(now),
                int(now) + assigned.session_duration,
                tags=person.attributes,
                federation=(
                    ("aws:FederatedProvider", (assigned.provider_arn,)),
                    ("saml:namequalifier", (qualifier,)),
                    ("saml:sub", (login.user,)),
                    ("saml:sub_type", (PERSISTENT,)),
                ),
                on_behalf_of=(person.user_id, instance.store_arn),
            )
        )
        content = {
            "accessKeyId": issued.access_key_id,
            "secretAccessKey": issued.secret_access_key,
            "sessionToken": issued.session_token,
            # The expiration is in milliseconds, unlike all other times of the two services.
            "expiration": int(issued.expires_at) * 1000,
        }
        return Performed({"roleCredentials": content}, Assumed(role, assigned, issued, qualifier, f"_{uuid4()}"))

    def _list_accounts(self, instance: Instance, login: PortalLogin, parameters: Parameters, _: float) -> Performed:
        accounts, following = _page(instance.accounts_of(login.user), parameters)
        listed = []
        for account in accounts:
            name, email = self._world.organizations.name_and_email(account)
            listed.append(
                {
                    "accountId": account,
                    "accountName": name or account,
                    "emailAddress": email or f"{account}@sandbox.invalid",
                }
            )
        return Performed({"accountList": listed, **following})

    def _list_account_roles(
        self, instance: Instance, login: PortalLogin, parameters: Parameters, _: float
    ) -> Performed:
        account = _needed(parameters, "accountId")
        if account not in instance.accounts_of(login.user):
            raise no_access()
        names, following = _page(instance.permission_sets_of(login.user, account), parameters)
        return Performed({"roleList": [{"roleName": name, "accountId": account} for name in names], **following})

    def _logout(self, _: Instance, login: PortalLogin, __: Parameters, ___: float) -> Performed:
        self._logins.log_out(login.session_id)
        return Performed(None)


def _needed(parameters: Parameters, name: str) -> str:
    text = parameters.get(name)
    if not isinstance(text, str) or not text:
        raise refusal("InvalidRequestException", None)
    return text


def _page(items: Sequence[T], parameters: Parameters) -> tuple[Sequence[T], dict[str, str]]:
    """Return the page of items that begins at the request's token, and the token of the next page."""
    most = int(str(parameters.get("maxResults", _MOST_LISTED)))
    if not 1 <= most <= _MOST_LISTED:
        raise refusal("InvalidRequestException", None)
    start = _start(str(parameters.get("nextToken", "")))
    end = start + most
    following = {"nextToken": base64.urlsafe_b64encode(f"from {end}".encode()).decode()} if end < len(items) else {}
    return items[start:end], following


def _start(token: str) -> int:
    if not token:
        return 0
    try:
        word, _, number = base64.urlsafe_b64decode(token).decode("ascii").partition(" ")
    except ValueError:  # binascii.Error is a ValueError, too.
        word = number = ""
    if word != "from" or not number.isdigit() or len(number) > 9:
        raise refusal("InvalidRequestException", None)
    return int(number)
