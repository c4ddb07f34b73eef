"""Check for missing permissions that cause no failure now, or that only the next attempt will need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from dsops.cache import Memory
from dsops.credentials import Credentials
from dsops.doctor.check import Check
from dsops.errors import AssumeRoleDenied, DsopsError
from dsops.plan import Plan, Step
from dsops.stores.aws_secretsmanager import BATCH_DENIED, BATCH_STATEMENT

CODES = {
    "doctor.batch": "secrets may be read in batches",
    "doctor.trust-policy": "the role's trust policy allows what the store needs besides sts:AssumeRole",
}
"""Maps the code of each check to the statement that is true if the check is ok."""

_NEEDS = (("tags", "sts:TagSession"), ("source_identity", "sts:SetSourceIdentity"))
"""Maps a setting to the action that the trust policy must allow if the store has this setting.

Source: IAM User Guide, "Passing session tags" and "Monitor and control actions taken with assumed roles".
"""


def check_batches(plan: Plan, memory: Memory) -> Iterator[Check]:
    """Yield a warning for each store whose secrets are read one by one, because BatchGetSecretValue was denied."""
    for step in plan.steps.values():
        if step.type.service == "secretsmanager" and memory.knows(step.fingerprint, BATCH_DENIED):
            yield Check(
                "doctor.batch",
                f"batches of {step.name}",
                "warning",
                "secretsmanager:BatchGetSecretValue is denied: each secret is a request of its own",
                "it works, slower, and the rate of requests is limited",
                f"allow {BATCH_STATEMENT} to {_role(step, plan)}, or set `batch: never` ({step.where})",
            )


def _role(step: Step, plan: Plan) -> str:
    """Return a name for the role that reads from the store, or "the caller" for base credentials."""
    below = plan.steps.get(step.credentials_from)
    return f"the role {below.role.rpartition('/')[2]}" if below is not None and below.role else "the caller"


def check_trust(plan: Plan, sessions: Mapping[str, Credentials | DsopsError]) -> Iterator[Check]:
    """Yield a check for each role whose AssumeRole was denied, with all actions its trust policy must allow.

    AWS reports only one missing action at a time.
    """
    for step in plan.steps.values():
        needed = [action for key, action in _NEEDS if step.settings.get(key)]
        if step.operation == "AssumeRole" and needed and isinstance(sessions.get(step.name), AssumeRoleDenied):
            actions = ", ".join(f'"{action}"' for action in ["sts:AssumeRole", *needed])
            yield Check(
                "doctor.trust-policy",
                f"trust policy of {step.name}",
                "warning",
                f"it has to allow {' and '.join(needed)} as well",
                "AWS names one missing action at a time",
                f'let the statement that lets this caller in have "Action": [{actions}]',
            )
