"""The diff of a migration, with secrets hidden."""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import unified_diff

from dsops.document import Mapping, Node, Scalar
from dsops.migrate.rewrite import Rewritten
from dsops.schema import BUILTIN_TYPES
from dsops.text import clean

_SECRET = frozenset(
    {
        "values",
        "literal",
        "default",
        "fallback",
        "access_key_id",
        "secret_access_key",
        "session_token",
        "token",
        "password",
        "secret_id",
        *[
            name
            for type_ in BUILTIN_TYPES.values()
            for key in type_.keys
            if key.is_secret
            for name in (key.name, *key.aliases)
        ],
    }
)
"""Keys whose values the diff hides. They are keys of the original's store types and of dsops' store types."""
_NAME_ALONE = re.compile(r"\$\{[A-Za-z_][A-Za-z0-9_]*\}")
"""A reference to a variable without a default value. Such a reference contains no secret."""
_SHORTEST_HIDDEN = 3


def shown_difference(old: str, rewritten: Rewritten, shown: str, root: Node) -> str:
    """Return the diff without context lines, which might contain secrets. Secrets in changed lines become `***`."""
    before, after = old.split("\n"), rewritten.text.split("\n")
    secrets: set[str] = set()
    unseen: set[str] = set()
    for number, text in _secrets(root):
        if text in old:
            secrets.add(text)
        else:
            # The file folds or escapes the secret, so its whole value can't be found. Each of its words and lines is
            # masked instead.
            secrets.update(text.split())
            unseen.update((before[number - 1], after[number - 1]))
    hidden = []
    for line in unified_diff(before, rewritten.whole.split("\n"), shown, f"{shown} (rewritten)", n=0, lineterm=""):
        if line[1:] in unseen:
            line = f"{line[:1]}***"  # noqa: PLW2901 - the same line, with parts hidden
        for secret in sorted(secrets, key=len, reverse=True):
            if len(secret.strip()) >= _SHORTEST_HIDDEN:
                line = line.replace(secret, "***")  # noqa: PLW2901 - for the same reason
        hidden.append(clean(line))
    return "".join(f"{line}\n" for line in hidden)


def _secrets(node: Node, *, is_secret: bool = False) -> Iterator[tuple[int, str]]:
    """Yield the lines of each value that may be secret, each with the line number of the value in the file."""
    if isinstance(node, Scalar):
        if is_secret and not _NAME_ALONE.fullmatch(node.text):
            yield from ((node.line, text) for text in node.text.splitlines())
    elif isinstance(node, Mapping):
        for key, value in node.entries:
            yield from _secrets(value, is_secret=is_secret or key.text in _SECRET)
    else:
        for item in node.items:
            yield from _secrets(item, is_secret=is_secret)
