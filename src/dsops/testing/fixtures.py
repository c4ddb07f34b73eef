"""What the fixtures are made of, imported by the first test that asks for one."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

from dsops.errors import AssumeRoleDenied, ExtraMissing
from dsops.extras import install_command

try:
    from dsops.sandbox.launch import open_server, read_seed_file
    from dsops.sandbox.seed_model import Seed
    from dsops.sandbox.seedfile import read_seed
except ModuleNotFoundError as error:
    raise ExtraMissing(
        "the sandbox is not installed",
        why=f"{error.name} is missing",
        hint=f"install it: {install_command('sandbox')}",
    ) from error
from dsops.testing.local_aws import LocalAws
from dsops.testing.session import assume_role

if TYPE_CHECKING:
    from dsops.secret import Secret
    from dsops.testing.local_aws import Identity
    from dsops.testing.policies import Document

SeedLike = str | Mapping[str, object] | os.PathLike[str] | Seed | None


def open_sandbox(seed: SeedLike, folder: os.PathLike[str]) -> LocalAws:
    """A sandbox with that seed; it serves in the `with` block. There is one at a time in a process.

    Raises SeedInvalid with every line that is wrong.
    """
    return LocalAws(open_server(_read(seed, folder)))


def _read(seed: SeedLike, folder: os.PathLike[str]) -> Seed:
    if seed is None:
        return Seed()
    if isinstance(seed, Seed):
        return seed
    if isinstance(seed, str):
        return read_seed(seed, "the test's seed", os.fspath(folder))
    if isinstance(seed, Mapping):
        # JSON is YAML, and the lines of its problems can be counted.
        return read_seed(json.dumps(seed, indent=2), "the test's seed", os.fspath(folder))
    return read_seed_file(os.path.join(folder, seed))


class Assume:
    """Assumes roles in one sandbox, over HTTP, with dsops' own client."""

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
        """The role's session; `by` is who asks, the sandbox's default user if nobody is named.

        Raises AssumeRoleDenied, MfaRefused or StsRefused with AWS's own words in `aws`.
        """
        try:
            return assume_role(
                by or self._sandbox.user(),
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
            # AWS's answer says nothing of the reason; a test that failed by it should lead there.
            error.add_note("the sandbox knows the reason: `sandbox.decisions()[-1]`")
            raise
