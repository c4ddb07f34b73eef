"""The policy that denies everything to a role's older sessions.

A session can't be ended. But AWS evaluates the role's policies in every call, and each session contains the time when
it was issued. Source: IAM User Guide, "Revoking IAM role temporary security credentials".
"""

from __future__ import annotations

import json
from datetime import UTC, datetime

from dsops.arn import Arn

POLICY_NAME = "AWSRevokeOlderSessions"
"""The policy name that the console uses. So the console shows this policy, and its `Revoke` button replaces it."""

_KEY = "aws:TokenIssueTime"
_TIME = "%Y-%m-%dT%H:%M:%SZ"


def revocation_policy(before: datetime) -> str:
    """Return the policy in the form in which the console writes it.

    `before` is timezone-aware, and is cut off to whole seconds. Sessions issued at that second or later are not
    denied.
    """
    condition = {"DateLessThan": {_KEY: time_text(before)}}
    statement = {"Effect": "Deny", "Action": ["*"], "Resource": ["*"], "Condition": condition}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]}, indent=2)


def revoked_before(document: str) -> datetime | None:
    """Return the time in a revocation policy, or None for any other document."""
    try:
        value = json.loads(document)
        text = value["Statement"][0]["Condition"]["DateLessThan"][_KEY]
        moment = datetime.fromisoformat(text)
    except (ValueError, LookupError, TypeError):
        return None
    if moment.tzinfo is None:
        return None
    value["Statement"][0]["Condition"]["DateLessThan"][_KEY] = time_text(moment)
    return moment.astimezone(UTC) if value == json.loads(revocation_policy(moment)) else None


def time_text(moment: datetime) -> str:
    """Format a time as it is written in policies: `2026-11-24T12:00:00Z`."""
    return moment.astimezone(UTC).strftime(_TIME)


def why_not_revocable(role: Arn) -> tuple[str, str]:
    """Return why IAM refuses to attach a policy to the role, and what to do instead; ("", "") if IAM accepts it.

    IAM User Guide, "Service-linked roles", and IAM Identity Center User Guide, "Referencing permission sets in
    resource policies": AWS creates these roles, and IAM refuses changes to them.
    """
    path = role.resource.removeprefix("role").rpartition("/")[0]
    if path.startswith("/aws-service-role"):
        return (
            "it is a service-linked role: only its service may change it",
            "remove what the service may do, or ask AWS Support",
        )
    if path.startswith("/aws-reserved") or role.resource_name.startswith("AWSReservedSSO_"):
        return (
            "IAM Identity Center manages the role, and IAM refuses changes to it",
            "put the statement into its permission set, or take the user's assignment away, in IAM Identity Center",
        )
    return "", ""
