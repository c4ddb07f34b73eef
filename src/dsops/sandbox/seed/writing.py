"""Write a seed as a seed file (YAML), which `seed.file` reads again."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from dsops.request.question import Tags
from dsops.request.stored_policies import StoredPolicy
from dsops.sandbox.seed.identity_center_model import SeedIdentityCenter
from dsops.sandbox.seed.model import (
    Seed,
    SeedAccount,
    SeedDevice,
    SeedKey,
    SeedOidcProvider,
    SeedRegion,
    SeedRole,
    SeedSamlProvider,
    SeedUser,
)
from dsops.sandbox.seed.roles_anywhere import SeedAnywhereProfile, SeedRolesAnywhere, SeedTrustAnchor
from dsops.sandbox.state.organization_builder import SeedNode, SeedOrganization

Section = Mapping[str, object]

# YAML reads these only as escapes; json.dumps escapes the control characters below 0x20 itself.
_NOT_IN_YAML = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_NOT_IN_COMMENTS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]+")

_PLAIN = re.compile(r"(?!(?:null|true|false|yes|no|on|off|y|n)$)[a-z][a-z0-9_]*", re.ASCII)
"""Keys that need no quotes. YAML reads the excluded words as other types than text."""


class _OneLine(NamedTuple):
    """A value that is written as JSON on one line, such as a policy document."""

    value: object


def write_seed(seed: Seed, comments: Sequence[str]) -> str:
    """Return the text of a seed file. The comments, one line each, are its head."""
    head = [f"# {_NOT_IN_COMMENTS.sub(' ', comment)}".rstrip() for comment in comments]
    return "\n".join([*head, *_lines(_root(seed), ""), ""])


def _lines(section: Section, indent: str) -> Iterator[str]:
    for key, value in section.items():
        name = f"{indent}{key if _PLAIN.fullmatch(key) else _json(key)}:"
        if isinstance(value, Mapping) and value:
            yield name
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list):
            yield name
            yield from (f"{indent}- {_json(item)}" for item in value)
        else:
            yield f"{name} {_json(value.value if isinstance(value, _OneLine) else value)}"


def _json(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return _NOT_IN_YAML.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def _filled(**keys: object) -> dict[str, object]:
    """Return the keys whose values are not empty."""
    return {key: value for key, value in keys.items() if value}


def _root(seed: Seed) -> Section:
    center, organization = seed.identity_center, seed.organization
    return {"region": seed.region} | _filled(
        default_identity=seed.default_identity,
        accounts={account.account: _account(account) for account in seed.accounts},
        organization=organization and _organization(organization),
        identity_center=center and _identity_center(center),
        throttle=dict(seed.throttle),
        authorization_ids=sorted(seed.authorization_ids),
    )


def _account(account: SeedAccount) -> Section:
    return _filled(
        partition=account.partition if account.partition != "aws" else "",
        root=account.root and _key(account.root),
        outbound_federation=account.has_outbound_federation,
        closed_sts_regions=list(account.closed_sts_regions),
        policies={policy.name: _document(policy.text) for policy in account.policies},
        groups={name: _filled(policies=_policies(policies)) for name, policies in account.groups.items()},
        users={user.name: _user(user) for user in account.users},
        roles={role.name: _role(role) for role in account.roles},
        oidc_providers=[_oidc_provider(provider) for provider in account.oidc_providers],
        saml_providers=[_saml_provider(provider) for provider in account.saml_providers],
        roles_anywhere=account.roles_anywhere and _roles_anywhere(account.roles_anywhere),
        regions={name: _region(region) for name, region in account.regions.items()},
    )


def _key(key: SeedKey) -> dict[str, object]:
    return _filled(access_key_id=key.access_key_id, secret_access_key=key.secret_access_key)


def _user(user: SeedUser) -> Section:
    return {
        **_filled(id=user.unique_id, path=_path(user.path)),
        **_key(user.key),
        **_filled(
            mfa=[_device(device) for device in user.devices],
            source_ip=user.source_ip,
            groups=list(user.groups),
            tags=_tags(user.tags),
            policies=_policies(user.policies),
            boundary=user.boundary,
        ),
    }


def _device(device: SeedDevice) -> Section:
    return _filled(name=device.name, path=_path(device.path), seed=device.seed)


def _role(role: SeedRole) -> Section:
    return _filled(
        id=role.unique_id,
        path=_path(role.path),
        trust=_document(role.trust),
        max_session_duration=role.max_session_duration if role.max_session_duration != 3600 else 0,
        source_ip=role.source_ip,
        tags=_tags(role.tags),
        policies=_policies(role.policies),
        boundary=role.boundary,
    )


def _path(path: str) -> str:
    return "" if path == "/" else path


def _tags(tags: Tags) -> Section:
    return dict(tags)


def _document(text: str) -> _OneLine:
    return _OneLine(json.loads(text))


def _policies(policies: Sequence[StoredPolicy]) -> list[object]:
    return [
        {"name": policy.name, "document": json.loads(policy.text)} if policy.text else policy.name
        for policy in policies
    ]


def _oidc_provider(provider: SeedOidcProvider) -> Section:
    return _filled(
        url=provider.url,
        client_ids=list(provider.client_ids),
        issued_by_sandbox=provider.is_issued_by_sandbox,
        jwks=provider.jwks,
    )


def _saml_provider(provider: SeedSamlProvider) -> Section:
    own = {} if provider.metadata else {"issued_by_sandbox": True}
    return _filled(name=provider.name, metadata=provider.metadata) | own


def _roles_anywhere(section: SeedRolesAnywhere) -> Section:
    return _filled(
        region=section.region,
        trust_anchors={anchor.name: _trust_anchor(anchor) for anchor in section.trust_anchors},
        profiles={profile.name: _profile(profile) for profile in section.profiles},
    )


def _trust_anchor(anchor: SeedTrustAnchor) -> Section:
    keys = _filled(id=anchor.identifier, certificates=anchor.certificates, crl=anchor.crl)
    return keys | {"enabled": anchor.is_enabled}


def _profile(profile: SeedAnywhereProfile) -> Section:
    return _filled(
        id=profile.identifier,
        roles=list(profile.roles),
        duration_seconds=profile.duration_seconds,
        accept_role_session_name=profile.accepts_role_session_name,
        require_instance_properties=profile.requires_instance_properties,
        session_policy=_document(profile.session_policy) if profile.session_policy else "",
        policy_arns=list(profile.policy_arns),
    ) | {"enabled": profile.is_enabled}


def _region(region: SeedRegion) -> Section:
    secrets = region.secrets.items()
    return _filled(
        keys={
            name: _filled(id=key.key_id, policy=_document(key.policy) if key.policy else "")
            for name, key in region.keys.items()
        },
        secrets={name: secret.string for name, secret in secrets if secret.string is not None},
        binary_secrets={name: secret.binary or "" for name, secret in secrets if secret.string is None},
        secret_policies={name: _document(secret.policy) for name, secret in secrets if secret.policy is not None},
        secret_keys={name: secret.kms_key for name, secret in secrets if secret.kms_key},
        parameters={
            name: value if isinstance(value, str) else list(value) for name, value in region.parameters.items()
        },
        parameter_keys=dict(region.parameter_keys),
    )


def _organization(organization: SeedOrganization) -> Section:
    administrators: dict[str, list[str]] = {}
    for account, service in organization.delegated_administrators:
        administrators.setdefault(account, []).append(service)
    return {
        **_filled(id=organization.organization_id),
        "management_account": organization.management_account,
        "feature_set": organization.feature_set,
        **_filled(root_access=list(organization.root_access), delegated_administrators=administrators),
        **_node(organization.root),
    }


def _node(node: SeedNode) -> dict[str, object]:
    full = {} if node.has_full_access else {"full_aws_access": False}
    return full | _filled(
        name=node.name,
        service_control_policies=_policies(node.service_control),
        resource_control_policies=_policies(node.resource_control),
        accounts={account: _node(own) for account, own in node.accounts},
        organizational_units={name: _node(unit) for name, unit in node.units},
    )


def _identity_center(center: SeedIdentityCenter) -> Section:
    return {"start_url": center.start_url} | _filled(
        region=center.region,
        users={user.name: _filled(email=user.email, attributes=_tags(user.attributes)) for user in center.users},
        permission_sets={
            entry.name: _filled(
                policies=_policies(entry.policies), session_duration=entry.session_duration, boundary=entry.boundary
            )
            for entry in center.permission_sets
        },
        assignments=[entry._asdict() for entry in center.assignments],
        auto_approve=center.auto_approve,
        rotates_refresh_tokens=center.rotates_refresh_tokens,
    )
