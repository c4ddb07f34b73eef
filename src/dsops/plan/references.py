"""Check references to secrets against AWS's limits, make their spelling canonical, and count the requests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from dsops.arn import parse_arn, partition_of_region
from dsops.errors import ConfigError, LimitExceeded, Where, nearest
from dsops.plan.findings import PlanFindings
from dsops.plan.types import SecretReference, Step

SINGLE_READS = 10
"""The maximum number of secrets that are read one by one. For more secrets, BatchGetSecretValue is used."""

SECRETS_PER_CALL = 20
"""The maximum number of secrets in one BatchGetSecretValue call (its API reference, SecretIdList)."""

PARAMETERS_PER_CALL = 10
"""The maximum number of parameters in one GetParameters call (its API reference, Names)."""

PARTS = {
    "access_key_id": ("AccessKeyId", "AWS_ACCESS_KEY_ID"),
    "secret_access_key": ("SecretAccessKey", "AWS_SECRET_ACCESS_KEY"),
    "session_token": ("SessionToken", "AWS_SESSION_TOKEN"),
    "expiration": ("Expiration",),
    "assumed_role_arn": (),
    "credentials": ("all",),
}
"""Maps each part of a session to its alternative spellings: AWS's names and the original dsops' names."""

_PART_OF = {spelling: part for part, spellings in PARTS.items() for spelling in (part, *spellings)}

# Patterns, compiled at their first use. The CreateSecret API reference allows /_+=.@-; its error message also allows
# `!`.
_NAME_IN_SECRETSMANAGER = r"[A-Za-z0-9/_+=.@!-]{1,512}\Z"
_NAME_IN_SSM = r"[A-Za-z0-9_./-]{1,2048}(?::[A-Za-z0-9_.-]{1,100})?\Z"
_SELECTOR = r":[^:/]*\Z"
_REGION = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\Z"
_UNFIT_FOR_A_NAME = r"[^A-Za-z0-9/_+=.@!-]"
_UNFIT_FOR_A_PARAMETER = r"[^A-Za-z0-9_./:-]"


def canonical_reference(
    step: Step, reference: SecretReference, where: Where, findings: PlanFindings
) -> SecretReference:
    """Return the canonical spelling of a reference.

    For example, `name#.field` and `name` with the field `field` get the same spelling.
    """
    if step.type.session_parts:
        return _part(step, reference, where, findings)
    check = _CHECKS.get(step.type.service)
    if check is None:
        return reference
    key, separator, field = reference.key.partition("#")
    if separator and reference.field:
        findings.add(
            ConfigError, where, "", f"a field is named twice: `{field}` in the key and `{reference.field}`", "keep one"
        )
    version = "" if reference.version.lower() == "latest" else reference.version
    canonical = SecretReference(key, version, field or reference.field)
    check(step, canonical, where, findings)
    return canonical


def _part(step: Step, reference: SecretReference, where: Where, findings: PlanFindings) -> SecretReference:
    parts = step.type.session_parts
    part = _PART_OF.get(reference.key)
    if part not in parts:
        near = nearest(reference.key, parts)
        hint = f"did you mean `{near}`?" if near else f"it gives {', '.join(parts)}"
        findings.add(ConfigError, where, "", f"store `{step.name}` has no `{reference.key}`", hint)
    if reference.version:
        findings.add(ConfigError, where, "", "a session has no versions", "leave out `version`")
    return SecretReference(part or reference.key, "", reference.field)


def _check_secret(step: Step, reference: SecretReference, where: Where, findings: PlanFindings) -> None:
    key, version = reference.key, reference.version
    if not key:
        findings.add(ConfigError, where, "", "the secret's name is empty")
    elif key.startswith("arn:"):
        _check_arn(step, key, where, findings)
    elif not re.match(_NAME_IN_SECRETSMANAGER, key):
        bad = re.search(_UNFIT_FOR_A_NAME, key)
        fault = (
            f"has {_character_text(bad.group())} in it" if bad else f"has {len(key)} characters, and 512 are the most"
        )
        message = f"the secret's name `{key[:80]}` {fault}: AWS takes letters, digits and /_+=.@-"
        findings.add(LimitExceeded, where, "", message)
    if len(version) > 256:
        findings.add(LimitExceeded, where, "", "a staging label has at most 256 characters")


def _check_parameter(step: Step, reference: SecretReference, where: Where, findings: PlanFindings) -> None:
    key, version = reference.key, reference.version
    if not key:
        findings.add(ConfigError, where, "", "the parameter's name is empty")
    elif key.startswith("arn:"):
        _check_arn(step, key, where, findings)
    elif not re.match(_NAME_IN_SSM, key):
        bad = re.search(_UNFIT_FOR_A_PARAMETER, key)
        fault = f"has {_character_text(bad.group())} in it" if bad else "is not one that AWS takes"
        findings.add(
            LimitExceeded, where, "", f"the parameter's name `{key[:80]}` {fault}: letters, digits and _.-/ make one"
        )
    selector = key.rpartition("/")[2].partition(":")[2]
    if version and selector:
        findings.add(ConfigError, where, "", f"a version is named twice: `{selector}` and `{version}`", "keep one")


def _check_arn(step: Step, text: str, where: Where, findings: PlanFindings) -> None:
    service, beginning = step.type.service, step.type.read_prefix
    arn = parse_arn(text)
    # `*` in place of the account is refused, because it would be a wildcard in a policy made from the ARN.
    is_one = (
        arn is not None
        and arn.service == service
        and arn.resource.startswith(beginning)
        and re.fullmatch(r"[0-9]+", arn.account) is not None
    )
    if arn is None or not is_one or not re.match(_REGION, arn.region):
        example = f"arn:aws:{service}:REGION:ACCOUNT:{beginning}NAME"
        findings.add(
            ConfigError, where, "", f"`{text}` is not the ARN of a {step.type.read_noun}", f"it looks like {example}"
        )
        return
    if partition_of_region(arn.region).name != arn.partition:
        message = f"`{text}` names the partition {arn.partition}, and its region {arn.region} is not in that"
        findings.add(ConfigError, where, "", message, "credentials never cross from one partition to another")
        return
    partition = partition_of_region(step.region).name
    if step.region and arn.partition != partition:
        message = f"`{text}` is in the partition {arn.partition}, and store `{step.name}` works in {partition}"
        findings.add(ConfigError, where, "", message, "credentials never cross from one partition to another")
    elif step.region and arn.region != step.region:
        note = f"{text} is read in its own region {arn.region}, not in {step.region} of store `{step.name}`"
        findings.notes.append(note)


def region_of(secret_id: str, step: Step) -> str:
    """Return the region that a secret is read in: its ARN's region if it has one, otherwise the step's."""
    arn = parse_arn(secret_id) if secret_id.startswith("arn:") else None
    return arn.region if arn is not None and arn.region else step.region


def count_calls(steps: Mapping[str, Step], references: Mapping[str, Iterable[SecretReference]], *, issues: int) -> int:
    """Return the number of requests that a run sends, without cached sessions and without refusals by AWS."""
    calls = issues
    for name, step_references in references.items():
        step = steps[name]
        if not step.type.read_action:
            continue
        regions: dict[str, set[SecretReference]] = {}
        for reference in step_references:
            whole = reference._replace(field="")
            regions.setdefault(region_of(reference.key, step), set()).add(whole)
        for secrets in regions.values():
            calls += _reads_in_region(step, secrets)
    return calls


def _reads_in_region(step: Step, secrets: set[SecretReference]) -> int:
    """Return the number of requests that read these secrets, which are all in one region."""
    if step.type.service == "ssm":
        return len(in_calls(map(parameter_name, secrets)))
    return reads_of(step, secrets) if step.type.service == "secretsmanager" else len(secrets)


def parameter_name(reference: SecretReference) -> str:
    """Return the name to send to GetParameters: the name or ARN, then a colon and the version or label, if any."""
    return f"{reference.key}:{reference.version}" if reference.version else reference.key


def in_calls(names: Iterable[str]) -> list[list[str]]:
    """Divide parameter names into as few calls as possible, with at most ten names in a call.

    Two versions of one parameter are never in one call: AWS does not document whether that is allowed, and emulators
    mix up the two values.
    """
    calls: list[dict[str, str]] = []
    for name in names:
        base = re.sub(_SELECTOR, "", name)
        for call in calls:
            if len(call) < PARAMETERS_PER_CALL and base not in call:
                call[base] = name
                break
        else:
            calls.append({base: name})
    return [list(call.values()) for call in calls]


def reads_of(step: Step, secrets: set[SecretReference]) -> int:
    """Return the number of requests that read these secrets from Secrets Manager in one region.

    A batch returns only current versions, so other versions need one request each.
    """
    current = sum(not reference.version for reference in secrets)
    if len(secrets) <= SINGLE_READS or current < 2 or step.settings.get("batch") == "never":
        return len(secrets)
    return -(-current // SECRETS_PER_CALL) + len(secrets) - current


def is_version_id(version: str) -> bool:
    """Whether a version is a version id (a UUID). Any other string is a staging label."""
    parts = version.split("-")
    return [len(part) for part in parts] == [8, 4, 4, 4, 12] and all(
        character in "0123456789abcdefABCDEF" for part in parts for character in part
    )


def _character_text(character: str) -> str:
    return "a space" if character == " " else f"`{character}`" if character.isprintable() else repr(character)


_CHECKS = {"secretsmanager": _check_secret, "ssm": _check_parameter}
"""Service -> the function that checks a reference by the service's rules."""


def region_of_arns(keys: Iterable[str]) -> str:
    """Return the region of the first secret if every secret is given as an ARN, else "".

    If every secret is given as an ARN, the store needs no region of its own.
    """
    arns = [parse_arn(key) for key in keys]
    regions = [arn.region if arn else "" for arn in arns]
    return regions[0] if regions and all(regions) else ""
