"""A Lambda function that reads a secret and calls AWS with a role of another account.

Package it with dsops and this folder's dsops.yaml; the function's own role needs sts:AssumeRole on the role there.
"""

from __future__ import annotations

import os
from typing import Any

import dsops

# Outside of the handler: Lambda keeps the process, and with it the session, for later calls.
CONFIGURATION = dsops.open(os.path.join(os.path.dirname(__file__), "dsops.yaml"))
OTHER_ACCOUNT = CONFIGURATION.boto3_session("reader")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Return the caller's ARN and the length of the key, never the key."""
    # Reads the secret in each call, so a rotated secret is used at once.
    key = CONFIGURATION.secrets("production")["API_KEY"]
    # The boto3 session renews its credentials when they expire.
    caller = OTHER_ACCOUNT.client("sts").get_caller_identity()
    return {"caller": caller["Arn"], "letters": len(key.reveal()), "asked": event.get("name", "")}
