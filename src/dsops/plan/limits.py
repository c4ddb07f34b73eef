"""Check for combinations of keys that AWS would refuse although each key is valid alone."""

from __future__ import annotations

from collections.abc import Iterable

from dsops.arn import parse_arn, partition_named, partition_of_region
from dsops.document import Scalar
from dsops.errors import LimitExceeded, PolicyInvalid, Where
from dsops.model import Field
from dsops.plan.findings import PlanFindings
from dsops.plan.types import Step
from dsops.schema import OWN_POLICY, Setting, Settings, chained_seconds, user_session_of_session


class StepLocation:
    """The lines of the configuration that contain a step's fields, for error messages."""

    __slots__ = ("_fields", "_where", "path")

    def __init__(self, path: str, fields: dict[str, Field], where: Where) -> None:
        self.path = path
        self._fields = fields
        self._where = where

    def field(self, name: str) -> Field | None:
        """Return the expanded field; None if the store does not have this field."""
        return self._fields.get(name)

    def where(self, name: str) -> Where:
        """Return the field's line, or the store's line if the field is missing."""
        field = self._fields.get(name)
        return field.where if field else self._where

    def path_of(self, name: str) -> str:
        """Return the dotted path of a field, such as `secretStores.prod.role_arn`."""
        return f"{self.path}.{name}"


def check_session(step: Step, place: StepLocation, findings: PlanFindings) -> None:
    """Check the keys of an aws.sts step against its region and partition."""
    partition = partition_of_region(step.region).name
    for name in ("role_arn", "principal_arn", "target_principal", "task_policy_arn"):
        arn = parse_arn(str(step.settings.get(name, "")))
        if arn is None:
            continue
        if arn.partition != partition:
            noun = "the role" if name == "role_arn" else f"`{name}`"
            message = f"{noun} is in the partition {arn.partition}, and the region {step.region} in {partition}"
            own = partition_named(arn.partition)
            hint = f"set `region` to one of {arn.partition}" + (f", such as {own.global_region}" if own else "")
            findings.add(LimitExceeded, place.where(name), place.path_of(name), message, hint)
    _check_policies(step.settings, place, findings)
    if step.operation == "GetFederationToken" and not {"session_policy", "policy_arns"} & set(step.settings):
        findings.notes.append(
            f"store `{step.name}` has no `session_policy`: such a session may do nothing but what a resource's own "
            "policy allows it by name"
        )


def check_user_session(step: Step, place: StepLocation, why: str, findings: PlanFindings) -> None:
    """Report a GetSessionToken or GetFederationToken call that would be signed by temporary credentials.

    `why` explains why the credentials are temporary.
    """
    findings.add(LimitExceeded, step.where, place.path, *user_session_of_session(step.operation, why))


def check_chain(step: Step, place: StepLocation, why: str, findings: PlanFindings) -> None:
    """Report a chained role that requests more than an hour. `why` says why the role is chained."""
    message = chained_too_long(step, why)
    if message:
        findings.add(LimitExceeded, place.where("duration_seconds"), place.path_of("duration_seconds"), *message)


def chained_too_long(step: Step, why: str) -> tuple[str, str] | None:
    """Return the message and hint if a chained step requests more than an hour, else None."""
    return chained_seconds(step.settings.get("duration_seconds"), why)


def _check_policies(settings: Settings, place: StepLocation, findings: PlanFindings) -> None:
    """Check the grammar of an inline session policy. A policy that the plan generates is not checked."""
    inline, field = settings.get("session_policy", ""), place.field("session_policy")
    if inline and field is not None and not (isinstance(field.node, Scalar) and field.node.text == OWN_POLICY):
        _check_policy_grammar(field, place.path_of("session_policy"), findings)


def _check_policy_grammar(field: Field, path: str, findings: PlanFindings) -> None:
    from dsops.config.limits import check_session_policy

    checked = check_session_policy(field, path)
    if checked.only_denies:
        findings.notes.append(
            f"{path} ({field.where}) only denies: the session may do nothing at all, since it gets what the policy "
            "and the role both allow; add an Allow statement"
        )
    for problem in checked.problems:
        findings.add_problem(problem, PolicyInvalid)


SAME_CALLER = ("session_policy", "policy_arns", "tags", "transitive_tag_keys")
"""Settings that change what a session may do or which tags it has, but not its ARN."""


def same_caller_note(stores: str, differing: list[str], caller: str) -> str:
    """Return a note that the sessions of two stores look the same in CloudTrail."""
    names = " and ".join([f"`{name}`" for name in differing])
    return (
        f"{stores} differ in {names}, and both are {caller}: "
        "CloudTrail and refusals don't tell them apart; give them a `role_session_name` each"
    )


def note_same_callers(steps: Iterable[Step], findings: PlanFindings) -> None:
    """Add a note for stores whose sessions have different permissions but the same ARN in AWS's records."""
    first: dict[tuple[Setting, Setting], Step] = {}
    for step in steps:
        if "role_arn" not in step.settings:
            continue
        caller = (step.settings["role_arn"], step.settings.get("role_session_name", ""))
        other = first.setdefault(caller, step)
        differing = [name for name in SAME_CALLER if step.settings.get(name) != other.settings.get(name)]
        if differing and step.fingerprint != other.fingerprint:
            both_stores = f"`{other.name}` and `{step.name}` ({step.where})"
            findings.notes.append(same_caller_note(both_stores, differing, f"{caller[1]} of {caller[0]}"))
