"""Names of stores for permission sets, made from a template."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Sequence

from dsops.aws_config.stores import UNFIT
from dsops.errors import UsageError
from dsops.startup import NamedTuple

DEFAULT_TEMPLATE = "{account_name}-{role_name}"
_PLACEHOLDER = re.compile(r"\{([^{}]*)\}")
_LONGEST = 100


class GrantedRole(NamedTuple):
    """A permission set that the user may use in an account."""

    account_id: str
    account_name: str
    role_name: str


def check_template(template: str) -> str:
    """Return the template. Raises UsageError if it has an unknown placeholder, or no placeholder at all."""
    placeholders = _PLACEHOLDER.findall(template)
    unknown = [name for name in placeholders if name not in GrantedRole._fields]
    if unknown or not placeholders or "{" in _PLACEHOLDER.sub("", template):
        known = ", ".join(f"`{{{name}}}`" for name in GrantedRole._fields)
        what = f"a template of names has no `{{{unknown[0]}}}`" if unknown else f"`{template}` has no placeholder"
        raise UsageError(what, hint=f"write text with {known}, such as `{DEFAULT_TEMPLATE}`")
    return template


def store_names(roles: Sequence[GrantedRole], template: str, taken: Collection[str]) -> list[str]:
    """Return a valid, unique name for each role. The result depends on the roles and `taken`, not on their order.

    If two roles have the same name, or the name is taken, the account's id is added.
    """
    plain = [_name(role, template) for role in roles]
    counts, used = Counter(plain), set(taken)
    names: dict[int, str] = {}
    for index in sorted(range(len(roles)), key=lambda index: roles[index]):
        name = plain[index]
        if counts[name] > 1 or name in used:
            name = base = f"{name}-{roles[index].account_id}"
            number = 2
            while name in used:
                name, number = f"{base}-{number}", number + 1
        used.add(name)
        names[index] = name
    return [names[index] for index in range(len(roles))]


def _name(role: GrantedRole, template: str) -> str:
    parts = {**role._asdict(), "account_name": role.account_name or role.account_id}
    text = _PLACEHOLDER.sub(lambda match: parts[match[1]], template)
    return UNFIT.sub("-", text)[:_LONGEST].strip("-") or role.account_id
