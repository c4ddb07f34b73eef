"""The AWS CLI's commands for S3 and other services in `dsops sandbox run`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent


def run(folder: Path, script: str) -> str:
    """Run a shell script as admin of a sandbox; return its stdout. Every command must succeed."""
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "XDG_RUNTIME_DIR": str(folder)}
    done = subprocess.run(
        [BIN / "dsops", "sandbox", "run", "--", "bash", "-euo", "pipefail", "-c", script],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=110,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_files_are_uploaded_and_downloaded(tmp_path: Path) -> None:
    """The AWS CLI uploads a 9 MB file in parts, lists and downloads it; a presigned URL reads a file."""
    (tmp_path / "large").write_bytes(os.urandom(9_000_000))
    (tmp_path / "small").write_text("text")

    printed = run(
        tmp_path,
        """
        aws s3 mb s3://bucket >/dev/null
        aws s3 cp large s3://bucket/folder/ --quiet
        aws s3 cp small "s3://bucket/folder/a b+c%" --quiet
        aws s3 cp s3://bucket/folder/large back --quiet
        cmp large back && echo same
        aws s3 ls s3://bucket/folder/ | awk '{print $3}'
        aws s3api get-object --bucket bucket --key 'folder/a b+c%' /dev/stdout --query ContentLength
        python3 -c "import sys, urllib.request as r; print(r.urlopen(sys.argv[1]).read())" \
            "$(aws s3 presign 's3://bucket/folder/a b+c%')"
        aws s3 rm s3://bucket --recursive --quiet
        aws s3 rb s3://bucket >/dev/null
    """,
    )

    assert ["same", "4", "9000000", "text4", "b'text'"] == printed.split()


def test_other_services_answer(tmp_path: Path) -> None:
    """Five more services answer the AWS CLI.

    For SQS this CLI ignores AWS_ENDPOINT_URL and needs `--endpoint-url`.
    """
    printed = run(
        tmp_path,
        """
        aws dynamodb list-tables --query 'length(TableNames)'
        aws sns create-topic --name t --query TopicArn --output text
        aws kms create-key --query KeyMetadata.KeyState --output text
        aws cloudwatch list-metrics --query 'length(Metrics)'
        aws ec2 describe-vpcs --query 'length(Vpcs)'
        aws sqs create-queue --queue-name q --endpoint-url "$AWS_ENDPOINT_URL" --query QueueUrl --output text |
            sed "s|$AWS_ENDPOINT_URL|HERE|"
    """,
    )

    assert ["0", "arn:aws:sns:us-east-1:123456789012:t", "Enabled", "0", "1", "HERE/123456789012/q"] == printed.split()
