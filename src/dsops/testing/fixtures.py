"""The implementation of the pytest fixtures. The first test that uses a fixture imports this module."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dsops.errors import AssumeRoleDenied
from dsops.testing.session import assume_role

if TYPE_CHECKING:
    from dsops.secret import Secret
    from dsops.testing.local_aws import Identity, LocalAws
    from dsops.testing.policies import Document


class Assume:
    """Assumes roles in one sandbox over HTTP, with dsops' own client."""

    def __init__(self, sandbox: LocalAws) -> None:
        self._sandbox = sandbox

    def __call__(
        self,
        role_arn: str,
        *,
        by: Identity | None = None,
        session_name: str = "test",
        duration_seconds: int | None = None,
        external_id: str | Secret = "",
        serial_number: str = "",
        token_code: str | Secret = "",
        policy: Document | str = "",
        policy_arns: tuple[str, ...] = (),
        tags: Mapping[str, str] | None = None,
        transitive_tag_keys: tuple[str, ...] = (),
        source_identity: str = "",
    ) -> Identity:
        """Assume the role and return its session. The caller is `by`, or the sandbox's default user.

        Raises AssumeRoleDenied, MfaRefused or StsRefused with AWS's message in `aws`.
        """
        caller = by or self._sandbox.user()
        try:
            credentials = assume_role(
                caller.url,
                caller.region,
                caller.credentials,
                role_arn,
                session_name=session_name,
                duration_seconds=duration_seconds,
                external_id=external_id,
                serial_number=serial_number,
                token_code=token_code,
                policy=policy if isinstance(policy, str) else json.dumps(policy),
                policy_arns=policy_arns,
                tags=tuple((tags or {}).items()),
                transitive_tag_keys=transitive_tag_keys,
                source_identity=source_identity,
            )
        except AssumeRoleDenied as error:
            # AWS's message does not give the reason. The note tells the reader of a failing test where to find it.
            error.add_note("the sandbox knows the reason: `sandbox.decisions()[-1]`")
            raise
        return caller.with_credentials(credentials)
