"""`dsops import sso`: write every permission set of a login to IAM Identity Center as a store."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from contextlib import nullcontext

from dsops.aws.identity.ambient_files import content
from dsops.aws.sso_accounts import Assignments
from dsops.aws_config.profiles import SourceText
from dsops.aws_config.store_block import MergedStores, NamedRole, SsoLogin, merge_stores
from dsops.aws_config.store_names import DEFAULT_TEMPLATE, GrantedRole, check_template
from dsops.cli.framework.command import Arguments, Command, Flag
from dsops.cli.framework.file_writing import replace_file
from dsops.cli.framework.login_choice import choose_from
from dsops.cli.framework.output import Json, answer, answer_json, answer_sentence, note
from dsops.cli.framework.process_runtime import DONE
from dsops.cli.setup.allow import remember_written
from dsops.cli.setup.import_choice import PICK, check_terminal, choose_new
from dsops.config.file_lock import locked
from dsops.config.layers import user_file
from dsops.errors import ConfigUnreadable, NotAssigned, UsageError, Where
from dsops.pipeline.execution import carry_out
from dsops.pipeline.logins import choose_login, logins_of_aws_files
from dsops.pipeline.profiles import read_aws_profiles
from dsops.runtime import Event, Runtime
from dsops.stores.login_groups import RequestedLogin, list_login
from dsops.text import clean, counted
from dsops.user_folders import shown_path

_BACKUP = ".before-dsops"
_MOST_SHOWN = 20


def _run(arguments: Arguments, runtime: Runtime) -> int:
    template = check_template(arguments.text("--name") or DEFAULT_TEMPLATE)
    path = _path(arguments, runtime)
    if arguments.switch(PICK.name):
        check_terminal(arguments, runtime)
    login = _login(arguments, runtime)
    assignments = carry_out(list_login(login, runtime, _progress(runtime)), runtime)
    runtime.report(DONE)
    if not assignments.listed and not assignments.failures:
        raise NotAssigned(
            f"{login.session.shown} has no permission set in any account",
            why="the access portal lists no account, so no file was changed",
            hint="an administrator of Identity Center can assign permission sets",
        )
    is_dry = arguments.switch("--dry-run")
    only, left = None, 0
    if arguments.switch(PICK.name):
        only, left = _choice(path, login, assignments, template, runtime)
    with nullcontext() if is_dry else locked(path):
        merged = _merged(path, login, assignments, template, runtime, is_dry=is_dry, only=only)
    shown = shown_path(path, runtime.environ)
    if arguments.switch("--json"):
        answer_json(_value(path, merged, assignments, is_dry=is_dry))
    else:
        _show(shown, merged, is_dry=is_dry)
    for role in merged.in_use:
        note(f"store `{role.name}` stays: its permission set is not yours any more, but {shown} uses the store")
    if arguments.text("--name") and merged.kept:
        note(f"stores that were there keep their names; remove their lines from {shown} for names by the template")
    if left:
        note(f"{counted(left, 'permission set')} not chosen: `dsops import sso` without `--pick` adds all of them")
    _raise_failure(assignments)
    return 0


def _choice(
    path: str, login: RequestedLogin, assignments: Assignments, template: str, runtime: Runtime
) -> tuple[frozenset[tuple[str, str]], int]:
    """Return which new stores the user chooses, and how many are left out.

    The file is read without the lock, because the user may take a long time.
    """
    whole = _merged(path, login, assignments, template, runtime, is_dry=True)
    if not whole.added:
        note("there is nothing to choose: each permission set of the login is a store already")
        return frozenset(), 0
    names = {each.account.account_id: each.account.name for each in assignments.listed}
    chosen = choose_new(whole.added, names, runtime)
    return chosen, len(whole.added) - len(chosen)


def _path(arguments: Arguments, runtime: Runtime) -> str:
    out = arguments.text("--out")
    path = os.path.join(runtime.folder, out) if out else user_file(runtime.environ)
    if not path:
        raise UsageError("there is no home folder for your own stores", hint="name a file: `--out FILE`")
    return os.path.realpath(path)


def _login(arguments: Arguments, runtime: Runtime) -> RequestedLogin:
    # Only ~/.aws/config is read: a dsops.yaml must not decide which address receives the token.
    start_url = arguments.text("--start-url")
    logins = logins_of_aws_files(runtime)
    is_forced = arguments.switch(PICK.name)
    login = choose_login(
        logins, start_url, "import sso", lambda known: choose_from(known, arguments, runtime, is_forced=is_forced)
    )
    if login is None:
        at = f" at {clean(start_url)}" if start_url else ""
        hint = f"dsops login --start-url {clean(start_url)}" if start_url else "dsops login"
        raise UsageError(f"~/.aws/config has no login{at}", hint=f"log in first: `{hint}`")
    return login


def _progress(runtime: Runtime) -> Callable[[int, int], None]:
    def report(listed: int, accounts: int) -> None:
        runtime.report(Event("accounts.listed", {"count": str(listed), "of": str(accounts)}))

    return report


def _merged(
    path: str,
    login: RequestedLogin,
    assignments: Assignments,
    template: str,
    runtime: Runtime,
    *,
    is_dry: bool,
    only: Collection[tuple[str, str]] | None = None,
) -> MergedStores:
    """Merge the stores into the file, and write the file unless `is_dry`."""
    old = content(path) if os.path.lexists(path) else None
    shown = shown_path(path, runtime.environ)
    session = login.session
    merged = merge_stores(
        SourceText(text=_text(old or b"", shown), shown=shown),
        SsoLogin(session.name, session.start_url, session.region),
        [
            GrantedRole(each.account.account_id, each.account.name, role)
            for each in assignments.listed
            for role in each.roles
        ],
        template=template,
        unknown_accounts={account.account_id for account, _ in assignments.failures},
        reserved=_profiles(runtime),
        only=only,
    )
    new = merged.text.encode()
    if not is_dry and new != old:
        kept = replace_file(path, old, new, _BACKUP)
        if old is None and path != os.path.realpath(user_file(runtime.environ)):
            remember_written(path, new, runtime)
        if kept:
            note(f"the old file is saved as {shown_path(kept, runtime.environ)}")
    return merged


def _text(data: bytes, shown: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigUnreadable(f"{shown} is not UTF-8", hint="save it as UTF-8", where=Where(shown, line)) from None


def _profiles(runtime: Runtime) -> Mapping[str, tuple[str, str]]:
    """Return the permission set of each profile.

    A store may have the name of a profile only if it has the same permission set.
    """
    profiles = read_aws_profiles(runtime)[0].by_name.values()
    return {profile.name: (profile.text("sso_account_id"), profile.text("sso_role_name")) for profile in profiles}


def _show(shown: str, merged: MergedStores, *, is_dry: bool) -> None:
    most = None if is_dry else _MOST_SHOWN
    for sign, roles in (("-", merged.removed), ("+", merged.added)):
        for role in roles[:most]:
            answer(clean(f"{sign} {role.name}  {role.account_id} {role.role_name}"))
        if most is not None and len(roles) > most:
            answer(f"{sign} ... and {len(roles) - most} more")
    total = len(merged.added) + len(merged.kept) + len(merged.in_use)
    changes = f"{len(merged.added)} new, {len(merged.removed)} gone, {len(merged.kept) + len(merged.in_use)} as before"
    doing = "would have" if is_dry else "has"
    answer_sentence(f"{shown} {doing} {counted(total, 'store')} of this login: {changes}")
    if not is_dry and merged.added:
        answer_sentence(f"try `dsops exec {merged.added[0].name} -- aws sts get-caller-identity`")


def _value(path: str, merged: MergedStores, assignments: Assignments, *, is_dry: bool) -> Json:
    def values(roles: tuple[NamedRole, ...]) -> list[Json]:
        return [role._asdict() for role in roles]

    return {
        "file": path,
        "is_written": not is_dry,
        "added": values(merged.added),
        "removed": values(merged.removed),
        "kept": values(merged.kept),
        "in_use": values(merged.in_use),
        "not_listed": [
            {"account_id": account.account_id, "account_name": account.name, "code": error.code, "why": error.message}
            for account, error in assignments.failures
        ],
    }


def _raise_failure(assignments: Assignments) -> None:
    """Raise the error of the first account that could not be listed; its message names all such accounts."""
    if not assignments.failures:
        return
    for account, error in assignments.failures[1:_MOST_SHOWN]:
        note(f"account {account.account_id} ({account.name}) could not be listed: {error.message}")
    if len(assignments.failures) > _MOST_SHOWN:
        note(f"{len(assignments.failures) - _MOST_SHOWN} more accounts could not be listed")
    account, error = assignments.failures[0]
    number = len(assignments.failures)
    what = f"account {account.account_id} ({account.name})"
    what = what if number == 1 else f"{what} and {number - 1} more"
    error.retell(
        clean(f"{what} could not be listed: {error.message}"),
        why=error.why or "the stores of an account that is not listed stay as they are",
        hint="run `dsops import sso` again",
    )
    raise error


SSO = Command(
    help=(
        "Write a store for every account and permission set that a login may use.\n"
        "\n"
        "Log in first with `dsops login`. The stores are written into your own ~/.config/dsops/dsops.yaml,\n"
        "so that `dsops exec NAME` works in every folder, or into --out FILE.\n"
        "\n"
        "Each store is one line between two comments. The next import adds a line for each new permission\n"
        "set, and removes the lines of those that you can no longer use. A line that stays keeps the name,\n"
        "settings and comments that you gave it. Stores outside of the two comments are never changed, nor\n"
        "are the stores of an account that can't be listed. The old file is saved as .before-dsops.\n"
        "\n"
        "With --pick, you choose the new stores from a list. Nothing else is added, and nothing is removed."
    ),
    run=_run,
    flags=(
        Flag(
            "--start-url",
            "the login to use, by the address of its access portal, if ~/.aws/config has several logins",
            value="URL",
            own_variable="DSOPS_LOGIN_START_URL",
        ),
        PICK,
        Flag(
            "--out",
            "write into this file instead of your own dsops.yaml",
            value="FILE",
            own_variable="DSOPS_IMPORT_SSO_OUT",
        ),
        Flag(
            "--name",
            f"template for the names of new stores; may also contain {{account_id}} (default {DEFAULT_TEMPLATE})",
            value="TEMPLATE",
            own_variable="DSOPS_IMPORT_SSO_NAME",
        ),
        Flag("--dry-run", "show all changes, and write nothing", "switch", own_variable="DSOPS_IMPORT_SSO_DRY_RUN"),
    ),
)
