"""Keep the public keys of a token issuer, and say when they have to be loaded again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from threading import Lock
from time import monotonic
from typing import Any, Final

from dsops.errors import DsopsError, ServiceError

_REFRESH_SECONDS: Final = 300.0
"""How often the keys are loaded. Issuers publish a new key hours before they sign with it."""

_LEAST_SECONDS: Final = 10.0
"""The minimum time between two loads, so that tokens with invented key ids cause no storm of requests."""

_MOST_SECONDS: Final = 86_400.0
"""How long keys are used while the issuer can't be reached."""

LoadKeys = Callable[[], Mapping[str, Any]]
"""Returns a JSON Web Key Set. May wait; raises DsopsError."""


class KeyCache:
    """The key set of one issuer. Thread-safe; only `refresh` waits."""

    def __init__(self, load: LoadKeys, clock: Callable[[], float] = monotonic) -> None:
        self._load = load
        self._clock = clock
        self._current: tuple[Mapping[str, Any] | None, int] = (None, 0)
        self._loaded_at = 0.0
        self._tried_at = float("-inf")
        self._due = float("-inf")
        self._lock = Lock()

    def current(self) -> tuple[Mapping[str, Any] | None, int]:
        """Return the key set, and a number that changes with it. The key set is None if none was loaded for a day."""
        key_set, version = self._current
        return (key_set if self._clock() - self._loaded_at <= _MOST_SECONDS else None), version

    def want(self) -> None:
        """Make the keys due, because a token names a key that is missing; at the earliest 10 s after the last load."""
        self._due = min(self._due, self._tried_at + _LEAST_SECONDS)

    def seconds(self) -> float:
        """Return the seconds until `refresh` loads the keys."""
        return max(0.0, self._due - self._clock())

    def refresh(self) -> None:
        """Load the keys if they are due. If that fails, the old keys stay. Raises DsopsError."""
        with self._lock:
            if self.seconds() > 0:
                return
            self._tried_at = self._clock()
            self._due = self._tried_at + _LEAST_SECONDS
            loaded = self._load()
            key_set, version = self._current
            if loaded != key_set:
                self._current = (loaded, version + 1)
            self._loaded_at = self._clock()
            self._due = self._loaded_at + _REFRESH_SECONDS


def parse_key_set(raw: bytes, source: str) -> Mapping[str, Any]:
    """Parse a JSON Web Key Set; keys without an id or with secret parts are left out. Raises ServiceError."""
    try:
        content = json.loads(raw)
        found = [key for key in content["keys"] if isinstance(key, dict)]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise no_keys(source) from error
    return {"keys": [key for key in found if key.get("kid") and not {"d", "k"} & set(key)]}


def no_keys(source: str) -> DsopsError:
    """Return the error for a document that is not a key set."""
    hint = 'it must be a JSON Web Key Set: {"keys": [{"kid": ..., "kty": ...}]}'
    return ServiceError(f"{source} has no public keys", hint=hint)
