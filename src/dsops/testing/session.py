"""Call a sandbox with dsops' own client, so that tests need no boto3."""

from __future__ import annotations

import os
from collections.abc import Coroutine
from typing import Any, TypeVar

from dsops.aws.apis import sts
from dsops.aws.http.call import Client, make_client
from dsops.aws.http.transport import open_driver
from dsops.credentials import Credentials
from dsops.endpoint import Endpoint, resolve_endpoint
from dsops.runtime import Runtime, ignore, no_prompt, utc_now
from dsops.secret import Secret
from dsops.tasks import run

T = TypeVar("T")


def assume_role(
    url: str,
    region: str,
    by: Credentials,
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
) -> Credentials:
    """Assume a role in the sandbox at that URL; return the credentials of the role session."""
    assumed = _run(
        sts.assume_role(
            _client(),
            by,
            _sts_of(url, region),
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
    return assumed.credentials


def caller_arn(url: str, region: str, credentials: Credentials) -> str:
    """Return the ARN from the response of GetCallerIdentity for these credentials."""
    return _run(sts.get_caller_identity(_client(), credentials, _sts_of(url, region))).arn


def _sts_of(url: str, region: str) -> Endpoint:
    return resolve_endpoint("sts", region, {}, endpoint_url=url)


def _client() -> Client:
    """Return a client without environment variables: it ignores the machine's proxy and certificate settings."""
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
