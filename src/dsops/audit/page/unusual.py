"""Renders the unusual findings of a report: what was found, what it means, and what to do next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

from dsops.audit.page.chains import chains, path_markup
from dsops.audit.page.formatting import count, counted, moment, name, number_of, text_of
from dsops.audit.page.markup import Markup, element, joined, told
from dsops.audit.page.table import MOST_ROWS, Records, more, table
from dsops.audit.report import AuditReport

MOST_SHOWN = 10
"""Maximum number of rows of one kind that are visible at once; further rows are collapsed, up to a table's limit."""


class _Kind(NamedTuple):
    """One kind of finding; backticks mark code in its texts."""

    question: str
    heading: Callable[[int], str]
    """Returns the heading for a given number of findings."""
    means: str
    next: str
    columns: tuple[str, ...]
    well: str
    """The sentence that the page shows if there is no finding of this kind."""
    labels: Mapping[str, str] = {}
    """Column headings that only this table uses."""
    is_new: bool = False
    """Whether the findings are about something new: it does not occur in any call before the report's boundary."""


_KINDS = (
    _Kind(
        "new-principals",
        lambda number: f"{counted(number, 'principal')} new on a role",
        "Others had sessions of that role before, and they had none.",
        "ask the role's owner whether that is intended. If not, remove them from its trust policy. For the "
        "sessions that they have, `dsops revoke ROLE_ARN` prints a policy. With `--apply` it attaches that, which "
        "denies all older sessions of that role, those of other principals too.",
        ("role", "principal", "sessions", "first"),
        "No principal is new on a role.",
        is_new=True,
    ),
    _Kind(
        "new-accounts",
        lambda number: f"{counted(number, 'pair')} of accounts new",
        "No caller of the first account had requested a role of the second one before.",
        "read the trust policies of the second account. `dsops policy check FILE` finds callers that one admits by "
        "mistake.",
        ("from_account", "to_account", "calls", "failures", "first"),
        "No pair of accounts is new.",
        is_new=True,
    ),
    _Kind(
        "new-addresses",
        lambda number: f"{counted(number, 'address', 'addresses')} new for a principal",
        "The principal had requested sessions before, and never from this address.",
        "ask the principal's owner whether the machine or network is theirs. If not, deactivate the access key, or "
        "end the sessions of the role: `dsops revoke ROLE_ARN` prints a policy that denies all older sessions of the "
        "role, those of other principals too.",
        ("principal", "address", "calls", "failures", "known", "first"),
        "No principal requested a session from a new address.",
        {"address": "Address", "known": "Addresses before"},
        is_new=True,
    ),
    _Kind(
        "without-mfa",
        lambda number: f"{counted(number, 'user')} without MFA where others have it",
        "The role does not require a second factor: other users have one, and these do not.",
        "let the trust policy require `aws:MultiFactorAuthPresent`, and set `serial_number` on the stores of the users "
        "without it.",
        ("role", "principal", "calls", "with_mfa", "others"),
        "No user is without MFA where others have it.",
        {"calls": "Calls without"},
    ),
    _Kind(
        "without-external-id",
        lambda number: f"{counted(number, 'role')} assumed from outside without an external ID",
        "There are no logs of the calling account here. If it is a service provider's, another customer of the "
        "provider may get into the role through it.",
        "let the trust policy require `sts:ExternalId` for an account that is not yours, and give the value to its "
        "owner. An account of your own needs none: add its logs to the report.",
        ("role", "from_account", "calls", "principals", "first", "last"),
        "No account without logs here assumes a role without an external ID.",
    ),
    _Kind(
        "denials",
        lambda number: f"{counted(number, 'denial')} that {'repeats' if number == 1 else 'repeat'}",
        "The same principal was refused the same call at least three times: a program keeps requesting what it "
        "may not do.",
        "`dsops explain STORE` tries a chain and names the policy that denies it; `dsops explain --message FILE` reads "
        "the message that another program got. A caller that you do not know may be probing for permissions.",
        ("principal", "call", "role", "calls", "last", "help"),
        "No denial repeats.",
        {"call": "Call", "help": "What helps", "calls": "Times"},
    ),
    _Kind(
        "long-use",
        lambda number: f"{counted(number, 'role')} with sessions used to the last minute",
        "Work may have been cut off, or had to go on with new credentials: a longer duration would do.",
        "raise `duration_seconds` on the store, up to what the role allows; a role that is assumed from another "
        "session gives an hour at most.",
        ("role", "sessions", "used", "asked_max"),
        "No session is used to its last minute.",
        {"sessions": "To the last minute", "used": "Of used sessions", "asked_max": "Longest asked for"},
    ),
    _Kind(
        "short-use",
        lambda number: f"{counted(number, 'role')} with sessions used for seconds",
        "They stay valid long after the work is done, also for an attacker: a shorter duration would do.",
        "set `duration_seconds: 900`, the shortest that AWS gives, on the store.",
        ("role", "sessions", "used", "asked_median", "used_max"),
        "No role has sessions much longer than they are used.",
        {"sessions": "For seconds", "used": "Of used sessions", "asked_median": "Asked for"},
    ),
    _Kind(
        "chains",
        lambda number: f"{counted(number, 'chain')} of three or more hops",
        "Each hop hides the caller before it: what the last role does is recorded under its own name.",
        "`dsops audit report LOGS --session KEY` says who is behind a session. Set `source_identity` on the first hop, "
        "so that every record names the first caller, and remove hops that are not needed.",
        ("path", "hops", "sessions", "first", "last"),
        "No chain has three hops or more.",
    ),
)


def unusual(report: AuditReport) -> Markup:
    """Render a section for each kind with findings, then a list of the kinds without findings."""
    sections: list[Markup] = []
    links: list[Markup] = []
    well: list[Markup] = []
    for kind in _KINDS:
        answer = report.answer(kind.question)
        if answer is None:
            continue
        records = answer.records()
        if records:
            links.append(element("li", element("a", _heading(kind, records), href=f"#{_identity(kind)}")))
            sections.append(_item(kind, records, report))
        else:
            well.append(_no_findings_text(kind, report))
    if not sections and not well:
        return element("p", "This report does not include these questions.")
    if not report.calls:
        return element("p", "There was no call to look at.")
    lead = f"{counted(len(sections), 'thing')} to look at" if sections else "Nothing."
    lists = element("ul", *well, class_="well") if well else Markup()
    listed = element("ul", *links, class_="links") if links else Markup()
    return joined([element("p", lead, class_="lead"), listed, *sections, lists])


def _no_findings_text(kind: _Kind, report: AuditReport) -> Markup:
    """Return the sentence for a kind without findings.

    If the report has no call before the boundary, the sentence says that new findings can't be determined.
    """
    if kind.is_new and report.boundary is not None and (report.first is None or report.first >= report.boundary):
        noun = {"new-principals": "principals", "new-accounts": "pairs of accounts"}.get(kind.question, "addresses")
        words = f"Which {noun} are new can't be told: no call before ", moment(report.boundary), " was read."
        return element("li", *words, class_="unknown")
    return element("li", kind.well)


def _identity(kind: _Kind) -> str:
    return f"unusual-{kind.question}"


def _item(kind: _Kind, records: list[Mapping[str, object]], report: AuditReport) -> Markup:
    before = (
        joined([" Compared with what was before ", moment(report.boundary), "."])
        if kind.is_new and report.boundary is not None
        else Markup()
    )
    return element(
        "section",
        element("h3", _heading(kind, records), id=_identity(kind)),
        element("p", told(kind.means), before),
        element("p", element("b", "Next: "), told(kind.next), class_="next"),
        chains(records) if kind.question == "chains" else Markup(),
        *_tables(kind, records),
        class_="item",
    )


def _tables(kind: _Kind, records: Records) -> Iterator[Markup]:
    """Yield a table of the first rows, a collapsed table of further rows, and the number of the remaining rows."""
    first_records, folded = records[:MOST_SHOWN], records[MOST_SHOWN:MOST_ROWS]
    yield table(_heading(kind, records), kind.columns, _prepared(kind, first_records), kind.labels)
    if folded:
        words = f"Rows {MOST_SHOWN + 1} to {MOST_SHOWN + len(folded)} of {count(len(records))}"
        yield element(
            "details", element("summary", words), table(words, kind.columns, _prepared(kind, folded), kind.labels)
        )
    yield more(len(records) - MOST_ROWS)


def _heading(kind: _Kind, records: Records) -> str:
    """Return the heading with the number of findings; a principal with several rows is counted once."""
    if kind.question in {"new-principals", "without-mfa"}:
        return kind.heading(len({text_of(row["principal"]) for row in records}))
    return kind.heading(len(records))


def _prepared(kind: _Kind, records: Records) -> Records:
    """Return the rows for display, with the next command added, and with paths split into hops."""
    make = {"denials": _denial, "chains": _chain}.get(kind.question)
    return [make(row) if make is not None else row for row in records]


def _denial(row: Mapping[str, object]) -> Mapping[str, object]:
    call = name(f"{text_of(row['service'])}:{text_of(row['name'])}")
    code = element("small", name(text_of(row["code"])))
    return {**row, "call": joined([call, " ", code]), "help": element("code", command_for(text_of(row["service"])))}


def _chain(row: Mapping[str, object]) -> Mapping[str, object]:
    return {**row, "path": path_markup(text_of(row["path"]), number_of(row["hops"]))}


def command_for(service: str) -> str:
    """Return the `dsops` command that explains a denial by that service."""
    if service == "sts":
        return "dsops help sts.access-denied"
    if service in {"secretsmanager", "ssm"}:
        return "dsops help secret.access-denied"
    return "dsops explain --message FILE"
