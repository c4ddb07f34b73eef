"""Encrypted tokens that only this sandbox can issue and read: trade-in, context and sign-in tokens.

On AWS, other services issue these tokens (IAM's delegation requests, IAM Identity Center, the console). The sandbox
does not emulate those services; its endpoints `/_sandbox/...` issue the tokens on request.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

Kind = Literal["trade-in", "context", "sign-in"]


class Opened(NamedTuple):
    """The decrypted content of a token, and its expiry."""

    content: Mapping[str, Any]
    """The content passed to `seal`, as JSON types."""
    expires_at: float


class Seal:
    """Encrypts and decrypts tokens with a key of this sandbox, generated at first use."""

    def seal(self, kind: Kind, content: Mapping[str, object], expires_at: float) -> str:
        """Return a token of that kind with the content and the expiry."""
        whole = {"kind": kind, "content": content, "expires_at": expires_at}
        return self._fernet.encrypt(json.dumps(whole).encode()).decode()

    def open(self, kind: Kind, text: str) -> Opened | None:
        """Decrypt a token, even an expired one. Returns None for another kind of token or another sandbox's token."""
        from cryptography.fernet import InvalidToken

        try:
            whole = json.loads(self._fernet.decrypt(text.encode()))
        except (InvalidToken, ValueError):
            return None
        return Opened(whole["content"], whole["expires_at"]) if whole["kind"] == kind else None

    @cached_property
    def _fernet(self) -> Fernet:
        from cryptography.fernet import Fernet

        return Fernet(Fernet.generate_key())
