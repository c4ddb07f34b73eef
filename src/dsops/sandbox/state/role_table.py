"""Find and list an account's roles without a scan of all roles.

moto stores roles by id. Most of its operations scan all roles to find one by name. `keep_roles_by_name` replaces
moto's dictionary of roles and the functions that scan it. `write_role_lists` replaces moto's serializer for ListRoles,
which takes 200 us for each role.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from dsops.policy import lower_case
from dsops.request.wire.responses import escaped

if TYPE_CHECKING:
    from moto.iam import models as moto_iam


class RoleTable(dict[str, "moto_iam.Role"]):
    """Roles by id, with an index by name; replaces moto's dictionary of roles.

    The index stays correct, because moto only adds and deletes single roles, and never changes a role's name or path.
    """

    def __init__(self) -> None:
        super().__init__()
        self._by_name: dict[str, dict[str, moto_iam.Role]] = {}
        """Name in lower case -> exact name -> role.

        There is one exact name for each lower-case name, unless a seed creates more.
        """
        self._listed: tuple[str, list[moto_iam.Role]] | None = None

    def __setitem__(self, role_id: str, role: moto_iam.Role) -> None:
        super().__setitem__(role_id, role)
        self._by_name.setdefault(lower_case(role.name), {})[role.name] = role
        self._listed = None

    def __delitem__(self, role_id: str) -> None:
        role = self[role_id]
        super().__delitem__(role_id)
        del self._by_name[lower_case(role.name)][role.name]
        self._listed = None

    def has_like(self, name: str) -> bool:
        """Whether a role has this name, ignoring case.

        IAM compares the names of new roles in this way.
        """
        return bool(self._by_name.get(lower_case(name)))

    def named(self, name: str) -> moto_iam.Role | None:
        """Return the role with exactly this name; None if it does not exist."""
        return self._by_name.get(lower_case(name), {}).get(name)

    def below(self, path: str) -> list[moto_iam.Role]:
        """Return the roles whose path begins with this text, in the order of their ids.

        The list is cached until a role is added or deleted, because clients request it page by page.
        """
        if self._listed is None or self._listed[0] != path:
            roles = [role for role in self.values() if role.path.startswith(path)]
            self._listed = path, sorted(roles, key=lambda role: role.id)
        return self._listed[1]


def roles_of(backend: moto_iam.IAMBackend) -> RoleTable:
    """Return the roles of moto's backend as the RoleTable that `keep_roles_by_name` has installed."""
    return cast("RoleTable", backend.roles)


def keep_roles_by_name(models: Any) -> None:  # Any: a module of moto, which has no static type
    """Let moto's IAM backends keep their roles in a RoleTable."""
    backend_class = models.IAMBackend
    if isinstance(vars(backend_class).get("roles"), property):
        return
    create = backend_class.create_role

    def create_role(self: Any, role_name: str, *arguments: Any, **named: Any) -> Any:
        # moto searches all roles that `get_roles` returns for the name, so `get_roles` returns only the role with this
        # name.
        same = roles_of(self).named(role_name)
        self.get_roles = lambda: () if same is None else (same,)
        try:
            return create(self, role_name, *arguments, **named)
        finally:
            del self.get_roles

    def get_role(self: Any, role_name: str) -> moto_iam.Role:
        role = roles_of(self).named(role_name)
        if role is None:
            raise models.NotFoundException(f"Role {role_name} not found")
        return role

    backend_class.roles = property(lambda self: vars(self)["roles"], _set_roles)
    backend_class.create_role = create_role
    backend_class.get_role = get_role
    backend_class.list_roles = _list_roles


def _set_roles(backend: Any, _: object) -> None:
    """Replace the empty dictionary that moto's constructor assigns."""
    vars(backend)["roles"] = RoleTable()


def _list_roles(
    self: Any, path_prefix: str | None = None, marker: str | None = None, max_items: int | None = None
) -> tuple[list[moto_iam.Role], str | None]:
    """Return a page of roles and the marker of the next page."""
    roles, start = roles_of(self).below(path_prefix or "/"), int(marker or 0)
    end = start + int(max_items or 100)
    return roles[start:end], str(end) if end < len(roles) else None


def write_role_lists(responses: Any) -> None:  # Any: a class of moto, which has no static type
    """Make moto's IAM response class serialize the result of ListRoles with `_role_list`."""

    def list_roles(self: Any) -> str:
        names = (("PathPrefix", "/"), ("Marker", "0"), ("MaxItems", 100))
        roles, marker = self.backend.list_roles(*[self._get_param(name, default) for name, default in names])
        return _role_list(roles, marker)

    responses.list_roles = list_roles


def _role_list(roles: Iterable[moto_iam.Role], marker: str | None) -> str:
    """Return a page of ListRoles in XML: the roles without tags, boundary and last use (API reference, ListRoles)."""
    members = "".join([_member(role) for role in roles])
    more = f"<IsTruncated>true</IsTruncated><Marker>{marker}</Marker>" if marker else "<IsTruncated>false</IsTruncated>"
    return (
        '<ListRolesResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><ListRolesResult>'
        f"{f'<Roles>{members}</Roles>' if members else '<Roles/>'}{more}"
        "</ListRolesResult><ResponseMetadata><RequestId></RequestId></ResponseMetadata></ListRolesResponse>"
    )


def _member(role: moto_iam.Role) -> str:
    created = role.create_date.isoformat(timespec="microseconds" if role.create_date.microsecond else "seconds")
    text = cast("str | None", role.description)
    description = "" if text is None else f"<Description>{escaped(text)}</Description>"
    return (
        f"<member><Path>{escaped(role.path)}</Path><RoleName>{role.name}</RoleName><RoleId>{role.id}</RoleId>"
        f"<Arn>{escaped(role.arn)}</Arn><CreateDate>{created.removesuffix('+00:00')}Z</CreateDate>"
        f"<AssumeRolePolicyDocument>{_quoted(role.assume_role_policy_document)}</AssumeRolePolicyDocument>"
        f"{description}<MaxSessionDuration>{role.max_session_duration}</MaxSessionDuration></member>"
    )


@lru_cache(maxsize=1024)
def _quoted(document: str) -> str:
    """Percent-encode a policy document, as IAM returns it.

    The result is cached, because many roles have the same trust policy.
    """
    return quote(document)
