"""Carries out a plan: issues sessions and reads secrets.

Sessions are issued only on demand. If a session is cached, the hops before it are not called. The result is the
variables' values, or an error that lists every failure. Imported by `access`, `cli`, `doctor`, `explain`, `keys`,
`pipeline` and `secret_editing`.
"""

from __future__ import annotations

from dsops.resolve.identity import ambient_of, proof_of
from dsops.resolve.resolver import MISSING, Resolver, Trial, issue_credentials, resolve

__all__ = ["MISSING", "Resolver", "Trial", "ambient_of", "issue_credentials", "proof_of", "resolve"]
