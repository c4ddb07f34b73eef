"""Read an account's IAM Roles Anywhere as a seed describes it. What a seed can't express is told in notes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from dsops.sandbox.roles_anywhere.attributes import DEFAULT_MAPPINGS
from dsops.sandbox.roles_anywhere.records import CRL, PROFILE, TRUST_ANCHOR, AnywhereResource, AnywhereResources
from dsops.sandbox.seed.roles_anywhere import SeedAnywhereProfile, SeedRolesAnywhere, SeedTrustAnchor


def present_roles_anywhere(resources: AnywhereResources, account: str, notes: list[str]) -> SeedRolesAnywhere | None:
    """Return the account's trust anchors, revocation lists and profiles; None without any."""
    own = [resource for resource in resources.all() if resource.location.account == account]
    kept = [resource for resource in own if resource.kind in {TRUST_ANCHOR, PROFILE}]
    if not kept:
        return None
    region = kept[0].location.region
    here = [resource for resource in own if resource.location.region == region]
    notes += [f"{each.arn}: a seed has one region of IAM Roles Anywhere" for each in kept if each not in here]
    notes += [f"the tags of {resource.arn}" for resource in here if resource.tags]
    lists = [resource for resource in here if resource.kind == CRL]
    return SeedRolesAnywhere(
        region,
        tuple(_anchor(resource, lists, notes) for resource in here if resource.kind == TRUST_ANCHOR),
        tuple(_profile(resource, notes) for resource in here if resource.kind == PROFILE),
    )


def _anchor(anchor: AnywhereResource, lists: list[AnywhereResource], notes: list[str]) -> SeedTrustAnchor:
    source = cast("Mapping[str, Mapping[str, str]]", anchor.fields["source"])
    own = [crl for crl in lists if _names(crl, anchor) and crl.is_enabled]
    notes += [f"the revocation list {crl.arn}" for crl in lists if crl not in own[:1] and _names(crl, anchor)]
    pem = cast("bytes", own[0].fields["crlData"]).decode() if own else ""
    certificates = source["sourceData"].get("x509CertificateData", "")
    return SeedTrustAnchor(anchor.text("name"), certificates, anchor.identifier, pem, anchor.is_enabled)


def _names(crl: AnywhereResource, anchor: AnywhereResource) -> bool:
    return crl.fields["trustAnchorArn"] == anchor.arn


def _profile(profile: AnywhereResource, notes: list[str]) -> SeedAnywhereProfile:
    if profile.fields["attributeMappings"] != [*DEFAULT_MAPPINGS]:
        notes.append(f"the attribute mappings of {profile.arn}")
    return SeedAnywhereProfile(
        profile.text("name"),
        profile.texts("roleArns"),
        profile.identifier,
        int(cast("int", profile.fields["durationSeconds"])),
        profile.fields.get("acceptRoleSessionName") is True,
        profile.fields.get("requireInstanceProperties") is True,
        profile.text("sessionPolicy"),
        profile.texts("managedPolicyArns"),
        profile.is_enabled,
    )
