"""Render the policies of one account as Terraform: `resource` blocks, and a variable for each placeholder."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from dsops.grants import BaseGrants, Grants, ManagedPolicy, RoleGrants, SessionGrants
from dsops.grants.names import UniqueNames
from dsops.grants.placeholders import Placeholder, blanks_in
from dsops.grants.selection import Selection
from dsops.plan.statements import policy

_INDENT = "  "
_UNFIT = r"[^A-Za-z0-9_-]"


def terraform(grants: Grants, selection: Selection, head: str) -> str:
    """Return the text of one `main.tf`, formatted as `terraform fmt` does. `head` is its leading comment."""
    names = UniqueNames(_UNFIT, "_")
    blocks: list[str] = []
    names_by_role: dict[str, str] = {}
    for role in grants.roles:
        blocks += _role(role, names, names_by_role, selection, grants.environment)
    blocks += [_base(base, names, grants.environment) for base in grants.bases if selection.has_permissions]
    blocks += [_session(session, names) for session in grants.sessions if selection.has_sessions]
    blanks = {blank_value.name: blank_value for blank_value in blanks_in(_shown_parts(grants, selection))}
    return "\n".join([_comment(head), *[_variable(blank_value) for blank_value in blanks.values()], *blocks])


def terraform_of_policy(managed: ManagedPolicy, head: str) -> str:
    """Return the text of a `main.tf` with one managed policy. `head` is its leading comment."""
    return f"{_comment(head)}\n{_managed(managed, UniqueNames(_UNFIT, '_').of(managed.name))}"


def _comment(head: str) -> str:
    return "".join([f"# {line}\n" for line in head.splitlines()])


def _managed(managed: ManagedPolicy, resource: str) -> str:
    fields = [
        ("name", _text(managed.name)),
        ("description", _text(managed.description)),
        ("policy", f"jsonencode({hcl(policy(list(managed.statements)), 1)})"),
    ]
    return _block(f'resource "aws_iam_policy" "{resource}"', fields)


def _role(
    role: RoleGrants, names: UniqueNames, names_by_arn: dict[str, str], selection: Selection, environment: str
) -> list[str]:
    name, blocks = names.of(role.arn.resource_name), []
    if selection.has_trust:
        fields: list[tuple[str, str]] = [
            ("name", _text(role.arn.resource_name)),
            ("path", _text(role.path)),
            ("max_session_duration", str(role.max_session_duration)),
            ("assume_role_policy", f"jsonencode({hcl(policy(list(role.trust)), 1)})"),
        ]
        # IAM refuses a trust policy that names a role which does not exist yet, so the other role comes first.
        needed = [f"aws_iam_role.{other}" for arn, other in names_by_arn.items() if _names(role.trust, arn)]
        names_by_arn[str(role.arn)] = name
        if needed:
            fields.append(("depends_on", f"[{', '.join(needed)}]"))
        blocks.append(_block(f'resource "aws_iam_role" "{name}"', fields))
    if selection.has_permissions and role.permissions:
        fields = [
            ("name", _text(f"dsops-{environment}")),
            ("role", f"aws_iam_role.{name}.name" if selection.has_trust else _text(role.arn.resource_name)),
            ("policy", f"jsonencode({hcl(policy(list(role.permissions)), 1)})"),
        ]
        blocks.append(_block(f'resource "aws_iam_role_policy" "{name}"', fields))
    return blocks


def _base(base: BaseGrants, names: UniqueNames, environment: str) -> str:
    name = names.of(f"{base.who}_credentials")
    description = f"What dsops needs for {environment}: attach it to the owner of these credentials"
    return _managed(ManagedPolicy(f"dsops-{environment}-{base.who}", description, base.permissions), name)


def _session(session: SessionGrants, names: UniqueNames) -> str:
    fields = [
        ("description", _text(f"The session policy of store {session.store}")),
        ("value", f"jsonencode({hcl(session.policy, 1)})"),
    ]
    return _block(f'output "{names.of(f"session_policy_of_{session.store}")}"', fields)


def _variable(blank_value: Placeholder) -> str:
    fields = [("description", _text(blank_value.meaning)), ("type", "string")]
    if blank_value.is_secret:
        fields.append(("sensitive", "true"))
    return _block(f'variable "{blank_value.name}"', fields)


def _shown_parts(grants: Grants, selection: Selection) -> list[object]:
    """Return the parts of the policies that the generated text will contain. Their placeholders become variables."""
    parts: list[object] = []
    for role in grants.roles:
        parts += role.trust if selection.has_trust else ()
        parts += role.permissions if selection.has_permissions else ()
    return parts


def _names(trust: Iterable[object], arn: str) -> bool:
    return any(isinstance(statement, Mapping) and statement.get("Principal") == {"AWS": arn} for statement in trust)


def hcl(value: object, depth: int) -> str:
    """Return the HCL expression for a JSON value, with `${` and `%{` escaped."""
    if isinstance(value, Placeholder):
        return f"var.{value.name}"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        entries = [(_text(str(key)), hcl(item, depth + 1)) for key, item in value.items()]
        return _braced("{", entries, "}", depth)
    if isinstance(value, Sequence):
        inner = _INDENT * (depth + 1)
        items = "".join([f"{inner}{hcl(item, depth + 1)},\n" for item in value])
        return f"[\n{items}{_INDENT * depth}]"
    raise TypeError(f"a policy has no {type(value).__name__}")


def _block(head: str, fields: Sequence[tuple[str, str]]) -> str:
    return f"{head} {_braced('{', fields, '}', 0)}\n"


def _braced(opening: str, entries: Sequence[tuple[str, str]], closing: str, depth: int) -> str:
    """Format one entry per line. The `=` of adjacent single-line entries are aligned, as `terraform fmt` does."""
    lines: list[str] = []
    for index, (key, value) in enumerate(entries):
        width = len(key)
        if "\n" not in value:
            width = max(len(key_text) for key_text in _neighbours(entries, index))
        lines.append(f"{_INDENT * (depth + 1)}{key:<{width}} = {value}\n")
    return f"{opening}\n{''.join(lines)}{_INDENT * depth}{closing}"


def _neighbours(entries: Sequence[tuple[str, str]], index: int) -> list[str]:
    start = end = index
    while start > 0 and "\n" not in entries[start - 1][1]:
        start -= 1
    while end + 1 < len(entries) and "\n" not in entries[end + 1][1]:
        end += 1
    return [key for key, _ in entries[start : end + 1]]


_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}


def _text(text: str) -> str:
    """Return a quoted template without interpolation (Terraform, Strings and Templates)."""
    escaped = "".join([_ESCAPES.get(letter, letter) for letter in text])
    return '"' + re.sub(r"([$%])\{", r"\1\1{", escaped) + '"'
