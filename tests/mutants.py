"""Generates mutants of valid configurations: each differs in one place, and most are invalid."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any, NamedTuple

Content = dict[str, Any]
Keys = tuple[str | int, ...]

VALUES: tuple[object, ...] = (None, True, 7, -1, "", "x", "7", "x y", "é", [], ["x"], [7], [None], {}, {"x": "y"})
"""Replacements for each value."""

PAIRS: tuple[tuple[str, object], ...] = (
    ("profile", "p"),
    ("credentials_from", "nowhere"),
    ("operation", "GetSessionToken"),
    ("operation", "AssumeRole"),
    ("token_code", "123456"),
    ("mfa_process", "code"),
    ("web_identity", "github"),
    ("web_identity_token", "abcd"),
    ("web_identity_audience", "x"),
    ("saml_login_port", 35001),
    ("saml_process", "saml"),
    ("saml_login_url", "https://x/"),
    ("federated_user_name", "ada"),
    ("target_principal", "123456789012"),
    ("assume_role", "${ROLE}"),
    ("tags", {"a": "b"}),
    ("session_policy", "auto"),
    ("policy_arns", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
    ("duration_seconds", 20),
    ("duration_seconds", 50_000),
    ("duration", 900),
    ("reason_to", "source_identity"),
    ("source_identity", "ada"),
    ("sso_session", "s"),
    ("start_url", "https://x"),
    ("region", 7),
    ("region", "us east"),
    ("timeout_ms", 0),
    ("endpoint_url", "http://example.com"),
    ("endpoint_url", "http://127.0.0.1:1"),
    ("endpoint_url", "example.com"),
    ("cache_seconds", 3601),
    ("batch", "sometimes"),
    ("with_decryption", "maybe"),
    ("transform", "json_extract"),
    ("transform", "trim | json_extract:.a"),
    ("transform", {"replace": {"from": "a"}}),
    ("transform", ["join:,", "trim:x"]),
    ("literal", "x"),
    ("from", "nowhere:k"),
    ("optional", "yes"),
    ("default", 1),
    ("extends", "nowhere"),
    ("colour", "red"),
)
"""Keys added to each mapping, where they are unknown, out of range, or in conflict with other keys."""


class Mutant(NamedTuple):
    """A changed configuration, with a description of the change and its place."""

    name: str
    place: Keys
    content: Content


def mutants(content: Content) -> Iterator[Mutant]:
    """All mutants in a fixed order: keys dropped, renamed and added, values replaced."""
    for place, value in _values(content, ()):
        if place:
            yield _dropped(content, place)
            for other in VALUES:
                if type(other) is not type(value) or other != value:
                    yield _changed(content, place, f"becomes {other!r}", other)
        if isinstance(place[-1] if place else "", str) and place:
            yield _renamed(content, place)
        if isinstance(value, dict):
            for key, added in PAIRS:
                if key not in value:
                    yield _changed(content, (*place, key), f"added: {added!r}", added)
        if isinstance(value, str) and not value.startswith("$"):
            yield _changed(content, place, "becomes a variable", "${NAME}")
            yield _changed(content, place, "becomes longer", value + "x" * 3000)


def _values(value: object, place: Keys) -> Iterator[tuple[Keys, object]]:
    yield place, value
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _values(inner, (*place, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _values(inner, (*place, index))


def _within(content: Any, place: Keys) -> Any:
    for key in place:
        content = content[key]
    return content


def _changed(content: Content, place: Keys, name: str, value: object) -> Mutant:
    made = copy.deepcopy(content)
    _within(made, place[:-1])[place[-1]] = copy.deepcopy(value)
    return Mutant(name, place, made)


def _dropped(content: Content, place: Keys) -> Mutant:
    made = copy.deepcopy(content)
    del _within(made, place[:-1])[place[-1]]
    return Mutant("dropped", place, made)


def _renamed(content: Content, place: Keys) -> Mutant:
    """Rename the key at this place by adding a letter, keeping its position."""
    made = copy.deepcopy(content)
    within = _within(made, place[:-1])
    entries = [(f"{key}x" if key == place[-1] else key, value) for key, value in within.items()]
    within.clear()
    within.update(entries)
    return Mutant("renamed", place, made)
