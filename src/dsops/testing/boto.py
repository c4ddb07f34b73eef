"""A boto3 session bound to the sandbox; only this module needs boto3."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import boto3
from botocore.session import Session as BotocoreSession

if TYPE_CHECKING:
    from dsops.testing.local_aws import Identity


class SandboxSession(boto3.Session):  # type: ignore[misc]  # boto3 ships no types, here and below
    """A boto3 Session whose clients and resources use the sandbox's endpoint."""

    def __init__(self, identity: Identity) -> None:
        credentials = identity.credentials
        # No profile and no file of the user's: a test's session must not depend on them.
        inner = BotocoreSession({"config_file": (None, None, os.devnull, None), "profile": (None, None, None, None)})
        super().__init__(
            credentials.access_key_id,
            credentials.secret_access_key.reveal(),
            credentials.session_token.reveal() if credentials.session_token else None,
            identity.region,
            botocore_session=inner,
        )
        self._url = identity.url

    def client(self, *args: Any, **options: Any) -> Any:
        """Like boto3's; `endpoint_url` is the sandbox by default."""
        return super().client(*args, **{"endpoint_url": self._url, **options})

    def resource(self, *args: Any, **options: Any) -> Any:
        """Like boto3's; `endpoint_url` is the sandbox by default."""
        return super().resource(*args, **{"endpoint_url": self._url, **options})


def session_of(identity: Identity) -> SandboxSession:
    """Return a boto3 session with the identity's credentials."""
    return SandboxSession(identity)
