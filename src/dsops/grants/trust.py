"""Build the statements of a role's trust policy: who may assume the role, under which conditions.

The calling code supplies external ID and principal: `dsops policy generate` passes placeholders, a sandbox passes the
real values.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.arn import Arn
from dsops.plan import Step
from dsops.plan.required_permissions import assume_actions
from dsops.plan.statements import Statement, one_or_more
from dsops.schema.reason import reason_tag

Conditions = dict[str, dict[str, object]]

# Maps a partition to the host name of its sign-in page (IAM User Guide, "Configure SAML assertions for the
# authentication response").
_SIGN_IN = {"aws-cn": "signin.amazonaws.cn", "aws-us-gov": "signin.amazonaws-us-gov.com"}


def trust_in_callers(
    step: Step,
    steps: Mapping[str, Step],
    principal: object,
    *,
    external_id: object = None,
    has_mfa: bool = False,
    source_identity: str = "",
    own: Conditions | None = None,
) -> list[Statement]:
    """Return statements that let `principal` assume the step's role, restricted to what the step sends.

    Each action has its own statement, because a request for one action may lack the condition keys of another. AWS's
    guide does the same (Pass session tags in AWS STS).

    - `principal`: one ARN or several.
    - `source_identity`: may contain `*`.
    - `own`: conditions that restrict a broader principal to the intended callers.
    """
    actions = assume_actions(step, steps)
    operator = "StringLike" if "*" in source_identity else "StringEquals"
    identity: Conditions = {operator: {"sts:SourceIdentity": source_identity}} if source_identity else {}
    entry: Conditions = {}
    if external_id is not None:
        entry["StringEquals"] = {"sts:ExternalId": external_id}
    if has_mfa:
        # Not BoolIfExists: it would allow a request signed by a long-term key, which lacks this condition key.
        entry["Bool"] = {"aws:MultiFactorAuthPresent": "true"}
    conditions = {
        "sts:AssumeRole": _joined(entry, identity),
        "sts:TagSession": _tags(step, steps),
        "sts:SetSourceIdentity": identity,
        "sts:SetContext": {},
    }
    return [_allowed({"AWS": principal}, action, _joined(own or {}, conditions[action])) for action in actions]


def trust_in_tokens(
    role: Arn, issuer: str, audience: object, subject: object, *, is_pattern: bool = False
) -> Statement:
    """Return the statement that allows web identity tokens with this issuer, audience and subject.

    With `is_pattern`, `subject` is a pattern.
    """
    host = issuer.removeprefix("https://")
    conditions: Conditions = {"StringEquals": {f"{host}:aud": audience}}
    conditions.setdefault("StringLike" if is_pattern else "StringEquals", {})[f"{host}:sub"] = subject
    provider = f"arn:{role.partition}:iam::{role.account}:oidc-provider/{host}"
    return _allowed({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", conditions)


def trust_in_assertions(role: Arn, provider: object) -> Statement:
    """Return the statement that allows a SAML provider's assertions for AWS.

    The SAML provider decides which users get an assertion for the role.
    """
    host = _SIGN_IN.get(role.partition, "signin.aws.amazon.com")
    conditions: Conditions = {"StringEquals": {"SAML:aud": f"https://{host}/saml"}}
    return _allowed({"Federated": provider}, "sts:AssumeRoleWithSAML", conditions)


def trust_in_certificates(trust_anchor_arn: str, common_name: object = None) -> Statement:
    """Return the statement that lets IAM Roles Anywhere assume a role for holders of a trust anchor's certificates.

    `common_name` restricts it to certificates with this CN; None allows all certificates of the trust anchor.
    """
    conditions: Conditions = {"ArnEquals": {"aws:SourceArn": trust_anchor_arn}}
    if common_name is not None:
        conditions["StringEquals"] = {"aws:PrincipalTag/x509Subject/CN": common_name}
    actions = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]
    return {**_allowed({"Service": "rolesanywhere.amazonaws.com"}, "", conditions), "Action": actions}


def permission_set(account: str, partition: str, name: str) -> tuple[str, Conditions]:
    """Return the principal and conditions that match the sessions of an IAM Identity Center permission set.

    AWS creates a role for the permission set. The role's name ends in 16 characters that change when AWS recreates the
    role (Identity Center User Guide, Referencing permission sets in resource policies). Outside us-east-1, the role's
    path contains the region.
    """
    roles = f"arn:{partition}:iam::{account}:role/aws-reserved/sso.amazonaws.com*/AWSReservedSSO_{name}_{'?' * 16}"
    return f"arn:{partition}:iam::{account}:root", {"ArnLike": {"aws:PrincipalArn": roles}}


def _tags(step: Step, steps: Mapping[str, Step]) -> Conditions:
    """Return conditions that allow only the tag keys that the step sends.

    If an earlier hop has transitive tags, the result is empty: the request then also contains their keys.
    """
    before, tags = steps.get(step.credentials_from), step.settings.get("tags", ())
    while before is not None:
        if "transitive_tag_keys" in before.settings:
            return {}
        before = steps.get(before.credentials_from)
    keys = [pair[0] for pair in tags if isinstance(pair, tuple)] if isinstance(tags, tuple) else []
    tag = reason_tag(step.settings)
    keys += [tag] if tag and tag not in keys else []
    if not keys:
        return {}
    return {"ForAllValues:StringEquals": {"aws:TagKeys": one_or_more(keys)}, "Null": {"aws:TagKeys": "false"}}


def _joined(conditions: Conditions, other: Mapping[str, Mapping[str, object]]) -> Conditions:
    joined = {operator: dict(keys) for operator, keys in conditions.items()}
    for operator, keys in other.items():
        joined.setdefault(operator, {}).update(keys)
    return joined


def _allowed(principal: dict[str, object], action: str, conditions: Conditions) -> Statement:
    statement: Statement = {"Effect": "Allow", "Principal": principal, "Action": action}
    if conditions:
        statement["Condition"] = conditions
    return statement
