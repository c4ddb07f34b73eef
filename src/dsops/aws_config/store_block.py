"""The stores that `dsops import sso` keeps in a dsops.yaml, between two marker comments.

Users may edit the lines of the block: the name, settings and comments of a store stay until its permission set is no
longer granted. Everything outside the block stays byte for byte.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence

from dsops.aws_config.as_yaml import scalar
from dsops.aws_config.marked_block import find_block
from dsops.aws_config.profiles import SourceText
from dsops.aws_config.store_names import GrantedRole, store_names
from dsops.document import Mapping as Tree
from dsops.document import Node, Scalar, parse_yaml, to_plain
from dsops.errors import ConfigUnreadable, SyntaxInvalid, Where
from dsops.schema import SSO_TYPE
from dsops.startup import NamedTuple

_SECTION = "secretStores"
_NAMING_KEYS = ("credentials_from", "extends", "store", "provider", "from")
"""The keys whose value begins with the name of a store: `NAME`, or `NAME:KEY`."""
_ADDRESS = "store://"
_NAMING_SECTIONS = (_SECTION, "providers", "envs")
_HEAD = "# Your own stores, for every folder. A project's dsops.yaml comes first.\nversion: 1\n"
_INDENT = "  "
_TOP_LEVEL = re.compile(r"[^\s#]")


class SsoLogin(NamedTuple):
    """The IAM Identity Center login that the imported stores use."""

    session: str
    """The name in `[sso-session NAME]`; "" for a plain start URL."""
    start_url: str
    region: str

    @property
    def settings(self) -> dict[str, str]:
        """The settings of a store that name the login."""
        if self.session:
            return {"sso_session": self.session}
        return {"start_url": self.start_url, "sso_region": self.region}

    @property
    def begin(self) -> str:
        """The marker line above the imported stores."""
        return f"# dsops import sso: begin {self.start_url} (adds and removes lines here; your changes to a line stay)"

    @property
    def end(self) -> str:
        """The marker line below the imported stores."""
        return f"# dsops import sso: end {self.start_url}"


class NamedRole(NamedTuple):
    """A permission set, and the name of the store for it."""

    name: str
    account_id: str
    role_name: str


class MergedStores(NamedTuple):
    """The new text of the file, and the stores that were added, removed or kept."""

    text: str
    added: tuple[NamedRole, ...]
    removed: tuple[NamedRole, ...]
    kept: tuple[NamedRole, ...]
    in_use: tuple[NamedRole, ...]
    """Stores whose permission set is no longer granted, but which stay because another store or variable uses them."""


class _Chunk(NamedTuple):
    """The lines of one store in the block, with the comments above; `role` is None for a store that the user added."""

    lines: tuple[str, ...]
    role: NamedRole | None


def merge_stores(
    old: SourceText,
    login: SsoLogin,
    granted: Sequence[GrantedRole],
    *,
    template: str,
    unknown_accounts: Collection[str] = (),
    reserved: Mapping[str, tuple[str, str]] | None = None,
    only: Collection[tuple[str, str]] | None = None,
) -> MergedStores:
    """Return the file's text with a store for each granted permission set.

    Stores of the block whose permission set is not granted are removed.

    - `unknown_accounts`: accounts whose stores are not removed
    - `reserved`: maps each name with another meaning, such as a profile's name, to the only
      (account, permission set) that may use it
    - `only`: the (account, permission set) of each store to add; other new stores are left out, and no store
      is removed

    Raises SyntaxInvalid for a file that is no YAML, and ConfigUnreadable if its stores can't be extended.
    """
    root = _root(old)
    lines = old.text.split("\n")
    place = find_block(lines, login.begin, login.end, old.shown)
    chunks, tail = _chunks(lines, place, root, login) if place else ([], ())
    is_granted = {(role.account_id, role.role_name) for role in granted}.__contains__
    gone = [
        chunk.role
        for chunk in chunks
        if chunk.role and not is_granted(chunk.role[1:]) and chunk.role.account_id not in unknown_accounts
    ]
    gone = gone if only is None else []
    in_use = _used(root, {role.name for role in gone})
    removed = tuple(role for role in gone if role.name not in in_use)
    kept = [chunk for chunk in chunks if chunk.role not in removed]
    there = {chunk.role[1:] for chunk in kept if chunk.role}
    new = sorted({role for role in granted if (role.account_id, role.role_name) not in there})
    added = _named(new, template, _names(root) - {role.name for role in removed}, reserved or {})
    added = tuple([role for role in added if only is None or role[1:] in only])
    ending = "\r" if "\r\n" in old.text else ""
    indent = _indent(lines, root)
    block = [f"{indent}{login.begin}{ending}", *(line for chunk in kept for line in chunk.lines)]
    block += [f"{_line(role, login, indent)}{ending}" for role in added]
    block += [*tail, f"{indent}{login.end}{ending}"]
    text = "\n".join(_placed(lines, place, root, block, old.shown, ending))
    kept_roles = tuple(chunk.role for chunk in kept if chunk.role and chunk.role.name not in in_use)
    merged = MergedStores(text, added, removed, kept_roles, tuple(role for role in gone if role.name in in_use))
    _check(old, root, merged, login)
    return merged


def _root(old: SourceText) -> Tree:
    document = parse_yaml(old.text, old.shown)
    if document.problems:
        problem = document.problems[0]
        raise SyntaxInvalid(
            f"{old.shown} is not valid YAML", why=problem.message, hint=problem.hint, where=problem.where
        )
    if document.root is None:
        return Tree((), 1)
    if not isinstance(document.root, Tree):
        raise _not_extensible(old.shown, document.root.line, "the file is not a mapping of keys")
    return document.root


def _used(root: Tree, names: Collection[str]) -> set[str]:
    """Return which of the named stores are used by the rest of the file, which would be invalid without them."""
    used: set[str] = set()

    def look(node: Node, key: str = "") -> None:
        if isinstance(node, Scalar):
            is_address = node.text.startswith(_ADDRESS)
            store = re.split("[/:]", node.text.removeprefix(_ADDRESS), maxsplit=1)[0]
            if store in names and (is_address or key in _NAMING_KEYS):
                used.add(store)
        elif isinstance(node, Tree):
            for name, value in node.entries:
                look(value, name.text)
        else:
            for item in node.items:
                look(item, key)

    for key, value in root.entries:
        if key.text == _SECTION and isinstance(value, Tree):
            look(value._replace(entries=tuple(entry for entry in value.entries if entry[0].text not in names)))
        else:
            look(value)
    return used


def _chunks(
    lines: Sequence[str], place: tuple[int, int], root: Tree, login: SsoLogin
) -> tuple[list[_Chunk], tuple[str, ...]]:
    """Split the lines of the block by store. The second value is the comments after the last store."""
    first, last = place
    section = root.get(_SECTION)
    entries = section.entries if isinstance(section, Tree) else ()
    inside = [(key, node) for key, node in entries if first < key.line - 1 < last]
    starts = [_with_comments(lines, key.line - 1, first) for key, _ in inside]
    end = _with_comments(lines, last, first)
    if not inside:
        return [], tuple(lines[first + 1 : last])
    bounds = [first + 1, *starts[1:], end]
    return [
        _Chunk(tuple(lines[bounds[index] : bounds[index + 1]]), _role(key.text, node, login))
        for index, (key, node) in enumerate(inside)
    ], tuple(lines[end:last])


def _with_comments(lines: Sequence[str], index: int, first: int) -> int:
    """Return the index at which the comments and empty lines above the line `index` begin.

    A comment that is indented deeper than the line belongs to the store above.
    """
    depth = len(lines[index]) - len(lines[index].lstrip())
    while index - 1 > first:
        above = lines[index - 1]
        if above.strip() and not (above.lstrip().startswith("#") and len(above) - len(above.lstrip()) <= depth):
            break
        index -= 1
    return index


def _role(name: str, node: Node, login: SsoLogin) -> NamedRole | None:
    """Return the store's permission set; None if the store does not use the login, or the user changed its form."""
    values = (
        {key.text: value.text for key, value in node.entries if isinstance(value, Scalar)}
        if isinstance(node, Tree)
        else {}
    )
    is_of_login = all(values.get(key, "").rstrip("#/") == text.rstrip("#/") for key, text in login.settings.items())
    if not is_of_login or not values.get("account_id") or not values.get("role_name"):
        return None
    return NamedRole(name, values["account_id"], values["role_name"])


def _names(root: Tree) -> set[str]:
    sections = [root.get(name) for name in _NAMING_SECTIONS]
    return {key.text for section in sections if isinstance(section, Tree) for key, _ in section.entries}


def _named(
    roles: Sequence[GrantedRole], template: str, taken: set[str], reserved: Mapping[str, tuple[str, str]]
) -> tuple[NamedRole, ...]:
    """Return the new stores, sorted by name."""
    names = store_names(roles, template, taken)
    for name, role in zip(names, roles, strict=True):
        if name in reserved and reserved[name] != (role.account_id, role.role_name):
            names = store_names(roles, template, taken | set(reserved))
            break
    pairs = zip(names, roles, strict=True)
    return tuple(sorted(NamedRole(name, role.account_id, role.role_name) for name, role in pairs))


def _line(role: NamedRole, login: SsoLogin, indent: str) -> str:
    """Return the line of a store. Each store has only one line, because a user may have a thousand stores."""
    settings = {"type": SSO_TYPE.name, **login.settings, "account_id": role.account_id, "role_name": role.role_name}
    parts = [f"{key}: {_in_flow(value)}" for key, value in settings.items()]
    return f"{indent}{scalar(role.name)}: {{{', '.join(parts)}}}"


def _in_flow(text: str) -> str:
    return text if re.fullmatch(r"[A-Za-z][\w.@+=/-]*", text, re.ASCII) and scalar(text) == text else _quoted(text)


def _quoted(text: str) -> str:
    """Return the text in quotes, so that YAML does not read an account id with leading zeros as a number."""
    quoted = scalar(f" {text}")  # the added blank makes `scalar` put the text in quotes
    return f'"{quoted[2:]}'


def _indent(lines: Sequence[str], root: Tree) -> str:
    section = root.get(_SECTION)
    if not isinstance(section, Tree) or not section.entries:
        return _INDENT
    line = lines[section.entries[0][0].line - 1]
    return line[: len(line) - len(line.lstrip())] or _INDENT


def _placed(
    lines: list[str], place: tuple[int, int] | None, root: Tree, block: list[str], shown: str, ending: str
) -> list[str]:
    """Return the file's lines with the block where it was, or else at the end of the stores."""
    if place:
        return [*lines[: place[0]], *block, *lines[place[1] + 1 :]]
    header = next((key.line - 1 for key, _ in root.entries if key.text == _SECTION), None)
    if header is None:
        while lines and not lines[-1].strip():
            lines.pop()
        head = [*lines[:-1], f"{lines[-1].removesuffix(ending)}{ending}", ending] if lines else _HEAD.split("\n")
        return [*head, f"{_SECTION}:{ending}", *block, ""]
    if not re.fullmatch(rf"{_SECTION}:\s*(?:\{{\s*\}}\s*)?(?:#.*)?", lines[header]):
        raise _not_extensible(shown, header + 1, "its stores are not written on lines of their own")
    lines[header] = re.sub(r"\s*\{\s*\}", "", lines[header], count=1)
    after = next((number for number in range(header + 1, len(lines)) if _TOP_LEVEL.match(lines[number])), len(lines))
    after = max(_without_end(lines, after), header + 1)
    return [*lines[:after], *block, *(lines[after:] or [""])]


def _without_end(lines: Sequence[str], end: int) -> int:
    """Return the index of the first of the empty lines and unindented comments directly before `end`."""
    while end and (not lines[end - 1].strip() or lines[end - 1].startswith("#")):
        end -= 1
    return end


def _check(old: SourceText, root: Tree, merged: MergedStores, login: SsoLogin) -> None:
    """Raise ConfigUnreadable unless the new text differs from the old one only in the removed and added stores."""
    document = parse_yaml(merged.text, old.shown)
    if document.is_too_large:
        raise ConfigUnreadable(
            f"{old.shown} would be too large to be a configuration",
            why=document.problems[0].message,
            hint="write the stores into a file of their own: `--out FILE`",
        )
    expected = _plain(root)
    stores = expected.setdefault(_SECTION, {}) or {}
    if not isinstance(stores, dict):
        raise _not_extensible(old.shown, root.line, f"`{_SECTION}` is no mapping of names")
    for role in merged.removed:
        stores.pop(role.name, None)
    for role in merged.added:
        stores[role.name] = {
            "type": SSO_TYPE.name,
            **login.settings,
            "account_id": role.account_id,
            "role_name": role.role_name,
        }
    expected[_SECTION] = stores
    new = _plain(document.root) if isinstance(document.root, Tree) and not document.problems else {}
    new[_SECTION] = new.get(_SECTION) or {}
    if not old.text.strip():
        expected["version"] = new.get("version")
    if new != expected:
        raise _not_extensible(old.shown, root.line, "its stores are not written as dsops can extend them")


def _plain(root: Tree) -> dict[str, object]:
    plain = to_plain(root)
    return plain if isinstance(plain, dict) else {}


def _not_extensible(shown: str, line: int, why: str) -> ConfigUnreadable:
    return ConfigUnreadable(
        f"no stores can be added to {shown}",
        why=why,
        hint=f"write `{_SECTION}:` and each store on a line of its own, or name another file: `--out FILE`",
        where=Where(shown, line),
    )
