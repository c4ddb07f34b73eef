"""The permissions that a collection needs, as an IAM policy."""

from __future__ import annotations

from typing import Final

Statement = dict[str, str | list[str]]

ORGANIZATION_ACTIONS: Final = (
    "identitystore:DescribeGroup",
    "identitystore:DescribeUser",
    "organizations:DescribeOrganization",
    "organizations:DescribePolicy",
    "organizations:ListAccountsForParent",
    "organizations:ListOrganizationalUnitsForParent",
    "organizations:ListPolicies",
    "organizations:ListRoots",
    "organizations:ListTargetsForPolicy",
    "sso:DescribePermissionSet",
    "sso:ListAccountAssignments",
    "sso:ListAccountsForProvisionedPermissionSet",
    "sso:ListInstances",
    "sso:ListPermissionSets",
)
"""The actions that only the caller of `dsops access collect` needs."""

ACCOUNT_ACTIONS: Final = (
    "ec2:DescribeRegions",
    "iam:GetAccountAuthorizationDetails",
    "iam:ListOpenIDConnectProviders",
    "iam:ListSAMLProviders",
    "kms:GetKeyPolicy",
    "kms:ListAliases",
    "kms:ListGrants",
    "kms:ListKeys",
    "lambda:GetPolicy",
    "lambda:ListFunctions",
    "s3:GetAccountPublicAccessBlock",
    "s3:GetBucketOwnershipControls",
    "s3:GetBucketPolicy",
    "s3:GetBucketPublicAccessBlock",
    "s3:GetEncryptionConfiguration",
    "s3:ListAllMyBuckets",
    "secretsmanager:GetResourcePolicy",
    "secretsmanager:ListSecrets",
    "sns:GetTopicAttributes",
    "sns:ListTopics",
    "sqs:GetQueueAttributes",
    "sqs:ListQueues",
    "ssm:DescribeParameters",
    "tag:GetResources",
)
"""The actions that the role in each account needs, and the caller for its own account."""


def collection_policy(partition: str, role: str) -> dict[str, str | list[Statement]]:
    """Return the policy of the caller. Its statement `ReadAccount` alone is the policy of the role in each account."""
    return {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "AssumeRoleInAccounts",
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Resource": f"arn:{partition}:iam::*:role/{role}",
            },
            {"Sid": "ReadOrganization", "Effect": "Allow", "Action": list(ORGANIZATION_ACTIONS), "Resource": "*"},
            {"Sid": "ReadAccount", "Effect": "Allow", "Action": list(ACCOUNT_ACTIONS), "Resource": "*"},
        ],
    }
