"""Derive the permissions that a session needs: exactly the necessary actions, resources and conditions.

They are used for the policy of `session_policy: auto`, for `dsops policy generate`, and for a sandbox that is made
from a configuration.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from dsops.arn import Arn, parse_arn, partition_of_region
from dsops.plan.references import SINGLE_READS, is_version_id, reads_of, region_of
from dsops.plan.types import SecretReference, Step
from dsops.schema import OF_A_USER
from dsops.startup import NamedTuple

Condition = tuple[str, str, tuple[str, ...]]
"""The operator, the condition key, and the values, one of which must match."""

_CURRENT = "AWSCURRENT"
_SUFFIX = r"-[A-Za-z0-9]{6}\Z"
_SELECTOR = r":[^:/]*\Z"

# The condition if the caller's account is unknown: a secret named without an ARN is in the caller's own account.
OWN_ACCOUNT: Condition = ("StringEquals", "aws:ResourceAccount", ("${aws:PrincipalAccount}",))


class SecretRead(NamedTuple):
    """A secret or parameter that a step reads."""

    step: str
    reference: SecretReference
    may_be_missing: bool = False
    """Whether the secret may be missing, because the variable has a default or is optional."""


class Need(NamedTuple):
    """Actions on one resource, with the conditions under which they are needed."""

    actions: tuple[str, ...]
    resource: str
    conditions: tuple[Condition, ...] = ()


def by_source(steps: Mapping[str, Step]) -> dict[str, list[Step]]:
    """Return the steps whose calls are signed, grouped by the step that provides the signing credentials.

    The key "" stands for the base credentials.
    """
    users: dict[str, list[Step]] = {}
    for step in steps.values():
        if step.proof is None:
            users.setdefault(step.credentials_from, []).append(step)
    return users


def users_of(session: str, sources: Mapping[str, list[Step]], *, profile: str = "") -> list[Step]:
    """Return the steps that call AWS with the credentials of the step `session`. `sources` is made by `by_source`.

    "" means the base credentials of a profile. Steps that use a GetSessionToken or GetFederationToken session of
    these credentials are included, because the user itself needs the permissions for their calls.
    """
    users = sources.get(session, [])
    if not session:
        users = [step for step in users if step.profile == profile]
    through = [step for step in users if step.operation in OF_A_USER]
    return users + [user for step in through for user in users_of(step.name, sources)]


def is_same_identity(step: Step) -> bool:
    """Whether the session keeps the caller's IAM identity (GetSessionToken)."""
    return step.operation == "GetSessionToken"


def session_needs(
    users: Iterable[Step], account: str, steps: Mapping[str, Step], reads: Iterable[SecretRead]
) -> tuple[Need, ...]:
    """Return all permissions that one identity needs to make the calls of these steps.

    `account` is the identity's account; "" if unknown.
    """
    distinct_reads = list(dict.fromkeys(reads))
    needs: list[Need] = []
    for step in users:
        if step.operation:
            needs += issue_needs(step, account, steps)
        elif step.type.read_action:
            needs += _read_needs(step, account, [read for read in distinct_reads if read.step == step.name])
    return tuple(dict.fromkeys(needs))


def issue_needs(step: Step, account: str, steps: Mapping[str, Step]) -> list[Need]:
    """Return the permissions that the caller needs to issue the step's session; GetSessionToken needs none."""
    settings, partition = step.settings, partition_of_region(step.region).name
    if step.operation == "AssumeRole":
        return [Need(tuple(assume_actions(step, steps)), literal(str(settings["role_arn"])))]
    if step.operation == "AssumeRoot":
        target = str(settings["target_principal"])
        task = ("StringEquals", "sts:TaskPolicyArn", (str(settings["task_policy_arn"]),))
        root = target if target.startswith("arn:") else f"arn:{partition}:iam::{target}:root"
        return [Need(("sts:AssumeRoot",), root, (task,))]
    if step.operation == "GetFederationToken":
        user = f"arn:{partition}:sts::{account or '*'}:federated-user/{settings['federated_user_name']}"
        return [Need(("sts:GetFederationToken", *(["sts:TagSession"] if step.sends_tags else [])), user)]
    return []


def assume_actions(step: Step, steps: Mapping[str, Step]) -> list[str]:
    """Return sts:AssumeRole, and the further actions that the caller needs to assume the role.

    - sts:TagSession, if the hop sends tags, or an earlier hop's tags are transitive.
    - sts:SetSourceIdentity, if this hop or an earlier one sets a source identity.
    - sts:SetContext, if the hop sends contexts.
    """
    actions = ["sts:AssumeRole"]
    hops = [step]
    while hops[-1].credentials_from in steps:
        hops.append(steps[hops[-1].credentials_from])
    # AWS checks sts:TagSession for inherited tags too, and only transitive tags are inherited.
    if step.sends_tags or any("transitive_tag_keys" in hop.settings for hop in hops[1:]):
        actions.append("sts:TagSession")
    if any(hop.sends_source_identity for hop in hops):
        actions.append("sts:SetSourceIdentity")
    if "provided_contexts" in step.settings:
        actions.append("sts:SetContext")
    return actions


def literal(arn: str) -> str:
    """Escape `*`, `?` and `$` in an ARN. They are special in a policy, and a role's path may contain them.

    Source: IAM User Guide, "IAM policy elements: Variables and tags", specifying default characters.
    """
    return re.sub(r"[*?$]", r"${\g<0>}", arn)


def _read_needs(step: Step, account: str, reads: list[SecretRead]) -> list[Need]:
    if not reads:
        return []
    is_secret = step.type.service == "secretsmanager"
    references = [read.reference for read in reads]
    needs = [need for read in reads for need in (_secret if is_secret else _needs_by_name)(step, account, read)]
    regions = dict.fromkeys(region_of(reference.key, step) for reference in references)
    for region in regions if is_secret else ():
        here = {
            read_reference._replace(field="")
            for read_reference in references
            if region_of(read_reference.key, step) == region
        }
        if len(here) > SINGLE_READS and reads_of(step, here) < len(here):
            # BatchGetSecretValue can't be limited to resources; reading each secret of the batch also needs
            # secretsmanager:GetSecretValue.
            needs.append(Need(("secretsmanager:BatchGetSecretValue",), "*"))
    is_parameter = step.type.service == "ssm"
    if is_secret or (is_parameter and step.settings.get("with_decryption") is not False):
        # The KMS key is unknown here. The condition limits decryption to secrets that the session may read anyway.
        services = [name for region in regions for name in via_services(step.type.service, region)]
        needs += [
            Need(("kms:Decrypt",), "*", (("StringEquals", "kms:ViaService", (service,)),)) for service in services
        ]
    return needs


def via_services(service: str, region: str) -> list[str]:
    """Return the values of kms:ViaService for a service in a region.

    AWS documents only values with amazonaws.com. For other partitions, the value with the partition's suffix is added.
    """
    return [f"{service}.{region}.{suffix}" for suffix in {"amazonaws.com", partition_of_region(region).dns_suffix}]


def _secret(step: Step, account: str, read: SecretRead) -> list[Need]:
    reference, conditions = read.reference, _of_version(read.reference.version)
    if not parse_arn(reference.key) and not account:
        conditions = (*conditions, OWN_ACCOUNT)
    return [
        Need(("secretsmanager:GetSecretValue",), resource, conditions)
        for resource in secret_resources(step, account, reference.key, may_be_missing=read.may_be_missing)
    ]


def _of_version(version: str) -> tuple[Condition, ...]:
    """Return the conditions for the requested version, or for the current version if `version` is ""."""
    if is_version_id(version):
        return (("StringEquals", "secretsmanager:VersionId", (version,)),)
    if version not in ("", _CURRENT):
        return (("StringEquals", "secretsmanager:VersionStage", (version,)),)
    return (
        ("Null", "secretsmanager:VersionId", ("true",)),
        ("StringEqualsIfExists", "secretsmanager:VersionStage", (_CURRENT,)),
    )


def secret_resources(step: Step, account: str, key: str, *, may_be_missing: bool = False) -> list[str]:
    """Return the ARNs of a secret with that name or ARN.

    AWS appends six random characters to a secret's name, which `??????` matches. No other secret's ARN matches the
    pattern, because its length and beginning are fixed.

    - If `key` looks like a complete ARN, both the ARN and the pattern are returned. It could also be the beginning of
      a longer ARN, because a secret's name can end like an ARN's suffix.
    - If the secret may be missing, the ARN without a suffix is returned as well. AWS returns ResourceNotFound instead
      of AccessDenied only to a caller that may read this ARN.
    """
    arn = parse_arn(key)
    if arn is None:
        partition = partition_of_region(step.region).name
        arn = Arn(partition, "secretsmanager", step.region, account or "*", f"secret:{key}")
    is_arn = key.startswith("arn:")
    text, is_whole = literal(key) if is_arn else str(arn), is_arn and re.search(_SUFFIX, key) is not None
    return [*([text] if is_whole or may_be_missing else []), f"{text}-??????"]


def _needs_by_name(step: Step, account: str, read: SecretRead) -> list[Need]:
    key = read.reference.key
    conditions = () if account or parse_arn(key) else (OWN_ACCOUNT,)
    return [Need((step.type.read_permission,), read_resource(step, account, key), conditions)]


def read_resource(step: Step, account: str, key: str) -> str:
    """Return the ARN of the resource with that name or ARN, for services that append nothing to names."""
    if step.type.service == "ssm":
        return parameter_resource(step, account, key)
    resource = literal(key)
    if parse_arn(key) is not None:
        return resource
    partition = partition_of_region(step.region).name
    return str(Arn(partition, step.type.service, step.region, account or "*", f"{step.type.read_prefix}{resource}"))


def parameter_resource(step: Step, account: str, key: str) -> str:
    """Return the parameter's ARN, without the version or label after its name."""
    arn = parse_arn(key)
    if arn is not None:
        return literal(re.sub(_SELECTOR, "", key))
    name = re.sub(_SELECTOR, "", f"{step.settings.get('parameter_prefix', '')}{key}")
    partition = partition_of_region(step.region).name
    return str(Arn(partition, "ssm", step.region, account or "*", f"parameter/{name.removeprefix('/')}"))
