"""Sorts the files' top-level sections into stores, environments and defaults, without merging them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from dsops.config.files import ConfigSource
from dsops.config.problems import Problems
from dsops.document import Mapping, Node, Scalar
from dsops.errors import Where, nearest
from dsops.model import Field, Text
from dsops.startup import NamedTuple

STORE_SECTIONS = ("secretStores", "providers")
TOP_LEVEL_KEYS = (*STORE_SECTIONS, "envs", "default_env", "defaults", "include", "version")
VERSIONS = ("1", "0")

UNUSED_KEYS = ("services", "transforms", "templates", "policies", "notifications", "metrics")
"""Sections of the original tool that dsops ignores, with a note."""

_MEANT = {"environments": "envs", "environment": "envs", "env": "envs", "stores": "secretStores", "includes": "include"}

_OWN_SETTINGS = ("audit", "keyring")
"""Keys that belong in the user's own config.yaml, which `dsops.audit.settings` reads."""

# The characters are restricted, because names are used in `store://NAME/PATH` and `NAME:KEY`, and on the command line.
_NAME = re.compile(r"[^\s/:#?$\x00-\x20\x7f-][^\s/:#?$\x00-\x20\x7f]*")


class Part(NamedTuple):
    """One file's entries for a store or an environment, with the line and path of its name."""

    where: Where
    path: str
    entries: dict[str, Field]


class ProjectParts(NamedTuple):
    """What a project's files define, apart from what the user's own files define."""

    stores: frozenset[str]
    environments: frozenset[str]
    defaults: dict[str, list[Part]]
    """The default entries by store type; they apply only to the project's stores."""


class Sections(NamedTuple):
    """The content of all files; later files override earlier files."""

    stores: dict[str, list[Part]]
    environments: dict[str, list[Part]]
    defaults: dict[str, list[Part]]
    """The default entries for all stores of a type, by store type."""
    default_environment: list[Text]
    """Every `default_env` of the files, in order; the last one is used."""
    project: ProjectParts | None = None
    """Set if these are a project's sections over the user's own sections."""

    def defaults_of(self, store: str, type_name: str) -> list[Part]:
        """Return the default entries that apply to a store of that type, in order of precedence, lowest first.

        A project's defaults do not apply to the user's own stores and profiles: they could change whose identity a
        name means.
        """
        defaults = self.defaults.get(type_name, [])
        project = self.project
        if project is None or store not in project.stores:
            return defaults
        return defaults + project.defaults.get(type_name, [])


def collect(sources: Iterable[ConfigSource], store_keys: frozenset[str], problems: Problems) -> Sections:
    """Collect the sections. Reports unknown keys and wrong shapes at the top level.

    `store_keys` are the keys of all store types: at the top level, they are reported as misplaced, not as unknown.
    """
    sections = Sections({}, {}, {}, [])
    section_of: dict[str, str] = {}
    for source in sources:
        for key, node in source.root.entries:
            if key.text in STORE_SECTIONS:
                _check_section_of(source.shown, key.text, node, section_of, problems)
            into = _parts_of(key.text, sections)
            if into is not None:
                _add_parts(source.shown, key, node, into, problems)
            elif (meant := _misnamed(key.text, node, store_keys)) and (into := _parts_of(meant, sections)) is not None:
                # The section is read under its intended name; otherwise, each of its stores would also be reported as
                # missing.
                _add_unknown(key, node, Where(source.shown, key.line), problems)
                _add_parts(source.shown, key._replace(text=meant), node, into, problems)
            elif key.text in store_keys:
                message = f"`{key.text}` is a key of a store"
                problems.add(Where(source.shown, key.line), key.text, message, "put it into a store in `secretStores:`")
            else:
                _add_setting(key, node, Where(source.shown, key.line), sections, problems)
    return sections


def meant_section(name: str) -> str:
    """Return the top-level key for a name, which may be an alias.

    For example, `stores` is an alias of `secretStores`. Returns "" for an unknown name.
    """
    return name if name in TOP_LEVEL_KEYS else _MEANT.get(name, "")


def _misnamed(name: str, node: Node, store_keys: frozenset[str]) -> str:
    """Return the section that a misspelled top-level key probably means; "" if there is none."""
    if name in (*TOP_LEVEL_KEYS, *UNUSED_KEYS, *store_keys) or name.startswith("x-") or not isinstance(node, Mapping):
        return ""
    return meant_section(name) or ("" if node.get("type") is not None else nearest(name, TOP_LEVEL_KEYS))


def _parts_of(section: str, sections: Sections) -> dict[str, list[Part]] | None:
    """Return the dict that collects the parts of a section; None for a section without parts."""
    if section in STORE_SECTIONS:
        return sections.stores
    return {"envs": sections.environments, "defaults": sections.defaults}.get(section)


def _check_section_of(file: str, section: str, node: Node, section_of: dict[str, str], problems: Problems) -> None:
    for name, _ in node.entries if isinstance(node, Mapping) else ():
        if section_of.setdefault(name.text, section) != section:
            message = f"`{name.text}` stands in both `secretStores` and `providers`"
            hint = "keep one; they are the same to dsops"
            problems.add(Where(file, name.line), f"{section}.{name.text}", message, hint)


def _add_setting(key: Scalar, node: Node, where: Where, sections: Sections, problems: Problems) -> None:
    if key.text == "default_env":
        if isinstance(node, Scalar) and node.kind != "null":
            sections.default_environment.append(Text(node.text, where))
        else:
            problems.add(where, "default_env", "`default_env` takes the name of an environment")
    elif key.text == "version":
        _check_version(node, where, problems)
    elif key.text in UNUSED_KEYS:
        problems.notes.append(f"`{key.text}` ({where}) is a key of the original dsops without a meaning here")
    elif key.text != "include" and not key.text.startswith("x-"):
        _add_unknown(key, node, where, problems)


def _add_parts(file: str, section: Scalar, node: Node, into: dict[str, list[Part]], problems: Problems) -> None:
    if isinstance(node, Scalar) and node.kind == "null":
        return
    if not isinstance(node, Mapping):
        problems.add(Where(file, node.line), section.text, f"`{section.text}` takes a mapping of names")
        return
    for name, value in node.entries:
        path = f"{section.text}.{name.text}"
        where = Where(file, name.line)
        is_name = _NAME.fullmatch(name.text) and name.text.isprintable()
        if section.text != "defaults" and not is_name:
            hint = "leave out white space and `/ : # ? $`, and `-` as its first character"
            problems.add(where, path, f"`{name.text}` can't be a name", hint)
        entries: dict[str, Field] = {}
        if isinstance(value, Mapping):
            entries = {key.text: Field(node, Where(file, key.line)) for key, node in value.entries}
        elif not (isinstance(value, Scalar) and value.kind == "null"):
            hint = "write `NAME: {from: ...}` or `NAME: {literal: ...}` below it" if section.text == "envs" else ""
            problems.add(where, path, f"`{name.text}` takes a mapping of keys", hint)
            continue
        into.setdefault(name.text, []).append(Part(where, path, entries))


def _check_version(node: Node, where: Where, problems: Problems) -> None:
    if not isinstance(node, Scalar) or (node.kind != "null" and node.text not in VERSIONS):
        version_text = f"`{node.text}` " if isinstance(node, Scalar) else ""
        problems.add(
            where, "version", f"the version {version_text}is not one that this dsops reads", "write `version: 1`"
        )


def _add_unknown(key: Scalar, node: Node, where: Where, problems: Problems) -> None:
    message = f"`{key.text}` is not a key of a configuration"
    if key.text in _OWN_SETTINGS:
        hint = "it is a setting of yours, and belongs into ~/.config/dsops/config.yaml"
        problems.add(where, key.text, message, hint)
    elif key.text in _MEANT:
        problems.add(where, key.text, message, f"did you mean `{_MEANT[key.text]}`?")
    elif isinstance(node, Mapping) and node.get("type") is not None:
        problems.add(where, key.text, message, "it looks like a store: put it under `secretStores:`")
    else:
        hint = "keys that only keep anchors start with `x-`"
        problems.add(where, key.text, message, hint, word=key.text, known_words=TOP_LEVEL_KEYS)
