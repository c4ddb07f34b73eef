"""The flags of `dsops plan --check`."""

from __future__ import annotations

from typing import Final

from dsops.cli.framework.command import Arguments, Flag
from dsops.errors import UsageError


def _flag(name: str, help_text: str, value: str, *, repeatable: bool = True) -> Flag:
    variable = "DSOPS_PLAN_" + name.removeprefix("--").replace("-", "_").upper()
    return Flag(name, help_text, value=value, own_variable=variable, is_repeatable=repeatable)


CHECK = Flag(
    "--check",
    "evaluate whether the policies in the named files allow each hop",
    "switch",
    own_variable="DSOPS_PLAN_CHECK",
)
TRUST_POLICY = _flag(
    "--trust-policy", "the trust policy of a role: ROLE is an ARN, a name or a store; may be repeated", "ROLE=FILE"
)
IDENTITY_POLICY = _flag(
    "--identity-policy", "a policy of a role (ARN, name or store) or of a user (ARN); may be repeated", "WHO=FILE"
)
POLICIES = _flag(
    "--policies",
    (
        "users and roles with their policies: a sandbox's seed, a CloudFormation template, or what `aws iam "
        "get-account-authorization-details` or `terraform show -json` prints; may be repeated"
    ),
    "FILE",
)
CALLER = _flag("--caller", "the user or role that has the base credentials", "ARN", repeatable=False)
SANDBOX = _flag("--sandbox", "read the other policies from a sandbox on this machine", "URL", repeatable=False)
FLAGS: Final = (CHECK, CALLER, TRUST_POLICY, IDENTITY_POLICY, POLICIES, SANDBOX)


def refuse_without_check(arguments: Arguments) -> None:
    """Raises UsageError for flags that have an effect only with `--check`."""
    for flag in FLAGS[1:]:
        if arguments.text(flag.name):
            raise UsageError(f"{flag.name} has no effect without `--check`", hint="add `--check`")
