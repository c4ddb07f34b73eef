"""Rewrite the text of an original dsops configuration to the format of this dsops, and record each change."""

from __future__ import annotations

from collections.abc import Iterator
from collections.abc import Mapping as MappingOf
from dataclasses import dataclass

from dsops.config.sections import UNUSED_KEYS
from dsops.document import Mapping, Node, Scalar
from dsops.errors import Problem, Where
from dsops.interpolate import has_names
from dsops.migrate.lines import Lines
from dsops.schema import StoreType

_STORE_SECTIONS = ("secretStores", "providers", "stores")
_ENVIRONMENT_SECTIONS = ("envs", "environments")
_OLD_REGION = "us-east-1"
"""The region that the original used for a Secrets Manager store without a region. It ignored AWS_REGION."""

# The original's names (systmms/dsops 0.2.5). Where its documentation and its code differ, both names are listed.
_UNUSED_SECTIONS = (*UNUSED_KEYS, "rotation_groups")
"""Sections that dsops does not use. They are commented out."""

_TYPES: MappingOf[str, str] = {
    "aws-secretsmanager": "aws.secretsmanager",
    "aws-ssm": "aws.ssm",
    "aws-sts": "aws.sts",
    "aws-sso": "aws.sso",
}

_STORE_KEYS: MappingOf[str, MappingOf[str, str]] = {
    "": {"timeoutMs": "timeout_ms"},
    "aws.sso": {"sso_start_url": "start_url"},
}
"""Maps a store type ("" for all types) to its renamed keys: the original's name -> the new name.

The schema has further aliases.
"""

_UNUSED_STORE_KEYS: MappingOf[str, MappingOf[str, str]] = {
    "": {"optional": "a variable is optional, a store is not", "kms_key_id": "the service knows which key it is"},
    "aws.sso": {
        "cache_path": "the login is found where the AWS CLI keeps it",
        "refresh_token": "a login is renewed as long as it can be",
        "profile": "the login is `start_url`'s",
    },
}
"""Maps a store type ("" for all types) to its unused keys, with reasons. The original dsops ignored them, too."""

_ENVIRONMENT_KEYS: MappingOf[str, str] = {"inherit": "extends"}
_VARIABLE_KEYS: MappingOf[str, str] = {"fallback": "default", "transforms": "transform"}
_UNUSED_VARIABLE_KEYS: MappingOf[str, str] = {"rotation": "secrets are not rotated here"}
_REFERENCE_KEYS: MappingOf[str, str] = {"provider": "store", "name": "key"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A note about one line: it was changed, or it has another meaning than in the original."""

    where: Where
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """The rewritten text, and notes for the user."""

    text: str
    """The rewritten text without an added `version` line, so that its line numbers match those of the old text."""
    whole: str
    """The text to write to the file."""
    changes: tuple[Change, ...]
    notes: tuple[Change, ...]
    """Notes on unchanged lines that have another meaning than in the original."""
    problems: tuple[Problem, ...]
    """Problems that the user must fix by hand."""


def rewrite(text: str, root: Mapping, shown: str, types: MappingOf[str, StoreType]) -> Rewritten:
    """Rename old keys, comment out unused keys, and record all changes."""
    return _Rewriter(text, shown, types).rewrite(root)


class _Rewriter:
    """Walks the parsed document and edits the lines."""

    def __init__(self, text: str, shown: str, types: MappingOf[str, StoreType]) -> None:
        self._lines = Lines(text)
        self._shown = shown
        self._types = types
        self._done: set[tuple[int, str]] = set()
        self._changes: list[Change] = []
        self._notes: list[Change] = []
        self._problems: list[Problem] = []

    def rewrite(self, root: Mapping) -> Rewritten:
        """Rewrite the whole document."""
        first = root.entries[0][0] if root.entries else None
        is_block = first is not None and self._lines.begins(first.line, first.text)
        has_both = root.get("providers") is not None and root.get("secretStores") is not None
        for key, node in root.entries:
            if key.text in _STORE_SECTIONS:
                self._section(key, "providers" if has_both and key.text == "providers" else "secretStores")
                for name, store in _mappings(node):
                    self._store(name, store)
            elif key.text in _ENVIRONMENT_SECTIONS:
                self._section(key, "envs")
                for _, environment in _mappings(node):
                    self._environment(environment)
            elif key.text in _UNUSED_SECTIONS:
                self._drop(key, key.text, f"`{key.text}` means nothing here")
            elif key.text == "version" and isinstance(node, Scalar) and node.text == "0":
                self._edited(
                    self._lines.set_value(key.line, "version", "0", "1"), key.line, "version", "`version: 1`, from 0"
                )
        self._tell_names(root)
        return Rewritten(
            text=self._lines.text,
            whole=self._with_version(root, first, is_block=is_block),
            changes=tuple(sorted(self._changes, key=lambda change: change.where.line)),
            notes=tuple(sorted(self._notes, key=lambda change: change.where.line)),
            problems=tuple(self._problems),
        )

    def _with_version(self, root: Mapping, first: Scalar | None, *, is_block: bool) -> str:
        """Return the text. If the key `version` is missing, add `version: 1` above the first key if that is safe."""
        if first is None or root.get("version") is not None or not is_block:
            return self._lines.text
        self._changes.append(Change(where=Where(self._shown, first.line), text="`version: 1` is added above"))
        return self._lines.text_with("version: 1", first.line)

    def _section(self, key: Scalar, name: str) -> None:
        if key.text != name:
            self._rename(key, name)

    def _store(self, name: Scalar, store: Mapping) -> None:
        type_node = store.get("type")
        written = type_node.text if isinstance(type_node, Scalar) else ""
        type_name = _TYPES.get(written, written)
        if isinstance(type_node, Scalar) and type_name != written:
            done = self._lines.set_value(type_node.line, "type", written, type_name)
            self._edited(done, type_node.line, f"type {written}", f"`type: {type_name}`, from {written}")
        if type_name not in self._types:
            shown_type = type_name or "none"
            self._note(name.line, f"store `{name.text}` is left as it is: nothing here reads the type `{shown_type}`")
            return
        aliases = {alias: key.name for key in self._types[type_name].keys for alias in key.aliases}
        aliases |= {**_STORE_KEYS[""], **_STORE_KEYS.get(type_name, {})}
        unused = {**_UNUSED_STORE_KEYS[""], **_UNUSED_STORE_KEYS.get(type_name, {})}
        keys = {key.text for key, _ in store.entries}
        for key, _ in store.entries:
            if key.text in aliases and aliases[key.text] not in keys:
                self._rename(key, aliases[key.text])
            elif key.text in unused:
                self._drop(key, key.text, f"`{key.text}` means nothing here: {unused[key.text]}")
        self._tell_store(name, store, type_name, keys)

    def _tell_store(self, name: Scalar, store: Mapping, type_name: str, keys: set[str]) -> None:
        if type_name == "aws.sso" and "region" in keys and "sso_region" not in keys:
            (region,) = (key for key, _ in store.entries if key.text == "region")
            # In the original, `region` was the region of the Identity Center. In this dsops, `region` is the region of
            # the stores that use the session.
            self._rename(region, "sso_region")
        if type_name == "aws.secretsmanager" and "region" not in keys and "extends" not in keys:
            self._note(
                name.line,
                f"store `{name.text}` names no region: the original read from {_OLD_REGION} then, and this one asks "
                "the profile, AWS_REGION, or the store of `credentials_from`",
            )

    def _environment(self, environment: Mapping) -> None:
        for key, node in environment.entries:
            if key.text in _ENVIRONMENT_KEYS and not isinstance(node, Mapping):
                self._rename(key, _ENVIRONMENT_KEYS[key.text])
            elif isinstance(node, Mapping):
                self._variable(node)

    def _variable(self, variable: Mapping) -> None:
        keys = {key.text for key, _ in variable.entries}
        for key, node in variable.entries:
            if key.text in _VARIABLE_KEYS and _VARIABLE_KEYS[key.text] not in keys:
                self._rename(key, _VARIABLE_KEYS[key.text])
            elif key.text in _UNUSED_VARIABLE_KEYS:
                self._drop(key, key.text, f"`{key.text}` means nothing here: {_UNUSED_VARIABLE_KEYS[key.text]}")
            elif key.text == "from" and isinstance(node, Mapping):
                inner = {each.text for each, _ in node.entries}
                for each, _ in node.entries:
                    if each.text in _REFERENCE_KEYS and _REFERENCE_KEYS[each.text] not in inner:
                        self._rename(each, _REFERENCE_KEYS[each.text])

    def _rename(self, key: Scalar, new: str) -> None:
        if (key.line, key.text) in self._done:
            return  # an alias repeats its anchor's node, which is rewritten only once
        done = self._lines.rename(key.line, key.text, new)
        self._edited(done, key.line, key.text, f"`{key.text}` is called `{new}`")

    def _drop(self, key: Scalar, name: str, text: str) -> None:
        if (key.line, name) in self._done:
            return
        done = self._lines.comment_out(key.line, key.text)
        self._edited(bool(done), key.line, name, f"{text}; {done}")

    def _edited(self, done: bool, line: int, name: str, text: str) -> None:  # noqa: FBT001 - edits return this boolean
        self._done.add((line, name))
        if done:
            self._changes.append(Change(where=Where(self._shown, line), text=text))
        else:
            message = f"{text.partition(';')[0]}: that line can't be changed without a person"
            self._problems.append(Problem(Where(self._shown, line), "", message, "write one key a line there"))

    def _note(self, line: int, text: str) -> None:
        self._notes.append(Change(where=Where(self._shown, line), text=text))

    def _tell_names(self, root: Mapping) -> None:
        """Add a note for each `${NAME}`, because the original sent it to the store unexpanded."""
        for section, node in root.entries:
            if section.text not in (*_STORE_SECTIONS, *_ENVIRONMENT_SECTIONS):
                continue
            lines = dict.fromkeys(scalar.line for scalar in _scalars(node) if has_names(scalar))
            for line in lines:
                self._note(line, "`${NAME}` is the environment variable's value here; to the original it was a text")


def _mappings(node: Node) -> Iterator[tuple[Scalar, Mapping]]:
    """Yield the entries of a mapping whose values are mappings."""
    for name, value in node.entries if isinstance(node, Mapping) else ():
        if isinstance(value, Mapping):
            yield name, value


def _scalars(node: Node) -> Iterator[Scalar]:
    if isinstance(node, Scalar):
        yield node
    elif isinstance(node, Mapping):
        for _, value in node.entries:
            yield from _scalars(value)
    else:
        for item in node.items:
            yield from _scalars(item)
