"""Mistakes in a configuration as data: each is a kind of mistake at one place in a file."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from dsops.document import parse_yaml, to_plain
from dsops.schema import BUILTIN_TYPES

ROOT = Path(__file__).parents[1]

Content = dict[str, Any]


class Place(NamedTuple):
    """A place in a file: keys from the top downward."""

    keys: tuple[str, ...]

    def within(self, content: Content) -> Content:
        """The mapping at this place in the content."""
        for key in self.keys:
            content = content[key]
        return content


class Mistake(NamedTuple):
    """A change to the mapping at one place; `name` describes it for a failing test."""

    name: str
    place: Place
    make: Callable[[Content], None]

    def made(self, content: Content) -> Content:
        """Return a copy of the content with the mistake."""
        content = copy.deepcopy(content)
        self.make(self.place.within(content))
        return content


def configurations() -> dict[str, Content]:
    """The complete configurations among the examples, by file name."""
    collected = {}
    for path in sorted((ROOT / "examples").glob("*/dsops.yaml")):
        document = parse_yaml(path.read_text(encoding="utf-8"), path.name)
        content = to_plain(document.root) if document.root else None
        assert isinstance(content, dict)
        collected[f"{path.parent.name}/{path.name}"] = content
    return collected


def documented() -> dict[str, Content]:
    """The complete configurations in the documentation, by page and position."""
    collected = {}
    for path in sorted((ROOT / "docs").rglob("*.md")):
        for index, text in enumerate(re.findall(r"(?ms)^```yaml\n(.*?)^```", path.read_text(encoding="utf-8"))):
            document = parse_yaml(text, path.name)
            content = to_plain(document.root) if document.root and not document.problems else None
            if isinstance(content, dict) and "secretStores" in content and "include" not in content:
                collected[f"{path.name} {index}"] = content
    return collected


def _set(key: str, value: object) -> Callable[[Content], None]:
    return lambda within: within.update({key: value})


def _in_store(place: Place, store: Content) -> Iterator[Mistake]:
    keys = {key.name for key in BUILTIN_TYPES[store["type"]].keys}
    for name, key, value in (
        ("a list for a text", "region", ["us-east-1"]),
        ("no number", "timeout_ms", "soon"),
        ("a number out of range", "timeout_ms", 0),
        ("a number out of range", "duration_seconds", 200_000),
        ("no ARN", "role_arn", "arn:aws:iam::12:role/App"),
        ("no policy", "session_policy", {"Version": "2012-10-17", "Statement": [{"Effect": "Permit"}]}),
        ("no such store", "credentials_from", "nowhere"),
    ):
        if key in keys:
            yield Mistake(f"{name}: {key}", place, _set(key, value))
    yield Mistake("an unknown key", place, _set("colour", "red"))
    yield Mistake("an unknown type", place, _set("type", f"{store['type']}x"))
    yield Mistake("no type", place, lambda one: one.pop("type"))
    yield Mistake("a list for a type", place, _set("type", ["env"]))
    yield Mistake("no such base", place, _set("extends", "nothing"))
    if "credentials_from" in keys:
        source = store.get("credentials_from")
        yield Mistake("two sources", place, lambda one: one.update(profile="p", credentials_from=source or "p"))


def _in_variable(place: Place, variable: Content) -> Iterator[Mistake]:
    yield Mistake("an unknown transform", place, _set("transform", "shout"))
    yield Mistake("a transform without argument", place, _set("transform", ["json_extract"]))
    yield Mistake("neither true nor false", place, _set("optional", "perhaps"))
    yield Mistake("an unknown key", place, _set("colour", "red"))
    yield Mistake("a list for a text", place, _set("default", ["x"]))
    if "from" in variable:
        yield Mistake("two values", place, _set("literal", "x"))
        yield Mistake("no such store", place, _set("from", {"store": "nowhere", "key": "k"}))
        yield Mistake("no key", place, _set("from", "store://nowhere/"))
    else:
        yield Mistake("a list for a text", place, _set("literal", ["x"]))


def mistakes_in(content: Content) -> list[Mistake]:
    """Every mistake that can be made in a configuration, ordered by place."""
    top = Place(())
    found = [
        Mistake("no such version", top, _set("version", 2)),
        Mistake("an unknown key", top, _set("colour", "red")),
        Mistake("no such environment", top, _set("default_env", "nowhere")),
    ]
    for section in ("secretStores", "providers"):
        for name, store in content.get(section, {}).items():
            found += _in_store(Place((section, name)), store)
        if section in content:
            found.append(Mistake("no mapping", Place((section,)), _set("text", "x")))
            found.append(Mistake("no name", Place((section,)), _set("a b", {"type": "env", "colour": "red"})))
    for name, environment in content.get("envs", {}).items():
        found.append(Mistake("no name", Place(("envs", name)), _set("A B", {"literal": "x"})))
        for variable, value in environment.items():
            if isinstance(value, dict):
                found += _in_variable(Place(("envs", name, variable)), value)
    return found
