"""The folder of iam-collect: one folder per user, role, policy and resource."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dsops.access.facts.folder import read_folder
from dsops.errors import PolicyInvalid
from tests.unit.access.facts_folder import FULL, GROUP, MANAGEMENT, MEMBER, READ, READ_ONLY, ROLE, TRUST, USER

BUCKET = "arn:aws:s3:::papers"
KEY = f"arn:aws:kms:eu-west-1:{MEMBER}:key/k-1"
SCP = f"arn:aws:organizations::{MANAGEMENT}:policy/o-1/service_control_policy/p-1"


class IamCollect:
    """A folder as iam-collect writes it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._organization()
        self._identities()
        account = f"accounts/{MEMBER}"
        self.write(f"{account}/s3/papers/metadata.json", {"arn": BUCKET, "name": "papers"})
        self.write(f"{account}/s3/papers/policy.json", FULL)
        self.write(f"{account}/s3/papers/tags.json", {"stage": "prod"})
        self.write(f"{account}/kms/eu-west-1/key/k-1/metadata.json", {"arn": KEY})

    def write(self, name: str, content: Any) -> None:
        """Write a JSON file of the partition `aws`."""
        file = self.path / "aws/aws" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(json.dumps(content))

    def _organization(self) -> None:
        about = {"id": "o-1", "rootOu": "r-1", "rootAccountId": MANAGEMENT, "arn": "arn:aws:organizations::1:o"}
        features = {"SERVICE_CONTROL_POLICY": True, "RESOURCE_CONTROL_POLICY": False}
        self.write("organizations/o-1/metadata.json", {**about, "features": features})
        units = {"r-1": {"scps": [SCP], "rcps": []}, "ou-1": {"parent": "r-1", "scps": []}}
        self.write("organizations/o-1/ous.json", units)
        accounts = {MANAGEMENT: {"ou": "r-1", "scps": [SCP]}, MEMBER: {"ou": "ou-1", "scps": [SCP]}}
        self.write("organizations/o-1/accounts.json", accounts)
        self.write("organizations/o-1/scps/p-1/metadata.json", {"arn": SCP, "name": "Limits"})
        self.write("organizations/o-1/scps/p-1/policy.json", FULL)

    def _identities(self) -> None:
        iam = f"accounts/{MEMBER}/iam"
        self.write(f"{iam}/role/app%2fdeploy/metadata.json", {"arn": ROLE, "id": "AROAX"})
        self.write(f"{iam}/role/app%2fdeploy/trust-policy.json", TRUST)
        self.write(f"{iam}/role/app%2fdeploy/managed-policies.json", [READ_ONLY])
        inline = [{"PolicyName": "own", "PolicyDocument": READ}]
        self.write(f"{iam}/role/app%2fdeploy/inline-policies.json", inline)
        self.write(f"{iam}/role/app%2fdeploy/tags.json", {"team": "blue"})
        self.write(f"{iam}/user/ada/metadata.json", {"arn": USER, "id": "AIDAX", "permissionBoundary": READ_ONLY})
        self.write(f"{iam}/user/ada/groups.json", [GROUP])
        self.write(f"{iam}/group/people/metadata.json", {"arn": GROUP})
        self.write(f"{iam}/group/people/inline-policies.json", [{"PolicyName": "read", "PolicyDocument": READ}])
        self.write(f"{iam}/aws/policy/readonlyaccess/metadata.json", {"arn": READ_ONLY})
        self.write(f"{iam}/aws/policy/readonlyaccess/current-policy.json", READ)


@pytest.fixture
def folder(tmp_path: Path) -> IamCollect:
    """A folder with an organization of two accounts, of which one was collected."""
    return IamCollect(tmp_path)


def test_identities_are_read_with_their_policies(folder: IamCollect) -> None:
    """Roles, users and groups have the same facts as in AWS's own answer."""
    world = read_folder(str(folder.path))

    role, user = world.identities[ROLE], world.identities[USER]
    assert [policy.name for policy in role.policies] == [f"own of {ROLE}", READ_ONLY]
    assert (role.unique_id, role.tags) == ("AROAX", {"team": "blue"})
    assert role.trust is not None
    assert [policy.name for policy in user.policies] == [f"read of {GROUP}"]
    assert user.boundary is not None
    assert user.boundary.name == READ_ONLY


def test_resources_of_every_service_are_read(folder: IamCollect) -> None:
    """A resource is a folder with metadata.json, at any depth below its service."""
    resources = read_folder(str(folder.path)).resources

    assert set(resources) == {BUCKET, KEY}
    assert resources[BUCKET].policy is not None
    assert (resources[BUCKET].tags, resources[BUCKET].account) == ({"stage": "prod"}, MEMBER)


def test_the_organization_has_its_levels(folder: IamCollect) -> None:
    """Control policies count where they are attached, and not for the management account."""
    accounts = read_folder(str(folder.path)).accounts

    assert accounts[MEMBER].path == "o-1/r-1/ou-1/"
    levels = [[policy.name for policy in level] for level in accounts[MEMBER].service_control]
    assert levels == [["Limits (p-1)"], [], ["Limits (p-1)"]]
    assert accounts[MEMBER].resource_control == accounts[MANAGEMENT].service_control == ()


def test_an_account_that_was_not_collected_is_a_gap(folder: IamCollect) -> None:
    """An account of the organization without a folder is unknown."""
    gaps = read_folder(str(folder.path)).gaps

    assert {(gap.account, gap.place) for gap in gaps} == {(MANAGEMENT, "identities"), (MANAGEMENT, "resources")}


def test_an_account_outside_of_the_organization_has_gaps(folder: IamCollect) -> None:
    """About an account that no organization lists, the control policies are unknown."""
    folder.write("accounts/333333333333/s3/x/metadata.json", {"arn": "arn:aws:s3:::x"})

    gaps = [gap.place for gap in read_folder(str(folder.path)).gaps if gap.account == "333333333333"]

    assert gaps == ["identities", "scp", "rcp", "context"]


@pytest.mark.parametrize("file", ["iam/role/app%2fdeploy/trust-policy.json", "s3/papers/metadata.json"])
def test_a_file_that_is_cut_off_is_an_error(folder: IamCollect, file: str) -> None:
    """A half-written file is an error, because iam-collect's folder has no place for a gap."""
    name = f"accounts/{MEMBER}/{file}"
    (folder.path / "aws/aws" / name).write_text('{"Version"')

    with pytest.raises(PolicyInvalid, match="is not valid JSON"):
        read_folder(str(folder.path))
