"""Write stores as the text of a dsops.yaml that users can edit."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable

from dsops.aws_config.stores import ImportResult, MadeStore

_PLAIN = re.compile(r"[A-Za-z/][\w/.@=+:-]*(?<!:)|[1-9][0-9]{0,6}|\$\{[A-Z0-9_]+\}", re.ASCII)
_WORDS = frozenset({"true", "false", "yes", "no", "on", "off", "null", "y", "n"})
_BOOLEANS = frozenset({"mfa_session"})
"""Settings with the value `true` or `false`, written without quotes: in quotes, it would be a string."""

_HEAD = """\
# Made of {shown}: each profile that has a role is a store, and other stores name it as `credentials_from`.
#
#   dsops validate               checks this file
#   dsops whoami STORE           asks AWS who a store's session is
#   dsops credentials STORE      prints a session, for other programs
version: 1

secretStores:
"""
_FOOT = """
# The variables that a command gets: see `dsops init` for more.
envs:
  development: {}
"""


def to_yaml(made: ImportResult, shown: str) -> str:
    """Return the text of the configuration. `shown` is the name of the source file, for its comment."""
    names = [_comment(profile.name) for profile in made.as_they_are]
    sources = [f"  # Profile {name} is no store: where it is needed it is `profile:` of one.\n" for name in names]
    between = ["\n"] if sources and made.stores else []
    stores = stores_text(made.stores) or "  {}\n"
    return "".join([_HEAD.format(shown=_comment(shown)), *sources, *between, stores, _FOOT])


def stores_text(stores: Iterable[MadeStore]) -> str:
    """Return the entries of `secretStores`, with an empty line between two stores."""
    return "\n".join([_store(store) for store in stores])


def _store(store: MadeStore) -> str:
    lines = [f"  # Profile {_comment(store.profile)}, line {store.where.line}."] if store.profile else []
    lines += [f"  # {_comment(comment)}" for comment in store.comments]
    lines.append(f"  {scalar(store.name)}:")
    lines += [f"    {key}: {value if key in _BOOLEANS else scalar(value)}" for key, value in store.settings]
    return "".join(f"{line}\n" for line in lines)


def scalar(text: str) -> str:
    """Return the text as a YAML scalar: unquoted if that is unambiguous, else quoted as in JSON."""
    if _PLAIN.fullmatch(text) and text.lower() not in _WORDS:
        return text
    # JSON writes a character above U+FFFF as two escapes (surrogates), YAML as one escape `\\U0001F600`.
    quoted = json.dumps(text, ensure_ascii=False)
    return "".join(character if character.isprintable() else f"\\U{ord(character):08X}" for character in quoted)


def _comment(text: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in text)
