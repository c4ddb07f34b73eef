"""Decide which service principals a trust policy may name; IAM refuses unknown service principals.

AWS publishes no list of service principals. So a name is accepted if it contains the name of an AWS service
(`ecs-tasks`, `pods.eks`, `states.us-east-1`). The rule is meant to accept all real principals. It also accepts some
invented names, which do no harm because no caller has such a principal.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

from dsops.arn import PARTITIONS
from dsops.request.resources.linked_role_names import linked_roles
from dsops.service_reference import open_reference

_DOMAINS: Final = tuple(
    sorted({f".{partition.dns_suffix}" for partition in PARTITIONS} | {".amazon.com", ".aws.internal"})
)
_REGION: Final = re.compile(r"[a-z]{2,4}(-[a-z]+){1,2}-[0-9]")
_MORE: Final = frozenset(
    """
    alexa-appkit alexa-connectedhome aws-artifact-account-sync billingreports codestar deepracer ec2scheduled
    ec2sqlha edgelambda evidently iotevents jellyfish location migrationhub neptune pinpoint securityhubv2 vmie
    vpc-flow-logs
    """.split()
)
"""Principals in AWS's guides and policies that are not named after their service, or whose service was closed."""


def is_service_principal(name: str) -> bool:
    """Whether an AWS service can have that principal name."""
    domain = next((domain for domain in _DOMAINS if name.endswith(domain)), "")
    labels = name.removesuffix(domain).split(".") if domain else []
    return any(_is_built_on_service(label) for label in labels if not _REGION.fullmatch(label))


def _is_built_on_service(label: str) -> bool:
    parts = label.split("-")
    return any("-".join(parts[:count]) in _names() for count in range(len(parts), 0, -1))


@cache
def _names() -> frozenset[str]:
    """Return the known service names: action prefixes, and parts of the principals of service-linked roles.

    The first call takes 4 ms.
    """
    reference = open_reference()
    labels = {label for service in linked_roles() for label in service.removesuffix(".amazonaws.com").split(".")}
    return frozenset(labels | _MORE | set(() if reference is None else reference.services()))
