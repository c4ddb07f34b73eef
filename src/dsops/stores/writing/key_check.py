"""Checks the key of a secret that is to be written."""

from __future__ import annotations

from dsops.errors import UsageError
from dsops.plan import SecretReference, Step
from dsops.plan.findings import PlanFindings
from dsops.plan.references import canonical_reference


def checked_key(step: Step, key: str) -> str:
    """Return the key of a whole secret. Raises UsageError for a key with a field, and for a name that AWS refuses."""
    findings = PlanFindings()
    reference = canonical_reference(step, SecretReference(key, "", ""), step.where, findings)
    if reference.field:
        raise UsageError(
            f"`{key}` names a field of a secret",
            hint=f"write `{reference.key}`, and the name of the field after `--field`",
        )
    findings.raise_any(f"the key of store `{step.name}`")
    return reference.key
