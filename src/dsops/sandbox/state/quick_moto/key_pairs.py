"""Let moto generate the key pair of a KMS key at its first use."""

from __future__ import annotations

from functools import cached_property
from typing import Any


def generate_key_pairs_late(models: Any) -> None:  # Any: a module of moto, which has no static type
    """Make CreateKey in moto's KMS independent of the time that a key pair takes: 80 ms for RSA.

    moto generates a pair for each key, also for a symmetric one. Only Sign, Verify and GetPublicKey use it.
    """
    generate = models.generate_private_key
    if hasattr(generate, "is_late"):
        return

    class LateKeyPair:
        """A key pair of moto, which is generated when one of its methods is looked up."""

        is_late = True

        def __init__(self, key_spec: str) -> None:
            self._key_spec = key_spec

        @cached_property
        def _pair(self) -> Any:
            return generate(self._key_spec)

        def __getattr__(self, name: str) -> Any:
            return getattr(self._pair, name)

    models.generate_private_key = LateKeyPair
