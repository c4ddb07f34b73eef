"""Placeholders for policy values that the configuration does not have or must not show."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple


class Placeholder(NamedTuple):
    """A policy value that is unknown, so the user must add it."""

    name: str
    """The name, in lower-case letters, digits and `_`: `external_id_of_aws_sts_prod`."""
    meaning: str
    """A sentence for the user who fills in the value."""
    is_secret: bool = False

    @property
    def shown(self) -> str:
        """The placeholder as text in plain JSON. The text is never valid as an ARN or in a request."""
        return f"<{self.name.replace('_', ' ')}>"


def blank(field: str, of: str, meaning: str, *, is_secret: bool = False) -> Placeholder:
    """Return the placeholder for a value of a store or profile."""
    name = re.sub(r"[^a-z0-9]+", "_", f"{field} of {of}".lower()).strip("_")
    return Placeholder(name, meaning, is_secret=is_secret)


def blanks_in(value: object) -> Iterator[Placeholder]:
    """Yield every placeholder in a policy, in order, with repetitions."""
    if isinstance(value, Placeholder):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from blanks_in(item)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in value:
            yield from blanks_in(item)


def told_apart(value: object, known_blanks: dict[Placeholder, Placeholder]) -> object:
    """Rename placeholders in the value so that different placeholders have different names.

    Otherwise the stores `a-b` and `a_b` would share one placeholder for their external IDs. `known_blanks` maps the
    placeholders seen so far to their renamed forms.
    """
    if isinstance(value, Placeholder):
        if value not in known_blanks:
            name, number, taken_names = value.name, 1, {item.name for item in known_blanks.values()}
            while name in taken_names:
                number += 1
                name = f"{value.name}_{number}"
            known_blanks[value] = value._replace(name=name)
        return known_blanks[value]
    if isinstance(value, Mapping):
        return {key: told_apart(item, known_blanks) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [told_apart(item, known_blanks) for item in value]
    return value


def filled(value: object) -> object:
    """Return the value as plain JSON: each placeholder is replaced by its text."""
    if isinstance(value, Placeholder):
        return value.shown
    if isinstance(value, Mapping):
        return {key: filled(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [filled(item) for item in value]
    return value
