"""A boto3 session that uses the sandbox. Only this module needs boto3."""

from __future__ import annotations

import os
from typing import Any

import boto3
from botocore.session import Session as BotocoreSession

from dsops.credentials import Credentials


class SandboxSession(boto3.Session):  # type: ignore[misc]  # boto3 ships no types, here and below
    """A boto3 Session whose clients and resources call the sandbox."""

    def __init__(self, url: str, region: str, credentials: Credentials) -> None:
        # The session reads no profile and no file of the user, because tests must not depend on them.
        inner = BotocoreSession({"config_file": (None, None, os.devnull, None), "profile": (None, None, None, None)})
        super().__init__(
            credentials.access_key_id,
            credentials.secret_access_key.reveal(),
            credentials.session_token.reveal() if credentials.session_token else None,
            region,
            botocore_session=inner,
        )
        self._url = url

    def client(self, *args: Any, **options: Any) -> Any:
        """Return a client as boto3 does. `endpoint_url` is the sandbox unless the options set another."""
        return super().client(*args, **{"endpoint_url": self._url, **options})

    def resource(self, *args: Any, **options: Any) -> Any:
        """Return a resource as boto3 does. `endpoint_url` is the sandbox unless the options set another."""
        return super().resource(*args, **{"endpoint_url": self._url, **options})
