"""Writes a small folder of facts for tests: an organization with two accounts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

MANAGEMENT, MEMBER = "111111111111", "222222222222"
ROLE = f"arn:aws:iam::{MEMBER}:role/app/Deploy"
USER = f"arn:aws:iam::{MEMBER}:user/ada"
GROUP = f"arn:aws:iam::{MEMBER}:group/people"
READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
SECRET = f"arn:aws:secretsmanager:eu-west-1:{MEMBER}:secret:prod/db-AbCdEf"
FULL = {"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
READ = {"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:Get*", "Resource": "*"}}
TRUST = {
    "Version": "2012-10-17",
    "Statement": {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": MANAGEMENT}},
}

Json = dict[str, Any]


def organization() -> Json:
    """The content of organization.json: the member account is two units below the root."""
    return {
        "Organization": {
            "Id": "o-exampleorg1",
            "Arn": f"arn:aws:organizations::{MANAGEMENT}:organization/o-exampleorg1",
            "MasterAccountId": MANAGEMENT,
            "FeatureSet": "ALL",
        },
        "Roots": [{"Id": "r-ab12", "PolicyTypes": [{"Type": "SERVICE_CONTROL_POLICY", "Status": "ENABLED"}]}],
        "OrganizationalUnits": [
            {"Id": "ou-ab12-1", "Name": "Workloads", "ParentId": "r-ab12"},
            {"Id": "ou-ab12-2", "Name": "Production", "ParentId": "ou-ab12-1"},
        ],
        "Accounts": [
            {"Id": MANAGEMENT, "Name": "Management", "Status": "ACTIVE", "ParentId": "r-ab12"},
            {"Id": MEMBER, "Name": "Production", "Status": "ACTIVE", "ParentId": "ou-ab12-2"},
        ],
        "Policies": [
            {
                "Summary": {"Id": "p-FullAWSAccess", "Name": "FullAWSAccess", "Type": "SERVICE_CONTROL_POLICY"},
                "Content": FULL,
                "Targets": ["r-ab12", "ou-ab12-1", MEMBER],
            },
            {
                "Summary": {"Id": "p-limits", "Name": "Limits", "Type": "RESOURCE_CONTROL_POLICY"},
                "Content": FULL,
                "Targets": ["r-ab12"],
            },
        ],
        "Gaps": [],
    }


def details() -> Json:
    """The content of authorization-details.json: a role, and a user in a group."""
    return {
        "UserDetailList": [{"Arn": USER, "UserName": "ada", "UserId": "AIDAX", "GroupList": ["people"]}],
        "GroupDetailList": [
            {"Arn": GROUP, "GroupName": "people", "GroupPolicyList": [{"PolicyName": "read", "PolicyDocument": READ}]}
        ],
        "RoleDetailList": [
            {
                "Arn": ROLE,
                "RoleName": "Deploy",
                "RoleId": "AROAX",
                "AssumeRolePolicyDocument": TRUST,
                "RolePolicyList": [{"PolicyName": "own", "PolicyDocument": READ}],
                "AttachedManagedPolicies": [{"PolicyName": "ReadOnlyAccess", "PolicyArn": READ_ONLY}],
                "PermissionsBoundary": {"PermissionsBoundaryType": "Policy", "PermissionsBoundaryArn": READ_ONLY},
                "InstanceProfileList": [{"Arn": f"arn:aws:iam::{MEMBER}:instance-profile/Deploy"}],
                "Tags": [{"Key": "team", "Value": "blue"}],
            }
        ],
        "Policies": [
            {
                "Arn": READ_ONLY,
                "PolicyVersionList": [
                    {"VersionId": "v1", "IsDefaultVersion": False, "Document": FULL},
                    {"VersionId": "v2", "IsDefaultVersion": True, "Document": READ},
                ],
            }
        ],
    }


def account(identifier: str) -> Json:
    """The content of account.json, for resources that were collected in one region."""
    return {
        "Id": identifier,
        "Name": "Production",
        "Partition": "aws",
        "Regions": ["eu-west-1"],
        "HasAllRegions": True,
        "Gaps": [],
    }


class FactsFolder:
    """A folder of facts whose files a test can change."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.write("organization.json", organization())
        self.write("identity-center.json", {"PermissionSets": [], "Assignments": [], "Gaps": []})
        empty: Json = {"UserDetailList": [], "GroupDetailList": [], "RoleDetailList": [], "Policies": []}
        for identifier in (MANAGEMENT, MEMBER):
            self.write(f"accounts/{identifier}/account.json", account(identifier))
            self.write(f"accounts/{identifier}/authorization-details.json", empty)
            self.write(f"accounts/{identifier}/identity-providers.json", {})
            for name in ("kms", "lambda", "secretsmanager", "sns", "sqs", "ssm", "tags"):
                self.write(f"accounts/{identifier}/resources/{name}.eu-west-1.json", {"Resources": [], "Gaps": []})
            self.write(f"accounts/{identifier}/resources/s3.json", {"Resources": [], "Gaps": []})
        self.write(f"accounts/{MEMBER}/authorization-details.json", details())

    @property
    def name(self) -> str:
        """The folder's path as a text."""
        return str(self.path)

    def write(self, name: str, content: object) -> None:
        """Write a value as JSON into a file of the folder; a str is written as it is."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")

    def remove(self, name: str) -> None:
        """Remove a file."""
        (self.path / name).unlink()
