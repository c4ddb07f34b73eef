"""The sections of the page: four metrics with plots, then throttling, costs and the summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

from dsops.audit.page.formatting import count, counted, duration, name, number_of, share, shortened, text_of
from dsops.audit.page.markup import Markup, element, joined
from dsops.audit.page.pairs import pairs
from dsops.audit.page.plots import MOST_BARS, Bar, Use, bars, timeline, uses
from dsops.audit.page.scale import bins_of, span_words, step_words, usual_span
from dsops.audit.page.table import Records, folded, table
from dsops.audit.report import AuditReport

_Record = Mapping[str, object]


class Section(NamedTuple):
    """A section of the page."""

    identity: str
    heading: str
    questions: tuple[str, ...]
    """The questions whose answers the section shows; the section is left out if none of them is in the report."""
    make: Callable[[AuditReport], Markup]


def records_of(report: AuditReport, question: str) -> list[_Record]:
    """Return the rows of an answer; [] if the report lacks that question."""
    answer = report.answer(question)
    return answer.records() if answer is not None else []


def _total(records: Records, column: str) -> int:
    return sum(number_of(row[column]) for row in records)


def _lead(*words: str) -> Markup:
    return element("p", *words, class_="lead")


def _failures(report: AuditReport) -> Markup:
    hours, rows = records_of(report, "timeline"), records_of(report, "failures")
    # If the report lacks `failures` or `durations`, the number is taken from the timeline.
    failures = _total(hours if report.answer("failures") is None else rows, "failures")
    sessions = _total(hours if report.answer("durations") is None else records_of(report, "durations"), "sessions")
    attempts = failures + sessions
    if not failures:
        lead = _lead("Every request for a session was granted." if attempts else "No session was requested.")
    else:
        of = counted(attempts, "request")
        lead = _lead(f"{count(failures)} of {of} for a session failed: {share(failures, attempts)}.")
    parts = [lead, _timelines(hours)]
    if rows:
        drawn_rows = [
            Bar(
                joined([name(text_of(row["role"])), _second_line(row["code"])]),
                number_of(row["failures"]),
                counted(number_of(row["principals"]), "principal"),
            )
            for row in rows[:MOST_BARS]
        ]
        columns = ("role", "code", "failures", "principals", "first", "last")
        parts += [
            element("h3", "By role and code"),
            bars(drawn_rows, "failures", "bad", of=len(rows)),
            folded("Failures by role and code", columns, rows),
        ]
    return joined(parts)


def _timelines(hours: Records) -> Markup:
    """Draw two plots over the same time axis: granted requests and failed requests."""
    times = [(row["hour"], row) for row in hours if isinstance(row["hour"], datetime)]
    span = usual_span([time for time, _ in times])
    if span is None:
        return Markup()
    drawn = [(time, row) for time, row in times if span[0] <= time <= span[1]]
    bins = bins_of(time for time, _ in drawn)
    figures = []
    for column, title, kind in (("sessions", "Sessions granted", ""), ("failures", "Requests that failed", "bad")):
        values = bins.sums((time, number_of(row[column])) for time, row in drawn)
        if any(values):
            words = f" per {step_words(bins)}, {span_words(bins)}"
            plot = timeline(f"plot-{column}", title, bins, values, kind)
            figures.append(element("figure", element("figcaption", element("b", title), words), plot))
    rest = len(times) - len(drawn)
    words = f"{counted(rest, 'hour')} far from all others: not drawn."
    under = element("p", words, class_="more") if rest else Markup()
    return joined([element("div", *figures, class_="figures"), under])


def _durations(report: AuditReport) -> Markup:
    rows = records_of(report, "durations")
    sessions, unused = _total(rows, "sessions"), _total(rows, "unused")
    if not rows:
        return _lead("There was no session.")
    used = _number_or_none(rows[0]["used_median"]), _number_or_none(rows[0]["asked_median"])
    all_of = counted(sessions, "session")
    words = f"{count(unused)} of {all_of} {'was' if unused == 1 else 'were'} never used: {share(unused, sessions)}."
    lead = words if unused else f"Every one of {all_of} was used."
    if used[0] is not None and used[1] is not None:
        lead += f" The busiest role asks for {duration(used[1])} and uses {duration(used[0])}."
    drawn_rows = [
        Use(
            name(text_of(row["role"])),
            _number_or_none(row["asked_median"]),
            _number_or_none(row["asked_max"]),
            _number_or_none(row["used_median"]),
            _number_or_none(row["used_max"]),
            counted(number_of(row["sessions"]), "session"),
        )
        for row in rows[:MOST_BARS]
    ]
    keys = (
        ("fill", "used by the usual session (median)"),
        ("track", "asked for by the usual session"),
        ("mark", "longest use, of the longest asked for"),
    )
    legend = element(
        "ul", *(element("li", element("span", class_=f"key {kind}"), words) for kind, words in keys), class_="legend"
    )
    columns = ("role", "sessions", "unused", "asked_median", "asked_max", "used_median", "used_max")
    return joined(
        [
            _lead(lead),
            element("h3", "How much of a session is used"),
            element("p", "Use ends with the last call."),
            legend,
            uses(drawn_rows, of=len(rows)),
            folded("Session durations by role", columns, rows),
        ]
    )


def _number_or_none(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _principals(report: AuditReport) -> Markup:
    rows = records_of(report, "principals")
    if not rows:
        return _lead("No session was requested.")
    by_role = Counter(text_of(row["role"]) for row in rows)
    number_of_principals = len({text_of(row["principal"]) for row in rows})
    largest = sorted(by_role.items(), key=lambda pair: (-pair[1], pair[0]))
    drawn_rows = [Bar(name(role), number) for role, number in largest[:MOST_BARS]]
    columns = ("role", "principal", "sessions", "failures", "first", "last")
    return joined(
        [
            _lead(f"{counted(number_of_principals, 'principal')} asked for {counted(len(by_role), 'role')}."),
            element("h3", "Principals by role"),
            bars(drawn_rows, "principals", of=len(largest)),
            folded("Principals by role", columns, rows),
        ]
    )


def _accounts(report: AuditReport) -> Markup:
    rows = records_of(report, "accounts")
    if not rows:
        return _lead("No role was requested from another account.")
    sources = counted(len({row["from_account"] for row in rows}), "account")
    targets = counted(len({row["to_account"] for row in rows}), "account")
    crossed = counted(_total(rows, "calls"), "request")
    columns = ("from_account", "to_account", "calls", "failures", "principals", "roles", "first", "last")
    return joined(
        [
            _lead(f"{crossed} from one account to another: {counted(len(rows), 'pair')}, from {sources} to {targets}."),
            element("h3", "Calls by pair of accounts"),
            pairs(rows),
            folded("Calls by pair of accounts", columns, rows),
        ]
    )


def _throttling(report: AuditReport) -> Markup:
    rows = records_of(report, "throttling")
    if not rows:
        return _lead("AWS throttled no call.")
    drawn_rows = [
        Bar(joined([_operation(row), _second_line(row["code"])]), number_of(row["calls"])) for row in rows[:MOST_BARS]
    ]
    return joined(
        [
            _lead(
                f"AWS throttled {counted(_total(rows, 'calls'), 'call')}. Fewer of them at a time, or a cache, helps."
            ),
            bars(drawn_rows, "calls", "bad", of=len(rows)),
            folded("Calls that were throttled", ("service", "name", "code", "calls", "first", "last"), rows),
        ]
    )


def _second_line(value: object) -> Markup:
    """Markup for a second line below a bar's name."""
    return element("small", name(text_of(value)), class_="under")


def _operation(row: _Record) -> Markup:
    return element("code", name(f"{text_of(row['service'])}:{text_of(row['name'])}"))


def _costs(report: AuditReport) -> Markup:
    parts = []
    events = records_of(report, "events")
    if events:
        categories: Counter[str] = Counter()
        for row in events:
            categories[text_of(row["category"])] += number_of(row["calls"])
        words = ", ".join(f"{count(number)} {shortened(category)}" for category, number in categories.most_common(5))
        parts.append(_lead(f"Events by category: {words}."))
        parts.append(
            element("p", "The first copy of management events costs nothing; data events are charged by their number.")
        )
        drawn_rows = [
            Bar(joined([name(text_of(row["service"])), _second_line(row["category"])]), number_of(row["calls"]))
            for row in events[:MOST_BARS]
        ]
        parts += [
            element("h3", "Events by service and category"),
            bars(drawn_rows, "events", of=len(events)),
            folded("Events by service and category", ("category", "service", "calls"), events),
        ]
    else:
        parts.append(_lead("There was no event."))
    if report.answer("saved") is not None:
        parts.append(element("h3", "Calls saved by the cache"))
        parts.append(_saved(records_of(report, "saved")))
    return joined(parts)


def _saved(rows: Records) -> Markup:
    if not rows:
        return element("p", "None is recorded: only dsops' own trail counts calls that were not made.")
    drawn_rows = [Bar(element("code", name(text_of(row["name"]))), number_of(row["calls"])) for row in rows[:MOST_BARS]]
    words = f"{counted(_total(rows, 'calls'), 'call')} did not have to be made."
    return joined([element("p", words), bars(drawn_rows, "calls", of=len(rows))])


def _summary(report: AuditReport) -> Markup:
    rows = records_of(report, "summary")
    if not rows:
        return _lead("No session was requested.")
    columns = tuple("by calls sessions failures principals roles asked_median used_median first last".split())
    heads = {"role": "Role", "principal": "Principal", "account": "Accounts"}
    return table(f"Requests for sessions by {report.by}", columns, rows, labels={"by": heads.get(report.by, report.by)})


SECTIONS = (
    Section("failures", "Failures", ("failures", "timeline"), _failures),
    Section("durations", "Session durations", ("durations",), _durations),
    Section("principals", "Principals", ("principals",), _principals),
    Section("accounts", "Cross-account access", ("accounts",), _accounts),
    Section("throttling", "Throttling", ("throttling",), _throttling),
    Section("costs", "Cost drivers", ("events", "saved"), _costs),
    Section("summary", "Summary", ("summary",), _summary),
)
