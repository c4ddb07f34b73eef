"""Select the sections of AWS's files from which botocore finds the credentials of a profile.

Files and headers are parsed by botocore's rules (`botocore.configloader`). If this module left out a section that
botocore reads, two different identities would look the same. A doubtful section is therefore included.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from dsops.startup import NamedTuple

_KINDS = ("profile", "sso-session", "services")
_PLAIN_HEADER = r"(?a)(profile|sso-session|services) +([\w.@/:+-]+)\Z"
"""A header of two words, neither of which has a character that is special in a shell."""

_Sections = Mapping[str, Mapping[str, str]]


class RelatedSections(NamedTuple):
    """The sections of both files that can influence a profile's credentials."""

    text: str
    """All headers, keys and values, including access keys.

        Two texts are equal only if botocore reads the same settings from both.
    """
    profiles: list[tuple[str, Mapping[str, str]]]
    """The name and keys of each section of a related profile: the config file's, then the credentials file's."""
    sso_sessions: list[Mapping[str, str]]

    def values(self, key: str) -> set[str]:
        """Return the values that the related profiles and SSO sessions give a key."""
        sections = (*(keys for _, keys in self.profiles), *self.sso_sessions)
        return {keys[key] for keys in sections if key in keys}

    def region(self, profile: str) -> str:
        """Return the region of one of the profiles; "" when it has none."""
        regions = [keys.get("region", "").strip() for name, keys in self.profiles if name == profile]
        # The credentials file comes last: as in botocore, its settings override those of the config file.
        return next(filter(None, reversed(regions)), "")


def related_sections(config: bytes, credentials: bytes, names: Iterable[str]) -> RelatedSections | None:
    """Return the sections of the named profiles and of all that they refer to; None for an invalid file.

    A profile refers to its `source_profile`, `sso_session` and `services`. Sections of other kinds in the config file
    are all included.
    """
    config_sections, credentials_sections = _parsed(config), _parsed(credentials)
    if config_sections is None or credentials_sections is None:
        return None
    meanings = {header: section_meaning(header) for header in config_sections}
    profiles = [(name, config_sections[header]) for header, (kind, name) in meanings.items() if kind == "profile"]
    profiles += credentials_sections.items()
    related = {"profile": _with_sources(names, profiles)}
    profiles = [(name, keys) for name, keys in profiles if name in related["profile"]]
    for kind, key in (("sso-session", "sso_session"), ("services", "services")):
        related[kind] = {keys[key] for _, keys in profiles if key in keys}
    # The order of sections counts: two headers can mean one profile, and botocore takes the last one.
    kept = {
        header: keys
        for header, keys in config_sections.items()
        if not meanings[header][0] or meanings[header][1] in related[meanings[header][0]]
    }
    own = [(header, keys) for header, keys in credentials_sections.items() if header in related["profile"]]
    return RelatedSections(
        text=repr(([(header, sorted(keys.items())) for header, keys in kept.items()], sorted(own))),
        profiles=profiles,
        sso_sessions=[keys for header, keys in kept.items() if meanings[header][0] == "sso-session"],
    )


def section_meaning(header: str) -> tuple[str, str]:
    """Return the kind and name of a section of the config file: ("profile", "my name") for `profile "my name"`.

    Returns ("", "") for a section that is none of the three kinds, or that botocore ignores.
    """
    if header == "default":
        return "profile", header
    plain = re.match(_PLAIN_HEADER, header)
    if plain:  # `shlex` takes 17 us per header; for 2,000 profiles, a user would notice that.
        return plain[1], plain[2]
    # As in botocore, `[profiles a]` is a profile, too.
    kind = next((kind for kind in _KINDS if header.startswith(kind)), "")
    words = _words(header) if kind else []
    return (kind, words[1]) if len(words) == 2 else ("", "")


def _words(header: str) -> list[str]:
    import shlex

    try:
        return shlex.split(header)
    except ValueError:
        return []


def _with_sources(names: Iterable[str], profiles: Iterable[tuple[str, Mapping[str, str]]]) -> set[str]:
    """Return the names, and the names of all profiles that are reached from them through `source_profile`."""
    sources: dict[str, list[str]] = {}
    for name, keys in profiles:
        sources.setdefault(name, []).extend([keys["source_profile"]] if "source_profile" in keys else [])
    reached, left = set[str](), list(names)
    while left:
        name = left.pop()
        if name not in reached:
            reached.add(name)
            left += sources.get(name, ())
    return reached


def _parsed(data: bytes) -> _Sections | None:
    """Parse a file as botocore does; None if botocore can't read it, for example because a section occurs twice."""
    if not data:
        return {}
    from configparser import Error, RawConfigParser

    parser = RawConfigParser()
    try:
        # Convert line ends to `\n`, as `open` does.
        parser.read_string(data.decode().replace("\r\n", "\n").replace("\r", "\n"))
    except (Error, UnicodeDecodeError):
        return None
    # The keys of `[DEFAULT]` are keys of every section.
    return {header: dict(parser.items(header)) for header in parser.sections()}
