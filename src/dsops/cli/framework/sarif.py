"""Formats findings as SARIF 2.1.0, the format that code hosts show beside the lines of code.

Sources: https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html; GitHub Docs, "SARIF support for code
scanning".
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from urllib.parse import quote

from dsops.cli.framework.output import Json
from dsops.policy import RULES, Finding, LintReport, LintRule
from dsops.version import __version__

_INDEX = {rule.code: index for index, rule in enumerate(RULES)}


def sarif_log(checked: Sequence[tuple[str, LintReport]], notes: Sequence[str], *, is_complete: bool) -> Json:
    """Return a SARIF log of files and their reports. `is_complete`: whether every named file could be read."""
    notifications: list[Json] = [_notification(text) for text in notes]
    for file, report in checked:
        notifications += [
            _notification(f"{file}: {number:,} more of {code}") for code, number in report.left_out.items()
        ]
    results = [_result(file, finding) for file, report in checked for finding in report.findings]
    return sarif_document([_rule(rule) for rule in RULES], results, notifications, is_complete=is_complete)


def sarif_document(
    rules: Sequence[Json], results: Sequence[Json], notifications: Sequence[Json], *, is_complete: bool
) -> Json:
    """Return a SARIF log with one run of dsops."""
    return {
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [
            {
                "tool": {
                    "driver": {"name": "dsops", "version": __version__, "semanticVersion": __version__, "rules": rules}
                },
                "invocations": [{"executionSuccessful": is_complete, "toolExecutionNotifications": notifications}],
                "columnKind": "unicodeCodePoints",
                "results": results,
            }
        ],
    }


def _notification(text: str) -> Json:
    return {"level": "note", "message": {"text": text}}


def _rule(rule: LintRule) -> Json:
    text = f"{rule.why}\n\nCure: {rule.cure}.\n\nSource: {rule.source}."
    return {
        "id": rule.code,
        "shortDescription": {"text": rule.what},
        "fullDescription": {"text": rule.why},
        "help": {"text": text},
        "defaultConfiguration": {"level": rule.severity},
        "properties": {"tags": ["iam", rule.code.partition(".")[0]]},
    }


def _result(file: str, finding: Finding) -> Json:
    uri = file_uri(file)
    place = f"{uri}\n{finding.rule.code}\n{finding.path}\n{finding.message}"
    location: dict[str, Json] = {
        "physicalLocation": {
            "artifactLocation": {"uri": uri},
            # GitHub needs a line to show a finding. Line 0 means the whole file, which is shown at line 1.
            "region": {"startLine": max(finding.line, 1)},
        }
    }
    if finding.path:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.path}]
    return {
        "ruleId": finding.rule.code,
        "ruleIndex": _INDEX[finding.rule.code],
        "level": finding.severity,
        "message": {"text": f"{finding.message}\nHint: {finding.hint}"},
        "locations": [location],
        # The fingerprint identifies a finding even after lines were added above it.
        "partialFingerprints": {"policyFinding/v1": sha256(place.encode()).hexdigest()[:32]},
    }


def file_uri(file: str) -> str:
    """Return a relative URI reference, or the file URI of an absolute path."""
    path = quote(file.replace("\\", "/"))
    return f"file://{path}" if path.startswith("/") else path
