"""Read the folder that the program iam-collect writes (cloud-copilot/iam-collect, storage of type `file`).

The layout is `aws/PARTITION/accounts/ID/SERVICE/...`, with one folder per user, role, policy and resource, and
`aws/PARTITION/organizations/ID`. The facts are put into the form of AWS's own answers, and read as such.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from typing import Final

from dsops.access.facts.authorization_details import DetailsReader
from dsops.access.facts.documents import Documents
from dsops.access.facts.encryption_keys import default_key_of, key_arn
from dsops.access.facts.gaps import unknown_membership
from dsops.access.facts.json_files import object_of, read_value, tags_of, text_of, texts_of
from dsops.access.facts.organization import POLICY_TYPES, OrganizationFile
from dsops.access.facts.world import Gap, MemberAccount, OrganizationFacts, Resource, merge_worlds
from dsops.arn import is_account_id
from dsops.errors import PolicyUnreadable
from dsops.input_file import reason
from dsops.text import clean

_METADATA: Final = "metadata.json"
_FOLDERS: Final = {"scp": "scps", "rcp": "rcps"}
_MOST_DEPTH: Final = 6
"""The maximum depth of the folders below a service, such as `us-east-1/key/KEY`."""


def is_iam_collect(folder: str) -> bool:
    """Whether iam-collect wrote the folder."""
    return any(os.path.isdir(os.path.join(path, "accounts")) for path in _subfolders(os.path.join(folder, "aws")))


def read_iam_collect(folder: str) -> OrganizationFacts:
    """Return the facts in iam-collect's folder.

    Raises PolicyUnreadable and PolicyInvalid for a file that can't be read or is not what its name says.
    """
    documents = Documents()
    worlds = [
        _read_partition(path, os.path.basename(path), documents) for path in _subfolders(os.path.join(folder, "aws"))
    ]
    return merge_worlds(worlds)._replace(sources=(folder,))


def _read_partition(folder: str, partition: str, documents: Documents) -> OrganizationFacts:
    organizations = [
        OrganizationFile(_organization(path), os.path.basename(path), documents).read()
        for path in _subfolders(os.path.join(folder, "organizations"))
    ]
    folders = {
        os.path.basename(path): path
        for path in _subfolders(os.path.join(folder, "accounts"))
        if is_account_id(os.path.basename(path))
    }
    worlds = [_read_account(path, account, documents) for account, path in folders.items()]
    world = merge_worlds([*(each.world for each in organizations), *worlds])
    gaps = [*world.gaps, *(gap for each in organizations for gap in each.missing(folders))]
    accounts = dict(world.accounts)
    for account in folders:
        if account not in accounts:
            accounts[account] = MemberAccount(account, partition=partition, organization_id=None)
            gaps += unknown_membership(account, f"no organization in the folder has account {account}")
    return world._replace(accounts=accounts, gaps=tuple(gaps))


def _organization(folder: str) -> Mapping[str, object]:
    """Return the organization in the form of `organization.json`."""
    about = _object(os.path.join(folder, _METADATA))
    accounts = _object(os.path.join(folder, "accounts.json"))
    units = _object(os.path.join(folder, "ous.json"))
    enabled = object_of(about, "features")
    root = text_of(about, "rootOu")
    types = [{"Type": name, "Status": "ENABLED"} for name in POLICY_TYPES.values() if enabled.get(name) is True]
    return {
        "Organization": {
            "Id": text_of(about, "id"),
            "Arn": text_of(about, "arn"),
            "MasterAccountId": text_of(about, "rootAccountId"),
        },
        "Roots": [{"Id": root, "PolicyTypes": types}],
        "OrganizationalUnits": [
            {"Id": identifier, "ParentId": text_of(unit, "parent")} for identifier, unit in units.items()
        ],
        "Accounts": [
            {"Id": identifier, "Name": text_of(account, "name"), "ParentId": text_of(account, "ou")}
            for identifier, account in accounts.items()
        ],
        "Policies": list(_control_policies(folder, {**units, **accounts})),
    }


def _control_policies(folder: str, targets: Mapping[str, object]) -> Iterator[Mapping[str, object]]:
    for kind, name in POLICY_TYPES.items():
        part = _FOLDERS[kind]
        for path in _subfolders(os.path.join(folder, part)):
            about = _object(os.path.join(path, _METADATA))
            arn = text_of(about, "arn")
            attached = [target for target, value in targets.items() if arn and arn in texts_of(value, part)]
            summary = {"Id": arn.rpartition("/")[2], "Arn": arn, "Name": text_of(about, "name"), "Type": name}
            yield {"Summary": summary, "Content": read_value(os.path.join(path, "policy.json")), "Targets": attached}


def _read_account(folder: str, account: str, documents: Documents) -> OrganizationFacts:
    shown = f"accounts/{account}"
    iam = os.path.join(folder, "iam")
    world = OrganizationFacts({}, {}, {}, sources=(shown,))
    gaps: list[Gap] = []
    if os.path.isdir(iam):
        world = DetailsReader(_details(iam), f"{shown}/iam", account, documents).world()
    else:
        gaps.append(Gap(account, "identities", f"{shown}/iam is missing"))
    resources = {resource.arn: resource for resource in _resources(folder, account, documents)}
    if not resources:
        gaps.append(Gap(account, "resources", f"{shown} has no resource"))
    kinds = ("oidc-provider", "saml-provider")
    providers = {
        text_of(_object(os.path.join(path, _METADATA)), "arn")
        for kind in kinds
        for path in _subfolders(os.path.join(iam, kind))
    }
    return world._replace(
        resources=resources, providers=frozenset(providers - {""}), gaps=(*world.gaps, *gaps), sources=(shown,)
    )


def _details(iam: str) -> Mapping[str, object]:
    """Return the users, groups, roles and policies as GetAccountAuthorizationDetails does."""
    policies = [
        {
            "Arn": text_of(_object(os.path.join(path, _METADATA)), "arn"),
            "PolicyVersionList": [
                {"IsDefaultVersion": True, "Document": read_value(os.path.join(path, "current-policy.json"))}
            ],
        }
        for parent in (os.path.join(iam, "policy"), os.path.join(iam, "aws", "policy"))
        for path in _subfolders(parent)
    ]
    entries = {
        f"{title}DetailList": [_entity(path, title) for path in _subfolders(os.path.join(iam, title.lower()))]
        for title in ("User", "Group", "Role")
    }
    return {**entries, "Policies": policies}


def _entity(folder: str, title: str) -> Mapping[str, object]:
    """Return a user, group or role as GetAccountAuthorizationDetails does."""
    about = _object(os.path.join(folder, _METADATA))
    boundary = text_of(about, "permissionBoundary")
    groups = _texts(read_value(os.path.join(folder, "groups.json")))
    return {
        "Arn": text_of(about, "arn"),
        f"{title}Id": text_of(about, "id"),
        "GroupName": text_of(about, "arn").rpartition("/")[2],
        f"{title}PolicyList": read_value(os.path.join(folder, "inline-policies.json")),
        "AttachedManagedPolicies": [
            {"PolicyArn": arn} for arn in _texts(read_value(os.path.join(folder, "managed-policies.json")))
        ],
        "AssumeRolePolicyDocument": read_value(os.path.join(folder, "trust-policy.json")),
        "PermissionsBoundary": {"PermissionsBoundaryArn": boundary} if boundary else None,
        "Tags": read_value(os.path.join(folder, "tags.json")),
        "GroupList": [arn.rpartition("/")[2] for arn in groups],
        "InstanceProfileList": [
            {"Arn": arn} for arn in _texts(read_value(os.path.join(folder, "instance-profiles.json")))
        ],
    }


def _object(path: str) -> Mapping[str, object]:
    """Return the JSON object in a file; {} if it is missing or has another value. Raises for a file that is cut off."""
    value = read_value(path)
    return value if isinstance(value, dict) else {}


def _texts(value: object) -> list[str]:
    return [text for text in value if isinstance(text, str)] if isinstance(value, list) else []


def _resources(folder: str, account: str, documents: Documents) -> Iterator[Resource]:
    folder_block = os.path.join(folder, "s3-bpa.json")
    for service in _subfolders(folder):
        if os.path.basename(service) != "iam":
            for path in _with_metadata(service, _MOST_DEPTH):
                about = _object(os.path.join(path, _METADATA))
                arn = text_of(about, "arn")
                if not arn.startswith("arn:"):
                    continue
                policy = read_value(os.path.join(path, "policy.json"))
                document = documents.of(f"the policy of {arn}", "resource", policy) if policy else None
                tags = tags_of({"Tags": read_value(os.path.join(path, "tags.json"))})
                role, key = text_of(about, "role"), _default_key(path, about, account)
                is_bucket = ":s3:::" in arn
                restricts = any(map(_restricts_public, (folder_block, os.path.join(path, "bpa.json"))))
                restricts_public = restricts if is_bucket else None
                resource = Resource(arn, account, document, tags, role, key, (), restricts_public)
                has_tag_control = about.get("abacEnabled") is True if is_bucket else None
                yield resource._replace(has_tag_control=has_tag_control, may_have_acls=is_bucket)


def _restricts_public(path: str) -> bool:
    """Whether the block of public access in a file restricts public policies."""
    return _object(path).get("RestrictPublicBuckets") is True


def _default_key(folder: str, about: Mapping[str, object], account: str) -> str | None:
    """Return the KMS key of a secret, or in the default encryption of a bucket; None if the folder does not say it."""
    _, partition, service, region, *_ = text_of(about, "arn").split(":")
    rules = read_value(os.path.join(folder, "encryption.json"))
    if service == "secretsmanager":
        key = text_of(about, "kmsKey") or "alias/aws/secretsmanager"
    elif isinstance(rules, list):
        key = default_key_of({"Rules": rules})
    else:
        return None
    return key_arn(key, partition, text_of(about, "region") or region, account) if key else ""


def _with_metadata(folder: str, depth: int) -> Iterator[str]:
    """Yield the folders below a folder that contain the facts about one resource."""
    for path in _subfolders(folder):
        if os.path.exists(os.path.join(path, _METADATA)):
            yield path
        elif depth > 0:
            yield from _with_metadata(path, depth - 1)


def _subfolders(folder: str) -> list[str]:
    """Return the paths of the folders in a folder, in order; [] if it does not exist. Symbolic links are left out."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entry.path for entry in entries if entry.is_dir(follow_symlinks=False))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise PolicyUnreadable(
            f"{clean(folder)} can't be read", why=reason(error), hint="check its owner and mode"
        ) from error
