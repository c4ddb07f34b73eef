"""Plan -> secrets. By demand, from the leaves down: a cached role means that nothing below it is touched."""

from __future__ import annotations

from dsops.resolve.identity import ambient_of, proof_of
from dsops.resolve.resolver import MISSING, Resolver, Trial, issue_credentials, resolve

__all__ = ["MISSING", "Resolver", "Trial", "ambient_of", "issue_credentials", "proof_of", "resolve"]
