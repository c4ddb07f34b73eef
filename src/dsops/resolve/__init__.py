"""Carries out a plan: issues sessions and reads secrets.

Works on demand: a cached session means that no hop below it is called. The result is the variables' values, or every
error. Imported by `cli`, `doctor`, `explain`, `keys` and `pipeline`.
"""

from __future__ import annotations

from dsops.resolve.identity import ambient_of, proof_of
from dsops.resolve.resolver import MISSING, Resolver, Trial, issue_credentials, resolve

__all__ = ["MISSING", "Resolver", "Trial", "ambient_of", "issue_credentials", "proof_of", "resolve"]
