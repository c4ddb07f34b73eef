"""The task of dsops written with boto3 alone: assume the role, read the secret, run the command."""

import os
import sys

import boto3

sts = boto3.client("sts", region_name="us-east-1")
session = sts.assume_role(
    RoleArn="arn:aws:iam::123456789012:role/ProdAccessRole", RoleSessionName="dsops-session", DurationSeconds=3600
)
credentials = session["Credentials"]
secrets = boto3.client(
    "secretsmanager",
    region_name="us-east-1",
    aws_access_key_id=credentials["AccessKeyId"],
    aws_secret_access_key=credentials["SecretAccessKey"],
    aws_session_token=credentials["SessionToken"],
)
for number in range(int(os.environ.get("BENCH_SECRETS", "1"))):
    secret = secrets.get_secret_value(SecretId=f"bench/{number:03}")
    os.environ[f"SECRET_{number:03}"] = secret["SecretString"]
os.execvp(sys.argv[1], sys.argv[1:])
