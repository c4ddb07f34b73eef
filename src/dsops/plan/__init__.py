"""Config + environment name + ambient identity -> Plan: stores in order, every limit checked; no I/O."""

from __future__ import annotations

from dsops.plan.make import make_plan, plan_store
from dsops.plan.types import (
    Ambient,
    Fingerprint,
    Plan,
    PlannedVariable,
    SecretReference,
    Step,
)
from dsops.schema import Setting, Settings

__all__ = [
    "Ambient",
    "Fingerprint",
    "Plan",
    "PlannedVariable",
    "SecretReference",
    "Setting",
    "Settings",
    "Step",
    "make_plan",
    "plan_store",
]
