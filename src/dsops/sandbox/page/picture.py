"""The accounts with as many principals as a person can read in a picture, with sessions and trust."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice, zip_longest
from typing import NamedTuple

from dsops.arn import parse_arn
from dsops.sandbox.page.assuming import AssumeQuestions
from dsops.sandbox.page.principals import (
    OtherPrincipal,
    Subject,
    identities,
    kind_of,
    other_principal,
    providers,
    subject_at,
)
from dsops.sandbox.page.trust import NamedRoles, trust_of
from dsops.sandbox.state.sessions import Session, SessionTable
from dsops.sandbox.state.world import Role, World

_MOST_DRAWN = 60
_MOST_NEIGHBOURS = 6
"""How many neighbours of one principal are drawn at most, so that a picture of many roles has room for others."""
_MOST_SESSIONS = 20


class Wish(NamedTuple):
    """What the picture shall contain."""

    search: str
    """A part of the ARNs."""
    account: str
    """Only principals of this account; "" for all accounts."""
    kept: tuple[str, ...]
    """The ARNs of principals that are drawn in any case."""


def world_view(questions: AssumeQuestions, sessions: SessionTable, wish: Wish) -> dict[str, object]:
    """Return the accounts with the drawn principals, the trust between them, and how many principals fit the wish."""
    world, now = questions.world, questions.now
    everyone: list[Subject] = [*identities(world), *providers(world)]
    searched = wish.search.lower()
    found = [each for each in everyone if searched in each.arn.lower() and wish.account in ("", each.account)]
    live = _live(sessions, now)
    drawn = _drawn(world, everyone, found, wish, live)
    roles = [each for each in drawn.values() if isinstance(each, Role)]
    beyond = _beyond(world, roles)
    shown: dict[str, list[dict[str, object]]] = {account: [] for account in world.partitions}
    matching = {each.arn for each in found}
    for subject in drawn.values():
        entry = {**_entry(subject, live, now), "is_found": subject.arn in matching}
        shown.setdefault(subject.account, []).append(entry)
    counts = Counter(subject.account for subject in found)
    return {
        "now": now,
        "accounts": [
            {"account": account, "count": counts[account], "principals": entries} for account, entries in shown.items()
        ],
        "beyond": [{**_entry(each, live, now), "is_found": True} for each in beyond],
        "links": [link.record() for link in questions.links([*drawn.values(), *beyond], NamedRoles(roles))],
        "count": len(found),
        "shown": len(matching & drawn.keys()),
    }


def _entry(subject: Subject, live: dict[str, list[Session]], now: float) -> dict[str, object]:
    """Return a principal as JSON types. `ends` are seconds since 1970, as `now` is."""
    own = [] if isinstance(subject, OtherPrincipal) else live.get(subject.unique_id, [])
    newest = [{"name": each.name, "ends": each.expires_at} for each in own[-_MOST_SESSIONS:]]
    left = max((each.expires_at - now for each in own), default=0)
    entry = {"arn": subject.arn, "name": subject.name, "kind": kind_of(subject)}
    return {**entry, "sessions": len(own), "seconds_left": round(left), "live": newest}


def _live(sessions: SessionTable, now: float) -> dict[str, list[Session]]:
    """Return the live sessions by the id of their role or user, in the order of their end."""
    live: dict[str, list[Session]] = {}
    for session in sorted(sessions.live(now), key=lambda each: each.expires_at):
        live.setdefault(session.issuer_id, []).append(session)
    return live


def _drawn(
    world: World, everyone: list[Subject], found: list[Subject], wish: Wish, live: dict[str, list[Session]]
) -> dict[str, Subject]:
    """Return the principals to draw by their ARNs: those that are kept, then those found with their neighbours."""
    drawn: dict[str, Subject] = {}
    for arn in wish.kept:
        kept = subject_at(world, arn)
        if kept is not None and kept.account in world.partitions:
            drawn[arn] = kept
    trusts = _by_trust(everyone)
    is_whole = len(found) == len(everyone) <= _MOST_DRAWN
    for subject in _ranked(found, live):
        if len(drawn) >= _MOST_DRAWN:
            break
        neighbours = () if is_whole else _neighbours(world, subject, trusts)
        for each in chain([subject], islice(neighbours, _MOST_NEIGHBOURS)):
            if len(drawn) < _MOST_DRAWN:
                drawn.setdefault(each.arn, each)
    return drawn


def _by_trust(everyone: Iterable[Subject]) -> dict[str, list[Role]]:
    by_trust: dict[str, list[Role]] = {}
    for each in everyone:
        if isinstance(each, Role):
            by_trust.setdefault(each.trust, []).append(each)
    return by_trust


def _ranked(found: list[Subject], live: dict[str, list[Session]]) -> Iterator[Subject]:
    """Yield the principals with live sessions, then in turn one of each account, roles with different trust first."""
    with_sessions: list[Subject] = []
    by_account: dict[str, tuple[list[Subject], list[Subject]]] = {}
    seen: set[tuple[str, str]] = set()
    for subject in found:
        if not isinstance(subject, OtherPrincipal) and subject.unique_id in live:
            with_sessions.append(subject)
            continue
        key = (subject.account, subject.trust if isinstance(subject, Role) else subject.arn)
        first, rest = by_account.setdefault(subject.account, ([], []))
        (rest if key in seen else first).append(subject)
        seen.add(key)
    yield from with_sessions
    for turn in zip_longest(*(first for first, _ in by_account.values())):
        yield from filter(None, turn)
    for turn in zip_longest(*(rest for _, rest in by_account.values())):
        yield from filter(None, turn)


def _neighbours(world: World, subject: Subject, trusts: dict[str, list[Role]]) -> Iterator[Subject]:
    """Yield principals that the role's trust policy names by their ARNs, and roles that name the principal so."""
    if isinstance(subject, Role):
        for statement in trust_of(subject).statements:
            principals = statement.principals
            for arn in sorted(principals.arns | principals.providers) if principals is not None else ():
                parts = parse_arn(arn)
                named = subject_at(world, arn) if parts is not None and parts.account in world.partitions else None
                if named is not None:
                    yield named
    quoted = f'"{subject.arn}"'
    for text, roles in trusts.items():
        if quoted in text:
            yield from roles


def _beyond(world: World, roles: Iterable[Role]) -> list[OtherPrincipal]:
    """Return the services and principals of other accounts that the roles' trust policies name."""
    named: dict[str, OtherPrincipal] = {}
    for role in roles:
        for statement in trust_of(role).statements:
            principals = statement.principals
            if principals is None or statement.effect != "Allow":
                continue
            accounts = [f"arn:{partition or 'aws'}:iam::{account}:root" for partition, account in principals.accounts]
            for text in sorted((*accounts, *principals.arns, *principals.services)):
                other = other_principal(text)
                if other is not None and other.account not in world.partitions:
                    named[text] = other
    return [*named.values()][:_MOST_DRAWN]
