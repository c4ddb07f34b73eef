"""Compile policies by place into the `Policies` that `evaluate` takes."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from dsops.arn import parse_arn
from dsops.policy.evaluation.consulted import Policies
from dsops.policy.evaluation.control import has_resource_control
from dsops.policy.language.grammar import parse_policy
from dsops.policy.language.policy import Policy
from dsops.policy.simulation.case import CaseQuestion, Place

PolicySet = Mapping[Place, tuple[tuple[Policy, ...], ...]]
"""The policies by place, in levels or layers. A place that is missing has no policies."""

FULL_ACCESS: Final[dict[Place, str]] = {"scp": "FullAWSAccess", "rcp": "RCPFullAWSAccess"}
"""The names of the policies that AWS attaches to every level. RCPFullAWSAccess can't be detached."""

_FULL_ACCESS_TEXT: Final[dict[Place, str]] = {
    "scp": '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}',
    "rcp": (
        '{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}}'
    ),
}


@cache
def full_access(place: Place) -> Policy:
    """Return AWS's FullAWSAccess for SCPs, or its RCPFullAWSAccess for RCPs."""
    return parse_policy(_FULL_ACCESS_TEXT[place], place, name=FULL_ACCESS[place])


def compile_policies(policy_set: PolicySet, question: CaseQuestion) -> Policies:
    """Convert the policies to the form that `evaluate` takes."""
    always = full_access("rcp")
    # Service control policies limit only principals of the organization's accounts (AWS Organizations User Guide).
    levels = policy_set.get("scp", ()) if question.principal.account else ()
    return Policies(
        identity=tuple(policy for group in policy_set.get("identity", ()) for policy in group),
        boundary=_only_policy(policy_set, "boundary"),
        session=tuple(policy_set.get("session", ())),
        resource=_only_policy(policy_set, "trust") or _only_policy(policy_set, "resource"),
        service_control=tuple(levels),
        resource_control=tuple((always, *level) for level in policy_set.get("rcp", ()))
        if has_resource_control(question.action)
        else (),
        must_resource_allow=is_kms_key(question.resource),
    )


def is_kms_key(resource: str) -> bool:
    """Whether the ARN is that of a KMS key.

    A request for a KMS key must be allowed by its key policy (KMS Developer Guide, Key policies).
    """
    arn = parse_arn(resource)
    return arn is not None and arn.service == "kms" and arn.resource_type == "key"


def _only_policy(policy_set: PolicySet, place: Place) -> Policy | None:
    return next((policy for group in policy_set.get(place, ()) for policy in group), None)
