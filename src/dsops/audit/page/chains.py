"""Draws chains of sessions: the first caller and each role after it. Shared hops are drawn once."""

from __future__ import annotations

from typing import NamedTuple

from dsops.audit.page.formatting import counted, name, number_of, short_arn, shortened, text_of, title
from dsops.audit.page.markup import Markup, element, joined
from dsops.audit.page.table import Records
from dsops.drawing import Item, broken, lay_out, number, plain, shapes

MOST_DRAWN = 10
_BETWEEN = " > "


class _Hop(NamedTuple):
    """One hop of a chain."""

    text: str
    key: tuple[str, ...]


def parts_of(path: str, hops: int) -> list[str]:
    """Split a path into the first principal, whose name may contain separators, and the role of each hop."""
    return path.rsplit(_BETWEEN, max(1, min(hops, 8)))


def path_markup(path: str, hops: int) -> Markup:
    """Return the path as markup for a table, one hop per line."""
    return element("ol", *(element("li", name(part)) for part in parts_of(path, hops)), class_="path")


def chains(rows: Records) -> Markup:
    """Draw the first chains, with one frame for each account."""
    drawing = lay_out(_items(rows[:MOST_DRAWN]), 2)
    wide, high = number(drawing.width), number(drawing.height)
    picture = element(
        "svg",
        element("title", "Chains of sessions", id="chains-title"),
        element(
            "desc",
            "From left to right: the first caller and the roles after it, each in the frame of its account. "
            "The table below has the same in words.",
            id="chains-desc",
        ),
        Markup("\n" + "\n".join(shapes(drawing)) + "\n"),
        width=wide,
        height=high,
        viewBox=f"0 0 {wide} {high}",
        role="img",
        aria_labelledby="chains-title chains-desc",
    )
    rest = len(rows) - MOST_DRAWN
    under = element("p", f"The first {MOST_DRAWN} chains are drawn.", class_="more") if rest > 0 else ""
    box = element("div", picture, class_="scroll chains", tabindex=0, role="region", aria_label="Chains of sessions")
    return joined([box, under])


def _items(rows: Records) -> list[Item]:
    """Return the hops of all chains without repetition, depth first; last hops show their number of sessions."""
    sessions: dict[tuple[str, ...], int] = {}
    children: dict[tuple[str, ...], list[_Hop]] = {}
    seen: set[tuple[str, ...]] = set()
    for row in rows:
        key: tuple[str, ...] = ()
        for part in parts_of(text_of(row["path"]), number_of(row["hops"])):
            above, key = key, (*key, part)
            if key not in seen:
                seen.add(key)
                children.setdefault(above, []).append(_Hop(part, key))
        sessions[key] = sessions.get(key, 0) + number_of(row["sessions"])
    items: list[Item] = []
    waiting = list(reversed(children.get((), [])))
    while waiting:
        hop = waiting.pop()
        items.append(_item(hop, sessions.get(hop.key)))
        waiting.extend(reversed(children.get(hop.key, [])))
    return items


def _item(hop: _Hop, sessions: int | None) -> Item:
    short = short_arn(hop.text)
    texts = [plain(short[0] if short else shortened(hop.text))]
    if sessions is not None:
        texts.append(counted(sessions, "session"))
    depth = len(hop.key) - 1
    parent = hop.key[:-1] if depth else None
    kind, corner = ("hop", 3) if depth else ("caller", 16)
    lane = f"account {short[1]}" if short else ""
    return Item(depth, broken(texts), hop.key, parent, kind, corner, title=title(hop.text), lane=lane)
