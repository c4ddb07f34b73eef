"""Read `identity-center.json`: which users and groups may use which permission set in which account."""

from __future__ import annotations

from collections.abc import Mapping

from dsops.access.facts.gaps import gaps_of
from dsops.access.facts.json_files import objects_of, text_of
from dsops.access.facts.world import Assignment, OrganizationFacts


def read_assignments(content: Mapping[str, object]) -> OrganizationFacts:
    """Return the assignments, and the gaps of the file. An entry without a name has the principal's id instead."""
    return OrganizationFacts({}, {}, {}, assignments=_assignments(content), gaps=tuple(gaps_of(content, "")))


def _assignments(content: Mapping[str, object]) -> tuple[Assignment, ...]:
    return tuple(
        Assignment(
            "GROUP" if text_of(entry, "PrincipalType") == "GROUP" else "USER",
            text_of(entry, "PrincipalName") or text_of(entry, "PrincipalId"),
            text_of(entry, "PermissionSetName"),
            text_of(entry, "AccountId"),
        )
        for entry in objects_of(content, "Assignments")
    )
