"""Serve AWS's link-local addresses as ECS, EKS and EC2 do; print which credentials dsops finds there.

Run it in a network namespace of its own:

    unshare -rn python metadata_addresses.py

It prints a JSON object: name of the case -> key id and source.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from dsops.aws.identity.ambient import load_ambient

ADDRESSES = ("169.254.170.2", "169.254.170.23", "169.254.169.254")


class Service(BaseHTTPRequestHandler):
    """Simulates the ECS, EKS and EC2 endpoints; the key id in an answer names the requested address and path."""

    def do_PUT(self) -> None:
        """Answer with the session token of the instance metadata service (IMDSv2)."""
        self._answer(b"the-token")

    def do_GET(self) -> None:
        """Answer with a role name (EC2's list of roles) or with credentials."""
        host, path = self.connection.getsockname()[0], self.path
        if path == "/latest/meta-data/iam/security-credentials/":
            self._answer(b"WebServer")
            return
        keys = {
            "Code": "Success",
            "AccessKeyId": f"ASIA:{host}{path}",
            "SecretAccessKey": "s",
            "Token": "t",
            "Expiration": "2099-01-01T00:00:00Z",
        }
        self._answer(json.dumps(keys).encode())

    def _answer(self, body: bytes) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        """Log no requests: stderr is for failures only."""


def main() -> None:
    """Start the servers, let dsops look for credentials in each case, print the results."""
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True, timeout=60)
    for address in ADDRESSES:
        subprocess.run(["ip", "address", "add", f"{address}/32", "dev", "lo"], check=True, timeout=60)
        server = ThreadingHTTPServer((address, 80), Service)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    environments = {
        "ecs": {"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI": "/v2/credentials/1"},
        "eks": {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://169.254.170.23/v1/credentials"},
        "ec2": {},
    }
    credentials_by_name = {}
    for name, variables in environments.items():
        credentials = load_ambient({"HOME": "/nowhere", "PATH": os.environ["PATH"], **variables}, "/")
        credentials_by_name[name] = (credentials.access_key_id, credentials.source)
    print(json.dumps(credentials_by_name))


if __name__ == "__main__":
    main()
