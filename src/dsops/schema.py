"""For each store type its keys, limits and identity fields, as data; a plugin's is passed in."""

from __future__ import annotations

from typing import Literal, NamedTuple

KeyKind = Literal[
    "text",      # any scalar, kept as written: account ids, MFA codes and region names never become numbers
    "integer",   # a whole number, also as quoted or interpolated text
    "boolean",
    "texts",     # a list of texts; one text stands for a list of one
    "map",       # text -> text
    "policy",    # a JSON text or a YAML mapping; a setting is its compact JSON text
    "command",   # a shell-like command line (text or list): only in allowed configurations
    "url",       # an endpoint: AWS's, loopback, or only in allowed configurations
    "store",     # the name of another store
]


class Key(NamedTuple):
    """One key that a store type takes."""

    name: str
    kind: KeyKind
    help: str
    """One sentence for the reference, the JSON Schema and an editor's hover."""
    is_required: bool = False
    is_secret: bool = False
    """Never shown, also not in `plan`: external IDs, MFA codes."""
    is_identity: bool = True
    """Whether it decides whose session it is, and so belongs in the fingerprint."""
    aliases: tuple[str, ...] = ()
    """The original tool's names for it, accepted with a note."""
    choices: tuple[str, ...] = ()
    pattern: str = ""
    """A regular expression for the whole text after interpolation, AWS's own where AWS has one."""
    minimum: int | None = None
    """The smallest integer, or the shortest text in code points."""
    maximum: int | None = None
    """The largest integer, or the longest text in code points."""
    source: str = ""
    """Where the limit comes from, named in the error: `the AssumeRole API reference`."""


class StoreType(NamedTuple):
    """One `type:` of the config."""

    name: str
    help: str
    keys: tuple[Key, ...]
    gives_credentials: bool = False
    gives_secrets: bool = True
    takes_credentials: bool = False
    """Whether `credentials_from`, `profile` and `region` make sense on it."""
