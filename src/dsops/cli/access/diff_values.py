"""A comparison as JSON, and as SARIF for code hosts."""

from __future__ import annotations

from hashlib import sha256

from dsops.access.changes.compare import AccessChange, Comparison
from dsops.access.facts.world import OrganizationFacts
from dsops.cli.access.answers import answer_value, gaps_value, steps_value
from dsops.cli.access.diff_words import opened_sentences
from dsops.cli.framework.output import Json
from dsops.cli.framework.sarif import file_uri, sarif_document
from dsops.text import clean

_NEW, _PUBLIC = "access.new", "access.public"


def comparison_value(comparison: Comparison) -> Json:
    """Return the comparison for JSON, with the request that shows each difference."""
    return {
        "opened": [_change_value(change) for change in comparison.opened],
        "escalations": [
            {
                "principal": each.caller.name,
                "rule": each.rule.identifier,
                "target": each.target,
                "verdict": each.verdict,
            }
            for each in comparison.escalations
        ],
        "closed": [_change_value(change) for change in comparison.closed],
        "not_compared": comparison.left_out,
        "not_known": gaps_value(comparison.gaps),
    }


def _change_value(change: AccessChange) -> Json:
    return {
        "principal": change.caller.name,
        "action": change.action,
        "resource": change.resource,
        "is_public": change.is_public,
        "verdict": change.way.verdict,
        "steps": steps_value(change.way),
        "other_side": answer_value(change.refusal) if change.refusal is not None else None,
    }


def sarif_value(world: OrganizationFacts, comparison: Comparison, file: str) -> Json:
    """Return a SARIF log with a result for each resource that is newly reached."""
    uri = file_uri(file)
    results: list[Json] = []
    for resource in opened_sentences(world, comparison):
        rule = _PUBLIC if resource.is_public else _NEW
        details = "\n".join(head for head, _ in resource.entries)
        text = clean(resource.title)
        results.append(
            {
                "ruleId": rule,
                "level": "error" if resource.is_public else "warning",
                "message": {"text": f"{text}\n{details}"},
                "locations": [{"physicalLocation": {"artifactLocation": {"uri": uri}, "region": {"startLine": 1}}}],
                "partialFingerprints": {"accessChange/v1": sha256(f"{rule}\n{text}".encode()).hexdigest()[:32]},
            }
        )
    notes: list[Json] = [
        {"level": "note", "message": {"text": clean(why)}} for why in dict.fromkeys(gap.why for gap in comparison.gaps)
    ]
    return sarif_document(_RULES, results, notes, is_complete=not comparison.left_out)


_RULES: list[Json] = [
    {
        "id": _NEW,
        "shortDescription": {"text": "a principal newly reaches a resource or a role"},
        "defaultConfiguration": {"level": "warning"},
        "properties": {"tags": ["iam", "access"]},
    },
    {
        "id": _PUBLIC,
        "shortDescription": {"text": "anyone newly reaches a resource or a role"},
        "defaultConfiguration": {"level": "error"},
        "properties": {"tags": ["iam", "access"]},
    },
]
