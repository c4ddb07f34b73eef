"""Read service-linked roles and their policies from `linked_roles.txt`."""

from __future__ import annotations

import os
from functools import cache
from typing import Final, NamedTuple

_DOMAIN: Final = ".amazonaws.com"
_PREFIX: Final = "AWSServiceRoleFor"
LINKED_PATH: Final = "/aws-service-role/"
"""The IAM path of every service-linked role and of its managed policy."""


class LinkedRole(NamedTuple):
    """The name and policy of a service-linked role."""

    name: str
    policy: str
    """The name of the role's managed policy, below the path `aws-service-role/`."""
    has_suffix: bool
    """Whether CreateServiceLinkedRole accepts a CustomSuffix for this role."""


def linked_name(linked: LinkedRole, suffix: str) -> str:
    """Return the name of a service-linked role with its suffix."""
    return f"{linked.name}_{suffix}" if suffix else linked.name


@cache
def linked_roles() -> dict[str, LinkedRole]:
    """Map service principals to their service-linked roles."""
    with open(os.path.join(os.path.dirname(__file__), "linked_roles.txt"), encoding="ascii") as file:
        rows = [line.split() for line in file if line.strip() and not line.startswith("#")]
    return {
        f"{service}{_DOMAIN}": LinkedRole(f"{_PREFIX}{role}", policy, bool(suffix))
        for service, role, policy, *suffix in rows
    }


DESCRIPTIONS: Final = {
    "rds.amazonaws.com": "Allows Amazon RDS to manage AWS resources on your behalf",
    "ssm.amazonaws.com": "Provides access to AWS Resources managed or used by Amazon SSM.",
    "sso.amazonaws.com": "Service-linked role used by AWS SSO to manage AWS resources"
    ", including IAM roles, policies and SAML IdP on your behalf.",
}
"""Maps a service principal to AWS's description of its role, for roles created without a description."""
