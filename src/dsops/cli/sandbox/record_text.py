"""Formats a sandbox's decisions and events as lines of text."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from dsops.policy import is_negated
from dsops.text import clean

Record = Mapping[str, Any]  # Any: the sandbox sends JSON objects.

_NAMES = ("roleArn", "secretId", "name", "names", "userName", "groupName", "policyArn", "path", "role_name")
"""The request parameters that can name an event's resource, the most specific one first."""
_SAYS = {"Allow": "allows it", "ExplicitDeny": "denies it", "ImplicitDeny": "does not allow it"}


def decision_lines(decision: Record) -> list[str]:
    """Return a decision as lines: caller, action and resource, what decided, and each policy's statements."""
    verb = "may" if decision["is_allowed"] else "may not"
    lines = [
        f"{decision['time']}  request {decision['request_id']}",
        f"{decision['caller']}",
        f"  {verb} {decision['action']} on {decision['resource']}",
        f"  {_because(decision)}",
    ]
    # Each level of an organization and each layer of a session has its own reason. The root and the first layer come
    # first.
    counts = Counter(reason["policy_type"] for reason in decision["reasons"])
    for reason in decision["reasons"]:
        of = counts[reason["policy_type"]]
        level = f", level {reason['level'] + 1} of {of}," if of > 1 else ""
        lines += [f"  {line}" for line in _reason_lines(reason, level)]
    return [clean(line) for line in lines]


def _because(decision: Record) -> str:
    kind = decision["decided_by"]
    if decision["policy"] is None or decision["statement"] is None:
        notes = (one["note"] for one in decision["reasons"] if one["policy_type"] == kind and not one["near"])
        note = next(filter(None, notes), "")
        return f"because no {kind} allows it" + (f": {note}" if note else "")
    return f"because of {_place(decision)}: {'Allow' if decision['is_allowed'] else 'Deny'} of the {kind}"


def _reason_lines(reason: Record, level: str) -> list[str]:
    note = f" ({reason['note']})" if reason["note"] else ""
    lines = [f"{reason['policy_type']}{level} {_SAYS.get(reason['effect'], reason['effect'])}{note}"]
    lines += [f"  {_place(found)}, {found['effect']}, applies" for found in reason["matched"]]
    for found in reason["near"]:
        lines.append(f"  {_place(found)}, {found['effect']}, does not apply:")
        lines += [f"    {_line(failure, '{}: ')}{_failure_text(failure)}" for failure in found["failures"]]
    return lines


def _place(found: Record) -> str:
    name = f" {found['sid']}" if found.get("sid") else ""
    return f"{found['policy']}, statement {found['statement']}{name}{_line(found, ', {}')}"


def _line(found: Record, form: str) -> str:
    """Return the statement's line number as text; "" for line 1, the only line of a text without line breaks."""
    return form.format(f"line {found['line']}") if found["line"] > 1 else ""


def _failure_text(failure: Record) -> str:
    name = " ".join(str(part) for part in (failure["element"], failure["operator"], failure["key"]) if part)
    verb = "wants anything but" if is_negated(failure["element"], failure["operator"]) else "wants"
    expected_text = f"{verb} {' or '.join(failure['wanted'])}" if failure["wanted"] else "is missing"
    actual = "the request has none"
    if failure["actual"] is not None:
        actual = f"the request has {', '.join(failure['actual'])}"
    hint = f" ({failure['hint']})" if failure["hint"] else ""
    return f"{name} {expected_text}; {actual}{hint}"


def event_line(record: Record) -> str:
    """Format a call on one line: time, account, caller, action, resource, and the error."""
    identity = record["userIdentity"]
    caller = identity.get("arn") or identity.get("userName") or identity.get("principalId")
    # For a login to IAM Identity Center, the record contains only the user's id.
    caller = caller or identity.get("onBehalfOf", {}).get("userId") or identity["type"]
    service = record["eventSource"].partition(".")[0]
    parameters = record["requestParameters"] or record.get("serviceEventDetails") or {}
    about = next((_text(parameters[name]) for name in _NAMES if name in parameters), "")
    what = f"{service}:{record['eventName']}" + (f" {about}" if about else "")
    parts = [record["eventTime"], record["recipientAccountId"] or "-", caller, what]
    if "errorCode" in record:
        parts.append(f"{record['errorCode']}: {record['errorMessage']}")
    return clean("  ".join(parts))


def event_json(record: Record) -> str:
    """Format the record as JSON on one line."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _text(value: object) -> str:
    return ", ".join(str(one) for one in value) if isinstance(value, list) else str(value)
