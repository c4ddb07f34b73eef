"""A server that runs for a long time frees the memory of requests."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.request import urlopen

import boto3
import pytest

from tests.children import Child

DSOPS = str(Path(sys.executable).parent / "dsops")
BODY = b"x" * 1_600_000
REQUESTS = 100


def memory(pid: int) -> int:
    """The resident memory of a process in bytes."""
    match = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_sandbox_keeps_no_bodies_of_requests(tmp_path: Path) -> None:
    """The sandbox frees request bodies (reference cycles once kept 4.4 GB after 2,700 requests)."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "DSOPS_AUDIT": "off"}
    command = [DSOPS, "sandbox", "serve", "--port", "0", "--events", "1"]
    with Child(command, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = server.stdout.readline().strip()
            with urlopen(f"{url}/_sandbox/identity", timeout=30) as answer:
                admin = json.load(answer)
            client = boto3.Session(admin["AccessKeyId"], admin["SecretAccessKey"], region_name="us-east-1").client(
                "s3", endpoint_url=url
            )
            client.create_bucket(Bucket="uploads")
            client.put_object(Bucket="uploads", Key="one", Body=BODY)
            before = memory(server.pid)
            for _ in range(REQUESTS):
                client.put_object(Bucket="uploads", Key="one", Body=BODY)
            assert memory(server.pid) - before < REQUESTS * len(BODY) // 2
        finally:
            server.terminate()
