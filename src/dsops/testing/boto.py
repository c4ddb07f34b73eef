"""A boto3 session that stays in the sandbox; the only file here that needs boto3."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
from botocore.session import Session as BotocoreSession

if TYPE_CHECKING:
    from dsops.testing.local_aws import Identity


class SandboxSession(boto3.Session):  # type: ignore[misc]  # boto3 ships no types, here and below
    """boto3's Session, whose clients and resources have the sandbox as their endpoint."""

    def __init__(self, identity: Identity) -> None:
        held = identity.credentials
        # No profile and no file of the user's: a session of a test is nobody else's.
        inner = BotocoreSession({"config_file": (None, None, os.devnull, None), "profile": (None, None, None, None)})
        super().__init__(
            held.access_key_id,
            held.secret_access_key.reveal(),
            held.session_token.reveal() if held.session_token else None,
            identity.region,
            botocore_session=inner,
        )
        self._url = identity.url

    def client(self, *args: Any, **options: Any) -> Any:
        """As boto3's; `endpoint_url` is the sandbox unless one is given."""
        return super().client(*args, **{"endpoint_url": self._url, **options})

    def resource(self, *args: Any, **options: Any) -> Any:
        """As boto3's; `endpoint_url` is the sandbox unless one is given."""
        return super().resource(*args, **{"endpoint_url": self._url, **options})


def session_of(identity: Identity) -> SandboxSession:
    """A session with this one's keys."""
    return SandboxSession(identity)
