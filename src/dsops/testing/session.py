"""Calls to a sandbox with dsops' own client, so that boto3 is not needed."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from dsops.aws.apis import sts
from dsops.aws.http.client import Client, make_client
from dsops.aws.http.transport import open_driver
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.runtime import Runtime, ignore, no_prompt, utc_now
from dsops.secret import Secret
from dsops.tasks import run

if TYPE_CHECKING:
    from dsops.testing.local_aws import Identity

T = TypeVar("T")


def assume_role(
    by: Identity,
    role_arn: str,
    *,
    session_name: str,
    duration_seconds: int | None,
    external_id: str | Secret,
    serial_number: str,
    token_code: str | Secret,
    policy: str,
    policy_arns: tuple[str, ...],
    tags: tuple[tuple[str, str], ...],
    transitive_tag_keys: tuple[str, ...],
    source_identity: str,
) -> Identity:
    """Assume a role; return its session as an identity in the caller's sandbox."""
    assumed = _run(
        sts.assume_role(
            _client(),
            by.credentials,
            _sts_of(by),
            role_arn=role_arn,
            role_session_name=session_name,
            duration_seconds=duration_seconds,
            external_id=_secret(external_id),
            serial_number=serial_number,
            token_code=_secret(token_code),
            policy=policy,
            policy_arns=policy_arns,
            tags=tags,
            transitive_tag_keys=transitive_tag_keys,
            source_identity=source_identity,
        )
    )
    return by.with_credentials(assumed.credentials)


def caller_arn(identity: Identity) -> str:
    """Return the ARN that GetCallerIdentity returns for these credentials."""
    return _run(sts.get_caller_identity(_client(), identity.credentials, _sts_of(identity))).arn


def _sts_of(identity: Identity) -> Endpoint:
    return resolve_endpoint("sts", identity.region, {}, endpoint_url=identity.url)


def _client() -> Client:
    """Return a client with an empty environment: no proxy and no certificates of the machine."""
    return make_client(
        Runtime(environ={}, now=utc_now, ask=no_prompt, report=ignore, random=lambda: 0.0, folder=os.sep, timestamp=""),
        attempts=1,
    )


def _run(work: Coroutine[Any, Any, T]) -> T:
    return run(work, open_driver({}))


def _secret(value: str | Secret) -> Secret | None:
    if not value:
        return None
    return value if isinstance(value, Secret) else Secret(value)
