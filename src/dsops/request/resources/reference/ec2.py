"""Authorize EC2's tagging: resources named by ids such as `vol-0123`, and resources created with tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from dsops.request.context import request_tags
from dsops.request.parameter_values import Parameters, listed_tags, many, text
from dsops.request.question import AuthorizationQuestion, CallerView

_KINDS: Final[Mapping[str, str]] = dict(
    pair.split("=")
    for pair in """
    acl=network-acl ami=image cgw=customer-gateway cr=capacity-reservation dopt=dhcp-options
    eigw=egress-only-internet-gateway eipalloc=elastic-ip eni=network-interface fl=vpc-flow-log h=dedicated-host
    i=instance igw=internet-gateway key=key-pair lt=launch-template nat=natgateway pcx=vpc-peering-connection
    pl=prefix-list rtb=route-table sfr=spot-fleet-request sg=security-group sgr=security-group-rule
    sir=spot-instances-request snap=snapshot subnet=subnet tgw=transit-gateway tgw-attach=transit-gateway-attachment
    tgw-rtb=transit-gateway-route-table vgw=vpn-gateway vol=volume vpc=vpc vpce=vpc-endpoint
    vpce-svc=vpc-endpoint-service vpn=vpn-connection
    """.split()
)
"""Prefix of an id, up to the last dash -> resource type."""
_WITHOUT_ACCOUNT: Final = frozenset({"image", "snapshot"})
"""Resource types whose ARNs contain no account (Service Authorization Reference for EC2)."""


def tagged_things(ids: tuple[str, ...], caller: CallerView) -> tuple[str, ...]:
    """Return the ARNs of the resources in CreateTags or DeleteTags; `*` for an id of unknown type."""
    return tuple(
        dict.fromkeys(_arn(_KINDS.get(resource_id.rpartition("-")[0], ""), resource_id, caller) for resource_id in ids)
    )


def tags_at_creation(operation: str, parameters: Parameters, caller: CallerView) -> Iterator[AuthorizationQuestion]:
    """Yield `ec2:CreateTags` checks for resources created with tags (EC2 User Guide, "Grant permission to tag ...")."""
    for specification in many(parameters, "TagSpecifications") or many(parameters, "TagSpecification"):
        tags = tuple(listed_tags(specification.get("Tags")))
        if tags:
            arn = _arn(text(specification, "ResourceType"), "*", caller)
            yield AuthorizationQuestion(
                "ec2:CreateTags", arn, caller.account, {**request_tags(tags), "ec2:CreateAction": (operation,)}
            )


def _arn(kind: str, name: str, caller: CallerView) -> str:
    account = "" if kind in _WITHOUT_ACCOUNT else caller.account
    return f"arn:{caller.partition}:ec2:{caller.region}:{account}:{kind}/{name}" if kind else "*"
