"""Find the paths of a picture that are alike: those of accounts with the same roles differ only in the account."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from dsops.access.pictures.steps import PicturePath
from dsops.arn import parse_arn


def names_of(path: PicturePath) -> tuple[str, ...]:
    """Return the names of the nodes of a path: two for each step."""
    return tuple(name for step in path for name in (step.caller.name, step.end))


def groups_of(paths: Iterable[PicturePath]) -> list[list[PicturePath]]:
    """Return the paths, each with those that are like it, in the order of the first path of each group."""
    groups: dict[Hashable, list[PicturePath]] = {}
    for path in paths:
        groups.setdefault(_form(path), []).append(path)
    return [*groups.values()]


def nodes_alike(group: Iterable[PicturePath]) -> tuple[int, ...]:
    """Return for each node of the paths how many other nodes are at its position."""
    return tuple(len(set(names)) - 1 for names in zip(*map(names_of, group), strict=True))


def _form(path: PicturePath) -> Hashable:
    """Return what two paths that are alike have in common: all but the accounts themselves."""
    accounts: dict[str, int] = {}
    names = tuple(_without_account(name, accounts) for name in names_of(path))
    marks = tuple((step.action, step.verdict, step.caller.outside, step.rules, step.is_further) for step in path)
    return names, marks


def _without_account(name: str, accounts: dict[str, int]) -> Hashable:
    """Return a name with the number of its account on the path in the place of the account's id."""
    arn = parse_arn(name)
    if arn is None or not arn.account:
        return name
    return arn.service, arn.region, accounts.setdefault(arn.account, len(accounts)), arn.resource


def nearest_of(group: Iterable[PicturePath], drawn: Iterable[str]) -> PicturePath:
    """Return the path of a group that has the most nodes in accounts that are drawn already."""
    known = {*drawn}
    accounts = {arn.account for arn in map(parse_arn, known) if arn is not None}
    return max(group, key=lambda path: sum(_nearness(name, known, accounts) for name in names_of(path)))


def _nearness(name: str, known: set[str], accounts: set[str]) -> int:
    arn = parse_arn(name)
    return 2 * (name in known) + (arn is not None and arn.account in accounts)
