"""Parse ~/.aws/config and ~/.aws/credentials as botocore does, with a line number for every key.

botocore uses configparser, so this module does too. configparser reports no line numbers, so they are searched in the
text. The values of access keys are dropped during parsing: no object here contains one.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from configparser import Error, MissingSectionHeaderError, RawConfigParser

from dsops.aws.identity.related_sections import section_meaning
from dsops.errors import ConfigUnreadable, Where
from dsops.startup import NamedTuple

_KEYS = frozenset({"aws_access_key_id", "aws_secret_access_key"})
SECRET_KEYS = _KEYS | {"aws_session_token", "aws_security_token"}
"""The keys of a profile whose values are secret."""
_OUTRANKING = frozenset({"role_arn", "sso_session", "sso_start_url", "credential_process", "login_session"})
"""Keys that configure another source of credentials. It can take precedence over the profile's access key."""
_HIDDEN = "***"
_OTHER_SECTIONS = frozenset({"sso-session", "services", "plugins", "preview"})


class ProfileEntry(NamedTuple):
    """One `key = value` of a profile. The value of a secret key is hidden."""

    text: str
    where: Where
    is_nested: bool = False
    """Whether the key has nested keys, as `s3 =` does."""


class Profile(NamedTuple):
    """One profile, merged from both files. If both set a key, the credentials file's value is used."""

    name: str
    entries: Mapping[str, ProfileEntry]
    where: Where

    def text(self, key: str) -> str:
        """Return the value of a key, or "" if it is missing or nested."""
        entry = self.entries.get(key)
        return entry.text if entry is not None and not entry.is_nested else ""

    @property
    def has_keys(self) -> bool:
        """Whether botocore considers the profile to have an access key; one half of the key pair is enough."""
        return not _KEYS.isdisjoint(self.entries)

    @property
    def has_session(self) -> bool | None:
        """Whether the profile's access key is temporary.

        None if the profile has no access key, or if another source takes precedence.
        """
        if not self.has_keys or not _OUTRANKING.isdisjoint(self.entries):
            return None
        return "aws_session_token" in self.entries


class Profiles(NamedTuple):
    """The profiles in both files."""

    by_name: Mapping[str, Profile]
    """Name -> profile, in the order of the files."""
    sso_sessions: frozenset[str]
    notes: tuple[str, ...]
    """One line for each section that botocore ignores."""


class SourceText(NamedTuple):
    """The content of a file ("" if there is no file), and its name in messages."""

    text: str
    shown: str


def read_profiles(config: SourceText, credentials: SourceText) -> Profiles:
    """Parse the profiles of both files. Raises ConfigUnreadable, with the line, for a file that botocore can't read."""
    profiles: dict[str, Profile] = {}
    sessions, notes = set(), []
    for header, where, entries in _sections(config):
        kind, name = section_meaning(header)
        if kind == "profile":
            # A later section of the same profile replaces the earlier section, even if one is `[profile default]` and
            # the other is `[default]`.
            profiles[name] = Profile(name=name, entries=entries, where=where)
        elif kind == "sso-session":
            sessions.add(name)
        elif not kind and header.partition(" ")[0] not in _OTHER_SECTIONS:
            notes.append(f"`[{header}]` ({where}) is no profile to AWS's programs: that is {_as_profile(header)}")
    for header, where, entries in _sections(credentials):
        earlier = profiles.get(header)
        if earlier is None:
            profiles[header] = Profile(name=header, entries=entries, where=where)
        else:
            profiles[header] = Profile(name=header, entries={**earlier.entries, **entries}, where=earlier.where)
    return Profiles(by_name=profiles, sso_sessions=frozenset(sessions), notes=tuple(notes))


def _as_profile(header: str) -> str:
    """Return the header that the user probably meant."""
    name = header.removeprefix("profile").strip() if header.partition(" ")[0] == "profile" else header
    return f"`[profile {shlex.quote(name) if name else 'NAME'}]`"


def _sections(source: SourceText) -> Iterator[tuple[str, Where, dict[str, ProfileEntry]]]:
    # Line ends are normalised as `open` does, since configparser usually reads files that `open` has opened.
    text = source.text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    parser = RawConfigParser()
    try:
        parser.read_string(text)
    except Error as error:
        # The error is raised `from None`, because configparser's message repeats the line, which may contain a key.
        raise _unreadable(source.shown, error) from None
    lines = _lines(text)
    for header in parser.sections():
        where = Where(source.shown, lines.get((header, ""), 0), is_profile=True)
        entries = {}
        for key, value in parser.items(header):
            # A key without a line in its own section is from `[DEFAULT]`, which configparser applies to all sections.
            line = lines.get((header, key)) or lines.get((parser.default_section, key), where.line)
            visible_value = _HIDDEN if key in SECRET_KEYS else value
            is_nested = value.startswith("\n")
            entries[key] = ProfileEntry(text=visible_value, where=where._replace(line=line), is_nested=is_nested)
        yield header, where, entries


def _unreadable(shown: str, error: Error) -> ConfigUnreadable:
    lines = [getattr(error, "lineno", None), *(line for line, _ in getattr(error, "errors", ()))]
    line = next((line for line in lines if isinstance(line, int)), 0)
    why = "there is a line before the first `[...]`" if isinstance(error, MissingSectionHeaderError) else ""
    if type(error).__name__.startswith("Duplicate"):
        why = "a section, or a key in a section, occurs twice"
    return ConfigUnreadable(
        f"{shown} can't be read, and AWS's programs can't read it either",
        why=why,
        hint="correct the line, then try again",
        where=Where(shown, line),
    )


def _lines(text: str) -> dict[tuple[str, str], int]:
    """Map (section, key) to a line number. The line of a section's header is under the key ""."""
    line_numbers: dict[tuple[str, str], int] = {}
    header = ""
    for number, line in enumerate(text.split("\n"), 1):
        match = RawConfigParser.SECTCRE.match(line.strip()) if "[" in line else None
        if match:
            header = match["header"]
            line_numbers.setdefault((header, ""), number)
            continue
        key = min(line.partition("=")[0], line.partition(":")[0], key=len).strip().lower()
        if key and not key.startswith(("#", ";")):
            line_numbers.setdefault((header, key), number)
    return line_numbers
