"""Makes a plan from a Config, an environment's name and a base identity: steps in order, with every limit checked.

Neither this package nor a module that it imports opens a file or a socket. Imported by `access`, `agent`, `cli`,
`doctor`, `explain`, `grants`, `graph`, `keys`, `library`, `node`, `pipeline`, `plan_check`, `recording`, `resolve`,
`revocation`, `secret_editing`, `seed`, `stores` and `testing`.
"""

from __future__ import annotations

from dsops.plan.fingerprint import ambient_fingerprint
from dsops.plan.limits import chained_too_long
from dsops.plan.make import find_environment, make_plan, plan_store
from dsops.plan.mfa import SERVES
from dsops.plan.references import (
    SECRETS_PER_CALL,
    SINGLE_READS,
    in_calls,
    is_version_id,
    parameter_name,
    reads_of,
    region_of,
)
from dsops.plan.types import Ambient, Fingerprint, Login, Plan, PlannedVariable, Proof, SecretReference, Step
from dsops.schema import Setting, Settings

__all__ = [
    "SECRETS_PER_CALL",
    "SERVES",
    "SINGLE_READS",
    "Ambient",
    "Fingerprint",
    "Login",
    "Plan",
    "PlannedVariable",
    "Proof",
    "SecretReference",
    "Setting",
    "Settings",
    "Step",
    "ambient_fingerprint",
    "chained_too_long",
    "find_environment",
    "in_calls",
    "is_version_id",
    "make_plan",
    "parameter_name",
    "plan_store",
    "reads_of",
    "region_of",
]
