"""Build the policies of KMS keys that no user wrote: of AWS managed keys, and of keys without a policy of their own.

Sources: Secrets Manager User Guide, "Secret encryption and decryption" (key policy of `aws/secretsmanager`); KMS
Developer Guide, "AWS managed keys". The policy can't be changed, so other accounts never get access.
"""

from __future__ import annotations

import json


def default_key_policy(account: str, partition: str) -> str:
    """Return the policy that AWS gives a key without one (KMS Developer Guide, default key policy)."""
    principal = {"AWS": f"arn:{partition}:iam::{account}:root"}
    statement = {"Effect": "Allow", "Principal": principal, "Action": "kms:*", "Resource": "*"}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def managed_key_policy(account: str, region: str, service: str, partition: str) -> str:
    """Return the policy of the key with the alias `aws/SERVICE` in an account and region."""
    through = {"kms:CallerAccount": account, "kms:ViaService": f"{service}.{region}.amazonaws.com"}
    everybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Resource": "*", "Condition": {"StringEquals": through}}
    use = ["Encrypt", "Decrypt", "ReEncrypt*", "GenerateDataKey*", "CreateGrant", "DescribeKey"]
    look = ["Describe*", "Get*", "List*", "RevokeGrant"]
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {**everybody, "Sid": "Through the service", "Action": [f"kms:{name}" for name in use]},
                {
                    "Sid": "Look at it",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
                    "Action": [f"kms:{name}" for name in look],
                    "Resource": "*",
                },
            ],
        }
    )


def open_key_policy(account: str, region: str, service: str, partition: str) -> str:
    """Return a policy for a key whose real policy is unknown.

    It gives the key's account full access and allows all callers to decrypt through the service. As with every key,
    callers from other accounts also need permission from their own account.
    """
    return json.dumps(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Sid": "Its own account",
                    "Effect": "Allow",
                    "Principal": {"AWS": f"arn:{partition}:iam::{account}:root"},
                    "Action": "kms:*",
                    "Resource": "*",
                },
                {
                    "Sid": "Through the service",
                    "Effect": "Allow",
                    "Principal": {"AWS": "*"},
                    "Action": ["kms:Decrypt", "kms:DescribeKey"],
                    "Resource": "*",
                    "Condition": {"StringEquals": {"kms:ViaService": f"{service}.{region}.amazonaws.com"}},
                },
            ],
        }
    )
