"""AWS's ARN formats, such as `arn:${Partition}:sqs:${Region}:${Account}:${QueueName}`, and matching ARNs."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple

_MARK: Final = re.compile(r"\$\{(\w+)\}")
_PLACE: Final = frozenset({"Partition", "Region", "Account"})


class ArnPrefix(NamedTuple):
    """The partition, region and account of a request's ARNs."""

    partition: str
    region: str
    account: str


def names_in(template: str) -> tuple[str, ...]:
    """Return the names to be filled in, such as `ClusterName`."""
    return tuple(name for name in _MARK.findall(template) if name not in _PLACE)


def filled(template: str, place: ArnPrefix, names: Mapping[str, str]) -> str:
    """Return the ARN, with `*` for names without a value."""
    known_names = {"Partition": place.partition, "Region": place.region, "Account": place.account, **names}
    return _MARK.sub(lambda mark: known_names.get(mark[1], "*"), template)


@cache
def _pattern(template: str) -> re.Pattern[str]:
    parts = _MARK.split(template)
    pattern_parts = [re.escape(part) if index % 2 == 0 else _any_of(part) for index, part in enumerate(parts)]
    return re.compile("".join(pattern_parts))


def _any_of(name: str) -> str:
    # No colon: the text after it could be read as another name later.
    return "[^:]*" if name in _PLACE else "[^:]+"


def fits(template: str, arn: str) -> bool:
    """Whether the ARN has that format."""
    return _pattern(template).fullmatch(arn) is not None


def choices(template: str, place: ArnPrefix, values: Callable[[str], Sequence[str]]) -> list[str]:
    """Return an ARN for each combination of values; [] when a name has none."""
    rows: list[dict[str, str]] = [{}]
    for name in names_in(template):
        rows = [{**row, name: value} for row in rows for value in values(name)]
    return [filled(template, place, row) for row in rows]
