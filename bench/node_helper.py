"""Measure AWS's credential helper for IAM Roles Anywhere as a server, with the clients of bench/node.py.

    .venv/bin/python bench/node_helper.py

`aws_signing_helper serve` gives one role's session to every process of the machine, in the protocol of EC2's metadata
service (version 2). Its session comes from a sandbox. It needs Go and a C compiler.
"""

from __future__ import annotations

import argparse
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from bench.node import SECONDS, Server, build_clients, show_crowds
from dsops.sandbox.control.server import SandboxServer
from tests.anywhere import ANCHOR, ANYWHERE_PROFILE, ROLE, seed
from tests.anywhere_in_memory import write_files
from tests.clients.sdks import credential_helper
from tests.installed import OUTSIDE
from tests.sandboxes import Lab


def free_port() -> int:
    """A port that is free at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def exchange(port: int, request: str) -> str:
    """Send a request and return the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=SECONDS) as client:
        client.sendall(request.encode())
        return b"".join(iter(lambda: client.recv(65_536), b"")).decode()


def wait_for(port: int) -> None:
    """Wait until the server listens."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=SECONDS).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise SystemExit("the helper does not start")


def message_of(port: int) -> str:
    """Wait for the server; return the request for the role's session."""
    head = f"Host: 127.0.0.1:{port}\r\nConnection: close\r\n"
    lifetime = "X-aws-ec2-metadata-token-ttl-seconds: 21600"
    ask = f"PUT /latest/api/token HTTP/1.1\r\n{head}{lifetime}\r\nContent-Length: 0\r\n\r\n"
    wait_for(port)
    token = exchange(port, ask).partition("\r\n\r\n")[2].strip()
    path = f"/latest/meta-data/iam/security-credentials/{ROLE.rpartition('/')[2]}"
    return f"GET {path} HTTP/1.1\r\n{head}X-aws-ec2-metadata-token: {token}\r\nUser-Agent: Botocore/1.40\r\n\r\n"


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--requests", type=int, default=20_000)
    arguments = parser.parse_args()
    helper, port = credential_helper(OUTSIDE), free_port()
    with tempfile.TemporaryDirectory() as name, SandboxServer(Lab.of(seed()).sandbox) as sandbox:
        folder = Path(name)
        write_files(folder)
        arns = ["--trust-anchor-arn", ANCHOR, "--profile-arn", ANYWHERE_PROFILE, "--role-arn", ROLE]
        files = ["--certificate", f"{name}/machine.pem", "--private-key", f"{name}/machine.key"]
        words = [
            helper,
            "serve",
            *files,
            *arns,
            "--endpoint",
            sandbox.url,
            "--region",
            "us-east-1",
            "--port",
            str(port),
        ]
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(words, stdout=log, stderr=log)
        try:
            message = message_of(port)
            if "AccessKeyId" not in exchange(port, message):
                raise SystemExit(f"no session: {exchange(port, message)}; {(folder / 'log').read_text()}")
            show_crowds(build_clients(folder), Server(process.pid, port), [message], arguments.requests)
        finally:
            process.terminate()
            process.wait(SECONDS)


if __name__ == "__main__":
    main()
