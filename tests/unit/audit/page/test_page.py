"""The HTML page of the audit report: sections in order, findings in words, and nothing that loads or runs."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from dsops.audit.page import page_of
from dsops.audit.page.page import POLICY
from dsops.audit.page.style import DARK, LIGHT, SHADES, STYLE
from dsops.audit.page.unusual import command_for
from dsops.audit.report import Answer, AuditReport
from dsops.errors import DsopsError
from tests.markup import Node, read
from tests.reports import ACCOUNTS, BOUNDARY, END, PEOPLE, ROLES, START, answer, busy_report, empty_report, report_of
from tests.unit.graph.test_svg import contrast

SECTIONS = (
    "Needs attention",
    "What was read",
    "What is unusual",
    "Failures",
    "Session durations",
    "Principals",
    "Cross-account access",
    "Throttling",
    "Cost drivers",
    "Summary",
)


def section(report: AuditReport, identity: str) -> Node:
    """Return one section of the report's page."""
    (matching_section,) = [
        element for element in read(page_of(report)).all("section") if element.attributes.get("id") == identity
    ]
    return matching_section


def only(*answers: Answer) -> AuditReport:
    """Return a report with these answers only."""
    return replace(report_of(), answers=answers)


def test_sections_stand_in_order() -> None:
    """The report page has its sections in order, each with a link.

    The order is: attention, read, unusual, metrics, costs, summary.
    """
    page = read(page_of(busy_report()))
    assert tuple(element.text for element in page.all("h2")) == SECTIONS
    assert tuple(element.text for element in page.one("nav").all("a")) == (SECTIONS[0], *SECTIONS[2:])
    identities = [element["id"] for element in page.all() if "id" in element.attributes]
    assert len(set(identities)) == len(identities)
    assert {element["href"].removeprefix("#") for element in page.all("a")} <= set(identities)


def test_headings_are_never_skipped() -> None:
    """The report page has one h1, and no heading skips a level, so a screen reader can walk through them."""
    levels = [
        int(element.tag[1]) for element in read(page_of(busy_report())).all() if re.fullmatch("h[1-6]", element.tag)
    ]
    assert levels.count(1) == 1
    assert all(below <= above + 1 for above, below in pairwise(levels))


class TestRead:
    """The section that describes which logs were read."""

    def test_everything_is_counted(self) -> None:
        """The section on what was read counts calls, copies, files and skipped files, and names period and folders."""
        part = section(busy_report(), "read")
        assert [element.text for element in part.all("dd")] == [
            "52,310 580 more records are copies",
            "168",
            "14 elements that are no records",
            "2 named below",
        ]
        assert [element.text for element in part.one("p", "notes").all("code")] == [
            "logs/organisation",
            "logs/eu-central-1",
        ]
        assert read(page_of(busy_report())).one("p", "period").text == "2026-11-13 06:00:00 to 2026-11-20 05:59:58 UTC"

    def test_files_that_could_not_be_read_are_named(self) -> None:
        """The section on what was read lists unreadable files with their reasons, but only the first of very many.

        If all files could be read, there is no list.
        """
        part = section(busy_report(), "read").one("div", "warning")
        assert part.all("li")[1].text == "logs/organisation/2026/11/17/secret.json: permission denied"
        many = section(report_of(unreadable=(("a", "b"),) * 1000), "read").one("div", "warning")
        assert (len(many.all("li")), many.one("p", "more").text) == (20, "980 more files: --json has all.")
        assert not section(report_of(), "read").all("div", "warning")

    def test_since_is_told_where_it_was_asked(self) -> None:
        """If `--since` was given, the section on what was read shows it, because it limits every section."""
        assert "Reported are calls since 2026-11-13 06:00:00." in section(report_of(since=START), "read").text
        assert "since" not in section(report_of(), "read").text


class TestUnusual:
    """The section on unusual events."""

    def test_each_kind_says_what_it_means_and_what_is_next(self) -> None:
        """Each of nine kinds of unusual findings has an explanation, a next step and a link in the summary list."""
        part = section(busy_report(), "unusual")
        assert part.one("p", "lead").text == "9 things to look at"
        assert [element.text for element in part.one("ul", "links").all("a")] == [
            "2 principals new on a role",
            "1 pair of accounts new",
            "1 address new for a principal",
            "2 users without MFA where others have it",
            "1 role assumed from outside without an external ID",
            "3 denials that repeat",
            "1 role with sessions used to the last minute",
            "2 roles with sessions used for seconds",
            "3 chains of three or more hops",
        ]
        items = part.all("section", "item")
        assert [item.one("h3").text for item in items] == [element.text for element in part.one("ul", "links").all("a")]
        assert all(item.one("p", "next").text.startswith("Next: ") for item in items)
        assert all(item.one("table").all("td") for item in items)
        assert not part.all("ul", "well")

    def test_what_is_well_is_one_line_each(self) -> None:
        """A kind of finding that did not occur takes one line, not an empty table."""
        part = section(report_of(), "unusual")
        assert part.one("p", "lead").text == "Nothing."
        assert len(part.one("ul", "well").all("li")) == 9
        assert not part.all("table")

    def test_what_is_new_is_not_known_without_something_older(self) -> None:
        """If the logs begin at the boundary, the section says that new principals are `unknown`."""
        part = section(report_of(first=BOUNDARY), "unusual")
        (first, second, third) = part.all("li", "unknown")
        assert first.text.startswith("Which principals are new can't be told: no call before 2026-11-19")
        assert second.text.startswith("Which pairs of accounts are new can't be told")
        assert third.text.startswith("Which addresses are new can't be told")
        assert not section(report_of(first=BOUNDARY - timedelta(seconds=1)), "unusual").all("li", "unknown")

    def test_a_principal_in_two_rows_is_counted_once(self) -> None:
        """A principal that is new on two roles is counted once in the heading and has a table row for each role."""
        rows = ((ROLES[0], PEOPLE[0], 1, 0, 2), (ROLES[1], PEOPLE[0], 1, 0, 2))
        item = section(report_of(answer("without-mfa", *rows)), "unusual").one("section", "item")
        assert (item.one("h3").text, len(item.one("tbody").all("tr"))) == ("1 user without MFA where others have it", 2)
        new = ((ROLES[0], PEOPLE[0], 1, END), (ROLES[1], PEOPLE[0], 1, END), (ROLES[1], PEOPLE[1], 1, END))
        item = section(report_of(answer("new-principals", *new)), "unusual").one("section", "item")
        assert (item.one("h3").text, len(item.one("tbody").all("tr"))) == ("2 principals new on a role", 3)

    def test_many_rows_are_folded_and_then_cut(self) -> None:
        """Of many rows, ten are visible, fifty are on the page (folded), and the rest is given as a number."""
        rows = [(f"user {index}", "s3", "PutObject", "", "AccessDenied", 3, START, END) for index in range(60)]
        item = section(report_of(answer("denials", *rows)), "unusual").one("section", "item")
        assert [len(element.all("tr")) for element in item.all("tbody")] == [10, 40]
        assert item.one("summary").text == "Rows 11 to 50 of 60"
        assert item.one("p", "more").text == "10 more rows: --json has all."
        few = section(report_of(answer("denials", *rows[:10])), "unusual").one("section", "item")
        assert not few.all("details")

    def test_a_denial_names_the_command_that_helps(self) -> None:
        """A denial names the `dsops help` topic of its service, which exists."""
        assert command_for("sts") == "dsops help sts.access-denied"
        assert command_for("ssm") == command_for("secretsmanager") == "dsops help secret.access-denied"
        assert command_for("s3") == "dsops explain --message FILE"
        codes = {error_class.code for error_class in _all(DsopsError)}
        assert {command_for(service).split()[-1] for service in ("sts", "ssm")} <= codes

    def test_without_a_call_there_is_nothing_to_say(self) -> None:
        """A report on logs without calls says that there were no calls, rather than that nothing is unusual."""
        assert section(empty_report(), "unusual").one("p").text == "There was no call to look at."


def _all(kind: type[DsopsError]) -> set[type[DsopsError]]:
    return {kind}.union(*(_all(subclass) for subclass in kind.__subclasses__()))


class TestMetrics:
    """The sections of the four metrics, costs and summary."""

    def test_failures_are_a_share_a_timeline_and_bars(self) -> None:
        """Failures are shown as a share, a timeline of two plots on one axis, and bars by role and code."""
        part = section(busy_report(), "failures")
        assert part.one("p", "lead").text == "73 of 2,674 requests for a session failed: 2.7 %."
        assert [element.one("figcaption").text for element in part.all("figure")] == [
            "Sessions granted per 2 hours, 13 Nov 2026 to 20 Nov 2026",
            "Requests that failed per 2 hours, 13 Nov 2026 to 20 Nov 2026",
        ]
        assert [element.text for element in part.one("ul", "bars").all("b")] == ["41", "17", "9", "4", "2"]

    def test_sessions_are_counted_by_whichever_question_was_asked(self) -> None:
        """Session requests are counted by `failures` or `timeline`, so that failures are not shown as 100 %."""
        answers = (
            answer("failures", (ROLES[0], "AccessDenied", 1, 1, START, END)),
            answer("timeline", (START, 3, 1, 1)),
        )
        part = section(only(*answers), "failures")
        assert part.one("p", "lead").text == "1 of 4 requests for a session failed: 25 %."
        part = section(only(answers[1]), "failures")
        assert part.one("p", "lead").text == "1 of 4 requests for a session failed: 25 %."

    def test_without_a_failure_that_is_said(self) -> None:
        """If there were no failures, the section on failures says so and draws no plot."""
        report = report_of(answer("timeline", (START, 3, 0, 1)), answer("durations", (ROLES[0], 3, 0, 900, 900, 1, 1)))
        part = section(report, "failures")
        assert part.one("p", "lead").text == "Every request for a session was granted."
        assert len(part.all("figure")) == 1
        assert not part.all("ul")

    def test_hours_far_away_are_not_drawn_and_told(self) -> None:
        """Hours far from all others (a record of 1970) are counted but not drawn, and a note says so."""
        hours = [(START + timedelta(hours=hour), 1, 0, 1) for hour in range(20)]
        part = section(report_of(answer("timeline", (START.replace(year=1970), 1, 0, 1), *hours)), "failures")
        assert part.all("p", "more")[0].text == "2 hours far from all others: not drawn."
        assert "per hour" in part.one("figcaption").text

    def test_durations_are_used_against_asked(self) -> None:
        """Durations are a sentence and a bar for each role: the time used as a share of the time requested."""
        part = section(busy_report(), "durations")
        assert part.one("p", "lead").text == (
            "36 of 2,601 sessions were never used: 1.4 %. The busiest role asks for 1 h and uses 11 min 52 s."
        )
        assert [element.text for element in part.one("ul", "uses").all("b")] == [
            "11 min 52 s",
            "14 s",
            "1 h 46 min",
            "3 s",
            "11 h 21 min",
            "never used",
        ]
        assert part.all("span", "value")[0].one("small").text == "of 1 h, 1,411 sessions"

    def test_principals_are_counted_by_role(self) -> None:
        """Each principal is counted once in the total; bars show the principals of each role."""
        part = section(busy_report(), "principals")
        assert part.one("p", "lead").text == "6 principals asked for 6 roles."
        assert [element.text for element in part.one("ul", "bars").all("b")] == ["6", "5", "4", "3", "2", "1"]

    def test_accounts_are_pairs(self) -> None:
        """The section on accounts counts calls between accounts, pairs of accounts, and accounts."""
        part = section(busy_report(), "accounts")
        assert part.one("p", "lead").text == (
            "2,495 requests from one account to another: 4 pairs, from 2 accounts to 4 accounts."
        )
        single = report_of(answer("accounts", (ACCOUNTS[0], ACCOUNTS[1], 1, 0, 1, 1, START, END)))
        assert section(single, "accounts").one("p", "lead").text == (
            "1 request from one account to another: 1 pair, from 1 account to 1 account."
        )

    def test_costs_are_events_and_what_the_cache_saved(self) -> None:
        """The costs section shows events by category and service.

        It also shows the calls that the cache saved, which only dsops' own trail records.
        """
        part = section(busy_report(), "costs")
        assert part.one("p", "lead").text == "Events by category: 33,113 Data, 19,197 Management."
        assert "5,431 calls did not have to be made." in part.text
        assert "only dsops' own trail counts" in section(report_of(), "costs").text

    @pytest.mark.parametrize(("by", "head"), [("role", "Role"), ("principal", "Principal"), ("account", "Accounts")])
    def test_the_summary_is_by_what_was_asked(self, by: str, head: str) -> None:
        """The summary's caption and column name what it is grouped by."""
        report = report_of(answer("summary", ("x", 2, 1, 1, 1, 1, 900, None, START, END)), by=by)
        part = section(report, "summary")
        assert (part.one("caption").text, part.all("th")[0].text) == (f"Requests for sessions by {by}", head)

    def test_what_was_not_asked_is_left_out(self) -> None:
        """A question that the report does not answer has no section.

        An empty section would look as if all were well.
        """
        report = only(answer("failures"))
        page = read(page_of(report))
        assert [element.text for element in page.all("h2")] == ["What was read", "What is unusual", "Failures"]
        assert "does not include these questions" in section(report, "unusual").text

    def test_empty_sections_are_one_line(self) -> None:
        """A section without data is one line, without table, plot or empty paragraph."""
        page = read(page_of(empty_report()))
        assert not page.all("table")
        assert not page.all("svg")
        assert all(element.text for element in page.all("p"))


class TestAlone:
    """The page is self-contained and runs no code."""

    def test_the_policy_comes_before_everything_it_forbids(self) -> None:
        """The page's Content-Security-Policy precedes all elements that it restricts: loads, scripts, forms, base."""
        head = read(page_of(busy_report())).one("head")
        first = head.all("meta")[1]
        assert (first["http-equiv"], first["content"]) == ("Content-Security-Policy", POLICY)
        assert head.all()[:2] == head.all("meta")[:2]
        assert POLICY.startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:")

    def test_nothing_is_named_that_could_be_loaded(self) -> None:
        """The report page has no script and no URL except links within the page and an empty icon."""
        text = page_of(busy_report())
        page = read(text)
        assert not page.all("script")
        assert {name for element in page.all() for name in element.attributes} & {
            "src",
            "srcset",
            "style",
            "action",
        } == set()
        assert {element["href"][:1] for element in page.all("a")} == {"#"}
        assert [element["href"] for element in page.all("link")] == ["data:,"]
        assert not re.search(r"https?:|//|url\(|@import|@font-face", text)

    def test_it_is_small_and_the_same_each_time(self) -> None:
        """Ten thousand rows of each kind give a page under 1 MB, and equal input gives an equal page."""
        assert page_of(busy_report()) == page_of(busy_report())
        some = [some_answer for some_answer in busy_report().answers if some_answer.rows]
        large = report_of(
            *(answer(some_answer.question, *(some_answer.rows * 10_000)[:10_000]) for some_answer in some)
        )
        assert len(page_of(large).encode()) < 1_000_000

    def test_colours_can_be_told_apart(self) -> None:
        """Text has a contrast of 7:1 and shapes 3:1, in light and dark mode (WCAG 2.2, 1.4.6 and 1.4.11)."""
        for palette in (LIGHT, DARK):
            for ground in ("paper", "box"):
                for text in ("ink", "soft", "link"):
                    assert contrast(palette[text], palette[ground]) >= 7, (text, ground)
                for shape in ("fill", "bad", "edge"):
                    assert contrast(palette[shape], palette[ground]) >= 3, (shape, ground)
            for shade in SHADES:
                assert contrast(palette["ink"], palette[shade]) >= 7, shade
        assert set(re.findall(r"var\(--(\w+)\)", STYLE)) == set(LIGHT) == set(DARK)
