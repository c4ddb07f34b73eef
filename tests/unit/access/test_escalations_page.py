"""docs/reference/access-escalations.md lists every rule. DSOPS_UPDATE_GOLDEN=1 writes the page again."""

from __future__ import annotations

from pathlib import Path

from dsops.access.escalations.rules import ANY, KINDS, RESOURCE_TYPES, Rule, RuleNeed
from dsops.access.escalations.table import ESCALATION_RULES
from tests.scripts.test_scripts import UPDATE

PAGE = Path(__file__).parents[3] / "docs" / "reference" / "access-escalations.md"

HEAD = """\
# The rules of `dsops access escalations`

Each rule is one way in which a principal becomes more than it is. The ids are those of DataDog's
[pathfinding.cloud](https://pathfinding.cloud), which describes each way with its history and with tools that find it.
A rule holds if the policy engine allows all of its requests. For a resource in angle brackets, the principal may
choose any name that its policies allow. [The reference of the command](access.md#escalations) explains what counts as
more.

This page is generated from the program (`tests/unit/access/test_escalations_page.py`).
"""

GIVES = {
    "self": "the principal with any policy, up to its permissions boundary",
    "user": "the user",
    "role": "the role",
    "group": "the policies of the group",
    "passed": "the role, which must trust `{service}`",
    "resource": "the role of the {type}",
    "assumed": "the role",
}


def page() -> str:
    """Return the page as generated from the rules."""
    text = HEAD
    for kind, heading in KINDS.items():
        text += f"\n## {heading}\n"
        for rule in ESCALATION_RULES:
            if rule.kind == kind:
                text += section(rule)
    return text


def section(rule: Rule) -> str:
    """Return the section of one rule."""
    gives = GIVES[rule.target].format(service=rule.service, type=rule.resource_type.replace("-", " "))
    if rule.is_written and rule.target != "self":
        gives += " with any policy, up to its permissions boundary"
    text = f"\n### {rule.identifier}\n\nThe principal {rule.title}.\n\n"
    text += "".join(f"- `{need.action}` on {resource(need, rule)}\n" for need in rule.needs)
    text += f"\n**Gives:** {gives}.\n"
    if rule.assumes:
        text += f"\n**Assumes:** {rule.assumes}.\n"
    return text + f"\n**Source:** [{rule.identifier}]({rule.source}).\n"


def resource(need: RuleNeed, rule: Rule) -> str:
    """Return the words for the resource of a need."""
    keys = " and ".join(f"`{key}` = `{value.replace('{partition}', 'aws')}`" for key, value in need.keys.items())
    condition = f", with {keys}" if keys else ""
    if need.on == ANY:
        return f"`*`{condition}"
    if need.on in RESOURCE_TYPES:
        return f"`<{need.on.replace('-', ' ')}>`{condition}"
    of_policy = "itself" if rule.target == "self" else f"the {rule.target}"
    words = {
        "caller": "itself",
        "policy": f"a customer managed policy that is attached to {of_policy}",
        "resource": f"the {rule.resource_type.replace('-', ' ')}",
    }
    return words.get(need.on, f"the {need.on}") + condition


def test_the_page_lists_every_rule() -> None:
    """The page equals the text generated from the rules, so a changed rule requires a changed page."""
    if UPDATE:
        PAGE.write_text(page(), encoding="utf-8")
    assert page() == PAGE.read_text(encoding="utf-8")
    assert sorted(line[4:] for line in page().splitlines() if line.startswith("### ")) == sorted(
        rule.identifier for rule in ESCALATION_RULES
    )
