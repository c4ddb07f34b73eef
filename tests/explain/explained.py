"""Compares the findings of `dsops explain` with the broken place of a set-up."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from dsops.cli.framework.parser import parse
from dsops.cli.look.explain import COMMAND
from dsops.runtime import Runtime, ignore, no_prompt, random_fraction, utc_now

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pytest

    from tests.explain.build import Built
    from tests.explain.set_up import BrokenPlace

POLICY_TYPES = {
    "identity": "identity-based policy",
    "boundary": "permissions boundary",
    "session": "session policy",
    "trust": "role trust policy",
    "resource": "resource-based policy",
    "scp": "service control policy",
    "rcp": "resource control policy",
}

Finding = dict[str, Any]
"""A finding as `--json` prints it."""


def explained(found: Built, capfd: pytest.CaptureFixture[str], *words: str) -> tuple[int, list[Finding]]:
    """The exit code, and the findings in order."""
    environ = found.environ()
    arguments = parse(COMMAND, ["--env", found.set_up.environment, "--json", *words], environ, name="explain")
    timestamp = utc_now().strftime("%Y%m%dT%H%M%SZ")
    capfd.readouterr()
    code = COMMAND.run(
        arguments, Runtime(environ, utc_now, no_prompt, ignore, random_fraction, str(found.folder), timestamp)
    )
    findings: list[Finding] = json.loads(capfd.readouterr().out)["findings"]
    return code, findings


def names(finding: Finding, place: BrokenPlace) -> bool:
    """Whether the finding names that place: its store, kind of policy or cause, and statement if it has one.

    If several statements nearly match, the expected one has to be among them. The unmet condition is compared, too.
    """
    found_place = finding["place"]
    if (found_place["store"] or "") != place.store:
        return False
    if place.cause:
        return bool(finding["cause"] == place.cause)
    if found_place["policy_type"] != POLICY_TYPES[place.policy]:
        return False
    if found_place["statement"] and place.statement and found_place["sid"] != place.statement:
        return False
    elements = [str(mismatch["element"]) for mismatch in finding["mismatches"]]
    return not (place.key and elements) or any(_is_about(element, place.key) for element in elements)


def claims(findings: list[Finding], place: BrokenPlace) -> list[Mapping[str, Any]]:
    """The findings that claim to be proven but name a different place."""
    return [
        finding["place"] | {"cause": finding["cause"]}
        for finding in findings
        if finding["certainty"] == "proven" and not names(finding, place)
    ]


def has_record(finding: Finding) -> bool:
    """Whether AWS's answer contains an authorization id."""
    return "authorization id: " in (finding["aws"] or {}).get("message", "")


def is_record_whole(finding: Finding) -> bool:
    """Whether the record exists, and caller and resource belong to one account."""
    message_text = (finding["aws"] or {}).get("message", "")
    sides = re.search(r"User: arn:[^:]+:[^:]+::(\d+):.*? on resource: arn:[^:]+:[^:]+:[^:]*:(\d+):", message_text)
    return has_record(finding) and sides is not None and sides[1] == sides[2]


def _is_about(element: str, key: str) -> bool:
    """Whether the element concerns the key, as `StringEquals sts:ExternalId` concerns `sts:ExternalId`."""
    return key.lower() in {element.lower(), element.rpartition(" ")[2].lower()}
