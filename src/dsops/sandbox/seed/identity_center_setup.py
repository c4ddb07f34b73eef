"""Create a seed's Identity Center instance, with a role for each permission set assigned in an account."""

from __future__ import annotations

import json
import re
from hashlib import sha256
from uuid import NAMESPACE_URL, uuid5

from dsops.arn import partition_of_region
from dsops.sandbox.identity_center.directory import AssignedRole, CenterUser, Instance
from dsops.sandbox.saml.assertion import sign_in
from dsops.sandbox.seed.identity_center_model import SeedIdentityCenter, SeedPermissionSet
from dsops.sandbox.state.iam_builder import IamBuilder
from dsops.sandbox.state.world import World

_STORE_ID = re.compile(r"https://(d-[0-9a-z]{10})\.")
# All published roles have this maximum session duration. The permission set sets the actual duration.
_MAX_SESSION_SECONDS = 43200


def plant_instance(world: World, seed: SeedIdentityCenter, metadata: str, owner: str) -> Instance:
    """Create the instance and its roles. moto's exceptions for invalid resources are not caught.

    - `metadata`: the metadata of the SAML provider that the trust policies name.
    - `owner`: the management account.
    """
    planter = IamBuilder(world)
    sets = {entry.name: entry for entry in seed.permission_sets}
    providers: dict[str, str] = {}
    roles: dict[tuple[str, str], AssignedRole] = {}
    for assignment in seed.assignments:
        account, name = assignment.account, assignment.permission_set
        if account not in providers:
            provider = f"AWSSSO_{_mark(seed.start_url, account)}_DO_NOT_DELETE"
            providers[account] = planter.add_saml_provider(account, provider, metadata)
        if (account, name) not in roles:
            roles[account, name] = _plant_role(planter, seed, account, sets[name], providers[account])
    return Instance(
        seed.start_url,
        seed.region,
        partition_of_region(seed.region).name,
        owner,
        _store_id(seed.start_url),
        {
            user.name: CenterUser(user.name, _user_id(seed.start_url, user.name), user.email, user.attributes)
            for user in seed.users
        },
        roles,
        frozenset((user, entry.account, entry.permission_set) for entry in seed.assignments for user in entry.users),
        seed.auto_approve,
        rotates_refresh_tokens=seed.rotates_refresh_tokens,
    )


def _plant_role(
    planter: IamBuilder, seed: SeedIdentityCenter, account: str, permission_set: SeedPermissionSet, provider_arn: str
) -> AssignedRole:
    name = f"AWSReservedSSO_{permission_set.name}_{_mark(seed.start_url, account, permission_set.name)}"
    # In us-east-1 the path contains no region (published ARNs; the user guide writes `*` for the region).
    region = "" if seed.region == "us-east-1" else f"{seed.region}/"
    role_added = planter.add_role(
        account,
        name,
        _trust(provider_arn, partition_of_region(seed.region).name),
        f"/aws-reserved/sso.amazonaws.com/{region}",
        max_seconds=_MAX_SESSION_SECONDS,
    )
    for policy in permission_set.policies:
        planter.put_policy(account, "role", name, policy)
    if permission_set.boundary:
        planter.set_role_boundary(role_added, permission_set.boundary)
    return AssignedRole(account, role_added.unique_id, provider_arn, permission_set.session_duration)


def _trust(provider_arn: str, partition: str) -> str:
    """Return a role's trust policy in the format that AWS uses."""
    statement = {
        "Effect": "Allow",
        "Principal": {"Federated": provider_arn},
        "Action": ["sts:AssumeRoleWithSAML", "sts:TagSession"],
        "Condition": {"StringEquals": {"SAML:aud": sign_in(partition)}},
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _mark(*parts: str) -> str:
    """Return 16 hexadecimal digits for a role's name.

    On AWS the digits are random. Here they are derived from `parts`, so that tests can name the roles.
    """
    return sha256("\n".join(parts).encode()).hexdigest()[:16]


def _store_id(start_url: str) -> str:
    match = _STORE_ID.match(start_url)
    return match[1] if match else f"d-{_mark(start_url)[:10]}"


def _user_id(start_url: str, name: str) -> str:
    return f"{_store_id(start_url)[2:]}-{uuid5(NAMESPACE_URL, f'{start_url} {name}')}"
