"""Renders the whole page: a head whose security policy allows only its own style, then the sections in order.

The first section contains what needs attention, because many readers read only that.
"""

from __future__ import annotations

from dsops.audit.cloudtrail.findings import (
    REVOKE_DOES,
    ReportFinding,
    can_be_judged,
    finding_counts,
    group_findings,
    is_new_unknown,
    make_findings,
    nothing_found,
)
from dsops.audit.page.formatting import LONGEST_PATH, count, counted, moment, name
from dsops.audit.page.markup import Markup, element, joined, told
from dsops.audit.page.sections import SECTIONS
from dsops.audit.page.style import STYLE
from dsops.audit.page.unusual import unusual
from dsops.audit.report import AuditReport

POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'"
"""The content security policy: nothing may be loaded or run, whatever a log contains; `data:` is for the empty icon."""

_MOST_UNREADABLE = 20


def page_of(report: AuditReport) -> str:
    """Render the HTML file. Equal reports give equal files, since no clock is read."""
    sections = [
        section for section in SECTIONS if any(report.answer(question) is not None for question in section.questions)
    ]
    first = (_section("attention", "Needs attention", _attention(report)),) if can_be_judged(report) else ()
    links = [
        *([("attention", "Needs attention")] if first else []),
        ("unusual", "What is unusual"),
        *((section.identity, section.heading) for section in sections),
    ]
    content = [
        element("header", element("h1", "Who assumed what"), _period(report)),
        element("nav", *(element("a", text, href=f"#{identity}") for identity, text in links), aria_label="Sections"),
        *first,
        _section("read", "What was read", _read(report)),
        _section("unusual", "What is unusual", unusual(report)),
        *(_section(section.identity, section.heading, section.make(report)) for section in sections),
        element("footer", element("p", told("Made by `dsops audit report --html`. All times are UTC."))),
    ]
    head = element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("meta", name="referrer", content="no-referrer"),
        element("link", rel="icon", href="data:,"),
        element("title", "Who assumed what: dsops audit report"),
        element("style", Markup(STYLE)),
    )
    body = element("body", element("main", joined(content, Markup("\n"))))
    return f"<!DOCTYPE html>\n{element('html', head, Markup(chr(10)), body, lang='en')}\n"


def _section(identity: str, heading: str, content: Markup) -> Markup:
    return element(
        "section",
        element("h2", heading, id=f"{identity}-heading"),
        content,
        id=identity,
        aria_labelledby=f"{identity}-heading",
    )


def _period(report: AuditReport) -> Markup:
    if report.first is None or report.last is None:
        return element("p", "No call was read.", class_="period")
    return element("p", moment(report.first), " to ", moment(report.last), " UTC", class_="period")


def _read(report: AuditReport) -> Markup:
    copies = report.records - report.calls
    facts: list[tuple[str, str]] = [
        ("Calls", joined([count(report.calls), *_small(f"{count(copies)} more records are copies", copies > 0)])),
        *([] if report.files is None else [("Files", count(report.files))]),
        ("Skipped", joined([count(report.skipped), *_small("elements that are no records", report.skipped > 0)])),
        ("Unreadable", joined([count(len(report.unreadable)), *_small("named below", bool(report.unreadable))])),
    ]
    tiles = [element("div", element("dt", label), element("dd", value)) for label, value in facts]
    sources = joined([element("code", name(source, LONGEST_PATH)) for source in report.sources], ", ")
    notes = [joined(["Read from ", sources, "."])]
    if report.since is not None:
        notes.append(joined(["Reported are calls since ", moment(report.since), "."]))
    if report.match:
        notes.append(joined(["Shown are rows that contain ", element("code", name(report.match)), "."]))
    if report.boundary is not None:
        notes.append(joined(["New is what was not there before ", moment(report.boundary), "."]))
    return joined(
        [
            element("dl", *tiles, class_="tiles"),
            element("p", joined(notes, " "), class_="notes"),
            _unreadable(report.unreadable),
        ]
    )


def _small(words: str, is_said: bool) -> tuple[Markup, ...]:  # noqa: FBT001 (both are one fact)
    return (Markup(" "), element("small", words)) if is_said else ()


def _unreadable(files: tuple[tuple[str, str], ...]) -> Markup:
    if not files:
        return Markup()
    items = [
        element("li", element("code", name(path, LONGEST_PATH)), ": ", name(why, LONGEST_PATH))
        for path, why in files[:_MOST_UNREADABLE]
    ]
    rest = len(files) - len(items)
    more = element("p", told(f"{counted(rest, 'more file')}: `--json` has all."), class_="more")
    return element(
        "div",
        element("h3", f"{counted(len(files), 'file')} could not be read, so the figures may be too low"),
        element("ul", *items),
        more if rest > 0 else Markup(),
        class_="warning",
    )


def _attention(report: AuditReport) -> Markup:
    """Render the findings; without findings, say so."""
    findings = make_findings(report)
    lead = f"{finding_counts(findings)}." if findings else nothing_found(report)
    parts = [element("p", lead, class_="lead")]
    if is_new_unknown(report) and report.calls:
        words = "Which principals, accounts and addresses are new is unknown: these logs have no earlier call."
        parts.append(element("p", words, class_="notes"))
    items: list[Markup] = []
    for group in group_findings(report, findings):
        items += [_item(finding) for finding in group.findings]
        if group.others:
            words = f"{counted(group.others, 'more finding')} of this kind: "
            items.append(element("li", words, element("code", group.look), class_="others"))
    return joined([*parts, *([element("ul", *items, class_="findings")] if items else [])])


def _item(finding: ReportFinding) -> Markup:
    revocation = (
        [element("dt", "If not intended"), element("dd", element("code", finding.revoke), " ", told(REVOKE_DOES))]
        if finding.revoke
        else []
    )
    return element(
        "li",
        element("b", finding.severity, class_="severity"),
        element(
            "div",
            element("p", element("b", finding.what)),
            element("p", told(finding.why)),
            element("dl", element("dt", "Look closer"), element("dd", element("code", finding.look)), *revocation),
        ),
        class_=finding.severity,
    )
