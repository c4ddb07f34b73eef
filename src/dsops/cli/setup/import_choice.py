"""Lets the user of `dsops import sso` choose a login, and permission sets, from lists on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from dsops.aws_config.store_block import NamedRole
from dsops.cli.framework.command import Arguments, Flag
from dsops.errors import UsageError
from dsops.runtime import Choice, Runtime

PICK = Flag(
    "--pick",
    "choose the permission sets (and the login, if there are several) from a list on the terminal",
    "switch",
    own_variable="DSOPS_IMPORT_SSO_PICK",
)


def check_terminal(arguments: Arguments, runtime: Runtime) -> None:
    """Raise UsageError for `--pick` if no list can be shown, before the accounts are listed."""
    from dsops.cli.framework.picker.terminal import has_terminal

    if arguments.switch("--json") or not has_terminal(runtime.environ):
        raise UsageError(
            "`--pick` needs a terminal, to show a list and read a choice",
            why="there is no terminal, or the process runs in the background, in CI or with `--json`",
            hint="leave out `--pick`: then every permission set becomes a store",
        )


def choose_new(
    roles: Sequence[NamedRole], account_names: Mapping[str, str], runtime: Runtime
) -> frozenset[tuple[str, str]]:
    """Return the account and permission set of each store that the user chooses.

    Raises KeyboardInterrupt if the user chooses none.
    """
    from dsops.cli.framework.picker.terminal import pick_several
    from dsops.cli.framework.prompt import ask_text

    offered = {_permission_set(role, account_names): role for role in roles}
    chosen = pick_several("permission sets", tuple(offered), runtime.environ, ask=ask_text)
    return frozenset((offered[choice].account_id, offered[choice].role_name) for choice in chosen)


def _permission_set(role: NamedRole, account_names: Mapping[str, str]) -> Choice:
    return Choice(role.name, f"{role.account_id} {account_names.get(role.account_id, '')} {role.role_name}")
