"""Renders answers as tables: limited in length, numbers aligned, cells labelled by column for narrow screens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

from dsops.audit.page.formatting import NOTHING, count, counted, duration, moment, name, text_of
from dsops.audit.page.markup import Markup, element, joined, told

MOST_ROWS = 50

_FEW = 6
"""The maximum number of columns of a table in which times still fit on one line."""

Records = Sequence[Mapping[str, object]]

_LABELS = {
    "role": "Role",
    "code": "Code",
    "failures": "Failures",
    "principals": "Principals",
    "principal": "Principal",
    "sessions": "Sessions",
    "unused": "Unused",
    "first": "First",
    "last": "Last",
    "calls": "Calls",
    "roles": "Roles",
    "asked_median": "Asked, median",
    "asked_max": "Asked, most",
    "used_median": "Used, median",
    "used_max": "Used, most",
    "from_account": "From account",
    "to_account": "To account",
    "service": "Service",
    "name": "Operation",
    "category": "Category",
    "with_mfa": "With MFA",
    "others": "Others with MFA",
    "used": "Used",
    "hops": "Hops",
    "path": "Path",
    "by": "By",
    "hour": "Hour",
}

_DURATIONS = frozenset({"asked_median", "asked_max", "used_median", "used_max"})


def table(
    caption: str, columns: Sequence[str], records: Records, labels: Mapping[str, str] = MappingProxyType({})
) -> Markup:
    """Return a table of the first rows, and a line with the number of other rows. `labels` replaces column headings."""
    heads = {column: labels.get(column) or _LABELS.get(column, column) for column in columns}
    shown_records = records[:MOST_ROWS]
    numeric = {column for column in columns if any(isinstance(record[column], int) for record in shown_records)}
    head = joined(
        element("th", heads[column], scope="col", role="columnheader", class_="number" if column in numeric else None)
        for column in columns
    )
    body = joined(
        element("tr", *(_cell(record[key], key, heads[key], key in numeric) for key in columns), role="row")
        for record in shown_records
    )
    rows = element(
        "table",
        element("caption", caption),
        element("thead", element("tr", head, role="row"), role="rowgroup"),
        element("tbody", body, role="rowgroup"),
        role="table",
        class_="many" if len(columns) > _FEW else None,
    )
    return joined([element("div", rows, class_="scroll"), more(len(records) - len(shown_records))])


def more(number: int) -> Markup:
    """Return a line with the number of rows that the table leaves out."""
    if number <= 0:
        return Markup()
    return element("p", told(f"{counted(number, 'more row')}: `--json` has all."), class_="more")


def folded(caption: str, columns: Sequence[str], records: Records) -> Markup:
    """Return a plot's data as a table, collapsed on screens and open in print."""
    summary = element("summary", f"{caption}: {counted(len(records), 'row')}")
    return element("details", summary, table(caption, columns, records))


def _cell(value: object, column: str, label: str, is_number: bool) -> Markup:  # noqa: FBT001 (a private cell)
    kind = "number" if is_number else "when" if isinstance(value, datetime) else "name"
    return element("td", element("div", _cell_content(column, value)), role="cell", class_=kind, data_label=label)


def _cell_content(column: str, value: object) -> Markup:
    """Return the content of a cell: markup stays unchanged, durations and times are formatted, names are shortened."""
    if isinstance(value, Markup):
        return value
    if isinstance(value, datetime):
        return moment(value)
    if isinstance(value, int):
        return joined([duration(value) if column in _DURATIONS else count(value)])
    return name(text_of(value)) if value is not None else element("span", NOTHING, class_="none")
