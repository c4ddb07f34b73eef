"""Read and write gaps: the facts that could not be collected, as the `Gaps` of a file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Literal

from dsops.access.facts.json_files import objects_of, text_of, texts_of
from dsops.access.facts.world import Gap
from dsops.policy import Place

_GapPlace = Place | Literal["context", "identities", "resources"]
_PLACES: Final[Mapping[str, _GapPlace]] = {
    "identity": "identity",
    "trust": "trust",
    "session": "session",
    "resource": "resource",
    "boundary": "boundary",
    "scp": "scp",
    "rcp": "rcp",
    "context": "context",
    "identities": "identities",
    "resources": "resources",
}

MEMBERSHIP_KEYS: Final = (
    "aws:principalorgid",
    "aws:principalorgpaths",
    "aws:resourceorgid",
    "aws:resourceorgpaths",
    "aws:sourceorgid",
    "aws:sourceorgpaths",
)
"""The condition keys whose values depend on the organization of an account."""

TAG_KEYS: Final = ("aws:resourcetag/",)


def gaps_of(value: object, account: str) -> list[Gap]:
    """Return the gaps that a file of the account lists. An entry with an unknown place counts for every list."""
    gaps: list[Gap] = []
    for entry in objects_of(value, "Gaps"):
        place = _PLACES.get(text_of(entry, "Place"))
        why, arn, service = (text_of(entry, key) for key in ("Why", "Arn", "Service"))
        keys = tuple(texts_of(entry, "Keys"))
        places: tuple[_GapPlace, ...] = (place,) if place is not None else ("identities", "resources")
        gaps += [Gap(account, each, why or "the reason is not recorded", arn, keys, service) for each in places]
    return gaps


def gap_values(gaps: Iterable[Gap]) -> list[Mapping[str, object]]:
    """Return gaps as the `Gaps` of a file. The file's path says to which account they belong."""
    return [
        {
            "Place": gap.place,
            "Why": gap.why,
            **({"Arn": gap.arn} if gap.arn else {}),
            **({"Keys": list(gap.keys)} if gap.keys else {}),
            **({"Service": gap.service} if gap.service else {}),
        }
        for gap in gaps
    ]


def unknown_membership(account: str, why: str) -> list[Gap]:
    """Return the gaps of an account about whose organization nothing is known."""
    return [Gap(account, "scp", why), Gap(account, "rcp", why), Gap(account, "context", why, keys=MEMBERSHIP_KEYS)]
