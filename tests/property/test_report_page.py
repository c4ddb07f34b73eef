"""Any text in a log stays text on the report's page: no element, attribute or URL."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from dsops.audit.page import page_of
from dsops.audit.page.formatting import shortened
from dsops.audit.report import AuditReport
from dsops.drawing import plain
from tests.cloudtrail.columns import COLUMNS
from tests.groups import examples
from tests.markup import Node, read
from tests.reports import END, START, answer, report_of

_MARKUP = st.sampled_from(
    [
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "' onload='x",
        "</title>",
        "</style>",
        "<!--",
        "]]>",
        "<svg/onload=x>",
        "&lt;b&gt;",
        "&#60;",
        "javascript:x",
        "<?xml",
        "\x00",
        "\u202e",
        "\ud800",
        "\u2028",
        " > ",
        "`",
        "</desc></svg>",
        "<a href=//evil.example>",
        "style=x:url(//evil.example)",
        "\r\n",
        "\x85",
        "\ufeff",
    ]
)
HOSTILE = st.lists(st.one_of(_MARKUP, st.text(max_size=8)), min_size=1, max_size=6).map("".join)

_TEXTS = frozenset({"role", "code", "principal", "from_account", "to_account", "service", "name", "category", "by"})
_TIMES = frozenset({"hour", "first", "last"})


def report_with(text: str, role: str) -> AuditReport:
    """A report with this text in every cell that a log can fill, and this role."""

    def cell(column: str, other: str) -> object:
        if column == "path":
            return f"{text} > {role} > {other} > {other}{role}"
        if column in _TEXTS:
            return role if column == "role" else f"{other}{text}"
        return END if column in _TIMES else 3

    return report_of(
        *(
            answer(question, *(tuple(cell(column, other) for column in columns.split()) for other in ("", "a")))
            for question, columns in COLUMNS.items()
        ),
        sources=(text,),
        unreadable=((text, text),),
        by=text,
    )


def shape(page: Node) -> Counter[tuple[str, tuple[str, ...]]]:
    """The number of elements by tag and attributes; wrapped text lines of a drawing are not counted."""
    return Counter((element.tag, tuple(element.attributes)) for element in page.all() if element.tag != "text")


@settings(max_examples=examples(100), deadline=None)
@given(HOSTILE)
def test_no_text_adds_an_element_or_an_attribute(text: str) -> None:
    """Whatever text the page contains, its elements and attributes are those of a page with plain letters."""
    text = f"x{text}"  # an empty name is shown as a dash
    # White space and the separator of chains keep their positions.
    harmless = "".join(entry if entry.isspace() or entry == ">" else "x" for entry in text)
    role, other = (f"arn:aws:iam::111122223333:role/{entry}" for entry in (text, harmless))
    page = page_of(report_with(text, role))
    page.encode()
    read_back = read(page)
    assert shape(read_back) == shape(read(page_of(report_with(harmless, other))))
    assert not [element for element in read_back.all() if "src" in element.attributes]
    assert {element["href"][0] for element in read_back.all("a")} == {"#"}


@settings(max_examples=examples(50), deadline=None)
@given(HOSTILE)
def test_every_text_can_be_read(text: str) -> None:
    """Every text is visible, at least in a tooltip if it was shortened; control characters are shown as codes."""
    page = read(page_of(report_with(f"x{text}", "r")))
    assert plain(shortened(f"x{text}")) in page.all("ul", "bad")[0].text
    whole = {element.attributes.get("title") for element in page.all()}
    assert len(text) < 80 or plain(f"x{text}") in whole
    assert not {"\u202e", "\x00", "\ud800"} & set(page.text)


_WHEN = st.datetimes(timezones=st.just(UTC), allow_imaginary=False)
_NUMBER = st.integers(min_value=0, max_value=10**15)


@settings(max_examples=examples(100), deadline=None)
@given(st.lists(st.tuples(_WHEN, _NUMBER, _NUMBER, _NUMBER), max_size=30))
def test_every_time_and_number_can_be_drawn(hours: list[tuple[datetime, int, int, int]]) -> None:
    """Any time and number can be drawn, and no shape leaves its plot."""
    page = read(page_of(report_of(answer("timeline", *sorted(hours)), first=START)))
    for plot in page.all("svg", "plot"):
        for column in plot.all("rect", "fill"):
            left, width = (float(column[name].removesuffix("%")) for name in ("x", "width"))
            assert 0 <= left <= left + width <= 100.02
            assert float(column["y"]) >= 7.9
