"""Who may assume a role, and on which conditions: the trust policy's statements for one hop.

What stands for the external ID and the principal is the caller's to say: `dsops policy generate` leaves them open, a
sandbox has the real ones.
"""

from __future__ import annotations

from collections.abc import Mapping

from dsops.arn import Arn
from dsops.plan import Step
from dsops.plan.required_permissions import assume_actions
from dsops.plan.statements import Statement, one_or_more
from dsops.schema.reason import reason_tag

Conditions = dict[str, dict[str, object]]

# IAM User Guide, Configure SAML assertions for the authentication response.
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
    """Lets these principals (an ARN or several) assume the step's role as the step does: no more than it sends.

    Each action has a statement of its own, as in AWS's guide (Pass session tags in AWS STS), since a condition key
    that one of them has may be absent for another. `source_identity` may have `*` in it; `own` are conditions that
    say which callers of a wider principal are meant.
    """
    actions = assume_actions(step, steps)
    operator = "StringLike" if "*" in source_identity else "StringEquals"
    identity: Conditions = {operator: {"sts:SourceIdentity": source_identity}} if source_identity else {}
    entry: Conditions = {}
    if external_id is not None:
        entry["StringEquals"] = {"sts:ExternalId": external_id}
    if has_mfa:
        # Plain Bool: a request signed by a long-term key lacks the key, and IfExists would let it in.
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
    """Allow web identity tokens of that issuer and audience, for that subject or those that match it."""
    host = issuer.removeprefix("https://")
    conditions: Conditions = {"StringEquals": {f"{host}:aud": audience}}
    conditions.setdefault("StringLike" if is_pattern else "StringEquals", {})[f"{host}:sub"] = subject
    provider = f"arn:{role.partition}:iam::{role.account}:oidc-provider/{host}"
    return _allowed({"Federated": provider}, "sts:AssumeRoleWithWebIdentity", conditions)


def trust_in_assertions(role: Arn, provider: object) -> Statement:
    """Allow assertions of a SAML provider that are meant for AWS; the provider decides who gets one for the role."""
    host = _SIGN_IN.get(role.partition, "signin.aws.amazon.com")
    conditions: Conditions = {"StringEquals": {"SAML:aud": f"https://{host}/saml"}}
    return _allowed({"Federated": provider}, "sts:AssumeRoleWithSAML", conditions)


def permission_set(account: str, partition: str, name: str) -> tuple[str, Conditions]:
    """The principal and the conditions that match the sessions of a permission set of IAM Identity Center.

    AWS creates its role, with 16 characters after the name that change when AWS creates it again (Identity Center User
    Guide, Referencing permission sets in resource policies), and outside of us-east-1 with a region in its path.
    """
    roles = f"arn:{partition}:iam::{account}:role/aws-reserved/sso.amazonaws.com*/AWSReservedSSO_{name}_{'?' * 16}"
    return f"arn:{partition}:iam::{account}:root", {"ArnLike": {"aws:PrincipalArn": roles}}


def _tags(step: Step, steps: Mapping[str, Step]) -> Conditions:
    """The keys of the tags that are sent, where none come from hops before, whose keys would stand beside them."""
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
