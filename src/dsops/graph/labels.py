"""The facts that a graph shows about a node. They contain no secret, and no value of a tag or variable."""

from __future__ import annotations

from collections.abc import Iterator

from dsops.arn import parse_arn
from dsops.plan import PlannedVariable, Proof, Step
from dsops.schema import REASON_TO

NOT_PLANNED = "as written"
"""The fact that marks a node without a plan. Its other facts are shown as they are written in the configuration."""

_MARKS = (
    ("serial_number", "MFA"),
    ("external_id", "external ID"),
    ("session_policy", "session policy"),
    ("policy_arns", "managed session policies"),
    ("task_policy_arn", "task policy"),
    ("source_identity", "source identity"),
    (REASON_TO, "reason"),
    ("tags", "tags"),
    ("provided_contexts", "contexts"),
)
"""Settings whose names the graph shows, but not their values."""


def facts_of_step(step: Step) -> tuple[str, ...]:
    """Return the facts about a hop: operation, role, account, duration, settings, region."""
    return tuple(_of_hop(step))


def _of_hop(step: Step) -> Iterator[str]:
    yield step.session_source
    settings = step.settings
    arn = parse_arn(str(settings.get("role_arn", "")))
    if arn is not None:
        yield f"role {arn.resource.removeprefix('role/')}"
        yield f"account {arn.account}"
    elif "account_id" in settings:
        yield f"permission set {settings.get('role_name', '')}"
        yield f"account {settings['account_id']}"
    elif "target_principal" in settings:
        yield f"root of {settings['target_principal']}"
    elif "federated_user_name" in settings:
        yield f"federated user {settings['federated_user_name']}"
    if "duration_seconds" in settings:
        yield f"for {settings['duration_seconds']} s"
    if step.is_chained:
        yield "chained"
    yield from (words for name, words in _MARKS if name in settings)
    if step.region:
        yield f"in {step.region}"


def facts_of_store(store_type: str, region: str) -> tuple[str, ...]:
    """Return the label of a secret store: its type and its region."""
    return (store_type, f"in {region}") if region else (store_type,)


def facts_of_variable(variable: PlannedVariable) -> tuple[str, ...]:
    """Return the facts about a variable: the source of its value, and what happens if the value is missing."""
    reference = variable.reference
    if reference is None:
        return ("literal",)
    field = f"#{reference.field}" if reference.field else ""
    version = f"?version={reference.version}" if reference.version else ""
    missing = ("or a default",) if variable.default is not None else ("or left out",) if variable.optional else ()
    return (f"{reference.key}{field}{version}", *missing)


def facts_of_login(proof: Proof) -> tuple[str, ...]:
    """Return the facts about a token or login: issuer, subject, audience, and expiry."""
    expiry = (proof.login.told,) if proof.login is not None else ()
    if proof.speaks_of is None:
        return expiry
    issuer, subject, audience = proof.speaks_of
    return (f"of {issuer}", f"about {subject}", f"for {audience}", *expiry)
