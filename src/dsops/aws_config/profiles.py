"""Texts of ~/.aws/config and ~/.aws/credentials -> profiles, as botocore reads them, with a line for every key.

botocore is the measure: its parser is configparser's, so that is what parses here. What it can't tell, the lines, is
looked up in the text. Values of keys are dropped where they are read: nothing here ever holds one.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from configparser import Error, MissingSectionHeaderError, RawConfigParser
from dataclasses import dataclass

from dsops.errors import ConfigUnreadable, Where

_KEYS = frozenset({"aws_access_key_id", "aws_secret_access_key"})
_SECRET = _KEYS | {"aws_session_token", "aws_security_token"}
_HIDDEN = "***"
_OTHER_SECTIONS = ("sso-session", "services", "plugins", "preview")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileEntry:
    """One `key = value` of a profile; of a secret part only that it is there."""

    text: str
    where: Where
    is_nested: bool = False
    """Whether it has keys of its own below it, as `s3 =` has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One profile, what both files say of it in one: the credentials file counts where both say something."""

    name: str
    entries: Mapping[str, ProfileEntry]
    where: Where

    def text(self, key: str) -> str:
        """The value; "" for a key that it has not."""
        entry = self.entries.get(key)
        return entry.text if entry is not None and not entry.is_nested else ""

    @property
    def has_keys(self) -> bool:
        """Whether botocore takes it for a profile with a key of its own: one half is enough for that."""
        return not _KEYS.isdisjoint(self.entries)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profiles:
    """Everything that the two files say."""

    by_name: Mapping[str, Profile]
    """In the order in which they stand."""
    sso_sessions: frozenset[str]
    notes: tuple[str, ...]
    """Sections that botocore passes over, one line each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceText:
    """A file's content, "" for none, and the name by which people are told of it."""

    text: str
    shown: str


def read_profiles(config: SourceText, credentials: SourceText) -> Profiles:
    """The profiles of both files. Raises ConfigUnreadable where botocore could not read one, with the line."""
    found: dict[str, Profile] = {}
    sessions, notes = set(), []
    for header, where, entries in _sections(config):
        kind, name = _meaning(header)
        if kind == "profile":
            # A later section of that name stands for the earlier one: `[profile default]` and `[default]`.
            found[name] = Profile(name=name, entries=entries, where=where)
        elif kind == "sso-session":
            sessions.add(name)
        elif kind not in _OTHER_SECTIONS:
            notes.append(f"`[{header}]` ({where}) is no profile to AWS's programs: that is {_as_profile(header)}")
    for header, where, entries in _sections(credentials):
        known = found.get(header)
        if known is None:
            found[header] = Profile(name=header, entries=entries, where=where)
        else:
            found[header] = Profile(name=header, entries={**known.entries, **entries}, where=known.where)
    return Profiles(by_name=found, sso_sessions=frozenset(sessions), notes=tuple(notes))


def _as_profile(header: str) -> str:
    """The header that somebody may have meant."""
    name = header.removeprefix("profile").strip() if header.partition(" ")[0] == "profile" else header
    return f"`[profile {shlex.quote(name) if name else 'NAME'}]`"


def _meaning(header: str) -> tuple[str, str]:
    """What a section of the config file is, and of which name: `[profile "my name"]` is quoted as for a shell."""
    if header == "default":
        return "profile", header
    try:
        words = shlex.split(header)
    except ValueError:
        return "", ""
    if len(words) == 2:
        return words[0], words[1]
    return (words[0], "") if words and words[0] in _OTHER_SECTIONS else ("", "")


def _sections(source: SourceText) -> Iterator[tuple[str, Where, dict[str, ProfileEntry]]]:
    # Lines end as open() ends them, which is how configparser reads a file.
    text = source.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    parser = RawConfigParser()
    try:
        parser.read_string(text)
    except Error as error:
        # From None: configparser's message repeats the line, which may be a key.
        raise _unreadable(source.shown, error) from None
    lines = _lines(text)
    for header in parser.sections():
        where = Where(source.shown, lines.get((header, ""), 0))
        entries = {}
        for key, value in parser.items(header):
            # As in every such file that Python reads, `[DEFAULT]` gives its keys to all sections.
            line = lines.get((header, key)) or lines.get((parser.default_section, key), where.line)
            shown = _HIDDEN if key in _SECRET else value
            is_nested = value.startswith("\n")
            entries[key] = ProfileEntry(text=shown, where=Where(source.shown, line), is_nested=is_nested)
        yield header, where, entries


def _unreadable(shown: str, error: Error) -> ConfigUnreadable:
    lines = [getattr(error, "lineno", None), *(line for line, _ in getattr(error, "errors", ()))]
    line = next((line for line in lines if isinstance(line, int)), 0)
    why = "a line stands before the first `[...]`" if isinstance(error, MissingSectionHeaderError) else ""
    if type(error).__name__.startswith("Duplicate"):
        why = "a section, or a key in one, stands there a second time"
    return ConfigUnreadable(
        f"{shown} can't be read, and AWS's programs can't read it either",
        why=why,
        hint="correct that line, then try again",
        where=Where(shown, line),
    )


def _lines(text: str) -> dict[tuple[str, str], int]:
    """(section, key) -> line; a section itself has the key ""."""
    found: dict[tuple[str, str], int] = {}
    header = ""
    for number, line in enumerate(text.split("\n"), 1):
        match = RawConfigParser.SECTCRE.match(line.strip())
        if match:
            header = match["header"]
            found.setdefault((header, ""), number)
            continue
        key = min(line.partition("=")[0], line.partition(":")[0], key=len).strip().lower()
        if key and not key.startswith(("#", ";")):
            found.setdefault((header, key), number)
    return found
