"""The keys that the guarded command gets: they have the form of AWS's session keys, and are valid only at its guard."""

from __future__ import annotations

import base64
import hmac
import os
from collections.abc import Callable
from typing import NamedTuple

from dsops.secret import Secret

_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class PlaceholderKeys(NamedTuple):
    """An access key id, a secret key and a session token for one run."""

    access_key_id: str
    secret_access_key: Secret
    session_token: Secret

    def has_token(self, token: str) -> bool:
        """Whether this is the session token."""
        return hmac.compare_digest(token.encode("utf-8", "surrogateescape"), self.session_token.reveal_bytes())


def new_placeholder(randomness: Callable[[int], bytes] = os.urandom) -> PlaceholderKeys:
    """Return new random keys: `ASIA` and 16 characters, 40 characters, and a token of 256 characters."""
    name = "".join(_LETTERS[byte & 31] for byte in randomness(16))
    secret = base64.b64encode(randomness(30)).decode("ascii")
    token = base64.b64encode(randomness(192)).decode("ascii")
    return PlaceholderKeys(f"ASIA{name}", Secret(secret), Secret(token))
