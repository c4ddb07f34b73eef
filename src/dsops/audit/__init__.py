"""The audit trail: what dsops did with roles and secrets, line by line, each with the hash of the one before."""

from __future__ import annotations
