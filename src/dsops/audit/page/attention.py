"""Renders the first section of the page: what needs attention, by severity, each with the command to paste."""

from __future__ import annotations

from dsops.audit.cloudtrail.findings import (
    REVOKE_DOES,
    ReportFinding,
    finding_counts,
    group_findings,
    is_new_unknown,
    make_findings,
    nothing_found,
)
from dsops.audit.page.formatting import counted
from dsops.audit.page.markup import Markup, element, joined, told
from dsops.audit.report import AuditReport


def attention(report: AuditReport) -> Markup:
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
