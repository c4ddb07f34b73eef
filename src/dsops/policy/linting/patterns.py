"""Compare patterns with wildcards: which strings a pattern matches, and whether two patterns overlap."""

from __future__ import annotations

from collections.abc import Callable

from dsops.policy.language.match import compile_glob
from dsops.policy.language.tokens import PolicyVariable, tokenize


def has_wildcard(text: str) -> bool:
    """Whether the text has a `*` or `?`."""
    return "*" in text or "?" in text


def glob(text: str) -> Callable[[str], bool]:
    """Compile a test that tells whether the pattern matches a text."""
    tokens = tokenize(text, has_variables=False, has_wildcards=True)
    return compile_glob([token for token in tokens if not isinstance(token, PolicyVariable)])


def is_template(text: str) -> bool:
    """Whether the string has a placeholder `${...}` or `<...>`, as in AWS's data."""
    return "${" in text or "<" in text


def filled(template: str) -> str:
    """Return the template with `*` in place of each placeholder."""
    text = template
    for opening, closing in (("${", "}"), ("<", ">")):
        first, *pieces = text.split(opening)
        text = first + "".join("*" + piece.partition(closing)[2] for piece in pieces)
    return text


def overlap(left: str, right: str) -> bool:
    """Whether some string matches both patterns. Takes time proportional to the product of their lengths."""
    # `row` contains the positions of `right` that are reachable after the characters of `left` read so far.
    row = {0}
    row = _past_stars(row, right)
    for character in left:
        if character == "*":
            # A `*` matches any part of `right`, so every later position is reachable.
            row = set(range(min(row), len(right) + 1)) if row else row
            continue
        following = set()
        for place in row:
            if place == len(right):
                continue
            other = right[place]
            if other == "*":
                following.add(place)
            elif character in ("?", other) or other == "?":
                following.add(place + 1)
        row = _past_stars(following, right)
    return len(right) in row


def _past_stars(places: set[int], right: str) -> set[int]:
    """Add the positions behind each `*`, because a `*` may match nothing."""
    reachable = set(places)
    for place in places:
        following = place
        while following < len(right) and right[following] == "*":
            following += 1
            reachable.add(following)
    return reachable
