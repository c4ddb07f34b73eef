"""The audit trail: one line per use of a role or secret, each with the hash of the line before."""

from __future__ import annotations
