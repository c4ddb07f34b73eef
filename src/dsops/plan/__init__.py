"""Config + environment name + ambient identity -> Plan: stores in order, every limit checked; no I/O."""

from __future__ import annotations

from dsops.plan.types import (
    Ambient,
    Fingerprint,
    Plan,
    PlannedVariable,
    SecretReference,
    Setting,
    Settings,
    Step,
)

__all__ = [
    "Ambient",
    "Fingerprint",
    "Plan",
    "PlannedVariable",
    "SecretReference",
    "Setting",
    "Settings",
    "Step",
]
