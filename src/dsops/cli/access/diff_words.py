"""The sentences of a comparison: as text, as Markdown for a pull request, and as annotations of GitHub."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from dsops.access.changes.affected import ANY_ROLE_NAME
from dsops.access.changes.compare import AccessChange, Comparison
from dsops.access.escalations.find import Escalation
from dsops.access.facts.world import OrganizationFacts
from dsops.access.questions.naming import account_text, arn_text, caller_text
from dsops.cli.access.answers import actions_text, condition_texts, reason_text
from dsops.cli.access.escalations import requests_text, target_text
from dsops.cli.framework.screen import dimmed, heading, wrapped
from dsops.text import clean, counted


class ChangedResource(NamedTuple):
    """The changes of one kind about one resource or role."""

    title: str
    """A sentence such as `2 principals newly reach role Admin of 111122223333`."""
    entries: tuple[tuple[str, tuple[str, ...]], ...]
    """For each principal: a line with its roles and actions, and lines with conditions and with what refused it."""
    is_public: bool


def sentences_of(world: OrganizationFacts, changes: Iterable[AccessChange]) -> Iterator[ChangedResource]:
    """Yield the changes grouped by resource."""
    by_resource: dict[tuple[str, str], list[AccessChange]] = {}
    for change in changes:
        by_resource.setdefault((change.kind, _whole(change.resource)), []).append(change)
    for (kind, resource), members in by_resource.items():
        by_way: dict[tuple[str, ...], list[AccessChange]] = {}
        for change in members:
            by_way.setdefault(_key(world, change), []).append(change)
        entries = tuple(_entry(world, of_way) for of_way in by_way.values())
        callers = {change.caller.name for change in members}
        verb = "newly reach" if kind == "opened" else "no longer reach"
        if len(callers) == 1:
            verb = "newly reaches" if kind == "opened" else "no longer reaches"
        title = f"{counted(len(callers), 'principal')} {verb} {_target(world, resource)}"
        yield ChangedResource(title, entries, any(change.is_public for change in members))


def opened_sentences(world: OrganizationFacts, comparison: Comparison) -> Iterator[ChangedResource]:
    """Yield what the change opens: resources and roles, then the permissions that principals can newly gain."""
    yield from sentences_of(world, comparison.opened)
    if comparison.escalations:
        callers = {escalation.caller.name for escalation in comparison.escalations}
        title = f"{counted(len(callers), 'principal')} can newly gain more permissions"
        yield ChangedResource(title, tuple(_escalated(world, each) for each in comparison.escalations), is_public=False)


def _escalated(world: OrganizationFacts, escalation: Escalation) -> tuple[str, tuple[str, ...]]:
    rule = escalation.rule
    head = f"{caller_text(world, escalation.caller)} becomes {target_text(world, escalation)}"
    conditions = condition_texts(request.answer for request in escalation.requests)
    return f"{head}: {rule.title} ({rule.identifier})", (requests_text(escalation), *conditions)


def _whole(resource: str) -> str:
    """Return the bucket of an object, and any other resource itself."""
    return resource.partition("/")[0] if ":s3:::" in resource else resource


def _target(world: OrganizationFacts, resource: str) -> str:
    """Return a resource in words; the resource of the administration stands for a whole account."""
    if resource.endswith(f":role/{ANY_ROLE_NAME}"):
        return f"the administration of account {account_text(world, resource.split(':')[4])}"
    return arn_text(world, resource)


def _key(world: OrganizationFacts, change: AccessChange) -> tuple[str, ...]:
    answers = [step.answer for step in change.way.steps]
    return (_head(world, change), *condition_texts(answers), *_refusal(change))


def _head(world: OrganizationFacts, change: AccessChange) -> str:
    roles = [arn_text(world, step.resource) for step in change.way.steps[:-1]]
    through = f", through {', then '.join(roles)}" if roles else ""
    return f"{caller_text(world, change.caller)}{through}"


def _entry(world: OrganizationFacts, changes: Sequence[AccessChange]) -> tuple[str, tuple[str, ...]]:
    first = changes[0]
    actions = actions_text(change.action for change in changes)
    answers = [step.answer for step in first.way.steps]
    return f"{_head(world, first)}: {actions}", (*condition_texts(answers), *_refusal(first))


def _refusal(change: AccessChange) -> tuple[str, ...]:
    side = "before" if change.kind == "opened" else "now"
    if change.refusal is not None:
        return (f"{side}: {reason_text(change.refusal)}",)
    conditions = "conditions" if change.way.verdict == "yes" else "other conditions"
    return (f"{side}: only under {conditions}",) if change.was_conditional else ()


def text_lines(world: OrganizationFacts, comparison: Comparison) -> list[str]:
    """Return the comparison for a terminal."""
    lines = []
    for resources in (opened_sentences(world, comparison), sentences_of(world, comparison.closed)):
        for resource in resources:
            note = " (public)" if resource.is_public else ""
            lines.append(heading(clean(f"{resource.title}{note}"), 1))
            for head, details in resource.entries:
                lines.append(wrapped(f"  {clean(head)}", 1, indent=4))
                lines += [dimmed(wrapped(f"      {clean(detail)}", 1, indent=8), 1) for detail in details]
    return [*lines, *_ending(comparison)]


def markdown_lines(world: OrganizationFacts, comparison: Comparison) -> list[str]:
    """Return the comparison as a comment for a pull request."""
    lines = ["## What this change does to access", ""]
    opened, closed = opened_sentences(world, comparison), sentences_of(world, comparison.closed)
    for title, resources in (("Opened", [*opened]), ("Closed", [*closed])):
        if resources:
            lines += [f"### {title}", ""]
        for resource in resources:
            lines += [f"**{_markdown(resource.title)}**{' (public)' if resource.is_public else ''}", ""]
            for head, details in resource.entries:
                lines.append(f"- {_markdown(head)}")
                lines += [f"  - {_markdown(detail)}" for detail in details]
            lines.append("")
    return [*lines, *_ending(comparison)]


def github_lines(world: OrganizationFacts, comparison: Comparison) -> list[str]:
    """Return an annotation of GitHub Actions for each resource that is newly reached."""
    lines = []
    for resource in opened_sentences(world, comparison):
        level = "error" if resource.is_public else "warning"
        details = "; ".join(head for head, _ in resource.entries)
        lines.append(f"::{level} title={_property(resource.title)}::{_data(details)}")
    return [*lines, *_ending(comparison)]


def _ending(comparison: Comparison) -> list[str]:
    has_changes = comparison.opened or comparison.closed or comparison.escalations
    lines = [] if has_changes else ["the change opens and closes no access"]
    if comparison.left_out:
        lines.append(f"not compared: {counted(comparison.left_out, 'question')} more, which changed policies are about")
    reasons = dict.fromkeys(gap.why for gap in comparison.gaps)
    return [*lines, *(f"not known: {clean(why)}" for why in reasons)]


def _markdown(text: str) -> str:
    """Escape a text for Markdown: names come from policies, and may contain HTML or links."""
    escaped = clean(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return "".join(f"\\{character}" if character in "\\`*_[]()#|~!@" else character for character in escaped)


def _data(text: str) -> str:
    """Escape a text for a workflow command (GitHub Docs, workflow commands; actions/toolkit)."""
    return clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
