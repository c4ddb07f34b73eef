"""A Lambda function that works with a secret, and with a role of another account.

Package it with dsops and this folder's dsops.yaml; the function's own role needs sts:AssumeRole on the role there.
"""

from __future__ import annotations

import os
from typing import Any

import dsops

# Outside of the handler: Lambda keeps the process, and with it the session, for the calls that follow.
CONFIGURATION = dsops.open(os.path.join(os.path.dirname(__file__), "dsops.yaml"))
OTHER_ACCOUNT = CONFIGURATION.boto3_session("reader")


def handler(event: dict[str, Any], _context: object) -> dict[str, Any]:
    """Says whom it worked as, and how long the key is; never what it is."""
    # Read at each call: a secret that was rotated is seen at once.
    key = CONFIGURATION.secrets("production")["API_KEY"]
    # A boto3 session goes on past its credentials' end.
    caller = OTHER_ACCOUNT.client("sts").get_caller_identity()
    return {"caller": caller["Arn"], "letters": len(key.reveal()), "asked": event.get("name", "")}
