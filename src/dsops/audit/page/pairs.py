"""Plots pairs of accounts: bars if there are few pairs, else a matrix of the busiest accounts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import log

from dsops.audit.page.formatting import compact, count, counted, number_of, shortened, text_of
from dsops.audit.page.markup import Markup, element, joined
from dsops.audit.page.plots import MOST_BARS, Bar, bars
from dsops.audit.page.table import Records

_MOST = 11
"""Maximum number of accounts on each side of the matrix; all further accounts are added up as `others`."""
_OTHERS = "others"
_SHADES = 5


def pairs(rows: Records) -> Markup:
    """Return a chart of the pairs of accounts: bars if there are few pairs, else a matrix."""
    return _bars(rows) if len(rows) <= MOST_BARS else _matrix(rows)


def pair_name(row: object, other: object) -> Markup:
    """Return the name of a pair of accounts: `111111111111 → 222222222222`."""
    account_mark, two = (element("span", shortened(text_of(account), 24), class_="account") for account in (row, other))
    return joined([account_mark, " → ", two])


def _bars(rows: Records) -> Markup:
    all_bars = []
    for row in rows:
        refused = number_of(row["failures"])
        label = pair_name(row["from_account"], row["to_account"])
        all_bars.append(Bar(label, number_of(row["calls"]), f"{count(refused)} refused" if refused else ""))
    return bars(all_bars, "calls")


def _matrix(rows: Records) -> Markup:
    """Draw a matrix of callers' accounts (rows) and roles' accounts (columns); larger numbers have darker cells."""
    sources = _busiest(rows, "from_account")
    targets = _busiest(rows, "to_account")
    calls: Counter[tuple[str, str]] = Counter()
    failures: Counter[tuple[str, str]] = Counter()
    for row in rows:
        key = (
            _name_or_others(text_of(row["from_account"]), sources),
            _name_or_others(text_of(row["to_account"]), targets),
        )
        calls[key] += number_of(row["calls"])
        failures[key] += number_of(row["failures"])
    largest = max(calls.values(), default=0)
    head = element("tr", element("td"), *(_head(target) for target in targets))
    body = [
        element(
            "tr",
            element("th", shortened(source, 24), scope="row"),
            *(_cell(calls[source, target], failures[source, target], largest) for target in targets),
        )
        for source in sources
    ]
    words = "Calls, from the account at the left to the one above. † some were refused."
    grid = element("table", element("thead", head), element("tbody", *body), class_="matrix", aria_describedby="matrix")
    box = element("div", grid, class_="scroll", tabindex=0, role="region", aria_label="Calls by pair of accounts")
    return joined([element("p", words, class_="more", id="matrix"), box])


def _busiest(rows: Records, column: str) -> list[str]:
    """Return the accounts with the most calls; if there are too many accounts, `others` is last."""
    calls: Counter[str] = Counter()
    for row in rows:
        calls[text_of(row[column])] += number_of(row["calls"])
    ordered = [text for text, _ in sorted(calls.items(), key=lambda pair: (-pair[1], pair[0]))]
    return ordered if len(ordered) <= _MOST + 1 else [*ordered[:_MOST], _OTHERS]


def _name_or_others(text: str, kept_names: Sequence[str]) -> str:
    return text if text in kept_names else _OTHERS


def _head(target: str) -> Markup:
    return element("th", element("span", shortened(target, 24)), scope="col")


def _cell(calls: int, failures: int, largest: int) -> Markup:
    if not calls:
        return element("td", class_="nothing")
    title = counted(calls, "call") + (f", {count(failures)} refused" if failures else "")
    return element("td", compact(calls), "†" if failures else "", class_=f"shade{shade(calls, largest)}", title=title)


def shade(value: int, largest: int) -> int:
    """Return a shade from 1 to 5 on a logarithmic scale, so that one busy pair does not make the other cells pale."""
    if largest <= 1:
        return _SHADES
    return 1 + min(_SHADES - 1, int(_SHADES * log(max(1, value)) / log(largest)))
