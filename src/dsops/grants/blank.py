"""A value that the configuration does not contain, or must not; each output format leaves it open in its own way."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple


class Blank(NamedTuple):
    """A placeholder to fill in."""

    name: str
    """Lower-case letters, digits and `_`: `external_id_of_aws_sts_prod`."""
    meaning: str
    """One sentence for the person who fills it in."""
    is_secret: bool = False

    @property
    def shown(self) -> str:
        """The placeholder in plain JSON, which has no variables: a text that no AWS value can equal."""
        return f"<{self.name.replace('_', ' ')}>"


def blank(what: str, of: str, meaning: str, *, is_secret: bool = False) -> Blank:
    """Create the placeholder for a value of a store or profile."""
    name = re.sub(r"[^a-z0-9]+", "_", f"{what} of {of}".lower()).strip("_")
    return Blank(name, meaning, is_secret=is_secret)


def blanks_in(value: object) -> Iterator[Blank]:
    """Every placeholder in a policy, in order, with repetitions."""
    if isinstance(value, Blank):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from blanks_in(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from blanks_in(item)


def told_apart(value: object, known: dict[Blank, Blank]) -> object:
    """Rename placeholders so that each name is unique: `a-b` and `a_b` are two stores with two IDs.

    `known` maps the placeholders seen so far to their replacements; it is updated.
    """
    if isinstance(value, Blank):
        if value not in known:
            name, number, taken = value.name, 1, {item.name for item in known.values()}
            while name in taken:
                number += 1
                name = f"{value.name}_{number}"
            known[value] = value._replace(name=name)
        return known[value]
    if isinstance(value, Mapping):
        return {key: told_apart(item, known) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [told_apart(item, known) for item in value]
    return value


def filled(value: object) -> object:
    """The policy as plain JSON, with each placeholder as `<its name>`."""
    if isinstance(value, Blank):
        return value.shown
    if isinstance(value, Mapping):
        return {key: filled(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [filled(item) for item in value]
    return value
