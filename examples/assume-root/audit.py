"""Prints which credentials the root user has; a session for this task allows nothing else."""

from __future__ import annotations

import boto3
from botocore.exceptions import ClientError

iam = boto3.client("iam")
summary = iam.get_account_summary()["SummaryMap"]
print("access keys of the root user:", summary["AccountAccessKeysPresent"])
try:
    iam.create_user(UserName="somebody")
except ClientError as error:
    print("making a user:", error.response["Error"]["Code"])
else:
    raise SystemExit("a session for an audit made a user")
