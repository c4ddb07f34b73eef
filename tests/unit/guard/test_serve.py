"""`dsops guard serve`: the files for its clients, and its end."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.unit.test_isolated import CONFIG, SEED

SECONDS = 60
SCRIPT = """
dsops guard serve --no-agent --config dsops.yaml --credentials dev --guard read-only --out files &
for i in $(seq 200); do [ -s files/guard.env ] && break; sleep 0.1; done
stat -c %a files/guard.env
env -i PATH="$PATH" $(cat files/guard.env) python -c '
import boto3
from botocore.exceptions import ClientError
print(boto3.client("sts").get_caller_identity()["Arn"])
try:
    boto3.client("s3").delete_bucket(Bucket="b")
except ClientError as error:
    print(error.response["Error"]["Code"])
'
grep -c CERTIFICATE files/guard.pem >certificates
kill -TERM $!
wait $!
echo "code $?"
ls files
"""


def test_a_client_uses_the_files(tmp_path: Path) -> None:
    """A client with only the variables of guard.env gets what the policies allow; SIGTERM ends the guard."""
    for name, text in (("seed.yaml", SEED), ("dsops.yaml", CONFIG), ("run.sh", SCRIPT)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    result = subprocess.run(
        ["dsops", "sandbox", "run", "--seed", "seed.yaml", "--", "sh", "run.sh"],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert result.stdout.splitlines() == [
        "600",
        "arn:aws:sts::111111111111:assumed-role/Developer/agent",
        "AccessDenied",
        "code 0",
        "guard.env",
    ], result
    assert "the guard serves at http://127.0.0.1:" in result.stderr
    assert int((tmp_path / "certificates").read_text(encoding="ascii")) > 2


def test_an_address_of_another_machine(tmp_path: Path) -> None:
    """An address on which this machine can't listen is an error with a hint, and leaves no file with certificates."""
    for name, text in (("seed.yaml", SEED), ("dsops.yaml", CONFIG)):
        (tmp_path / name).write_text(text, encoding="utf-8")
    serve = "dsops guard serve --no-agent --config dsops.yaml --credentials dev --guard read-only --listen 192.0.2.7"
    result = subprocess.run(
        ["dsops", "sandbox", "run", "--seed", "seed.yaml", "--", *serve.split()],
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert "dsops: error[usage]: the guard can't listen on the address of `--listen`\n" in result.stderr
    assert "hint: leave out the port" in result.stderr
    assert not (tmp_path / "guard.pem").exists()
