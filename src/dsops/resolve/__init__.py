"""Plan -> secrets. By demand, from the leaves down: a cached role means that nothing below it is touched."""

from __future__ import annotations

from dsops.resolve.resolver import Resolver, issue_credentials, resolve

__all__ = ["Resolver", "issue_credentials", "resolve"]
