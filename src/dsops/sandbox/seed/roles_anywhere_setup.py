"""Create a seed's trust anchors, revocation lists and profiles."""

from __future__ import annotations

from uuid import NAMESPACE_URL, uuid5

from dsops.sandbox.roles_anywhere.management import new_anchor, new_crl, new_profile
from dsops.sandbox.roles_anywhere.records import CRL, PROFILE, TRUST_ANCHOR, AnywhereResources, Kind, Location
from dsops.sandbox.seed.roles_anywhere import SeedRolesAnywhere
from dsops.sandbox.state.world import World


def plant_roles_anywhere(
    records: AnywhereResources, world: World, account: str, seed: SeedRolesAnywhere, region: str, now: float
) -> None:
    """Create the resources of an account. `region` is the seed's default region.

    Raises SandboxRefusal for a resource that the service refuses.
    """
    location = Location(world.partitions[account], seed.region or region, account)
    for anchor in seed.trust_anchors:
        fields = new_anchor(anchor.name, anchor.certificates, is_enabled=anchor.is_enabled)
        identifier = anchor.identifier or id_of(TRUST_ANCHOR, location, anchor.name)
        record = records.add(TRUST_ANCHOR, location, fields, now, identifier=identifier)
        if anchor.crl:
            crl = new_crl(anchor.name, anchor.crl.encode(), record)
            records.add(CRL, location, crl, now, identifier=id_of(CRL, location, anchor.name))
    for profile in seed.profiles:
        fields = new_profile(f"arn:{location.partition}:iam::{account}:root") | {
            "name": profile.name,
            "roleArns": [_role_arn(world, account, name) for name in profile.roles],
            "durationSeconds": profile.duration_seconds,
            "acceptRoleSessionName": profile.accepts_role_session_name,
            "requireInstanceProperties": profile.requires_instance_properties,
            "managedPolicyArns": list(profile.policy_arns),
            "enabled": profile.is_enabled,
        }
        if profile.session_policy:
            fields["sessionPolicy"] = profile.session_policy
        identifier = profile.identifier or id_of(PROFILE, location, profile.name)
        records.add(PROFILE, location, fields, now, identifier=identifier)


def id_of(kind: Kind, location: Location, name: str) -> str:
    """Return the id of a seed's resource, which is the same in each sandbox with that seed."""
    return str(uuid5(NAMESPACE_URL, "/".join((*location, kind.name, name))))


def _role_arn(world: World, account: str, name: str) -> str:
    if name.startswith("arn:"):
        return name
    role = world.role_named(account, name)
    return f"arn:{world.partitions[account]}:iam::{account}:role/{name}" if role is None else role.arn
